"""Of several gateways on one database one reads a source's streams at a time, for Redis would spread one patient's messages over all."""

from __future__ import annotations

import time
from contextlib import suppress

from gateway.model.errors import StoreError
from gateway.model.when import Millis
from gateway.ports import Clock, Notes

_NAME = "stream"


class Turn:
    """A named lease, renewed when a third of it is over. `span`: seconds. Without notes there is nobody else.

    `pause`: seconds between two tries while another has it, or the database is away.
    """

    def __init__(self, notes: Notes | None, clock: Clock, span: float, *, pause: float = 1.0) -> None:
        self._notes, self._clock, self._span, self._pause = notes, clock, int(1000 * span), pause
        self._until: Millis = 0
        self._ask_at = 0.0

    def ours(self) -> bool:
        """Whether we read now. Not while the database is away and the lease ran out: another may have it."""
        now = self._clock.now()
        if self._notes is None or self._until - now > self._span * 2 // 3:
            return True
        if time.monotonic() >= self._ask_at:
            self._ask(self._notes, now)
        return self._until - now > self._span // 3  # enough for what is begun now

    def _ask(self, notes: Notes, now: Millis) -> None:
        try:
            self._until = now + self._span if notes.hold(_NAME, now + self._span) else 0
            if self._until:
                return
        except StoreError:
            pass
        self._ask_at = time.monotonic() + self._pause

    def over(self) -> None:
        """Another gateway need not wait for its end."""
        if self._notes is not None and self._until:
            self._until = 0
            with suppress(StoreError):
                self._notes.hold(_NAME, self._clock.now())
