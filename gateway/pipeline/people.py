"""What events about a person do beyond the directory: a deletion withdraws, a moved number waits, a changed one moves on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.model.audit import Action
from gateway.model.event import EventKind
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.pipeline.batch import Batch
from gateway.pipeline.planning import release
from gateway.pipeline.preparing import PreparedEvent
from gateway.pipeline.rows import PatientRow

Entry = tuple[Any, ...]

# Most events are none of these; one look tells. An attribute of an Enum class costs ten times as much (Python 3.11).
_CONCERNED = frozenset(
    {
        EventKind.PATIENT_DELETED,
        EventKind.PATIENT_ADDED,
        EventKind.PATIENT_IDENTIFIER_CHANGED,
        EventKind.PATIENT_IDENTIFIER_MOVED,
    }
)
_RENUMBERED = EventKind.PATIENT_IDENTIFIER_CHANGED


def known_before(batch: Batch, prepared: PreparedEvent) -> PatientRow | None:
    """Whom the old number of an A47 names, when nobody has the new one yet (AD-21)."""
    if prepared.event.kind is not _RENUMBERED:
        return None
    return batch.directory.resolve(prepared.merged)[0]


def follow(batch: Batch, patient: PatientRow, prepared: PreparedEvent) -> list[Entry]:
    """Do what the kind of event asks for; returns audit entries."""
    kind = prepared.event.kind
    if kind not in _CONCERNED:
        return []
    if kind is EventKind.PATIENT_DELETED:
        return _deleted(batch, patient)
    if kind is EventKind.PATIENT_ADDED and Reason.PERSON_DELETED in patient.holds:
        return _back(batch, patient)
    if kind is _RENUMBERED:
        return _renumbered(batch, patient, prepared)
    if kind is EventKind.PATIENT_IDENTIFIER_MOVED:
        others = _others(batch, patient, prepared)
        return [entry for row in (patient, *others) for entry in _conflict(batch, row)]
    return []


def _deleted(batch: Batch, patient: PatientRow) -> list[Entry]:
    """A29: nothing waits any longer, and nothing new leaves until the person is added again (AD-16)."""
    entries: list[Entry] = []
    if Reason.PERSON_DELETED not in patient.holds:
        batch.directory.hold(patient, Reason.PERSON_DELETED)
        entries.append((Action.PATIENT_HELD, patient.token, Reason.PERSON_DELETED))
    for request in batch.waiting_of(patient.token):
        request.settle(RequestStatus.REVOKED, Reason.PERSON_DELETED)
        entries.append((Action.REQUEST_WITHDRAWN, request.id, Reason.PERSON_DELETED))
    return entries


def _back(batch: Batch, patient: PatientRow) -> list[Entry]:
    """A28 after A29: the same number is a person again; what was withdrawn stays withdrawn."""
    batch.directory.lift(patient, Reason.PERSON_DELETED)
    entries: list[Entry] = [(Action.PATIENT_RELEASED, patient.token, Reason.PERSON_DELETED)]
    return entries + release(batch.waiting_of(patient.token), {Reason.PERSON_DELETED}, batch.uow.now)


def _renumbered(batch: Batch, patient: PatientRow, prepared: PreparedEvent) -> list[Entry]:
    """A47: the old number names nobody any more; two people behind both numbers are for a person to sort out (AD-21)."""
    others = _others(batch, patient, prepared)
    if others:
        return [entry for row in (patient, *others) for entry in _conflict(batch, row)]
    if not batch.directory.drop_identifiers(patient, prepared.merged):
        return []
    return [(Action.PATIENT_CHANGED, patient.token, "identifier")]


def _others(batch: Batch, patient: PatientRow, prepared: PreparedEvent) -> Sequence[PatientRow]:
    found, more = batch.directory.resolve(prepared.merged)
    return [row for row in (found, *more) if row is not None and row.token != patient.token]


def _conflict(batch: Batch, row: PatientRow) -> list[Entry]:
    if Reason.IDENTITY_CONFLICT in row.holds:
        return []
    batch.directory.hold(row, Reason.IDENTITY_CONFLICT)
    return [(Action.PATIENT_HELD, row.token, Reason.IDENTITY_CONFLICT)]
