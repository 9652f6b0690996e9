"""Values of a row: a column as a fact, an instant where its clock hangs; what is none is told as a fault, without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.mapping.codes import NOTHING, CodeTable
from gateway.mapping.feed import Feed
from gateway.mapping.fhir.times import when_of
from gateway.mapping.tables.schema import ColumnTold
from gateway.model.event import Fault, Place, Severity
from gateway.model.facts import UNMAPPED, FactType, FactValue
from gateway.model.party import CLEARED, Cleared
from gateway.model.when import Millis, Precision, When
from gateway.rowjson import Cell

_LONGEST_CODE = 200


@dataclass(slots=True)
class Sheet:
    """One row being read. `zone`: where its times without an offset are meant (SN-13)."""

    row: Mapping[str, Cell]
    feed: Feed
    zone: str
    received: Millis
    faults: list[Fault] = field(default_factory=list)

    def warn(self, code: int, column: str, rule: str) -> None:
        """Something wrong with a column; the rest of the row is read. `code`: table 0357."""
        self.faults.append(Fault(code=code, rule=rule, place=Place(column), severity=Severity.WARNING))

    def when(self, column: str) -> When | None:
        """The time a column tells, on the source's own clock; a day is that day there. None for none."""
        told = self.row.get(column)
        if told is None:
            return None
        when = when_of(told, self.zone)
        if when is None:
            self.warn(102, column, "the column tells no time")
        elif when.precision is Precision.DAY:
            return when_of(told, self.feed.zone)
        return when if when is None else When(when.utc, self.feed.zone, when.precision)


Read = Callable[[Sheet], "FactValue | Cleared | None"]
"""A fact of a row: CLEARED where the row does not tell it (any more), None where it tells nothing about it."""


def fact_of(told: ColumnTold, type_: FactType, tables: Mapping[str, CodeTable]) -> Read:
    """What reads one fact; of a mapping that was checked."""
    column = told.column
    if column is None:
        return lambda _: told.word
    if type_ is FactType.DATETIME:
        return lambda sheet: CLEARED if sheet.row.get(column) is None else sheet.when(column)
    return _coded(column, tables[told.codes or ""])


def _coded(column: str, table: CodeTable) -> Read:
    def read(sheet: Sheet) -> FactValue | Cleared | None:
        told = sheet.row.get(column)
        if told is None:
            return CLEARED
        code = text_of(told)
        word = table.known(code) if len(code) <= _LONGEST_CODE else None
        if word is None:
            sheet.warn(103, column, "the code is not in its table")
            return UNMAPPED
        return None if word == NOTHING else word

    return read


def text_of(cell: Cell) -> str:
    """A cell as text; yes and no are `true` and `false`."""
    return cell if isinstance(cell, str) else str(cell).lower()
