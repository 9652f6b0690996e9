"""The values of a Parquet column as Python has them: one that it cannot have costs its row, not the file, and is told to nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.rowcells import ColumnType

_T = ColumnType
FITS = {
    "text": frozenset(ColumnType),
    "whole": frozenset({_T.TEXT, _T.INTEGER, _T.DECIMAL, _T.YESNO}),
    "decimal": frozenset({_T.TEXT, _T.INTEGER, _T.DECIMAL}),
    "float": frozenset({_T.INTEGER, _T.DECIMAL}),  # as text it would be another number in every reader
    "yes or no": frozenset({_T.TEXT, _T.YESNO}),
    "a day": frozenset({_T.TEXT, _T.DATE}),
    "a time": frozenset({_T.TEXT, _T.DATE, _T.DATETIME}),
    "a time in a zone nobody knows": frozenset[ColumnType](),
    "nested or bytes": frozenset[ColumnType](),
}
"""By `kind_of` a column, what its values can be."""


class Beyond:
    """Stands for a value that Python has not: a day in the year 20000, text that is no UTF-8. It is of no type of ours."""

    def __str__(self) -> str:
        return "(unreadable)"


_BEYOND = Beyond()


def kind_of(type_: Any) -> str:
    """What a column of this type of Arrow's holds."""
    from pyarrow import types

    if types.is_dictionary(type_):
        type_ = type_.value_type
    if types.is_string(type_) or types.is_large_string(type_):
        return "text"
    if types.is_timestamp(type_):
        return "a time" if _has_zone(type_) else "a time in a zone nobody knows"
    asked = {
        "whole": types.is_integer,
        "decimal": types.is_decimal,
        "float": types.is_floating,
        "yes or no": types.is_boolean,
        "a day": types.is_date,
    }
    return next((name for name, is_it in asked.items() if is_it(type_)), "nested or bytes")


def values_of(column: Any) -> Sequence[object]:
    """Of one batch. Nanoseconds are cut: Python has none, and no mapping asks for them."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):  # each word once, however many rows share it
        used = column.indices.drop_null().unique()
        words = dict(zip(used.to_pylist(), values_of(column.dictionary.take(used)), strict=True))
        return list(map(words.get, column.indices.to_pylist()))
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    try:
        found: list[object] = column.to_pylist()
    except (ValueError, OverflowError):
        return [_one(told) for told in column]
    return found


def _one(told: Any) -> object:
    try:
        found: object = told.as_py()
    except (ValueError, OverflowError):
        return _BEYOND
    return found


def _has_zone(type_: Any) -> bool:
    """Whether its zone, which a file may call anything, is one; none is told, too."""
    import pyarrow as pa

    try:
        pa.scalar(0, type_).as_py()
    except Exception:  # noqa: BLE001 - whatever looks zones up raises errors of its own
        return False
    return True
