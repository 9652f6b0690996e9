"""The extracts of a source as they stand: one is open at most, and the next begins from the last that was finished (SN-11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import bindparam, func, select

from gateway import ports
from gateway.model.errors import GuardError
from gateway.model.when import Millis
from gateway.pipeline import brakes
from gateway.pipeline.extracting.guards import WORDS
from gateway.ports import ExtractMode, ExtractState
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader

OPEN, STOPPED, FINISHED, GIVEN_UP = "open", "stopped", "finished", "given-up"
KNOWN, BEFORE = "known", "before"
"""Counts of what there was: rows known at the beginning; rows of the last snapshot, where there was one."""
ROWS, LEFT, ENDED, ENTERED = "rows", "left", "ended", "entered"
"""Counts that are not what became of a row: rows brought, those that were missing at the end, events that ended
something, keys never seen before. Each row brought is counted once more, as what became of it."""

_e = tables.table_extract.c
COLUMNS = (
    "id",
    "mode",
    "baseline",
    "state",
    "again",
    "meaning",
    "cursor",
    "expected",
    "counts",
    "started",
    "ended",
    "reason",
)
_SELECT = select(*(_e[name] for name in COLUMNS)).where(_e.source == bindparam("of_source"))
_GOING = Statement("table_extract.going", _SELECT.where(_e.state.in_((OPEN, STOPPED))), params=("of_source",))
LATEST = Statement(
    "table_extract.latest", _SELECT.order_by(_e.id.desc()).limit(bindparam("limit")), params=("of_source", "limit")
)
_FINISHED = Statement(
    "table_extract.finished",
    _SELECT.where(_e.state == FINISHED).order_by(_e.id.desc()).limit(1),
    params=("of_source",),
)
_SNAPSHOT = Statement(
    "table_extract.snapshot",
    _SELECT.where(_e.state == FINISHED, _e.mode == ExtractMode.SNAPSHOT.value).order_by(_e.id.desc()).limit(1),
    params=("of_source",),
)
KNOWN_ROWS = Statement(
    "table_row.known",
    select(func.count()).select_from(tables.table_row).where(tables.table_row.c.source == bindparam("of_source")),
    params=("of_source",),
)
_STOPPED = Statement("table_extract.stopped", select(_e.source, _e.started, _e.reason).where(_e.state == STOPPED))
_encode = msgspec.json.Encoder(order="deterministic").encode
_counts = msgspec.json.Decoder(dict[str, int]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """One extract as stored. `reason`: the guard that stopped it, those a person believed, or why it was given up.

    `again`: rows that say nothing new are taken too. `meaning`: digest of the mapping as of which, or a later one, every
    row of the source was taken once this one is finished.
    """

    id: int
    mode: ExtractMode
    baseline: bool
    state: str
    again: bool
    meaning: str
    cursor: str
    expected: int | None
    counts: Mapping[str, int]
    started: Millis
    ended: Millis | None
    reason: str | None

    @property
    def told(self) -> ExtractState:
        """What its source sees of it."""
        return ExtractState(
            id=self.id, mode=self.mode, baseline=self.baseline, cursor=self.cursor, counts=dict(self.counts)
        )

    @property
    def before(self) -> int | None:
        """How many rows it is judged against: those of the last snapshot; of changes, those that are known."""
        return self.counts.get(BEFORE if self.mode is ExtractMode.SNAPSHOT else KNOWN)

    @property
    def believed(self) -> frozenset[str]:
        """The guards to which a person said that it is right."""
        reason = self.reason or ""
        told = reason.removeprefix(BELIEVED) if reason.startswith(BELIEVED) else reason.partition(AFTER)[2]
        return frozenset(told.split(",")) - {""}

    @property
    def guard(self) -> str:
        """Which guard stopped it; of one that none did, no word of ours."""
        return (self.reason or "").partition(AFTER)[0]

    def guarded(self) -> None:
        """Raises GuardError while it waits for a person."""
        if self.state == STOPPED:
            raise GuardError(self.guard, f"{WORDS.get(self.guard, 'it was stopped')}; it waits for a person")


BELIEVED, AFTER = "believed ", " after "


def of_row(row: tuple[Any, ...] | None) -> Extract | None:
    """Of the values of COLUMNS."""
    if row is None:
        return None
    identity, mode, baseline, state, again, meaning, cursor, expected, counts, started, ended, reason = row
    return Extract(
        id=identity,
        mode=ExtractMode(mode),
        baseline=bool(baseline),
        state=state,
        again=bool(again),
        meaning=meaning,
        cursor=cursor,
        expected=expected,
        counts=_counts(counts),
        started=started,
        ended=ended,
        reason=reason,
    )


def going(unit: Reader, source: int) -> Extract | None:
    """The extract of a source that was begun and is not over: open, or stopped by a guard."""
    return of_row(unit.one(_GOING, (source,)))


def finished(unit: Reader, source: int) -> Extract | None:
    """The last one that came to its end."""
    return of_row(unit.one(_FINISHED, (source,)))


def first(unit: Reader, source: int) -> bool:
    """Whether the next is a baseline: there was none, or none since a backup took the place of a database that may have planned more."""
    last = finished(unit, source)
    return last is None or (last.ended or 0) <= brakes.restored(unit)


def snapshot(unit: Reader, source: int) -> Extract | None:
    """The last one that came to its end and read the whole table."""
    return of_row(unit.one(_SNAPSHOT, (source,)))


def of_id(unit: Reader, identity: int) -> Extract | None:
    """One of them."""
    rows = unit.lookup(tables.table_extract, COLUMNS, "id", [identity])
    return of_row(rows[0]) if rows else None


def latest(unit: Reader, source: int, limit: int) -> list[Extract]:
    """The newest first."""
    return [one for one in map(of_row, unit.all(LATEST, (source, limit))) if one is not None]


def stopped(unit: Reader) -> list[tuple[int, Millis, int]]:
    """Per source whose extract waits for a person: its id, when that began, one."""
    return [(source, since, 1) for source, since, _ in unit.all(_STOPPED)]


def known(unit: Reader, source: int) -> int:
    """How many rows of a source are known."""
    row = unit.one(KNOWN_ROWS, (source,))
    return int(row[0]) if row else 0


def counted(extract: ExtractState, more: Mapping[str, int], cursor: str | None = None) -> ExtractState:
    """The same, further on; what is nothing is not counted."""
    counts = dict(extract.counts)
    for name, count in more.items():
        if count:
            counts[name] = counts.get(name, 0) + count
    return replace(extract, counts=counts, cursor=extract.cursor if cursor is None else cursor)


def meaning_of(reader: ports.Reader | None) -> str:
    """The digest of what rows mean to a reader; empty of one that reads other things."""
    from gateway.mapping.tables.reader import TableReader  # loaded by whoever has tables alone

    return reader.meaning if isinstance(reader, TableReader) else ""


def text_of(counts: Mapping[str, int]) -> str:
    """Equal counts are equal text."""
    return _encode(dict(counts)).decode()
