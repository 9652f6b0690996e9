"""Values of somebody's table become rows: exact, in their declared types, and what does not fit makes a row its reader refuses, not guessed at."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from gateway.model.when import Millis
from gateway.ports import Row, TableShape
from gateway.rowcells import ColumnType, cell, word_of
from gateway.rowjson import LONGEST, Cell, Unfit, key_of, told, unfit

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = 64 << 10  # characters of what is unfit that are kept for a person
_KEY = 4_096  # characters of a key; it is stored and told with all that comes of its row


class Problem(NamedTuple):
    """Why a row is unfit; `column` where it is one. `keyless`: nobody can tell which row it is."""

    why: Unfit
    column: str | None = None
    keyless: bool = True


class RowMaker:
    """For the rows of one table: its values are those of the declared columns, in their order; more are passed over.

    `nothing`: words that stand for nothing.
    """

    def __init__(self, shape: TableShape, *, nothing: Collection[str] = ()) -> None:
        names = list(shape.columns)
        self._types = tuple((name, ColumnType(type_)) for name, type_ in shape.columns.items())
        self._key = tuple(names.index(one) for one in shape.key)
        self._keys = frozenset(shape.key)
        self._at = None if shape.at is None else names.index(shape.at)
        self._gone = None if shape.gone is None else (names.index(shape.gone[0]), shape.gone[1])
        self._nothing = frozenset(nothing)

    def row(self, values: Sequence[object]) -> tuple[Row, Problem | None]:
        """What does not fit is a row too, one that its reader refuses; one that says of itself that it is gone has no body."""
        cells, problem = self._cells(values)
        key = [cells[place] for place in self._key]
        if problem is not None and problem.keyless:
            return unknown(self._text(values), problem)
        if all(one is None for one in key):
            return unknown(self._text(values), Problem(Unfit.KEYLESS))
        name = key_of(key)
        if len(name) > _KEY:
            return unknown(self._text(values), Problem(Unfit.LONG))
        if problem is not None:
            return self._unfit(name, values, problem)
        at = None if self._at is None else instant(cells[self._at])
        if self._gone is not None and word_of(cells[self._gone[0]]) in self._gone[1]:
            return Row(key=name, body=b"", at=at), None
        names = (name for name, _ in self._types)
        body = told(name, dict(zip(names, cells, strict=True)))
        if len(body) > LONGEST:
            return self._unfit(name, values, Problem(Unfit.LONG, keyless=False))
        return Row(key=name, body=body, at=at), None

    def key(self, values: Sequence[object]) -> str:
        """What tells it apart."""
        return self.row(values)[0].key

    def gone(self, values: Sequence[object]) -> Row:
        """The same row, which is there no longer."""
        return Row(key=self.key(values), body=b"", at=None)

    def _unfit(self, name: str, values: Sequence[object], problem: Problem) -> tuple[Row, Problem]:
        return Row(key=name, body=unfit(name, problem.why, problem.column, self._text(values)[:_SHOWN])), problem

    def _cells(self, values: Sequence[object]) -> tuple[list[Cell], Problem | None]:
        cells: list[Cell] = []
        problem: Problem | None = None
        for (name, type_), value in zip(self._types, values, strict=False):
            try:
                cells.append(None if value in self._nothing else cell(type_, value))
            except ValueError:
                cells.append(None)
                if problem is None or name in self._keys:
                    problem = Problem(Unfit.TYPE, name, name in self._keys)
        return cells, problem

    def _text(self, values: Sequence[object]) -> str:
        return "\t".join("" if one is None else str(one) for one in values[: len(self._types)])


def unknown(text: str, problem: Problem) -> tuple[Row, Problem]:
    """A row whose key cannot be told: equal text is the same row each time."""
    key = "unfit:" + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
    return Row(key=key, body=unfit(key, problem.why, problem.column, text[:_SHOWN])), problem


def instant(told: Cell) -> Millis | None:
    """Of a time that says its zone: whose the others are, the mapping knows (SN-13)."""
    if not isinstance(told, str) or not told.endswith("Z"):
        return None
    try:
        return (datetime.fromisoformat(told) - _EPOCH) // timedelta(milliseconds=1)
    except ValueError:
        return None
