"""Counts what each feed sent, from the stored messages and behind the receivers' backs: a message is counted once.

Nothing is paid on the hot path. What lies below the watermark is read in a snapshot, then added in one short unit
that moves the mark as well; a run that stops anywhere is gone on with by the next. Counters are exempt from law 2
by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, func, select, update

from gateway.model.event import Result
from gateway.model.when import Millis, to_datetime
from gateway.pipeline.habits import SLOT, SLOTS_A_WEEK, slot_of
from gateway.store import seal, tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

KEEP_SLOTS = 26 * SLOTS_A_WEEK
KEEP_DAYS = 35
_MARK = "counted"
_CHUNK = 50_000  # messages of one unit
_MOST_KINDS = 200  # of messages, a feed and day; a sender of nonsense fills no table
_OTHER = "other"
_RESULTS = frozenset(one.value for one in Result)
_decode = msgspec.json.Decoder(list[list[Any]]).decode
_raw, _audit, _slot, _count = tables.raw.c, tables.audit.c, tables.feed_slot.c, tables.feed_count.c

_SOME = (
    select(_raw.id, _raw.source, _raw.received, _raw.type, _raw.result, (_raw.received // SLOT).label("slot"))
    .where(_raw.id > bindparam("after"), _raw.id < bindparam("before"))
    .order_by(_raw.id)
    .limit(bindparam("limit"))
    .subquery("some")
)
NEW = Statement(
    "raw.uncounted",
    select(
        _SOME.c.source,
        _SOME.c.slot,
        _SOME.c.type,
        _SOME.c.result,
        func.count(),
        func.min(_SOME.c.received),
        func.max(_SOME.c.received),
        func.max(_SOME.c.id),
    ).group_by(_SOME.c.source, _SOME.c.slot, _SOME.c.type, _SOME.c.result),
    params=("after", "before", "limit"),
)
# The row of the receipt has the message's id: it says why nothing was made of it.
REASONS = Statement(
    "raw.reasons",
    select(_raw.source, _raw.received, _raw.type, _raw.result, _audit.entries)
    .select_from(tables.raw.join(tables.audit, _audit.id == _raw.id))
    .where(_raw.id > bindparam("after"), _raw.id <= bindparam("last"), _raw.result != Result.ACCEPTED.value),
    params=("after", "last"),
)
_ADD_SLOT = Statement(
    "feed_slot.add",
    update(tables.feed_slot)
    .where(_slot.source == bindparam("of_source"), _slot.slot == bindparam("of_slot"))
    .values(messages=_slot.messages + bindparam("more")),
    params=("more", "of_source", "of_slot"),
    exempt=True,
)
_ADD_COUNT = Statement(
    "feed_count.add",
    update(tables.feed_count)
    .where(
        _count.source == bindparam("of_source"),
        _count.day == bindparam("of_day"),
        _count.type == bindparam("of_type"),
        _count.result == bindparam("of_result"),
        _count.reason == bindparam("of_reason"),
    )
    .values(messages=_count.messages + bindparam("more")),
    params=("more", "of_source", "of_day", "of_type", "of_result", "of_reason"),
    exempt=True,
)
_KINDS = Statement(
    "feed_count.kinds",
    select(func.count()).where(_count.source == bindparam("of_source"), _count.day == bindparam("of_day")),
    params=("of_source", "of_day"),
)
_FORGET_SLOTS = Statement(
    "feed_slot.forget",
    delete(tables.feed_slot).where(_slot.source == bindparam("of_source"), _slot.slot < bindparam("before")),
    params=("of_source", "before"),
    exempt=True,
)
_FORGET_COUNTS = Statement(
    "feed_count.forget",
    delete(tables.feed_count).where(_count.source == bindparam("of_source"), _count.day < bindparam("before")),
    params=("of_source", "before"),
    exempt=True,
)


@dataclass(slots=True)
class Tally:
    """What some messages amount to. `heard`: by source the first and last time of receipt, Millis.

    `slots`: by (source, quarter). `kinds`: by (source, day in the feed's zone, type, result, reason).
    """

    last: int = 0
    heard: dict[int, tuple[Millis, Millis]] = field(default_factory=dict)
    slots: Counter[tuple[int, int]] = field(default_factory=Counter)
    kinds: Counter[tuple[int, int, str, str, str]] = field(default_factory=Counter)


def day_of(at: Millis, zone: str) -> int:
    """The day an instant falls on in a zone, as `date.toordinal` counts them."""
    return to_datetime(at, zone).toordinal()


def count_new(store: Store, zones: Mapping[int, str], *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Add what was received since the last run to the counters; returns how many messages. Raises StoreError.

    `zones`: IANA name or offset by row of `source`; the days of a source that is not in it are those of UTC.
    """
    below, total = seal.watermark(store), 0
    while not stopping():
        with store.read() as unit:
            after = marked(unit)
            tally = tally_since(unit, after, below, zones)
        if not tally.last:
            break
        with store.begin("feed-watch") as uow:
            if not _move(uow, after, tally.last):
                break  # somebody else counted these
            _add(uow, tally)
            uow.commit()
        total += sum(tally.slots.values())
    return total


def marked(unit: Reader) -> int:
    """The id up to which everything is counted."""
    found = unit.lookup(tables.feed_mark, ("value",), "name", [_MARK])
    return int(found[0][0]) if found else 0


def tally_since(unit: Reader, after: int, before: int, zones: Mapping[int, str], *, limit: int = _CHUNK) -> Tally:
    """What messages with ids between two others, both excluded, amount to: the first `limit` of them."""
    tally = Tally()
    days: dict[tuple[int, int], int] = {}

    def day(source: int, slot: int) -> int:
        found = days.get((source, slot))
        if found is None:
            found = days[source, slot] = day_of(slot * SLOT, zones.get(source, "UTC"))
        return found

    for source, slot, kind, result, count, first, latest, last in unit.all(NEW, (after, before, limit)):
        tally.last = max(tally.last, int(last))
        earliest, newest = tally.heard.get(source, (first, latest))
        tally.heard[source] = (min(first, earliest), max(latest, newest))
        tally.slots[source, int(slot)] += count
        if result == Result.ACCEPTED:
            tally.kinds[source, day(source, int(slot)), kind, result, ""] += count
    for source, received, kind, result, entries in unit.all(REASONS, (after, tally.last)) if tally.last else ():
        tally.kinds[source, day(source, slot_of(received)), kind, result, reason_of(_decode(entries))] += 1
    return tally


def reason_of(entries: Iterable[list[Any]]) -> str:
    """Why nothing was made of a message, in the reader's closed words: [action, reason, …] or [action, result, rule, …]."""
    head = next(iter(entries), [])
    words = [part for part in head[1:] if isinstance(part, str) and part not in _RESULTS]
    return str(words[0]) if words else ""


def _move(uow: UnitOfWork, after: int, last: int) -> bool:
    """Move the mark, unless somebody else has meanwhile."""
    uow.insert_missing(tables.feed_mark, ("name", "value"), [(_MARK, 0)])
    found = uow.lookup(tables.feed_mark, ("value",), "name", [_MARK], lock=True)
    if int(found[0][0]) != after:
        return False
    uow.update(tables.feed_mark, ("name",), ("value",), [(last, _MARK)])
    return True


def _add(uow: UnitOfWork, tally: Tally) -> None:
    for (source, slot), count in tally.slots.items():
        if not uow.run(_ADD_SLOT, (count, source, slot)):
            uow.insert(tables.feed_slot, ("source", "slot", "messages"), [(source, slot, count)])
    for kind, count in tally.kinds.items():
        _add_kind(uow, kind, count)
    for source, (first, latest) in tally.heard.items():
        _hear(uow, source, first, latest)


def _add_kind(uow: UnitOfWork, kind: tuple[int, int, str, str, str], count: int) -> None:
    """One more of a kind; beyond so many kinds a day they are counted together."""
    if uow.run(_ADD_COUNT, (count, *kind)):
        return
    source, day, _, result, _ = kind
    ((known,),) = uow.all(_KINDS, (source, day))
    if known >= _MOST_KINDS:
        kind = (source, day, _OTHER, result, _OTHER)
        if uow.run(_ADD_COUNT, (count, *kind)):
            return
    columns = ("source", "day", "type", "result", "reason", "messages")
    uow.insert(tables.feed_count, columns, [(*kind, count)])


def _hear(uow: UnitOfWork, source: int, first: Millis, latest: Millis) -> None:
    """When the feed spoke first and last, and away with what is too old to matter."""
    found = uow.lookup(tables.source, ("first_received", "last_received"), "id", [source])
    if not found:
        return
    known_first, known_last = found[0]
    values = (min(first, known_first or first), max(latest, known_last or latest), source)
    uow.update(tables.source, ("id",), ("first_received", "last_received"), [values])
    uow.run(_FORGET_SLOTS, (source, slot_of(values[1]) - KEEP_SLOTS))
    uow.run(_FORGET_COUNTS, (source, day_of(values[1], "UTC") - KEEP_DAYS))
