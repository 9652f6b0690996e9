"""Who was turned away at the API is audited: the first at once, a flood once a minute with its count."""

from __future__ import annotations

import threading
from collections import Counter

from gateway import telemetry
from gateway.model.access import Refusal
from gateway.model.audit import Action
from gateway.model.errors import CaregateError
from gateway.model.when import MINUTE, Millis
from gateway.store.engine import Store

_Seen = tuple[str, Refusal, str]
_MOST = 100  # callers told apart within a minute; further ones are counted together


class Refusals:
    """Counts by caller, reason and route; never anything the caller said. A row is written by the call that is due.

    Rows a minute are bounded by `_MOST` for those that are new, and one for all that were counted meanwhile.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._minute: Millis = -1
        self._known: set[_Seen] = set()
        self._waiting: Counter[_Seen] = Counter()

    def __call__(self, caller: str, why: Refusal, route: str) -> None:
        """`caller`: an account, or the address it came from; `route` as we name it. Raises nothing but is logged."""
        seen = (caller, why, route)
        with self._lock:
            due = self._turn()
            if seen in self._known:
                self._waiting[seen] += 1
            elif len(self._known) >= _MOST:
                self._waiting["", why, ""] += 1
            else:
                self._known.add(seen)
                due[seen] += 1
        self._write(due)

    def flush(self) -> None:
        """Write what was counted and is not written."""
        with self._lock:
            due, self._waiting = self._waiting, Counter()
        self._write(due)

    def _turn(self) -> Counter[_Seen]:
        """What the minutes before counted, once a new one has begun."""
        minute = self._store.clock.now() // MINUTE
        if minute == self._minute:
            return Counter()
        self._minute, self._known = minute, set()
        due, self._waiting = self._waiting, Counter()
        return due

    def _write(self, due: Counter[_Seen]) -> None:
        if not due:
            return
        entries = [(Action.ACCESS_REFUSED, why, route, caller, count) for (caller, why, route), count in due.items()]
        try:
            with self._store.begin("api") as uow:
                uow.audit(sorted(entries))
                uow.commit()
        except CaregateError as error:
            telemetry.log().error("access.unwritten", error=type(error).__name__, count=due.total())
            with self._lock:
                self._waiting.update(due)
