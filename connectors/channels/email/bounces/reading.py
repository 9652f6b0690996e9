"""One message that came back, from whatever door: read, told to the inbox, and only then taken (law 1); it is never answered (EM-27)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from connectors.channels.email.bounces.receipts import receipts
from connectors.channels.email.bounces.reports import read_report
from connectors.channels.email.tokens import Tokens
from gateway.ports import Clock, Inbox
from gateway.telemetry import log


class Taken(StrEnum):
    """What became of it."""

    TOLD = "told"
    NOT_OURS = "not-ours"  # no message of ours: backscatter, or made up
    NO_REPORT = "no-report"  # a vacation note, spam, a bounce of a shape nobody standardised


class Reading:
    """Thread-safe; `take` blocks until the inbox has committed."""

    def __init__(self, inbox: Inbox, tokens: Tokens, clock: Clock) -> None:
        self._inbox = inbox
        self._clock = clock
        self.tokens = tokens

    def take(self, raw: bytes, sent_to: Sequence[str], *, most: int) -> Taken:
        """Read one message of at most `most` bytes. Raises StoreError: then it must be offered again."""
        report = read_report(raw, most=most)
        if report is None:
            taken = Taken.NO_REPORT
        else:
            found = receipts(report, self.tokens, sent_to=tuple(sent_to), at=self._clock.now())
            ours = [self._inbox.receipt(one) for one in found]
            taken = Taken.TOLD if any(ours) else Taken.NOT_OURS
        log().info(f"bounces.{taken}", size=len(raw))
        return taken
