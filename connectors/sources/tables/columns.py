"""The declared columns of a file: each is there, once, or nothing is read (SN-02)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from connectors.sources.rows import RowMaker
from gateway.model.errors import Unusable
from gateway.ports import TableShape
from gateway.rowcells import ColumnType


@dataclass(frozen=True, slots=True)
class Column:
    """`place`: of the file's columns; None: the file has it not, and need not."""

    name: str
    type: ColumnType
    place: int | None


class Layout(RowMaker):
    """The declared columns in a file that has columns `there`. Raises Unusable naming each that is missing or told twice."""

    def __init__(
        self, shape: TableShape, there: Sequence[str], *, may_lack: Collection[str] = (), nothing: Collection[str] = ()
    ) -> None:
        super().__init__(shape, nothing=nothing)
        self.columns = tuple(_columns(shape, there, may_lack))


def _columns(shape: TableShape, there: Sequence[str], may_lack: Collection[str]) -> list[Column]:
    problems: list[str] = []
    columns: list[Column] = []
    for name, type_ in shape.columns.items():
        found = _places(name, there)
        lacks = not found and name in may_lack and name not in shape.key
        if len(found) == 1 or lacks:
            columns.append(Column(name, ColumnType(type_), found[0] if found else None))
        else:
            problems.append(f"{name} is there {len(found)} times" if found else f"{name} is not there")
    if problems:
        raise Unusable(f"the file has not the columns that mapping {shape.mapping} reads: {'; '.join(problems)}")
    return columns


def _places(name: str, there: Sequence[str]) -> list[int]:
    exact = [place for place, one in enumerate(there) if one == name]
    return exact or [place for place, one in enumerate(there) if one.casefold() == name.casefold()]
