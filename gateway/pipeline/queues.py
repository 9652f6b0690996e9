"""How far behind its queue at a broker each feed is: the processes that read it write down what they see, all others read that.

Nothing is decided about a person by it, and it is exempt from law 2 by name ("feed counters"). Of several gateways on one
queue the newest look at what waits counts, and what they took adds up; a process that tells nothing any more is forgotten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, delete, select

from gateway import telemetry
from gateway.model.errors import StoreError
from gateway.model.when import HOUR, MINUTE, Millis
from gateway.ports import Lags, QueueState
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader

AWAY: Final[Millis] = 5 * MINUTE
"""A broker that restarts, or a partition that moves, is no alarm."""
STALE: Final[Millis] = 2 * MINUTE
_COLUMNS = ("source", "holder", "at", "lost", "looked", "waiting", "oldest", "taken", "again", "said")
_q = tables.feed_queue.c

FRESH = Statement(
    "feed_queue.fresh",
    select(*(_q[name] for name in _COLUMNS if name != "holder")).where(_q.at > bindparam("since")),
    params=("since",),
)
_FORGET = Statement(
    "feed_queue.forget",
    delete(tables.feed_queue).where(_q.at <= bindparam("since")),
    params=("since",),
    exempt=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What is known of a feed's queue. `lost`: since when no gateway is connected (Millis UTC), None while one is; `said`: why.

    `waiting`: messages that are not settled, `oldest`: since when the oldest of them waits, `age` how long, Millis; None:
    not known, or none do. `taken` and `again`: messages within the last hour, and those of them that the broker had
    given out before, `redelivered` as a share, 0 to 1.
    """

    lost: Millis | None
    waiting: int | None
    oldest: Millis | None
    age: Millis | None
    taken: int
    again: int
    redelivered: float | None
    said: str = ""

    def behind(self, now: Millis, after: Millis) -> Millis | None:
        """Since when somebody must look: nobody is connected, or what waits is older than `after`; None: all is well."""
        if self.lost is not None and self.lost <= now - AWAY:
            return self.lost
        return self.oldest if self.oldest is not None and self.oldest <= now - after else None


class _Sample(NamedTuple):
    at: Millis
    taken: int
    again: int
    waiting: int | None


class Seen:
    """One process's looks at one queue within an hour; pure."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque()
        self._before = (0, 0)  # what was taken, and again, before these
        self._lost: Millis | None = None

    def look(self, now: Millis, state: QueueState) -> tuple[Any, ...] | None:
        """What is to be written down, from `at` on; None before anything is known."""
        first = not self._samples
        self._samples.append(_Sample(now, state.taken, state.again, state.waiting))
        while self._samples[0].at < now - HOUR:
            self._before = self._samples.popleft()[1:3]
        self._lost = None if state.connected else self._lost or now
        if first and not state.connected:
            return None
        taken, again = state.taken - self._before[0], state.again - self._before[1]
        return now, self._lost, state.at, state.waiting, self._oldest(state), taken, again, state.said

    def _oldest(self, state: QueueState) -> Millis | None:
        """As the broker tells; else the first look at which what is next was there already, since the queue was empty last.

        What had come by then is what had been taken and what waited. Others who take from it too make it look older, by
        about as many times as there are takers.
        """
        if not state.waiting or state.since is not None:
            return state.since if state.waiting else None
        found = None
        for one in reversed(self._samples):
            if not one.waiting or one.taken + one.waiting <= state.taken:
                break
            found = one.at
        return found


class QueueLooks:
    """Writes down what the sources of this process see of their queues; to be called every half a minute."""

    def __init__(self, store: Store, sources: Mapping[int, tuple[str, Lags]]) -> None:
        self._store = store
        self._sources = sources
        self._seen = {identity: Seen() for identity in sources}
        self._told = dict.fromkeys(sources, 0)

    def once(self) -> None:
        """One look at each. Raises StoreError."""
        if not self._sources:
            return
        now, rows = self._store.clock.now(), []
        for identity, (name, source) in self._sources.items():
            state = source.queue
            telemetry.count_redelivered(name, state.again - self._told[identity])
            self._told[identity] = state.again
            row = self._seen[identity].look(now, state)
            if row is not None:
                rows.append((identity, self._store.holder, *row))
        with self._store.begin("feed-watch") as uow:
            uow.run(_FORGET, (now - STALE,))
            uow.delete(tables.feed_queue, "holder", [self._store.holder])
            uow.insert(tables.feed_queue, _COLUMNS, rows)
            uow.commit()

    def over(self) -> None:
        """Forget what this process saw, which must not hide what its successor meets; where the database is away it passes by itself."""
        if not self._sources:
            return
        with suppress(StoreError), self._store.begin("feed-watch") as uow:
            uow.delete(tables.feed_queue, "holder", [self._store.holder])
            uow.commit()


def queues(unit: Reader) -> dict[int, Queue]:
    """By row of `source` what is known of its queue; those that somebody reads now."""
    found: dict[int, list[tuple[Any, ...]]] = {}
    for source, *row in unit.all(FRESH, (unit.now - STALE,)):
        found.setdefault(source, []).append(tuple(row))
    return {source: _together(rows, unit.now) for source, rows in found.items()}


def _together(rows: list[tuple[Any, ...]], now: Millis) -> Queue:
    newest = max(rows, key=lambda row: row[2])
    waiting, oldest = newest[3:5]
    lost, taken, again = [row[1] for row in rows], sum(row[5] for row in rows), sum(row[6] for row in rows)
    return Queue(
        lost=None if None in lost else max(lost),
        waiting=waiting,
        oldest=oldest,
        age=None if oldest is None else max(0, now - oldest),
        taken=taken,
        again=again,
        redelivered=again / taken if taken else None,
        said="" if None in lost else max(rows, key=lambda row: row[0])[7],
    )
