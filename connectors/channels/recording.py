"""A channel that sends nothing and remembers everything: an ordinary adapter, for tests and dry runs."""

from __future__ import annotations

import threading
from collections import deque
from enum import StrEnum

from gateway.model.consent import ChannelKind
from gateway.model.errors import Refused, Unavailable, Unknown
from gateway.model.request import Protection
from gateway.ports import Clock, Envelope, Handover, Options


class Answer(StrEnum):
    """What the other side does with one message."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    UNAVAILABLE = "unavailable"
    LOSE = "lose"  # Unknown, and it was never accepted
    KEEP_SILENT = "keep-silent"  # Unknown, and it was accepted


class RecordingChannel:
    """`ports.Channel` in memory. `envelopes`: what the other side has, in order; `offered`: all it was shown.

    Options: `kind` (email by default) and `timeout` (seconds). Answers given to `will` are used up one a send,
    then everything is accepted. Thread-safe.
    """

    def __init__(self, name: str = "recording", options: Options | None = None, clock: Clock | None = None) -> None:
        told = dict(options or {})
        self.name = name
        self.kind = ChannelKind(str(told.get("kind", ChannelKind.EMAIL)))
        self.timeout = float(str(told.get("timeout", 1.0)))
        self.envelopes: list[Envelope] = []
        self.offered: list[Envelope] = []
        self.closed = False
        self.protection: Protection | None = None  # what it says of what it takes
        self._clock = clock
        self._answers: deque[Answer] = deque()
        self._lock = threading.Lock()

    def will(self, *answers: Answer) -> None:
        """Script the next sends."""
        with self._lock:
            self._answers.extend(answers)

    def send(self, envelope: Envelope) -> Handover:
        """Remember `envelope` and answer as scripted. Raises ClearanceError, Refused, Unavailable or Unknown."""
        envelope.verify()
        with self._lock:
            self.offered.append(envelope)
            answer = self._answers.popleft() if self._answers else Answer.ACCEPT
            if answer in (Answer.ACCEPT, Answer.KEEP_SILENT):
                self.envelopes.append(envelope)
        return self._reply(answer, envelope)

    def _reply(self, answer: Answer, envelope: Envelope) -> Handover:
        match answer:
            case Answer.REFUSE:
                raise Refused("RCPT: answered 550")
            case Answer.UNAVAILABLE:
                raise Unavailable("connecting: no connection")
            case Answer.LOSE | Answer.KEEP_SILENT:
                raise Unknown("the line was lost after the final dot")
            case Answer.ACCEPT:
                return Handover(provider_id=f"recorded-{envelope.communication}", protection=self.protection)

    def close(self) -> None:
        """Nothing is held open; `closed` remembers that it was asked."""
        self.closed = True
