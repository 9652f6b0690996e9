"""A silent feed is marked where every worker sees it, holds what depends on it, and lets go when it speaks again.

Each change of state is audited in its own unit. What is held says `feed-silent`; once the feed was heard, or a person
excused its silence, it is judged again by every gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, text

from gateway import telemetry
from gateway.model.audit import Action
from gateway.model.verdict import Reason
from gateway.model.when import HOUR, MINUTE, Millis
from gateway.pipeline import habits, tallying
from gateway.pipeline.habits import Habit, slot_of
from gateway.pipeline.releasing import let_go
from gateway.pipeline.site import Site, SourceEntry
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

_PAUSE: Millis = 5 * MINUTE
_SETTLES: Millis = 15 * MINUTE  # longer than any unit of work
_RELEASES = 200  # requests of one unit
_ACTOR = "feed-watch"
_r, _o, _s = tables.request.c, tables.occurrence.c, tables.feed_slot.c

SLOTS = Statement(
    "feed_slot.of",
    select(_s.slot, _s.messages).where(_s.source == bindparam("of_source"), _s.slot >= bindparam("since")),
    params=("of_source", "since"),
)
# written out, not bound, and nothing said of the state: only so does the little index serve
_WAITS = text("request.reason = 'feed-silent'")
WAITING = Statement(
    "request.feed-silent",
    select(_r.id, _r.patient, _r.due, _o.source)
    .select_from(tables.request.join(tables.occurrence, _o.id == _r.occurrence))
    .where(_WAITS, _r.id > bindparam("after"))
    .order_by(_r.id)
    .limit(bindparam("limit")),
    params=("after", "limit"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """How a feed stands. Times are Millis UTC; `due`: when it is to be called silent if nothing comes."""

    id: int
    held: bool
    first: Millis | None
    last: Millis | None
    watched: Millis | None
    resumed: Millis | None
    silent_since: Millis | None
    excused_until: Millis | None

    COLUMNS = ("id", "held", "first_received", "last_received", "watched", "resumed", "silent_since", "excused_until")

    @classmethod
    def of(cls, row: Sequence[Any]) -> FeedState:
        """From a row of COLUMNS."""
        identity, held, first, last, watched, resumed, silent, excused = row
        return cls(
            id=identity,
            held=bool(held),
            first=first,
            last=last,
            watched=watched,
            resumed=resumed,
            silent_since=silent,
            excused_until=excused,
        )

    def excused(self, now: Millis) -> bool:
        """Whether a person expects its silence."""
        return self.excused_until is not None and now < self.excused_until

    def paused(self, now: Millis) -> bool:
        """Whether nobody looked for a while: what it said meanwhile may still be on its way to us."""
        return self.watched is None or abs(now - self.watched) > _PAUSE

    @property
    def speaks_again(self) -> bool:
        """Whether it was heard after it fell silent."""
        return self.silent_since is not None and self.last is not None and self.last > self.silent_since


def states(unit: Reader, site: Site) -> dict[str, FeedState]:
    """How every configured feed stands, by its name."""
    ids = {entry.id: name for name, entry in site.sources.items()}
    found = map(FeedState.of, unit.lookup(tables.source, FeedState.COLUMNS, "id", list(ids)))
    return {ids[one.id]: one for one in found}


def habit_of(unit: Reader, entry: SourceEntry, state: FeedState) -> Habit:
    """The habit of a feed up to its last message, from the counters."""
    last = state.last or 0
    since = slot_of(last) - habits.WEEKS * habits.SLOTS_A_WEEK - 1
    counts: dict[int, int] = {slot: count for slot, count in unit.all(SLOTS, (entry.id, since))}  # noqa: C416
    return habits.learn(counts, first=state.first or last, last=last, zone=entry.zone)


def due_of(habit: Habit, entry: SourceEntry, state: FeedState) -> Millis | None:
    """When a feed is to be called silent if nothing comes; None for one that never spoke.

    What we did not listen to was no silence of the feed: after a pause of our own it counts from our return.
    """
    if state.last is None:
        return None
    since = max(state.last, state.resumed or 0)
    due = habits.silent_from(habit, since, silent_after=entry.silent_after)
    return max(due, state.excused_until or 0)


class FeedWatch:
    """Counts, judges and marks; one round is `once`. One process does it at a time: its caller holds the lease."""

    def __init__(self, store: Store, site: Site) -> None:
        self._store = store
        self._site = site
        self._zones: Mapping[int, str] = {entry.id: entry.zone for entry in site.sources.values()}
        self._habits: dict[str, tuple[int, Habit]] = {}  # as of the quarter hour of its last message
        self._swept: Millis | None = None
        self._lifted: Millis = 0

    def once(self, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """One round. Raises StoreError."""
        tallying.count_new(self._store, self._zones, stopping=stopping)
        with self._store.read() as unit:
            known = states(unit, self._site)
            due = {name: self._due(unit, self._site.sources[name], state) for name, state in known.items()}
        self._judge(known, due)
        self._release(stopping)

    def look(self) -> tuple[Millis, list[tuple[str, FeedState, Habit]]]:
        """Now, and how every feed stands, with its habit; changes nothing. Raises StoreError."""
        with self._store.read() as unit:
            known = states(unit, self._site)
            found = [(name, one, self._habit(unit, self._site.sources[name], one)) for name, one in known.items()]
            return unit.now, found

    def _due(self, unit: Reader, entry: SourceEntry, state: FeedState) -> Millis | None:
        return due_of(self._habit(unit, entry, state), entry, state)

    def _habit(self, unit: Reader, entry: SourceEntry, state: FeedState) -> Habit:
        """Learnt anew when another quarter hour was spoken in: until then it cannot have changed."""
        slot = slot_of(state.last or 0)
        learnt = self._habits.get(entry.name)
        if learnt is None or learnt[0] != slot:
            learnt = self._habits[entry.name] = (slot, habit_of(unit, entry, state))
        return learnt[1]

    def _judge(self, known: Mapping[str, FeedState], due: Mapping[str, Millis | None]) -> None:
        """All feeds in one unit."""
        with self._store.begin(_ACTOR) as uow:
            for name, state in known.items():
                entry, paused = self._site.sources[name], state.paused(uow.now)
                resumed = uow.now if paused else state.resumed
                uow.update(tables.source, ("id",), ("watched", "resumed"), [(uow.now, resumed, entry.id)])
                if _is_silent(state, due[name], uow.now) == (state.silent_since is not None):
                    continue
                _mark(uow, entry, state, silent=state.silent_since is None)
                if state.silent_since is not None:
                    self._lifted = uow.now
            uow.commit()

    def _release(self, stopping: Callable[[], bool]) -> None:
        """Let go of whatever waits for a feed that is not silent, also of what was held while that was being decided.

        Looked for after a silence ended, for as long as any unit may still be at it, and once an hour.
        """
        now = self._store.clock.now()
        if self._swept is not None and abs(now - self._lifted) > _SETTLES and abs(now - self._swept) < HOUR:
            return
        self._swept = now
        after: int | None = 0
        while after is not None and not stopping():
            after = release_some(self._store, self._site, after)


def _is_silent(state: FeedState, due: Millis | None, now: Millis) -> bool:
    """Whether a feed is silent now: it stays so until it is heard or a person excuses it."""
    if state.silent_since is not None:
        return not state.speaks_again and not state.excused(now)
    return due is not None and now >= due and not state.paused(now)


def _mark(uow: UnitOfWork, entry: SourceEntry, state: FeedState, *, silent: bool) -> None:
    since = state.last if silent else None
    uow.update(tables.source, ("id",), ("silent_since",), [(since, entry.id)])
    if silent:
        uow.audit([(Action.FEED_SILENT, entry.name, state.last)])
        telemetry.log().warning("feed.silent", source=entry.name)
    else:
        uow.audit([(Action.FEED_HEARD, entry.name, state.silent_since)])
        telemetry.log().info("feed.heard", source=entry.name)


def release_some(store: Store, site: Site, after: int) -> int | None:
    """Have the next held requests of feeds that hold no more judged again; the id to go on after, None at the end."""
    with store.read() as unit:
        waiting = unit.all(WAITING, (after, _RELEASES))
        rows = unit.lookup(tables.source, ("id", "silent_since"), "id", sorted({one[3] for one in waiting}))
    holding = {identity for identity, since in rows if since is not None and site.holds(identity)}
    free = [one for one in waiting if one[3] not in holding]
    if free:
        with store.begin(_ACTOR) as uow:
            if any(let_go(uow, [one[:3] for one in free], Reason.FEED_SILENT)):
                uow.commit()
    return int(waiting[-1][0]) if len(waiting) == _RELEASES else None
