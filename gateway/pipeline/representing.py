"""Who receives in a patient's stead: recorded with evidence, ended by another entry, found only for whom nobody may write to directly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.model.party import ContactSystem, ContactUse
from gateway.model.when import Millis
from gateway.pipeline.directory import Directory
from gateway.pipeline.rows import ContactRow, PatientRow
from gateway.policy.circumstances import Representative
from gateway.store import tables
from gateway.store.uow import UnitOfWork

COLUMNS = (
    "id", "patient", "role", "scope", "valid_from", "valid_until", "evidence", "recorded",
    "recorded_by", "sealed",
)  # fmt: skip
ORIGIN = "representative"
"""Where their contact points come from; these belong to the representation and are nobody's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepresentativeRow:
    """One row of `representative`. `scope`: topics, comma-joined; `sealed`: the name as told, under the patient's key."""

    id: int
    patient: int
    role: str
    scope: str
    valid_from: Millis
    valid_until: Millis | None
    evidence: str
    recorded: Millis
    recorded_by: str
    sealed: bytes

    def in_force(self, now: Millis) -> bool:
        """Whether they may receive at this moment."""
        return self.valid_from <= now and (self.valid_until is None or now < self.valid_until)


def known(uow: UnitOfWork, family: Sequence[int]) -> list[RepresentativeRow]:
    """Everybody who represents, or represented, a person under any merged token."""
    rows: list[tuple[Any, ...]] = uow.lookup(tables.representative, COLUMNS, "patient", list(family))
    return [RepresentativeRow(**dict(zip(COLUMNS, row, strict=True))) for row in rows]


def in_force(uow: UnitOfWork, directory: Directory, patient: PatientRow) -> tuple[Representative, ...]:
    """Those who may receive for the patient now, as the gates see them.

    A merge joins restrictively: with a representative on either side there are two, and a person must say who it is.
    """
    found = [one for one in known(uow, directory.family(patient.token)) if one.in_force(uow.now)]
    return tuple(Representative(id=one.id, topics=tuple(one.scope.split(","))) for one in found)


def contacts(uow: UnitOfWork, directory: Directory, representative: int) -> list[ContactRow]:
    """The representative's contact points, opened with the key of whom they represent. Raises KeyringError, Erased."""
    ((patient,),) = uow.lookup(tables.representative, ("patient",), "id", [representative])
    directory.load_tokens([patient], lock=False)
    rows = uow.lookup(tables.contact_point, ContactRow.COLUMNS, "patient", [representative])
    found = [ContactRow(*row) for row in rows]
    for one in found:
        sealed = directory.unseal_for(directory.patients[patient], one.sealed, b"contact_point.sealed:%d" % one.id)
        one.value = sealed.decode()
    return found


def contact(
    uow: UnitOfWork, directory: Directory, patient: PatientRow, representative: int, system: ContactSystem, value: str
) -> tuple[object, ...]:
    """A contact point of the representation as a row, sealed for the patient: it goes when they are erased."""
    identity = uow.new_id()
    sealed = directory.seal_for(patient, value.encode(), b"contact_point.sealed:%d" % identity)
    return (
        identity, representative, directory.address(value), ORIGIN, system.value, ContactUse.HOME.value, 99,
        None, None, sealed,
    )  # fmt: skip


def in_words(representative: int | None) -> tuple[str, ...]:
    """How the audit entry of a clearance ends that somebody received in the patient's stead; nothing, where nobody did."""
    return () if representative is None else (f"{ORIGIN} {representative}",)


def named_in(entry: Sequence[Any]) -> int | None:
    """The representative that such an entry names."""
    word, _, identity = str(entry[-1]).partition(" ")
    return int(identity) if word == ORIGIN and identity.isdigit() else None
