"""A FHIR resource goes on with the occurrence it came to, whatever business number it gets, changes or loses (SI-21)."""

from __future__ import annotations

from typing import Any

from gateway.model.audit import Action
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.pipeline import doubled, replacing
from gateway.pipeline.batch import Batch
from gateway.pipeline.occurrences import is_end, version_of
from gateway.pipeline.preparing import Prepared, PreparedEvent
from gateway.pipeline.rows import OccurrenceRow, PatientRow

Entry = tuple[Any, ...]

_OVER = "superseded"


def occurrence(
    batch: Batch, one: Prepared, prepared: PreparedEvent, patient: PatientRow, source: int, raw: int
) -> tuple[OccurrenceRow | None, list[Entry]]:
    """What an event is about: what the resource came to before, else what has its key; and audit entries.

    Where another source's has the number, both are one: what sends nothing without a person's word makes way.
    """
    known = batch.occurrence(prepared.keys)
    own = _own(batch, one, prepared, patient, source) if one.resource and prepared.ids else None
    if own is None or own is known:
        return known, []
    if version_of(prepared.event) < own.version:
        return own, []
    if batch.resources.shared(one.resource, own.id, batch.directory.family(own.patient)):
        return known, []  # a number that two had by mistake stays with the other
    if known is None or known.source == source or batch.directory.root(known.patient).token != patient.token:
        return own, []
    if any(map(doubled.counts, known.requests)):
        return known, replacing.end(own, prepared.event, raw, _OVER)
    return own, _take_over(batch, own, known, prepared, raw)


def renumber(batch: Batch, row: OccurrenceRow, prepared: PreparedEvent) -> list[Entry]:
    """Have an occurrence found under what it is called now: its number, or its logical id where that is another's."""
    if row.key in prepared.keys:
        return []
    for keys in (prepared.keys, prepared.also):
        holder = batch.occurrence(keys)
        if holder is row:
            return []
        if holder is None and keys:
            batch.rekey(row, keys[0])
            return [(Action.OCCURRENCE_REPLACED, row.id, "the same one under another number")]
    return []


def _own(
    batch: Batch, one: Prepared, prepared: PreparedEvent, patient: PatientRow, source: int
) -> OccurrenceRow | None:
    """Ours that earlier versions came to: this patient's, else the only one there is of the only patient told."""
    told = {row.occurrence: row.version for row in batch.resources.known(one.resource)}
    first = batch.occurrence(prepared.also)
    known = batch.occurrence(prepared.keys)
    if told.keys() <= {0 if known is None else known.id} and first is None:
        return None  # as nearly always: under the number it had, if any
    found = [
        row
        for row in batch.occurrences.values()
        if (row.id in told or row is first) and row.source == source and row.status != _OVER
    ]
    root = batch.directory.root
    theirs = [row for row in found if root(row.patient).token == patient.token]
    if not theirs and len(found) == len(one.events) == 1:
        theirs = found
    return max(theirs, key=lambda row: (told.get(row.id, 0), row.id), default=None)


def _take_over(
    batch: Batch, own: OccurrenceRow, other: OccurrenceRow, prepared: PreparedEvent, raw: int
) -> list[Entry]:
    """Ours has the number from now on; what the other source ended waits for a person, as ever."""
    held = replacing.settle(own, RequestStatus.ON_HOLD, Reason.CANCELLED) if is_end(other.reached_by) else []
    entries = replacing.end(other, prepared.event, raw, _OVER)
    batch.rekey(other, batch.keyring.digest("occurrence", f"{_OVER}\x1f{other.id}"))
    return entries + held
