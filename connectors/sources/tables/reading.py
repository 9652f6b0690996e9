"""What every way of writing rows has in common: rows in order, each with the place from which reading goes on behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, Self

from connectors.sources.rows import Problem
from connectors.sources.tables.columns import Layout
from gateway.rowjson import Unfit

Place = tuple[int, int]
"""Where a file goes on: the byte (unpacked) and the line of it; of Parquet the row, twice."""


class Told(NamedTuple):
    """One row. `line`: where it begins, from 1. `values`: of the declared columns; None where it is none, and `text` is all of it."""

    line: int
    after: Place
    values: Sequence[object] | None
    why: Unfit | None = None
    text: str = ""

    @property
    def problem(self) -> Problem:
        """Why it is none."""
        return Problem(self.why or Unfit.LINE)


class Reading(Protocol):
    """One open file whose columns are looked at already; it is closed as a context manager.

    `layout`: the declared columns in it. `damage`: why it ended before its end, in our words. `expected`: how many rows it says it has.
    """

    layout: Layout
    expected: int | None

    @property
    def damage(self) -> str | None:
        """See above."""
        ...

    def rows(self, at: Place | None) -> Iterator[Told]:
        """Its rows from its beginning, or from a place behind one of them. Raises OSError."""
        ...

    def consumed(self) -> int:
        """Bytes of the file that were read, as it lies there."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
