"""Where each sink stands: one row, moved by compare-and-swap after its other side took everything up to there, so nothing is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, update

from gateway.model.audit import Action
from gateway.model.when import HOUR, MINUTE, SECOND, Millis
from gateway.pipeline.outcomes.gathering import Gathered
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

REFUSED: Final = "refused"
UNAVAILABLE: Final = "unavailable"
NO_AGREEMENT: Final = "no-agreement"

_SOONEST, _SLOWEST = 30 * SECOND, HOUR
_COLUMNS = ("name", "position", "told", "moved", "tries", "next_at", "failed", "failing_since", "said")
_s = tables.sink.c
_MOVE = Statement(
    "sink.move",
    update(tables.sink)
    .where(_s.name == bindparam("which"), _s.position == bindparam("seen"))
    .values(
        position=bindparam("reached"),
        told=_s.told + bindparam("count"),
        moved=bindparam("at"),
        tries=0,
        next_at=0,
        failed=None,
        failing_since=None,
        said="",
    ),
    params=("reached", "count", "at", "which", "seen"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """The row of one sink. `position`: an audit row; `told`: rows ever; `next_at`: not before; `said`: why it failed; times are Millis UTC."""

    name: str
    position: int
    told: int
    moved: Millis
    tries: int
    next_at: Millis
    failed: str | None
    failing_since: Millis | None
    said: str = ""


def standings(unit: Reader, names: list[str]) -> dict[str, Standing]:
    """By name; a sink that was never run has none."""
    return {row[0]: Standing(*row) for row in unit.lookup(tables.sink, _COLUMNS, "name", names)}


def standing(uow: UnitOfWork, name: str) -> Standing:
    """The row of a sink, made when it is new: it begins with the first thing ever audited. The unit must be committed."""
    found = standings(uow, [name]).get(name)
    if found is None:
        found = Standing(name, 0, 0, uow.now, 0, 0, None, None)
        uow.insert_missing(tables.sink, _COLUMNS, [(name, 0, 0, uow.now, 0, 0, None, None, "")])
        uow.audit([(Action.CONFIGURATION_READ, "sink", name)])
    return found


def move(uow: UnitOfWork, at: Standing, told: Gathered) -> bool:
    """Note that everything up to there was told, and to whom it was about; False: somebody has moved it meanwhile."""
    if uow.run(_MOVE, (told.position, len(told.rows), uow.now, at.name, at.position)) != 1:
        return False
    people = sorted({int(one.patient) for one in told.rows})
    uow.audit([(Action.OUTCOMES_TOLD, at.name, len(told.rows), told.position)], patients=people)
    return True


def put(uow: UnitOfWork, at: Standing, position: int, *, reason: str) -> None:
    """Put a sink somewhere else by hand; what it is told twice has the same ids."""
    now = (position, uow.now, 0, 0, None, None, "", at.name)
    columns = ("position", "moved", "tries", "next_at", "failed", "failing_since", "said")
    uow.update(tables.sink, ("name",), columns, [now])
    uow.audit([(Action.OUTCOMES_REWOUND, at.name, at.position, position, reason)])


def failed(uow: UnitOfWork, at: Standing, why: str, said: str = "") -> None:
    """Tried again after a pause: soon where the other side is away, in an hour where a person must look, who is shown `said`."""
    pause = min(_SOONEST << min(at.tries, 16), _SLOWEST) if why == UNAVAILABLE else _SLOWEST
    since = at.failing_since or uow.now
    values = (at.tries + 1, uow.now + pause, why, since, said, at.name)
    uow.update(tables.sink, ("name",), ("tries", "next_at", "failed", "failing_since", "said"), [values])


def needs_somebody(at: Standing, now: Millis) -> bool:
    """Whether staff are to be told: at once where only they get it going again, else after a quarter of an hour."""
    if at.failing_since is None:
        return False
    return at.failed != UNAVAILABLE or now - at.failing_since >= 15 * MINUTE
