"""The values of a column of Arrow's as Python has them: one that it cannot have costs its row, and is told to nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Beyond:
    """Stands for a value that Python has not: a day in the year 20000, text that is no UTF-8. It is of no type of ours."""

    def __str__(self) -> str:
        return "(unreadable)"


_BEYOND = Beyond()


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
