"""No recipient's domain is called upon by too many at a time, nor too often in a minute, whatever the outbox holds."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.model.errors import Unavailable

_MINUTE = 60.0
_DOMAINS = 10_000  # remembered at most, those called upon last


@dataclass(slots=True)
class _Domain:
    busy: int = 0
    taken: deque[float] = field(default_factory=deque)


class Limits:
    """`at_a_time` conversations and `per_minute` messages for each domain; None: as many as there are."""

    def __init__(self, *, at_a_time: int | None, per_minute: int | None, patience: float) -> None:
        self._at_a_time = at_a_time
        self._per_minute = per_minute
        self._patience = patience
        self._free = threading.Condition()
        self._domains: OrderedDict[str, _Domain] = OrderedDict()

    @contextmanager
    def turn(self, domain: str) -> Iterator[None]:
        """One message's turn. Raises Unavailable when a minute's share is used up, or none is free after `patience` seconds."""
        if self._at_a_time is None and self._per_minute is None:
            yield
            return
        with self._free:
            self._take(domain)
        try:
            yield
        finally:
            with self._free:
                self._domains[domain].busy -= 1
                self._free.notify_all()

    def _take(self, domain: str) -> None:
        if not self._free.wait_for(lambda: self._has_room(domain), self._patience):
            raise Unavailable("the domain's connections were busy")
        found = self._of(domain)
        if self._per_minute is not None:
            now = time.monotonic()
            while found.taken and found.taken[0] <= now - _MINUTE:
                found.taken.popleft()
            if len(found.taken) >= self._per_minute:
                raise Unavailable("the domain's messages of this minute were sent")
            found.taken.append(now)
        found.busy += 1

    def _has_room(self, domain: str) -> bool:
        return self._at_a_time is None or self._of(domain).busy < self._at_a_time

    def _of(self, domain: str) -> _Domain:
        found = self._domains.setdefault(domain, _Domain())
        self._domains.move_to_end(domain)
        if len(self._domains) > _DOMAINS:
            oldest = next((name for name, one in self._domains.items() if not one.busy), None)
            if oldest not in (None, domain):
                del self._domains[str(oldest)]
        return found
