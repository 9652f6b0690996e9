"""Of several processes one exports, and goes on only as long as it is that one and nobody stops it."""

from __future__ import annotations

import threading

from connectors.sources.fhir.bulk.job import Desk
from gateway.model.errors import Busy
from gateway.ports import Clock

_LEASE = 900.0  # seconds; renewed with every look and every window
_SLICE = 60.0  # seconds that are slept at a time, so that the lease does not end meanwhile


class Watch:
    """Asked before every step."""

    def __init__(self, stopping: threading.Event, desk: Desk, clock: Clock) -> None:
        self._stopping = stopping
        self._desk = desk
        self._clock = clock

    def held(self) -> bool:
        """Whether we are the one that exports, from now for a while."""
        return self._desk.hold(self._clock.now() + int(1000 * _LEASE))

    def alive(self) -> None:
        """Raises Busy when we are to stop, or another one exports."""
        if self._stopping.is_set():
            raise Busy("the source is stopping")
        if not self.held():
            raise Busy("another process exports from this server")

    def slept(self, seconds: float) -> None:
        """So long nothing is done; Busy as `alive`."""
        left = seconds
        while left > 0:
            self.alive()
            if self._stopping.wait(min(left, _SLICE)):
                raise Busy("the source is stopping")
            left -= _SLICE
