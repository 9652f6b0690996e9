"""A deleted resource names nobody, nor does a schedule without patients: what is meant is found by its id, and changed or withdrawn.

What it permitted it permits no more; a Consent that says nothing any more, in a newer version, is as good as deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gateway.fhirjson import read_object
from gateway.mapping.fhir.times import when_of
from gateway.model.audit import Action
from gateway.model.errors import Unreadable
from gateway.model.event import EventKind
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline import consenting, relatives
from gateway.pipeline.batch import Batch
from gateway.pipeline.directory import Directory
from gateway.pipeline.preparing import CONSENT, Prepared, PreparedEvent
from gateway.pipeline.rows import PatientRow

Entry = tuple[Any, ...]

UNKNOWN = "nothing is known of what it is about"
_RELATIVE = "RelatedPerson"
_DELETED = EventKind.PATIENT_DELETED


def occurrences(
    batch: Batch, one: Prepared, prepared: PreparedEvent
) -> Sequence[tuple[PatientRow, PreparedEvent]] | None:
    """Of an event that names nobody, the occurrences it is about with their patients; None of any other event.

    Of a deleted patient whom nobody knows there are none.
    """
    if prepared.event.kind is _DELETED and batch.directory.resolve(prepared.ids)[0] is None:
        return ()
    if prepared.ids:
        return None
    named = {row.occurrence for row in batch.resources.known(one.resource)}
    own = batch.occurrence(prepared.keys)
    rows = [row for row in batch.occurrences.values() if row.id in named or row is own]
    return [(batch.directory.root(row.patient), replace(prepared, keys=(row.key,))) for row in rows]


def people(batch: Batch, one: Prepared) -> list[PatientRow]:
    """Whom a Consent or RelatedPerson was about that is gone now, or a Consent that says nothing any more; nobody, for any other message."""
    if one.reading.events or one.reading.type not in (CONSENT, _RELATIVE):
        return []
    found = {row.patient for row in batch.resources.known(one.resource) if not row.occurrence}
    if not found or not (_tells_a_delete(one) or _is_silent(batch, one, found)):
        return []
    return [batch.directory.root(token) for token in sorted(found)]


def left(batch: Batch, one: Prepared, told: Sequence[int]) -> list[PatientRow]:
    """Whom a Consent permitted something for that is another person's now; `told`: whom this version of it is about."""
    if not one.reading.events or one.reading.type != CONSENT:
        return []
    root = batch.directory.root
    before = {root(row.patient).token for row in batch.resources.known(one.resource) if not row.occurrence}
    gone = before - {root(token).token for token in told}
    return [root(token) for token in sorted(gone) if _is_silent(batch, one, {token})]


def _tells_a_delete(one: Prepared) -> bool:
    """A delete comes as a history Bundle, anything else as the resource itself; the reader has checked the rest."""
    return _told(one).get("resourceType") == "Bundle"


def _is_silent(batch: Batch, one: Prepared, people: set[int]) -> bool:
    """Whether this is a Consent, no older than what is known of it, that says no more what it still permits (CN-02, CN-04)."""
    if one.reading.type != CONSENT or _moment(one) < batch.resources.version(one.resource):
        return False
    mark = consenting.mark_of(batch.keyring, one)
    return any(consenting.standing(batch.directory, batch.directory.root(token), mark) for token in people)


def _moment(one: Prepared) -> Millis:
    """When its server recorded it, at the latest when it came (S-21)."""
    meta = _told(one).get("meta")
    told = when_of(meta.get("lastUpdated"), "UTC") if isinstance(meta, dict) else None
    return one.message.received if told is None else min(told.utc, one.message.received)


def _told(one: Prepared) -> dict[str, Any]:
    """What the message says; nothing, where it cannot be read."""
    try:
        return read_object(one.message.body)
    except Unreadable:
        return {}


def depart(batch: Batch, one: Prepared, patient: PatientRow) -> list[Entry]:
    """Who was told to represent them does no more; what a consent permitted waits until a person has looked."""
    entries = relatives.end(batch.directory, one.resource)
    gone = _tells_a_delete(one)
    batch.resources.tell(one.resource, patient.token, 0, one.message.received if gone else _moment(one))
    if one.reading.type == CONSENT:
        entries += hold_unclear(batch.directory, patient)
    return entries


def hold_unclear(directory: Directory, patient: PatientRow) -> list[Entry]:
    """Nothing leaves for them until a person has read what they consent to now."""
    if Reason.CONSENT_UNCLEAR in patient.holds:
        return []
    directory.hold(patient, Reason.CONSENT_UNCLEAR)
    return [(Action.PATIENT_HELD, patient.token, Reason.CONSENT_UNCLEAR)]
