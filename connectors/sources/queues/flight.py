"""Deliveries on their way: offered in order, and settled once every message of theirs is committed or kept for a person."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.sources.queues.link import Delivery
from gateway.model.event import Outcome, RawMessage, Result


@dataclass(slots=True)
class Desk:
    """The `ReplyTo` of one pump: rings its bell at each answer, on the intake's thread."""

    bell: threading.Event

    def answered(self, outcomes: Sequence[tuple[object, Outcome]]) -> None:
        """Hand each outcome to its flight."""
        for ticket, outcome in outcomes:
            assert isinstance(ticket, _Ticket)
            ticket.flight.answer(ticket.place, outcome)
        self.bell.set()


@dataclass(frozen=True, slots=True)
class _Ticket:
    flight: Flight
    place: int


class Flight:
    """A batch of one link. Offered by the pump's thread, answered by the intake's."""

    def __init__(self, deliveries: Sequence[Delivery], messages: Sequence[RawMessage]) -> None:
        self.deliveries = deliveries
        self._messages = messages
        self._unoffered = list(range(len(messages)))
        self._open = len(messages)
        self._failed: list[int] = []
        self._lock = threading.Lock()

    def next(self) -> tuple[RawMessage, _Ticket] | None:
        """The message that is to be offered now; None: all are with the intake."""
        if not self._unoffered:
            return None
        place = self._unoffered[0]
        return self._messages[place], _Ticket(self, place)

    def offered(self) -> None:
        """The intake took it."""
        del self._unoffered[0]

    def answer(self, place: int, outcome: Outcome) -> None:
        """What became of one message: FAILED is trouble of ours, and nothing was stored (A-04)."""
        with self._lock:
            self._open -= 1
            if outcome.result is Result.FAILED:
                self._failed.append(place)

    @property
    def stored(self) -> bool:
        """Whether nothing of it is left to do here."""
        with self._lock:
            return not self._open and not self._failed

    @property
    def failed(self) -> bool:
        """Whether all of it was answered, and some of it not stored."""
        with self._lock:
            return not self._open and bool(self._failed)

    def again(self) -> None:
        """Offer once more, in order, what was not stored."""
        with self._lock:
            self._unoffered, self._failed = sorted(self._failed), []
            self._open = len(self._unoffered)
