"""The columns that are read: each one declared and there, of a type that can be what is declared; others are never named (SN-02)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.snowflake.names import quoted
from gateway.model.errors import Unusable
from gateway.ports import TableShape
from gateway.rowcells import ColumnType

_STAMPS = frozenset({"TIMESTAMP", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ"})
_NUMBERS = frozenset({"FIXED", "REAL"})
_TEXT = frozenset({"TEXT"})
_FITS: Mapping[ColumnType, frozenset[str]] = {
    ColumnType.TEXT: _TEXT | _NUMBERS | _STAMPS | {"DATE", "BOOLEAN"},
    ColumnType.INTEGER: _TEXT | _NUMBERS,
    ColumnType.DECIMAL: _TEXT | _NUMBERS,
    ColumnType.DATE: _TEXT | _STAMPS | {"DATE"},
    ColumnType.DATETIME: _TEXT | _STAMPS,
    ColumnType.YESNO: _TEXT | {"BOOLEAN", "FIXED"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`name`: as the mapping has it; `there`: as the warehouse has it; `kind`: its type there."""

    name: str
    there: str
    type: ColumnType
    kind: str

    @property
    def sql(self) -> str:
        """The column itself."""
        return quoted(self.there)

    @property
    def read(self) -> str:
        """As it is read: numbers as text, for the connector may make floats of them (SN-33)."""
        return f"CAST({self.sql} AS VARCHAR)" if self.kind in _NUMBERS else self.sql

    @property
    def kept(self) -> str:
        """The type of what `read` gives."""
        plain = {"TEXT": "VARCHAR", "FIXED": "VARCHAR", "REAL": "VARCHAR", "TIMESTAMP": "TIMESTAMP_NTZ"}
        return plain.get(self.kind, self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """`columns` in the order they are read, which is the one of `shape`; `key` and `at` among them, by place."""

    shape: TableShape
    columns: tuple[Column, ...]
    key: tuple[int, ...]
    at: int | None

    @property
    def keys(self) -> tuple[Column, ...]:
        """What tells rows apart."""
        return tuple(self.columns[place] for place in self.key)

    @property
    def version(self) -> Column | None:
        """What tells versions of a row apart."""
        return None if self.at is None else self.columns[self.at]


def lay(shape: TableShape, there: Mapping[str, str]) -> Layout:
    """The columns of `shape` among those of the table (name → type). Raises Unusable, naming each that is missing or unfit."""
    problems: list[str] = []
    columns: list[Column] = []
    for name, told in shape.columns.items():
        found = [one for one in there if one == name] or [one for one in there if one.casefold() == name.casefold()]
        type_ = ColumnType(told)
        if len(found) != 1:
            problems.append(f"{name} is not there" if not found else f"{name} is there in several spellings")
        elif there[found[0]] not in _FITS[type_]:
            problems.append(f"{name} is {there[found[0]]} and cannot be {type_.value}")
        else:
            columns.append(Column(name=name, there=found[0], type=type_, kind=there[found[0]]))
    if problems:
        raise Unusable(f"the table is not what mapping {shape.mapping} reads: {'; '.join(problems)}")
    names = list(shape.columns)
    return Layout(
        shape=shape,
        columns=tuple(columns),
        key=tuple(names.index(one) for one in shape.key),
        at=None if shape.at is None else names.index(shape.at),
    )


def watermarked(layout: Layout) -> Column:
    """The column a watermark is of. Raises Unusable where there is none that has an order in time (SN-12)."""
    column = layout.version
    if column is None or column.kind not in _STAMPS | {"DATE"}:
        raise Unusable(
            "`mode: watermark` needs a mapping with `at`, a column of the warehouse's type TIMESTAMP or DATE"
        )
    return column
