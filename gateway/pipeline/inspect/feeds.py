"""Feeds as people see them: when they last spoke and are used to speak, what became of it, and whether they are held or silent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, select

from gateway.model.errors import CommandError
from gateway.model.event import Result
from gateway.model.when import Millis
from gateway.pipeline import habits
from gateway.pipeline.habits import slot_of
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.queues import Queue, queues
from gateway.pipeline.silence import FeedState, due_of, habit_of, states
from gateway.pipeline.site import SourceEntry
from gateway.pipeline.tallying import Tally, day_of, marked, tally_since
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader

_EVER = 2**63 - 1
_s, _c = tables.feed_slot.c, tables.feed_count.c
RECENT = Statement(
    "feed_slot.recent",
    select(_s.source, _s.messages).where(_s.slot > bindparam("since")),
    params=("since",),
)
KINDS = Statement(
    "feed_count.since",
    select(_c.source, _c.day, _c.type, _c.result, _c.reason, _c.messages).where(_c.day >= bindparam("since")),
    params=("since",),
)
_UNREAD = (Result.QUARANTINED.value, Result.REJECTED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLine:
    """One source. Times are Millis UTC, spans Millis.

    `state`: "running", "held", "silent", "held, silent" or "never spoken". `rate`: messages within the last hour,
    `usual_rate` what is usual at this time of its week. `usual_silence`: its longest usual one. `silent_from`: when
    it is called silent if nothing comes. Habits are None until some weeks are known. `received`, `ignored`,
    `quarantined` (or rejected): today, in its zone; what was received includes the other two. `queue`: what a running
    gateway sees of its queue at a broker; None: it has none, or nobody reads it now.
    """

    name: str
    state: str
    held: bool
    silent_since: Millis | None
    excused_until: Millis | None
    last_received: Millis | None
    age: Millis | None
    rate: int
    usual_rate: float | None
    usual_silence: Millis | None
    silent_from: Millis | None
    received: int
    ignored: int
    quarantined: int
    queue: Queue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KindLine:
    """What one feed sent of one type, and what became of it: `today` and within the last seven days of its zone."""

    type: str
    result: str
    reason: str
    today: int
    week: int


def feeds(gateway: Inspectable) -> list[FeedLine]:
    """Every configured source, by name; what is not counted yet is counted along."""
    sources = gateway.site.sources
    with gateway.store.read() as unit:
        known, tail = states(unit, gateway.site), _tail(unit, gateway)
        rates: Counter[int] = Counter()
        for source, count in unit.all(RECENT, (slot_of(unit.now) - 4,)):
            rates[source] += count
        kinds = _kinds(unit, gateway, tail, back=0)
        lines = [_line(unit, sources[name], known[name], tail, rates, kinds) for name in sorted(known)]
        looks = queues(unit)
    return [replace(one, queue=looks.get(sources[one.name].id)) for one in lines]


def feed_queue(gateway: Inspectable, name: str) -> Queue | None:
    """What a running gateway sees of a source's queue; None: it has none, or nobody reads it now. Raises CommandError."""
    entry = source_of(gateway, name)
    with gateway.store.read() as unit:
        return queues(unit).get(entry.id)


def feed_kinds(gateway: Inspectable, name: str) -> list[KindLine]:
    """What a source sent within a week, by type and by what became of it, the most frequent first. Raises CommandError."""
    entry = source_of(gateway, name)
    with gateway.store.read() as unit:
        today = day_of(unit.now, entry.zone)
        kinds = _kinds(unit, gateway, _tail(unit, gateway), back=6)
    found: dict[tuple[str, str, str], list[int]] = {}
    for (source, day, *kind), count in kinds.items():
        if source == entry.id and day > today - 7:
            seen = found.setdefault((kind[0], kind[1], kind[2]), [0, 0])
            seen[0] += count if day == today else 0
            seen[1] += count
    lines = [KindLine(type=t, result=r, reason=why, today=n, week=all_) for (t, r, why), (n, all_) in found.items()]
    return sorted(lines, key=lambda one: (-one.week, one.type, one.result, one.reason))


def source_of(gateway: Inspectable, name: str) -> SourceEntry:
    """The configured source of that name. Raises CommandError."""
    entry = gateway.site.sources.get(name)
    if entry is None:
        known = ", ".join(sorted(gateway.site.sources)) or "none"
        raise CommandError(f"there is no source `{name}`; configured: {known}")
    return entry


def _tail(unit: Reader, gateway: Inspectable) -> Tally:
    """What came since the watch counted last."""
    zones = {entry.id: entry.zone for entry in gateway.site.sources.values()}
    return tally_since(unit, marked(unit), _EVER, zones)


def _kinds(unit: Reader, gateway: Inspectable, tail: Tally, *, back: int) -> Counter[tuple[int, int, str, str, str]]:
    """Counts by source, day, type, result and reason, from `back` days before today on."""
    first = min((day_of(unit.now, one.zone) for one in gateway.site.sources.values()), default=0) - back
    found = Counter(tail.kinds)
    for source, day, kind, result, reason, count in unit.all(KINDS, (first,)):
        found[source, day, kind, result, reason] += count
    return found


def _line(
    unit: Reader,
    entry: SourceEntry,
    state: FeedState,
    tail: Tally,
    rates: Counter[int],
    kinds: Counter[tuple[int, int, str, str, str]],
) -> FeedLine:
    now, today = unit.now, day_of(unit.now, entry.zone)
    heard = tail.heard.get(entry.id)
    last = max((one for one in (state.last, heard and heard[1]) if one is not None), default=None)
    habit = habit_of(unit, entry, state)
    results: Counter[str] = Counter()
    for (source, day, _, result, _), count in kinds.items():
        if source == entry.id and day == today:
            results[result] += count
    recent = (count for (source, slot), count in tail.slots.items() if source == entry.id and slot > slot_of(now) - 4)
    return FeedLine(
        name=entry.name,
        state=_state(state, last),
        held=state.held,
        silent_since=state.silent_since,
        excused_until=state.excused_until if state.excused(now) else None,
        last_received=last,
        age=None if last is None else max(0, now - last),
        rate=rates[entry.id] + sum(recent),
        usual_rate=habits.usual_rate(habit, now),
        usual_silence=habit.longest if habit.known else None,
        silent_from=None if state.silent_since is not None else due_of(habit, entry, state),
        received=sum(results.values()),
        ignored=results[Result.IGNORED.value],
        quarantined=sum(results[one] for one in _UNREAD),
    )


def _state(state: FeedState, last: Millis | None) -> str:
    words = [word for word, so in (("held", state.held), ("silent", state.silent_since is not None)) if so]
    return ", ".join(words) or ("never spoken" if last is None else "running")
