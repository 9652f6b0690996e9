"""An extract moves only from where its caller believes it to be, and every step of it is audited (SN-11)."""

from __future__ import annotations

from typing import Any

from gateway.model.audit import Action
from gateway.model.errors import Conflict
from gateway.pipeline.extracting.extracts import (
    AFTER,
    BEFORE,
    BELIEVED,
    COLUMNS,
    FINISHED,
    GIVEN_UP,
    KNOWN,
    OPEN,
    ROWS,
    STOPPED,
    Extract,
    known,
    of_row,
    text_of,
)
from gateway.pipeline.site import SourceEntry
from gateway.ports import ExtractMode, ExtractState
from gateway.store import tables
from gateway.store.uow import UnitOfWork


def begin(
    uow: UnitOfWork,
    source: SourceEntry,
    mode: ExtractMode,
    *,
    cursor: str,
    expected: int | None,
    baseline: bool,
    before: int | None,
    meaning: str,
    again: bool = False,
) -> Extract:
    """A new one; the caller has ended what was open."""
    counts = {KNOWN: known(uow, source.id), **({} if before is None else {BEFORE: before})}
    identity = uow.new_id()
    row = (
        identity,
        mode.value,
        int(baseline),
        OPEN,
        int(again),
        meaning,
        cursor,
        expected,
        text_of(counts),
        uow.now,
        None,
        None,
    )
    uow.insert(tables.table_extract, (*COLUMNS, "source"), [(*row, source.id)])
    uow.audit(
        [
            (
                Action.EXTRACT_BEGUN,
                identity,
                source.name,
                mode.value,
                *(["baseline"] if baseline else []),
                *(["again"] if again else []),
            )
        ]
    )
    made = of_row(row)
    assert made is not None, "it has a row"
    return made


def move(uow: UnitOfWork, source: SourceEntry, extract: ExtractState, moved: ExtractState) -> None:
    """Write counts and cursor, if it still stands where its caller believes it to. Raises Conflict where it does not."""
    values = [(moved.cursor, text_of(moved.counts), *_where(extract))]
    if uow.update(tables.table_extract, _STANDING, ("cursor", "counts"), values) != 1:
        raise _elsewhere()
    uow.audit([(Action.EXTRACT_MOVED, extract.id, source.name, moved.counts.get(ROWS, 0))])


_STANDING = ("id", "state", "cursor", "counts")


def stop(uow: UnitOfWork, source: SourceEntry, extract: Extract, guard: str) -> None:
    """A guard stopped it; it waits for a person. What was believed before stays so. Raises Conflict where it is not open."""
    believed = extract.believed
    reason = guard if not believed else f"{guard}{AFTER}{','.join(sorted(believed))}"
    _turn(uow, extract.id, OPEN, ("state", "reason"), (STOPPED, reason))
    uow.audit([(Action.EXTRACT_STOPPED, extract.id, source.name, guard)])


def believe(uow: UnitOfWork, source: SourceEntry, extract: Extract, *, why: str) -> None:
    """A person says that what the guard saw is right: it goes on, and this guard asks no more of it. Raises Conflict."""
    believed = ",".join(sorted({extract.guard, *extract.believed}))
    _turn(uow, extract.id, STOPPED, ("state", "reason"), (OPEN, f"{BELIEVED}{believed}"))
    uow.audit([(Action.EXTRACT_BELIEVED, extract.id, source.name, extract.guard, why)])


def finish(uow: UnitOfWork, source: SourceEntry, extract: ExtractState) -> None:
    """It came to its end; its source was heard, whether or not it had anything new. Raises Conflict as `move`."""
    values = [(FINISHED, uow.now, *_where(extract))]
    if uow.update(tables.table_extract, _STANDING, ("state", "ended"), values) != 1:
        raise _elsewhere()
    uow.update(tables.source, ("id",), ("last_received",), [(uow.now, source.id)])
    uow.audit([(Action.EXTRACT_FINISHED, extract.id, source.name, dict(extract.counts))])


def give_up(uow: UnitOfWork, source: SourceEntry, extract: Extract, reason: str, *said: str) -> None:
    """It ends unfinished. `said`: by whom and why, where a person did it. Raises Conflict where it was turned meanwhile."""
    _turn(uow, extract.id, extract.state, ("state", "ended", "reason"), (GIVEN_UP, uow.now, reason))
    uow.audit([(Action.EXTRACT_GIVEN_UP, extract.id, source.name, reason, *said)])


def _turn(uow: UnitOfWork, extract: int, state: str, columns: tuple[str, ...], values: tuple[Any, ...]) -> None:
    """From the state its caller saw, and no other: on PostgreSQL a person or another process may have turned it meanwhile."""
    if uow.update(tables.table_extract, ("id", "state"), columns, [(*values, extract, state)]) != 1:
        raise _elsewhere()


def _where(extract: ExtractState) -> tuple[Any, ...]:
    return extract.id, OPEN, extract.cursor, text_of(extract.counts)


def _elsewhere() -> Conflict:
    return Conflict("the extract is over or went on elsewhere")
