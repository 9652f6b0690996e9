"""Appends to the consent ledger within a unit of work: what a person said at an address binds everyone who shares it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.model.audit import Action
from gateway.model.consent import ANY, ChannelKind, ConsentKind
from gateway.model.when import Millis
from gateway.pipeline.directory import CONSENT_KINDED
from gateway.store import tables
from gateway.store.uow import UnitOfWork

Scope = tuple[str, str, str]
"""(purpose, channel, topic), each a word or ANY."""
COLUMNS = (*CONSENT_KINDED, "recorded_by", "text_version", "language", "sealed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry to be. `valid_from` None: from now. `sealed`: the elements, sealed for `consent.sealed:<id>` (`id` told)."""

    patient: int | None
    address: int | None
    scope: Scope
    permit: bool
    evidence: str
    valid_from: Millis | None = None
    valid_until: Millis | None = None
    kind: ConsentKind = ConsentKind.MESSAGES
    recorded_by: str | None = None
    text_version: str | None = None
    language: str | None = None
    id: int | None = None
    sealed: bytes | None = None


def append(uow: UnitOfWork, entries: Sequence[Entry], *, patients: Sequence[int] = ()) -> list[int]:
    """Write entries and audit them; returns their ids. Whoever appends holds the locks (patient, then address)."""
    rows: list[tuple[Any, ...]] = []
    for one in entries:
        identity = one.id if one.id is not None else uow.new_id()
        since = uow.now if one.valid_from is None else one.valid_from
        about = (identity, one.patient, one.address, *one.scope, int(one.permit), since, one.valid_until)
        more = (one.recorded_by, one.text_version, one.language, one.sealed)
        rows.append((*about, one.evidence, uow.now, one.kind.value, *more))
    uow.insert(tables.consent, COLUMNS, rows)
    told = [audited(row[0], one.permit, one.scope, one.kind) for row, one in zip(rows, entries, strict=True)]
    uow.audit(told, patients=patients)
    return [row[0] for row in rows]


def audited(identity: int, permit: bool, scope: Scope, kind: str) -> tuple[Any, ...]:
    """The audit entry of one ledger entry; a kind other than `messages` is named behind its scope."""
    named = () if kind == ConsentKind.MESSAGES else (str(kind),)
    return (Action.CONSENT_RECORDED, identity, "permit" if permit else "deny", *scope, *named)


def opt_out(uow: UnitOfWork, *, address: int, channel: ChannelKind, evidence: str, patients: Sequence[int] = ()) -> int:
    """Deny everything by a channel at an address, for everyone who shares it (SM-14); returns the entry's id.

    Locks the address row, which `deliver` locks too: an opt-out and a clearance are strictly ordered. `patients`: whom
    the audit row names. Others are told of it by `revoking`. Raises StoreError.
    """
    uow.lock(tables.address, "id", [address])
    uow.update(tables.address, ("id",), ("opted_out_at",), [(uow.now, address)])
    said = Entry(patient=None, address=address, scope=(ANY, channel.value, ANY), permit=False, evidence=evidence)
    return append(uow, [said], patients=patients)[0]


def suppress(uow: UnitOfWork, *, address: int, why: str, patients: Sequence[int] = ()) -> bool:
    """Write to an address no more, because it bounced for good or its owner complained (EM-24, EM-26); False if known."""
    ((_, known),) = uow.lookup(tables.address, ("id", "suppressed_at"), "id", [address], lock=True)
    if known is not None:
        return False
    uow.update(tables.address, ("id",), ("suppressed_at", "suppressed_why"), [(uow.now, why, address)])
    uow.audit([(Action.ADDRESS_SUPPRESSED, address, why)], patients=patients)
    return True
