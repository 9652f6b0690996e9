"""Counts what deserves a look on a source and logs it, at most one line a second of each kind; never what was received."""

from __future__ import annotations

import time
from collections import Counter

from gateway.telemetry import log


class Tally:
    """What happened on one source since the start, by event name. A flood must not flood the log."""

    def __init__(self, source: str) -> None:
        self.counts: Counter[str] = Counter()
        self._source = source
        self._untold: Counter[str] = Counter()
        self._told: dict[str, float] = {}

    def tell(self, event: str, count: int = 1, **fields: object) -> None:
        """Count it, and log it with what came since the last line of its kind."""
        self.counts[event] += count
        self._untold[event] += count
        now = time.monotonic()
        if now >= self._told.get(event, now):
            self._told[event] = now + 1.0
            log().warning(event, source=self._source, count=self._untold.pop(event), **fields)
