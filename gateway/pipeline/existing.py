"""A row of a table is about somebody who is known already, or about nobody: it makes no patient and holds none (SN-05)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gateway.model.audit import Action
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.pipeline.directory import Directory
from gateway.pipeline.preparing import PreparedEvent
from gateway.pipeline.rows import OccurrenceRow, PatientRow

Entry = tuple[Any, ...]


def about(directory: Directory, prepared: PreparedEvent, row: OccurrenceRow | None) -> PatientRow | Reason:
    """Whom a row is about: everybody of whom its numbers tell is the same known person, or it is about nobody.

    A row that is gone tells no number: it is about whom its occurrence (`row`) is about. A number that nobody has yet is no
    objection, and becomes nobody's: what a platform says of its members is no record of ours.
    """
    if not prepared.event.identifiers:
        patient = None if row is None else directory.root(row.patient)
        return Reason.NO_PATIENT if patient is None or patient.data_key is None else patient
    patient, others = directory.resolve(prepared.ids)
    if others:
        return Reason.SEVERAL_PATIENTS
    return Reason.NO_PATIENT if patient is None else patient


def unmatched(row: OccurrenceRow | None, prepared: PreparedEvent, why: Reason) -> Sequence[Entry]:
    """The audit entries of a row that is about nobody; what was planned while it was about somebody is withdrawn."""
    entries: list[Entry] = [(Action.EVENT_UNCHANGED, prepared.event.kind.value, row.id if row else None, why)]
    for request in row.requests if row is not None else ():
        if request.waiting:
            request.settle(RequestStatus.REVOKED, why)
            entries.append((Action.REQUEST_WITHDRAWN, request.id, why))
    return entries


def as_of(row: OccurrenceRow | None, prepared: PreparedEvent) -> PreparedEvent:
    """The end of a row that is gone is as old as what it ends: the same row, back in its table, is no old news then.

    Its table says when a row was written, but nothing says when it was taken out.
    """
    if row is None or prepared.event.identifiers:
        return prepared
    return replace(prepared, event=replace(prepared.event, recorded=row.version))
