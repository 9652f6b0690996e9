"""A deleted resource names nobody, nor does a schedule without patients: what is meant is found by its id, and changed or withdrawn.

What it permitted it permits no more; a Consent that says nothing any more, in a newer version, is as good as deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from gateway.mapping.fhir.provisions import only_denies
from gateway.mapping.fhir.times import when_of
from gateway.model.audit import Action
from gateway.model.event import EventKind
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline import relatives
from gateway.pipeline.batch import Batch
from gateway.pipeline.preparing import Prepared, PreparedEvent
from gateway.pipeline.rows import PatientRow

Entry = tuple[Any, ...]

UNKNOWN = "nothing is known of what it is about"
_CONSENT, _RELATIVE = "Consent", "RelatedPerson"
_DELETED = EventKind.PATIENT_DELETED


class _Meta(msgspec.Struct):
    lastUpdated: object = None  # noqa: N815 - FHIR's own name


class _Head(msgspec.Struct):
    """What a message says it is, and of when."""

    resourceType: str = ""  # noqa: N815 - FHIR's own name
    meta: _Meta = msgspec.field(default_factory=_Meta)


_head = msgspec.json.Decoder(_Head).decode


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
    if one.reading.events or one.reading.type not in (_CONSENT, _RELATIVE):
        return []
    found = {row.patient for row in batch.resources.known(one.resource) if not row.occurrence}
    if not found or not (_tells_a_delete(one.message.body) or _is_silent(batch, one)):
        return []
    return [batch.directory.root(token) for token in sorted(found)]


def _tells_a_delete(body: bytes) -> bool:
    """A delete comes as a history Bundle, anything else as the resource itself; the reader has checked the rest."""
    try:
        return _head(body).resourceType == "Bundle"
    except msgspec.DecodeError:
        return False


def _is_silent(batch: Batch, one: Prepared) -> bool:
    """Whether this is a Consent, no older than what is known of it, that says no more what it may have permitted (CN-02, CN-04)."""
    if one.reading.type != _CONSENT or _moment(one) < batch.resources.version(one.resource):
        return False
    return not only_denies(msgspec.json.decode(one.message.body))


def _moment(one: Prepared) -> Millis:
    """When its server recorded it, at the latest when it came (S-21)."""
    try:
        told = when_of(_head(one.message.body).meta.lastUpdated, "UTC")
    except msgspec.DecodeError:
        return one.message.received
    return one.message.received if told is None else min(told.utc, one.message.received)


def depart(batch: Batch, one: Prepared, patient: PatientRow) -> list[Entry]:
    """Who was told to represent them does no more; what a consent permitted waits until a person has looked."""
    entries = relatives.end(batch.directory, one.resource)
    gone = _tells_a_delete(one.message.body)
    batch.resources.tell(one.resource, patient.token, 0, one.message.received if gone else _moment(one))
    if one.reading.type == _CONSENT and Reason.CONSENT_UNCLEAR not in patient.holds:
        batch.directory.hold(patient, Reason.CONSENT_UNCLEAR)
        entries.append((Action.PATIENT_HELD, patient.token, Reason.CONSENT_UNCLEAR))
    return entries
