"""Rows of a file with one JSON object a line: a line that is none costs itself, and numbers stay exact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from connectors.sources.members import BOM, object_of, paths_of, values_of
from connectors.sources.tables.columns import Layout
from connectors.sources.tables.lines import Lines
from connectors.sources.tables.options import TablesOptions
from connectors.sources.tables.reading import Place, Told
from gateway.ports import TableShape
from gateway.rowjson import Unfit

_LOOKED, _BYTES = 1_000, 8 << 20
# lines, and bytes of them, that must tell every declared column once; what may be rarer is declared so (`may_lack`)
_DEEPEST = 4


class NdjsonReading:
    """`reading.Reading` of one file. A column `traits.mrn` is the member `mrn` of `traits`.

    Raises OSError, and Unusable where its first lines tell not what is declared.
    """

    expected: int | None = None

    def __init__(self, path: Path, shape: TableShape, options: TablesOptions) -> None:
        with Lines(path, most=options.max_file) as first:
            there = _names(first) or list(shape.columns)  # of an empty file: there is nothing to look at
        self.layout = Layout(shape, there, may_lack=options.may_lack, nothing=options.nothing)
        named = [one.name if one.place is None else there[one.place] for one in self.layout.columns]
        self._paths = paths_of(named)
        self._lines = Lines(path, most=options.max_file)

    @property
    def damage(self) -> str | None:
        """As the port has it."""
        return self._lines.damage

    def consumed(self) -> int:
        """As the port has it."""
        return self._lines.consumed()

    def rows(self, at: Place | None) -> Iterator[Told]:
        """As the port has it."""
        offset, line = at or (0, 0)
        self._lines.seek(offset)
        while True:
            raw, whole = self._lines.line()
            if not raw:
                return
            line += 1
            after = self._lines.offset, line
            if not whole:
                yield Told(line, after, None, Unfit.LONG, raw.decode(errors="backslashreplace"))
            elif raw.strip() and raw.strip() != BOM:
                yield self._told(raw, line, after)

    def _told(self, raw: bytes, line: int, after: Place) -> Told:
        found = object_of(raw)
        if found is None:
            return Told(line, after, None, Unfit.LINE, raw.decode(errors="backslashreplace"))
        return Told(line, after, values_of(found, self._paths))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.__exit__()


def _names(lines: Lines) -> list[str]:
    """Every column that the first lines tell, members of members too, in their order."""
    found: dict[str, None] = {}
    for _ in range(_LOOKED):
        raw, _whole = lines.line()
        if not raw or lines.offset > _BYTES:
            break
        _gather(object_of(raw) or {}, "", found, _DEEPEST)
    return list(found)


def _gather(told: Mapping[str, Any], head: str, found: dict[str, None], depth: int) -> None:
    for name, value in told.items():
        found[head + name] = None
        if isinstance(value, dict) and depth > 1:
            _gather(value, f"{head}{name}.", found, depth - 1)
