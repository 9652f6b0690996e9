"""What FHIR servers could not be told of messages, as people see it: tried again, or dropped, by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select, text

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.when import Millis
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.site import SourceEntry
from gateway.pipeline.writeback.noting import OPEN
from gateway.pipeline.writeback.rounds import DROPPED
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

_w = tables.writeback.c
_BATCH = 500
_LATE_TRIES = 5  # in vain: a server that is away for half an hour
FAILED = Statement(
    "writeback.failed",
    select(_w.source, _w.state, func.count(), func.min(_w.settled))
    .where(text("state IN ('refused', 'given-up')"))
    .group_by(_w.source, _w.state),
)
LATE = Statement(
    "writeback.late",
    select(_w.source, _w.state, func.count(), func.min(_w.created))
    .where(text("state = 'open'"), _w.tries >= _LATE_TRIES)
    .group_by(_w.source, _w.state),
)
FAILING = Statement(
    "writeback.failing",
    select(_w.id, _w.about)
    .where(_w.source == bindparam("source"), text("state IN ('refused', 'given-up')"))
    .order_by(_w.id)
    .limit(bindparam("limit")),
    params=("source", "limit"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WritebackLine:
    """Messages of one source that stand alike: `state` refused, given-up, or open where the server is away; Millis UTC."""

    source: str
    state: str
    count: int
    since: Millis


def unwritten(unit: Reader, sources: Mapping[str, SourceEntry]) -> list[WritebackLine]:
    """What only a person gets going again."""
    return _lines(unit, FAILED, sources)


def writebacks(gateway: Inspectable) -> list[WritebackLine]:
    """What failed, then what waits longer than it should, by source."""
    with gateway.store.read() as unit:
        sources = gateway.site.sources
        return unwritten(unit, sources) + _lines(unit, LATE, sources)


def writebacks_again(gateway: Inspectable, source: str, *, reason: str, account: str) -> int:
    """Tell a source's server again what it refused or never took; how many. Raises CommandError."""

    def again(uow: UnitOfWork, found: list[int]) -> None:
        values = [(OPEN, None, 0, uow.now, None, one) for one in found]
        uow.update(tables.writeback, ("id",), ("state", "told", "tries", "next_at", "settled"), values)

    return _each(gateway, source, "again", again, reason, account)


def writebacks_drop(gateway: Inspectable, source: str, *, reason: str, account: str) -> int:
    """Tell a source's server no more what it refused or never took; how many. Raises CommandError."""

    def drop(uow: UnitOfWork, found: list[int]) -> None:
        uow.update(tables.writeback, ("id",), ("state", "settled"), [(DROPPED, uow.now, one) for one in found])

    return _each(gateway, source, DROPPED, drop, reason, account)


def _lines(unit: Reader, statement: Statement, sources: Mapping[str, SourceEntry]) -> list[WritebackLine]:
    names = {entry.id: name for name, entry in sources.items()}
    return [
        WritebackLine(source=names.get(source, str(source)), state=state, count=count, since=since)
        for source, state, count, since in sorted(unit.all(statement))
    ]


def _each(
    gateway: Inspectable,
    source: str,
    word: str,
    act: Callable[[UnitOfWork, list[int]], None],
    reason: str,
    account: str,
) -> int:
    entry = gateway.site.sources.get(source)
    if entry is None:
        raise CommandError(f"there is no source {source}; `caregate writebacks list` shows those that fail")
    done = 0
    while True:
        with gateway.store.begin(account) as uow:
            found = uow.all(FAILING, (entry.id, _BATCH))
            if not found:
                return done
            uow.lock(tables.writeback, "id", [one for one, _ in found])
            act(uow, [one for one, _ in found])
            uow.audit([(Action.WRITEBACK_SETTLED, about, source, word, reason) for _, about in found])
            uow.commit()
        done += len(found)
