"""What commands print: tables for people, one JSON object a line for programs; nothing foreign can steer a terminal."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

Line = TypeVar("Line")
_encode = json.JSONEncoder(ensure_ascii=False).encode
_EXACT = 2**53  # what JSON numbers keep in most programs (RFC 8259 §6)
IDS = frozenset(
    {
        "address",
        "audit",
        "communication",
        "first_bad",
        "id",
        "individual",
        "loser",
        "merge",
        "message",
        "occurrence",
        "patient",
        "request",
        "ruleset",
        "survivor",
    }
)
"""Keys whose numbers are ids: those have 64 bits, so they are text, small ones too."""


def plain(value: object) -> object:
    """Dataclasses, enums, paths, times and sets as what JSON has; bytes never (they may be a message). Ids become text."""
    kind = type(value)
    if kind is str or value is None or kind is bool:  # most of what is printed, by the hundred thousand
        return value
    if kind is list or kind is tuple:
        return [plain(item) for item in value]  # type: ignore[attr-defined]  # narrowed by its very type
    if kind is dict or isinstance(value, Mapping):
        return {name: _under(name, item) for name, item in ((str(plain(key)), item) for key, item in value.items())}  # type: ignore[attr-defined]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _under(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path | date):
        return str(value)
    if isinstance(value, AbstractSet):
        return sorted(map(str, value))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    if isinstance(value, int) and abs(value) >= _EXACT:
        return str(value)
    if isinstance(value, str | int | float | None):
        return value
    raise TypeError(f"{type(value).__name__} is not for printing")


def _under(key: str, value: object) -> object:
    if key in IDS and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return plain(value)


def fields_of(line: Any) -> dict[str, object]:
    """The fields of a dataclass, to add some to."""
    return {one.name: getattr(line, one.name) for one in dataclasses.fields(line)}


def emit(value: object) -> None:
    """One JSON object on a line of its own, flushed: a program may be reading along."""
    print(_encode(plain(value)), flush=True)


def say(text: str = "") -> None:
    """A line for people."""
    print(printable(text))


def note(text: str) -> None:
    """A line about the work, not of its result: standard error."""
    print(printable(text), file=sys.stderr)


def printable(text: str) -> str:
    r"""Text whose control characters are shown as \x1b and the like: a feed must not steer the reader's terminal."""
    return "".join(char if char.isprintable() or char == "\n" else f"\\x{ord(char):02x}" for char in text)


def moment(millis: int | None) -> str:
    """An instant in UTC to the second, or a dash."""
    return "-" if millis is None else datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def span(millis: int | None) -> str:
    """A length of time in its two largest units ("3d 4h", "12m 30s"), or a dash."""
    if millis is None:
        return "-"
    parts, rest = [], millis // 1000
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, seconds)
        parts.append((count, unit))
    first = next((at for at, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count}{unit}" for count, unit in parts[first : first + 2] if count) or "0s"


def listed(
    lines: Sequence[Line],
    columns: Sequence[str],
    row: Callable[[Line], Sequence[object]],
    *,
    json: bool,
    none: str = "nothing",
) -> None:
    """Lines as one JSON object each for programs, else as a table for people; `none` is told when there are none."""
    if not json:
        table(columns, map(row, lines))
        if not lines:
            note(none)
        return
    for line in lines:
        emit(line)


def row(cells: Iterable[object]) -> None:
    """One tab-separated line of what comes bit by bit; what is not there is a hyphen."""
    print("\t".join(_cells(cells)))


def _cells(cells: Iterable[object]) -> list[str]:
    return [printable("-" if cell in (None, "") else str(cell)) for cell in cells]


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under headings; on a terminal with rich, elsewhere tab-separated so that cut and awk can be used."""
    texts = [_cells(cells) for cells in rows]
    if not sys.stdout.isatty():
        for cells in ([name.lower() for name in columns], *texts):
            print("\t".join(cells))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for cells in texts:
        shown.add_row(*map(Text, cells))
    Console().print(shown)
