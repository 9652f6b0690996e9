"""A provider gets messages no faster than it takes them: over all processes, urgent lanes first, and no try is spent on waiting.

Each paced channel has a row that says when its next place is free (compare-and-swap), and one for each lane that says
until when places are promised to what was told to come again. A lane takes no place while a more urgent one waits.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import bindparam, select, update

from gateway.model.pace import Pace
from gateway.model.request import Priority
from gateway.model.when import Millis
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

Micros = int
"""Microseconds since 1970 in UTC: several places of a fast provider lie within one millisecond."""
LATE: Micros = 250_000
"""A place that nobody took is lost after this long: doorbells are a little late, and the rate must not suffer by it."""
_MILLI: Micros = 1_000
_LANES = tuple(range(len(Priority)))
_p = tables.pace.c

SWAP = Statement(
    "pace.swap",
    update(tables.pace)
    .where(_p.name == bindparam("which"), _p.next_at == bindparam("seen"))
    .values(next_at=bindparam("to")),
    params=("which", "seen", "to"),
)
BEHIND = Statement("pace.behind", select(_p.name).where(_p.next_at > bindparam("now")), params=("now",))


def wait(uow: UnitOfWork, name: str, pace: Pace, *, lane: int) -> Millis | None:
    """Take the next place of a provider: None, it may leave now; else when to come again, Millis, after now.

    Holds the provider's row until the unit ends: ask last, right before the attempt is written.
    """
    names = [name, *(f"{name}/{one}" for one in _LANES[: lane + 1])]
    uow.insert_missing(tables.pace, ("name", "next_at"), [(one, 0) for one in names])
    now = uow.now * _MILLI
    while True:
        known: dict[str, Micros] = dict(uow.lookup(tables.pace, ("name", "next_at"), "name", names))
        ahead = max((known[one] for one in names[1:-1]), default=0)  # promised to what is more urgent
        free = known[name]
        if free <= now and ahead <= now:
            if uow.run(SWAP, (name, free, max(free, now - LATE) + pace.interval)):
                return None
        elif (again := _promise(uow, names[-1], known[names[-1]], max(free, ahead, now + 1), pace)) is not None:
            return again


def _promise(uow: UnitOfWork, line: str, seen: Micros, first: Micros, pace: Pace) -> Millis | None:
    """Queue behind what of this lane was told to come again; None when somebody else did at this moment."""
    at = max(seen, first)
    if not uow.run(SWAP, (line, seen, at + pace.interval)):
        return None
    return -(-at // _MILLI)


def behind(unit: Reader) -> Mapping[str, frozenset[int]]:
    """By provider, the lanes in which something waits for its place."""
    found: dict[str, frozenset[int]] = {}
    for (name,) in unit.all(BEHIND, (unit.now * _MILLI,)):
        provider, told, lane = str(name).rpartition("/")
        if told and lane.isdigit():
            found[provider] = found.get(provider, frozenset()) | {int(lane)}
    return found
