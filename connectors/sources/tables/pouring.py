"""The rows of one drop into the place they go: chunk by chunk with the place behind it, and who is missing leaves only if all of it was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from connectors.sources.drops.ripening import stamp_at
from connectors.sources.rows import unknown
from connectors.sources.tables import counting
from connectors.sources.tables.csvrows import CsvReading
from connectors.sources.tables.finding import Drop
from connectors.sources.tables.ndjsonrows import NdjsonReading
from connectors.sources.tables.options import TablesOptions, Written
from connectors.sources.tables.parquetrows import ParquetReading
from connectors.sources.tables.reading import Place, Reading
from connectors.sources.tables.report import Report
from gateway.model.errors import Busy, Unusable
from gateway.ports import ExtractMode, ExtractState, Row, Rows, TableShape

_ROWS, _BYTES = 1_000, 4 << 20  # of one chunk
_READING: Mapping[Written, Callable[[Path, TableShape, TablesOptions], Reading]] = {
    Written.CSV: CsvReading,
    Written.NDJSON: NdjsonReading,
    Written.PARQUET: ParquetReading,
}
_CHANGED = "it changed while it was read"
Step = Callable[[ExtractState, int], None]
"""Told of every chunk that is committed, and of the bytes of all parts that were read."""


class Where(msgspec.Struct, frozen=True):
    """The cursor: of which drop, in which part and where in it the next row begins, and what was found before. Nothing of a row."""

    drop: str
    part: int = 0
    at: Place | None = None
    rows: int = 0
    unfit: int = 0
    keyless: int = 0


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Where).decode


@dataclass(slots=True)
class Pouring:
    """Of one source. `alive` raises Busy when it must not go on."""

    rows: Rows
    shape: TableShape
    options: TablesOptions
    alive: Callable[[], None]
    step: Step

    def pour(self, drop: Drop, report: Report, *, baseline: bool | None = None, again: bool = False) -> None:
        """Take it in, or go on with it; `report` says what it came to. Raises OSError, ServerError, GuardError, StoreError.

        `again`: also what was the last to be finished; else there was no time to move it before we were stopped.
        """
        stamp = stamp_at(drop.path)
        where = Where(drop.identity())
        if not again and _where(self.rows.cursor()) == where.drop:
            report.finished = report.repeated = report.kept = True
            return
        self._look(drop)
        state, where = self._begun(drop, where, baseline)
        report.rows, report.unfit, report.keyless, report.state = where.rows, where.unfit, where.keyless, state
        report.kept = self.rows.keeps
        self._parts(drop, where, report)
        if stamp_at(drop.path) != stamp:
            self.rows.give_up(_state(report), _CHANGED)
            raise Busy(_CHANGED)
        self._end(drop, report)

    def _look(self, drop: Drop) -> None:
        """Every part is looked at before a row of any is taken. Raises Unusable naming the part by its number."""
        for number, part in enumerate(drop.parts, 1):
            try:
                with self._opened(part):
                    pass
            except Unusable as error:
                raise Unusable(f"{error} (part {number})" if len(drop.parts) > 1 else str(error)) from None

    def _opened(self, part: Path) -> Reading:
        return _READING[self.options.files](part, self.shape, self.options)

    def _begun(self, drop: Drop, where: Where, baseline: bool | None) -> tuple[ExtractState, Where]:
        going = self.rows.open()
        if going is not None and _where(going.cursor) == where.drop:
            return going, _decode(going.cursor)
        begins, expected = _encode(where).decode(), self._expected(drop)
        return self.rows.begin(self.options.mode, cursor=begins, expected=expected, baseline=baseline), where

    def _expected(self, drop: Drop) -> int | None:
        """How many rows it has: by its manifest, or by its files themselves."""
        if drop.expected is not None:
            return drop.expected
        counts = [self._counted(part) for part in drop.parts]
        return None if None in counts else sum(one or 0 for one in counts)

    def _counted(self, part: Path) -> int | None:
        if self.options.files is not Written.PARQUET:
            return counting.rows(part, self.options)
        with self._opened(part) as reading:
            return reading.expected

    def _parts(self, drop: Drop, where: Where, report: Report) -> None:
        before = sum(part.stat().st_size for part in drop.parts[: where.part])
        for number, part in enumerate(drop.parts[where.part :], where.part):
            with self._opened(part) as reading:
                self._part(
                    reading, part.name, where if number == where.part else Where(where.drop, number), report, before
                )
                if reading.damage is not None:
                    report.problem(f"part {number + 1}: {reading.damage}" if len(drop.parts) > 1 else reading.damage)
            before += part.stat().st_size

    def _part(self, reading: Reading, name: str, where: Where, report: Report, before: int) -> None:
        for chunk, at in self._chunks(reading, name, where.at, report):
            self.alive()
            found = Where(where.drop, where.part, at, report.rows, report.unfit, report.keyless)
            report.state = self.rows.take(_state(report), chunk, _encode(found).decode())
            self.step(report.state, before + reading.consumed())

    def _chunks(
        self, reading: Reading, name: str, at: Place | None, report: Report
    ) -> Iterator[tuple[Sequence[Row], Place]]:
        chunk: list[Row] = []
        size = 0
        for told in reading.rows(at):
            if told.values is None:
                row, problem = unknown(told.text, told.problem)
            else:
                row, problem = reading.layout.row(told.values)  # type: ignore[assignment] # most have none
            if problem is not None:
                report.misfit(name, told.line, problem)
                report.keyless += problem.keyless
            report.rows += 1
            chunk.append(row)
            size += len(row.body)
            at = told.after
            if len(chunk) >= _ROWS or size >= _BYTES:
                yield chunk, at
                chunk, size = [], 0
        if chunk and at is not None:
            yield chunk, at

    def _end(self, drop: Drop, report: Report) -> None:
        """Who is missing has left only where everybody who is there could be told (SN-03)."""
        state = _state(report)
        if drop.expected is not None and drop.expected != report.rows:
            report.problem(f"it has {report.rows} rows, and its manifest says {drop.expected}")
        if self.options.mode is ExtractMode.SNAPSHOT and report.keyless:
            report.problem(f"{report.keyless} rows do not tell their key, so that nobody who is missing has left")
        if report.problems:
            self.rows.give_up(state, "the file could not be read whole")
            return
        report.state = self.rows.finish(state, rows=drop.expected)
        report.finished = True


def _state(report: Report) -> ExtractState:
    assert report.state is not None, "it was begun"
    return report.state


def _where(cursor: str | None) -> str | None:
    """Of which drop a cursor is; None of one that is not ours."""
    try:
        return None if cursor is None else _decode(cursor).drop
    except msgspec.DecodeError:
        return None
