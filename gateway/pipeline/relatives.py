"""Representatives as a feed tells them (FHIR RelatedPerson): each version replaces what the one before said, and never what a person recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.model.audit import Action
from gateway.model.consent import ANY
from gateway.model.party import ContactPoint, ContactSystem, RepresentativeStatement
from gateway.pipeline import representing
from gateway.pipeline.directory import Directory
from gateway.pipeline.rows import ContactRow, PatientRow
from gateway.store import tables

Entry = tuple[Any, ...]
ENDED = "the feed tells them no more"
_WRITTEN_TO = frozenset({ContactSystem.EMAIL, ContactSystem.SMS, ContactSystem.PHONE})
_COLUMNS = (*representing.COLUMNS, "told")


def record(
    directory: Directory,
    patient: PatientRow,
    told: Sequence[RepresentativeStatement],
    keys: Sequence[bytes],
    evidence: str,
) -> list[Entry]:
    """What one resource (`keys`: its digests) says of who represents a patient now; returns audit entries."""
    standing = _standing(directory, keys)
    entries: list[Entry] = []
    for one in told:
        if one.active and one.role and any(_says(directory, row, one) for row in standing):
            continue
        entries += end(directory, keys, standing)
        if one.active and one.role and one.name and keys:
            entries.append(_begin(directory, patient, one, keys[0], evidence))
    return entries


def end(
    directory: Directory, keys: Sequence[bytes], standing: Sequence[representing.RepresentativeRow] | None = None
) -> list[Entry]:
    """From now on nobody whom this resource told receives anything."""
    uow = directory.uow
    rows = _standing(directory, keys) if standing is None else standing
    uow.update(tables.representative, ("id",), ("valid_until",), [(uow.now, row.id) for row in rows])
    return [(Action.REPRESENTATIVE_ENDED, row.id, ENDED) for row in rows]


def _standing(directory: Directory, keys: Sequence[bytes]) -> list[representing.RepresentativeRow]:
    uow = directory.uow
    found = uow.lookup(tables.representative, representing.COLUMNS, "told", list(keys))
    rows = [representing.RepresentativeRow(**dict(zip(representing.COLUMNS, row, strict=True))) for row in found]
    return [row for row in rows if row.valid_until is None or row.valid_until > uow.now]


def _says(directory: Directory, row: representing.RepresentativeRow, told: RepresentativeStatement) -> bool:
    """Whether a row says what is told: role, name, until when, and where they are written to."""
    if (row.role, row.valid_until) != (told.role, told.valid_until):
        return False
    known = {(one.system, one.value) for one in representing.contacts(directory.uow, directory, row.id)}
    owner = directory.patients[row.patient]
    name = directory.unseal_for(owner, row.sealed, b"representative.sealed:%d" % row.id).decode()
    return name == told.name and known == {(one.system, one.value) for one in _points(told)}


def _begin(
    directory: Directory, patient: PatientRow, told: RepresentativeStatement, key: bytes, evidence: str
) -> Entry:
    uow, identity = directory.uow, directory.uow.new_id()
    sealed = directory.seal_for(patient, told.name.encode(), b"representative.sealed:%d" % identity)
    since = uow.now if told.valid_from is None else told.valid_from
    row = (
        identity, patient.token, told.role, ANY, since, told.valid_until, evidence, uow.now, uow.actor, sealed, key,
    )  # fmt: skip
    contacts = [representing.contact(uow, directory, patient, identity, one.system, one.value) for one in _points(told)]
    uow.insert(tables.representative, _COLUMNS, [row])
    uow.insert(tables.contact_point, ContactRow.COLUMNS, contacts)
    return (Action.REPRESENTATIVE_RECORDED, identity, told.role, ANY)


def _points(told: RepresentativeStatement) -> list[ContactPoint]:
    return [one for one in told.points if one.system in _WRITTEN_TO]
