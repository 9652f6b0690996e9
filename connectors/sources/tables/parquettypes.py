"""What the columns of a Parquet file hold, and which of our types that can be (SN-02)."""

from __future__ import annotations

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


def _has_zone(type_: Any) -> bool:
    """Whether its zone, which a file may call anything, is one; none is told, too."""
    import pyarrow as pa

    try:
        pa.scalar(0, type_).as_py()
    except Exception:  # noqa: BLE001 - whatever looks zones up raises errors of its own
        return False
    return True
