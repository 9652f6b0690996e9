"""One thing that two feeds tell under numbers that do not join is planned once; what the second would send waits for a person.

Where identifier systems are configured both feeds name the same occurrence, and there is nothing to hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.model.event import OccurrenceKind
from gateway.model.facts import UNMAPPED
from gateway.model.request import RequestStatus
from gateway.model.rule import Rule
from gateway.model.verdict import Hold, Reason
from gateway.model.when import DAY, MINUTE, Millis, Precision, When
from gateway.pipeline.batch import Batch
from gateway.pipeline.planning import moved_on
from gateway.pipeline.rows import OccurrenceRow, PatientRow, RequestRow
from gateway.pipeline.site import Site
from gateway.store import tables

_PLACED = frozenset({OccurrenceKind.APPOINTMENT.value, OccurrenceKind.ENCOUNTER.value})
_CODED: Mapping[str, str] = {
    OccurrenceKind.DIAGNOSTIC_REPORT.value: "result.code",
    OccurrenceKind.MEDICATION_REQUEST.value: "",  # two standards write one medicine in two ways
    OccurrenceKind.MEDICATION_DISPENSE.value: "",
}
_COLUMNS = ("id", "kind", "source", "start_utc", "precision", "occurred")
_EXACT = frozenset({Precision.MINUTE.value, Precision.SECOND.value})


class _Moment(NamedTuple):
    """When something is or was, as one feed tells it. `exact`: to the minute; else only its day is known."""

    at: Millis
    exact: bool

    def meets(self, other: _Moment) -> bool:
        """Whether both may be one moment, as exactly as the vaguer of the two tells it."""
        if self.exact and other.exact:
            return self.at // MINUTE == other.at // MINUTE
        if self.exact == other.exact:
            return abs(self.at - other.at) < DAY  # two days of two zones
        day, moment = (other, self) if self.exact else (self, other)
        return day.at <= moment.at < day.at + DAY


def _moment(kind: str, start: Millis | None, precision: str | None, occurred: Millis) -> _Moment | None:
    """Its start; of what need not tell one, the day on which it was told."""
    if start is not None:
        return _Moment(start, precision in _EXACT)
    return None if kind in _PLACED else _Moment(occurred - DAY // 2, exact=False)


def same_time(row: OccurrenceRow, told: When) -> bool:
    """Whether an occurrence may start at the time that another feed tells, as exactly as both tell it."""
    mine = _moment(row.kind, row.start_utc, row.precision, row.occurred)
    return mine is None or mine.meets(_Moment(told.utc, told.precision in _EXACT))


class Doubles:
    """One unit of work's view of what other feeds told of a person; nothing is looked up where there is one feed."""

    def __init__(self, batch: Batch, site: Site) -> None:
        self._batch, self._site = batch, site
        self._several = len(site.sources) > 1

    def alike(self, row: OccurrenceRow, patient: PatientRow) -> list[OccurrenceRow]:
        """What other feeds told that is to all appearance the same: one kind, patient and time, as exactly as both tell it, and place.

        Of results the same code, as far as it is known.
        """
        mine = _moment(row.kind, row.start_utc, row.precision, row.occurred)
        if mine is None or not self._several or not (row.kind in _PLACED or row.kind in _CODED):
            return []
        if not patient.new:
            self._load(row, mine, patient)
        root = self._batch.directory.root
        return [
            one
            for one in self._batch.occurrences.values()
            if one.kind == row.kind
            and one.source != row.source
            and (theirs := _moment(one.kind, one.start_utc, one.precision, one.occurred)) is not None
            and theirs.meets(mine)
            and root(one.patient).token == patient.token
            and self._same(one, row)
        ]

    def _same(self, one: OccurrenceRow, other: OccurrenceRow) -> bool:
        if one.kind in _PLACED:
            places = {one.facility, other.facility}
            return len(places) == 1 or None in places or not places.isdisjoint(map(self._organization, places))
        codes = {(row.facts or {}).get(_CODED[one.kind]) for row in (one, other)} - {None, UNMAPPED}
        return len(codes) < 2

    def _organization(self, place: str | None) -> str | None:
        """Whose place it is: one feed tells the clinic, the other only whose clinic it is."""
        location = self._site.locations.get(place or "")
        return "" if location is None else location.organization

    def _load(self, row: OccurrenceRow, mine: _Moment, patient: PatientRow) -> None:
        """What is stored of the person and looks alike; the person is locked, so that nobody adds to it meanwhile."""
        uow, directory = self._batch.uow, self._batch.directory
        known = {one.id for one in self._batch.occurrences.values()}
        stored = uow.lookup(tables.occurrence, _COLUMNS, "patient", directory.family(patient.token))
        missing = sorted(
            identity
            for identity, kind, source, *when in stored
            if identity not in known
            and kind == row.kind
            and source != row.source
            and (theirs := _moment(kind, *when)) is not None
            and theirs.meets(mine)
        )
        if missing:
            rows = uow.lookup(tables.occurrence, OccurrenceRow.COLUMNS, "id", missing)
            self._batch.take([OccurrenceRow(*one) for one in rows], lock=False)


def against(rule: Rule, alike: Sequence[OccurrenceRow]) -> Hold | None:
    """A hold when another feed's occurrence has a message of this rule; None: there is none."""
    twin = next(
        (one for one in alike if any(request.rule == rule.name and counts(request) for request in one.requests)), None
    )
    if twin is None:
        return None
    return Hold(
        gate="duplicate",
        reason=Reason.POSSIBLE_DUPLICATE,
        released_by="a person who says whether it is the same",
        detail=f"occurrence {twin.id}",
    )


def counts(request: RequestRow) -> bool:
    """Whether it was sent, or may yet be; of two that wait for the same answer neither keeps the other."""
    doubtful = request.state == RequestStatus.ON_HOLD and request.reason == Reason.POSSIBLE_DUPLICATE
    return not moved_on(request) and not doubtful
