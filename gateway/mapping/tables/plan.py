"""One row becomes the event of one person: the mapping's closures run in order, and only wanted facts are read (law 5)."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.mapping.codes import NOTHING, CodeTable
from gateway.mapping.schema import OTHERWISE
from gateway.mapping.subjects import SUBJECTS
from gateway.mapping.tables.family import RowFamily
from gateway.mapping.tables.kinds import ENDS, TOLD
from gateway.mapping.tables.people import People, is_production
from gateway.mapping.tables.schema import EventTold
from gateway.mapping.tables.values import Sheet, fact_of
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, EventKind, Fault, Occurrence, OccurrenceKind, PatientEvent, Place
from gateway.model.facts import ROW_KEY, VOCABULARY, FactValue
from gateway.model.party import CLEARED, Cleared, Identifier
from gateway.model.when import DAY, Millis, Precision, When
from gateway.rowcells import word_of

Read = tuple[tuple[PatientEvent, ...], str | None]
"""The event of a row, or the reason why there is none."""

_NONE: frozenset[str] = frozenset()
KEPT = "a contact that is no longer told stays as it is"
SILENT = "the row tells no event of ours"


class RowPlan:
    """How the rows of one table become events; compiled once per reader. `facts`: what is wanted, None: all."""

    def __init__(self, family: RowFamily, tables: Mapping[str, CodeTable], facts: frozenset[str] | None) -> None:
        self._family = family
        self._people = People(family)
        self._about = None if family.about == "Patient" else OccurrenceKind(family.about)
        self._structural = SUBJECTS[family.about].structural
        self._unwanted = _NONE if facts is None else frozenset(self._structural) - facts
        self._facts = tuple(
            (name, fact_of(told, VOCABULARY[name].type, tables))
            for name, told in family.facts.items()
            if facts is None or name in facts or name in self._structural
        )
        gone = family.gone
        self._gone = None if gone is None else (gone.column, frozenset(map(word_of, gone.values)))
        event = family.event
        self._codes = (
            {word_of(word): kind for word, kind in event.codes.items()} if isinstance(event, EventTold) else {}
        )

    def read(self, sheet: Sheet, key: str) -> Read:
        """What a row that is there comes to. Raises Unreadable (AE)."""
        is_gone = self._is_gone(sheet)
        if is_gone and self._about is None:
            return (), KEPT
        kind = ENDS[self._about] if is_gone and self._about is not None else self._kind(sheet)
        if kind is None:
            return (), SILENT
        identifiers = self._people.identifiers(sheet)
        return (self._event(kind, key, identifiers, sheet, self._moment(sheet)),), None

    def gone(self, sheet: Sheet, key: str) -> Read:
        """What it means that a row is no longer there: whose it was, only its occurrence knows."""
        if self._about is None:
            return (), KEPT
        return (self._event(ENDS[self._about], key, (), sheet, sheet.received),), None

    def _is_gone(self, sheet: Sheet) -> bool:
        return self._gone is not None and word_of(sheet.row.get(self._gone[0])) in self._gone[1]

    def _kind(self, sheet: Sheet) -> EventKind | None:
        event = self._family.event
        if not isinstance(event, EventTold):
            return EventKind(event)
        told = self._codes.get(word_of(sheet.row.get(event.column)), self._codes.get(OTHERWISE))
        if told is None:
            raise Unreadable(
                Fault(code=103, rule="no event is told for this word", place=Place(event.column)), AckCode.AE
            )
        return None if told == NOTHING else EventKind(told)

    def _moment(self, sheet: Sheet) -> Millis:
        """When this version was written, which orders versions (SN-11); when it came, where that is not told or cannot be."""
        at = self._family.at
        when = None if at is None else sheet.when(at)
        if when is not None and when.utc > sheet.received + DAY:  # "9999-12-31" would win for ever
            sheet.warn(102, at or "", "the row is from the future")
            return sheet.received
        return sheet.received if when is None else when.utc

    def _event(
        self, kind: EventKind, key: str, identifiers: tuple[Identifier, ...], sheet: Sheet, moment: Millis
    ) -> PatientEvent:
        happened = None if self._family.occurred is None else sheet.when(self._family.occurred)
        occurred = moment if happened is None else happened.utc
        told: dict[str, FactValue | Cleared] = {}
        occurrence = None
        if self._about is not None:
            told = self._told(sheet, TOLD[kind].status, key)
            occurrence = self._occurrence(kind, key, told, occurred, sheet)
        return PatientEvent(
            kind=kind,
            identifiers=identifiers,
            person=self._people.person(sheet),
            occurred=occurred,
            recorded=moment,
            production=is_production(sheet, identifiers),
            occurrence=occurrence,
            facts={name: value for name, value in told.items() if value is not CLEARED and name not in self._unwanted},
            cleared=frozenset(name for name, value in told.items() if value is CLEARED),
            existing=True,
        )

    def _told(self, sheet: Sheet, status: str, key: str) -> dict[str, FactValue | Cleared]:
        """The facts of a row; of one that is gone its key and status alone."""
        facts = self._facts if sheet.row else ()
        told = {name: value for name, read in facts if (value := read(sheet)) is not None}
        return {**told, self._structural[3]: status, ROW_KEY: key}

    def _occurrence(
        self, kind: EventKind, key: str, told: Mapping[str, FactValue | Cleared], occurred: Millis, sheet: Sheet
    ) -> Occurrence:
        """What the row is about, known by its key; one that ends has ended when that happened."""
        about, status = TOLD[kind]
        start, end = told.get(self._structural[0]), told.get(self._structural[1])
        if kind is ENDS[about]:
            end = When(occurred, sheet.feed.zone, Precision.SECOND)
        return Occurrence(
            kind=about,
            key=f"{self._family.name}|{key}",
            status=status,
            start=start if isinstance(start, When) else None,
            end=end if isinstance(end, When) else None,
            facility=sheet.feed.organization,
        )
