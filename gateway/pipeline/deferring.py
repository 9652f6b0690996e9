"""A resource of somebody nobody here knows is kept and acknowledged, and they are fetched first: nobody is made of a reference (S-33)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.model.audit import Action
from gateway.model.event import AckCode, EventKind, Fault, Outcome, Place, Result
from gateway.model.party import Identifier
from gateway.model.when import HOUR, Millis
from gateway.pipeline import fetching, repeating
from gateway.pipeline.batch import Batch
from gateway.pipeline.preparing import Prepared
from gateway.pipeline.site import SourceEntry
from gateway.ports import BASELINE

_LOGICAL = "FHIR"  # the type of an identifier that is a logical id at its server
_GONE = EventKind.PATIENT_DELETED
_LATELY: Millis = HOUR  # a server whose versions change at every look is not asked in a circle
WAITS = "waits for its patient, who is fetched"


def unknown(batch: Batch, one: Prepared, source: SourceEntry) -> list[str]:
    """Whom a resource refers to and nobody here knows: "Patient/12"; nothing where there is no server to ask (files)."""
    if not (source.base and one.reference):
        return []
    found: dict[str, None] = {}
    for prepared in one.events:
        event = prepared.event
        if event.by_reference and event.kind is not _GONE and batch.directory.resolve(prepared.ids)[0] is None:
            found.update(dict.fromkeys(_logical(event.identifiers, source)))
    return list(found)


def _logical(identifiers: Sequence[Identifier], source: SourceEntry) -> list[str]:
    return [f"Patient/{one.value}" for one in identifiers if one.type == _LOGICAL and one.system == source.base]


def defer(
    batch: Batch, one: Prepared, source: SourceEntry, patients: Sequence[str], *, baseline: bool
) -> Outcome | None:
    """Keep it and have patients and resource fetched, in that order; None when they were, and are still unknown.

    What comes again while its patient is being fetched is kept once.
    """
    uow, earlier = batch.uow, repeating.waiting(batch, one)
    baseline = baseline or as_first_told(batch, one, source).message.baseline
    if any(_is_in_vain(batch, source, patient, again=earlier is not None) for patient in patients):
        return None
    last = None
    for patient in patients:
        last = fetching.want(uow, source, (patient, None), fetching.PATIENT_UNKNOWN)
    why = BASELINE if baseline else fetching.PATIENT_UNKNOWN
    fetching.want(uow, source, (one.reference, None), why, after=last)
    if earlier is None:
        raw = uow.new_id()
        batch.keep_raw(one, raw, AckCode.AA.value, Result.INCOMPLETE.value)
        details = {"source": one.message.source, "type": one.reading.type, "awaits": "patient"}
        uow.audit([(Action.MESSAGE_INCOMPLETE, details | ({"baseline": True} if baseline else {}))], id=raw)
    else:
        raw = earlier.id
        uow.audit([(Action.MESSAGE_REPEATED, raw, {"source": one.message.source})])
    return Outcome(
        result=Result.INCOMPLETE,
        ack=AckCode.AA,
        message=raw,
        type=one.reading.type,
        control_id=one.reading.control_id,
        reason=WAITS,
        faults=one.reading.noticed,
    )


def _is_in_vain(batch: Batch, source: SourceEntry, patient: str, *, again: bool) -> bool:
    """Whether a patient was asked for, for this resource (`again`) or lately for any, and is still unknown."""
    rows = fetching.rows_of(batch.uow, batch.keyring, source, patient)
    if any(row.state == fetching.OPEN for row in rows):
        return False
    return again or any(row.settled is not None and batch.uow.now - row.settled < _LATELY for row in rows)


def refused(one: Prepared) -> Prepared:
    """The same as unreadable: its patient could not be had, and a person must see to it (table 0357: 204 unknown key)."""
    rule = "the patient it refers to could not be read from its server"
    fault = Fault(code=204, rule=rule, place=Place(one.reading.type))
    return replace(one, reading=replace(one.reading, ack=AckCode.AE, noticed=(fault, *one.reading.noticed)))


def as_first_told(batch: Batch, one: Prepared, source: SourceEntry) -> Prepared:
    """A resource that waited for its patient plans nothing when it first came with what was there before us (K-16)."""
    if repeating.waiting(batch, one) is None or not one.reference:
        return one
    rows = fetching.rows_of(batch.uow, batch.keyring, source, one.reference)
    if not rows or rows[-1].why != BASELINE:
        return one
    return replace(one, message=replace(one.message, baseline=True))
