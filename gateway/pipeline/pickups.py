"""Opens what lies in the portal for a reader who proved who they are: decided afresh, in the unit of work that opens it (law 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.model.audit import Action
from gateway.model.comingback import Receipt, ReceiptStatus
from gateway.model.consent import ChannelKind
from gateway.model.request import CommunicationStatus, RequestStatus
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline import brakes, receipts, unheard
from gateway.pipeline.answers import is_answerable
from gateway.pipeline.brakes import About
from gateway.pipeline.directory import Directory
from gateway.pipeline.links import LinkRow
from gateway.pipeline.rows import OccurrenceRow, PatientRow, split_reasons
from gateway.pipeline.site import Site
from gateway.policy.pickup import PICK_UP, PickUp, decide_pick_up
from gateway.store import tables
from gateway.store.uow import Reader, UnitOfWork

_body = msgspec.json.Decoder(list[Any]).decode
_OVER = frozenset({"cancelled", "entered-in-error", "stopped"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A message as its reader sees it. `at`, `until`: Millis UTC. `answerable`: the visit it is about can be answered."""

    communication: int
    subject: str = field(repr=False)
    text: str = field(repr=False)
    at: Millis
    until: Millis
    answerable: bool


@dataclass(frozen=True, slots=True)
class _Kept:
    """One row of `communication`, and the request it belongs to."""

    id: int
    request: int
    patient: int
    status: str
    sealed_body: bytes | None
    at: Millis


@dataclass(frozen=True, slots=True)
class _Asked:
    rule: str
    state: str
    reason: str | None
    occurrence: int | None


def pick_up(uow: UnitOfWork, directory: Directory, site: Site, patient: PatientRow, link: LinkRow) -> Opened | None:
    """The message a link leads to; None, and a neutral word to the reader, when anything is against it. Audited.

    `patient`: the reader, locked. Raises KeyringError, StoreError.
    """
    assert link.communication is not None
    rows = uow.lookup(
        tables.communication, ("id", "request", "patient", "status", "sealed_body", "at"), "id", [link.communication]
    )
    kept = _Kept(*rows[0])
    asked = _Asked(*uow.lookup(tables.request, ("rule", "state", "reason", "occurrence"), "id", [kept.request])[0])
    visit = occurrence_of(uow, asked.occurrence)
    directory.load_tokens([kept.patient, *([visit.patient] if visit else [])])
    against = decide_pick_up(_circumstances(uow, directory, site, patient, link, kept, asked, visit))
    if against is not None:
        entry = (Action.PORTAL_REFUSED, kept.id, against.reason, against.gate)
        uow.audit([entry], request=kept.request, patients=[patient.token])
        return None
    owner = directory.patients[kept.patient]  # sealed under the key of who it was written to, before any merge
    assert kept.sealed_body is not None  # the gates permitted
    plain = directory.unseal_for(owner, kept.sealed_body, b"communication.sealed_body:%d" % kept.id)
    subject, text, *_ = _body(plain)
    permitted = (gate.name for gate in PICK_UP)  # all of them did
    uow.audit([(Action.PORTAL_READ, kept.id, link.id, *permitted)], request=kept.request, patients=[patient.token])
    told(uow, kept.id, "opened", ReceiptStatus.OPENED)
    unheard.picked_up(uow, kept.id)
    answerable = visit is not None and is_answerable(visit, uow.now)
    return Opened(
        communication=kept.id, subject=subject, text=text, at=kept.at, until=link.expires, answerable=answerable
    )


def told(uow: UnitOfWork, communication: int, event: str, status: ReceiptStatus) -> None:
    """A receipt of the portal's own; the same event twice is one."""
    receipt = Receipt(
        channel=ChannelKind.PORTAL, event=f"portal:{event}", status=status, at=uow.now, communication=communication
    )
    receipts.record(uow, receipt)


def occurrence_of(unit: Reader, identity: int | None) -> OccurrenceRow | None:
    """What a request is about, as it is now."""
    if identity is None:
        return None
    rows = unit.lookup(tables.occurrence, OccurrenceRow.COLUMNS, "id", [identity])
    return OccurrenceRow(*rows[0]) if rows else None


def _circumstances(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    patient: PatientRow,
    link: LinkRow,
    kept: _Kept,
    asked: _Asked,
    visit: OccurrenceRow | None,
) -> PickUp:
    owner = directory.patients[kept.patient]
    family = set(directory.family(patient.token))
    whose = [kept.patient, *([visit.patient] if visit else [])]
    return PickUp(
        now=uow.now,
        until=link.expires,
        stopped=_stopped(uow, site, asked.rule, visit),
        erased=owner.data_key is None or patient.data_key is None,
        deceased=bool(patient.deceased),
        moved=not family.issuperset(whose),
        holds=patient.holds | _holds_of(visit),
        retracted=is_over(visit),
        withdrawn=_taken_back(kept, asked),
        forgotten=kept.sealed_body is None,
    )


def is_over(visit: OccurrenceRow | None) -> bool:
    """Whether what a message told of is not to be any more."""
    return visit is not None and visit.status in _OVER


def about(site: Site, rule: str, visit: OccurrenceRow | None) -> About:
    """What a brake asks of a message in the portal, and of its notice."""
    return About(rule, None, None) if visit is None else About.of(site, rule, visit)


def _holds_of(visit: OccurrenceRow | None) -> frozenset[Reason]:
    return frozenset() if visit is None else split_reasons(visit.hold)


def _taken_back(kept: _Kept, asked: _Asked) -> bool:
    by_hand = asked.state == RequestStatus.REVOKED and asked.reason == Reason.WITHDRAWN_BY_HAND
    return kept.status != CommunicationStatus.COMPLETED or by_hand or asked.state == RequestStatus.ENTERED_IN_ERROR


def _stopped(uow: UnitOfWork, site: Site, rule: str, visit: OccurrenceRow | None) -> bool:
    """Whether a person stopped everything, the portal, the rule, or the day of the visit at its facility."""
    return brakes.stops(brakes.on(uow), about(site, rule, visit), ChannelKind.PORTAL)
