"""One merged mapping of a table: which columns it needs, whom a row is about and what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.mapping.codes import NOTHING
from gateway.mapping.tables.kinds import ENDS
from gateway.mapping.tables.schema import ColumnTold, EventTold, GoneTold, IdentityTold, RowEvent
from gateway.model.event import EventKind, OccurrenceKind
from gateway.ports import TableShape
from gateway.rowcells import ColumnType, word_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFamily:
    """`about`: an OccurrenceKind, or "Patient" of a table of contacts; all else as the file says it, checked."""

    name: str
    about: str
    columns: Mapping[str, ColumnType]
    key: tuple[str, ...]
    identity: tuple[IdentityTold, ...]
    event: RowEvent | EventTold
    facts: Mapping[str, ColumnTold]
    contact: Mapping[str, str]
    at: str | None = None
    zone: str | None = None
    occurred: str | None = None
    gone: GoneTold | None = None

    @property
    def kinds(self) -> frozenset[EventKind]:
        """Every kind of event that a row may become, its end among them: any row may go (SN-03)."""
        ends = {ENDS[OccurrenceKind(self.about)]} if self.about != "Patient" else set()
        return kinds_of(self.event) | ends


def kinds_of(event: RowEvent | EventTold) -> frozenset[EventKind]:
    """The kinds that an `event` names."""
    told = [*event.codes.values()] if isinstance(event, EventTold) else [event]
    return frozenset(EventKind(one) for one in told if one != NOTHING)


def shape_of(family: RowFamily) -> TableShape:
    """What the source that reads the table must know of it."""
    gone = family.gone
    return TableShape(
        mapping=family.name,
        columns={name: type_.value for name, type_ in family.columns.items()},
        key=family.key,
        at=family.at,
        gone=None if gone is None else (gone.column, frozenset(map(word_of, gone.values))),
        contact=bool(family.contact),
    )
