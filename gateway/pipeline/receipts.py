"""Records what is told of a message that left; what provably failed goes by the next channel, what provably arrived never again.

Tellings come doubled, late and out of order (SM-06, EM-28): what counts is the set of all of them, so their order never matters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import bindparam, select

from gateway.model.audit import Action
from gateway.model.comingback import Receipt, ReceiptStatus
from gateway.model.consent import ChannelKind
from gateway.model.request import CommunicationStatus, RequestStatus
from gateway.model.verdict import Reason
from gateway.pipeline import brakes, ledger
from gateway.pipeline.envelopes import request_of
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

_c = tables.communication.c
_BY_PROVIDER = Statement(
    "communication.by-provider",
    select(_c.id).where(_c.channel == bindparam("channel"), _c.provider_id == bindparam("provider")),
    params=("channel", "provider"),
)
_RECEIPT = ("id", "communication", "provider_event", "status", "at", "code")
_SENT = ("id", "request", "channel", "attempt", "patient", "address", "status")


class Evidence(Enum):
    """What all receipts of one attempt amount to."""

    NONE = "none"
    TAKEN = "taken"  # the other side has it, or had it
    FAILED = "failed"  # provably not delivered
    ARRIVED = "arrived"  # outweighs every failure


_ARRIVED = frozenset({ReceiptStatus.DELIVERED, ReceiptStatus.OPENED, ReceiptStatus.REPLIED, ReceiptStatus.COMPLAINED})
_FAILED = {
    ReceiptStatus.BOUNCED: Reason.BOUNCED,
    ReceiptStatus.UNDELIVERED: Reason.UNDELIVERED,
    ReceiptStatus.FAILED: Reason.UNDELIVERED,
}
MAY_HAVE_LEFT = (CommunicationStatus.IN_PROGRESS, CommunicationStatus.COMPLETED, CommunicationStatus.UNKNOWN)
"""Statuses of attempts of which nobody can say that nothing left."""
SENT_BACK = (Reason.BOUNCED, Reason.UNDELIVERED)


def weigh(statuses: Iterable[ReceiptStatus]) -> tuple[Evidence, Reason | None]:
    """What receipts amount to, in whatever order they came, and why it failed if it did."""
    told = set(statuses)
    if told & _ARRIVED:
        return Evidence.ARRIVED, None
    failed = next((reason for status, reason in _FAILED.items() if status in told), None)
    if failed is not None:
        return Evidence.FAILED, failed
    return (Evidence.TAKEN if told else Evidence.NONE), None


@dataclass(frozen=True, slots=True)
class _Sent:
    """One attempt, and the state of its request."""

    id: int
    request: int
    channel: str
    attempt: int
    patient: int
    address: int
    status: str


def record(uow: UnitOfWork, receipt: Receipt) -> int | None:
    """Record one receipt and what follows of it; the id of a request to ring, 0 for none, None when it is not ours.

    Locks the patient, then the request, then the address. Raises StoreError.
    """
    sent = _find(uow, receipt)
    if sent is None:
        return None
    patient = _lock(uow, sent)
    known = uow.lookup(tables.receipt, ("provider_event", "status"), "communication", [sent.id])
    if any(event == receipt.event for event, _ in known):
        return 0
    row = (uow.new_id(), sent.id, receipt.event, receipt.status, receipt.at, receipt.code)
    uow.insert(tables.receipt, _RECEIPT, [row])
    code = (receipt.code,) if receipt.code else ()
    entry = (Action.RECEIPT_RECORDED, sent.id, receipt.status, *code)
    uow.audit([entry], request=sent.request, patients=[patient])
    rings = settle(uow, sent.id)
    _of_the_address(uow, sent, receipt, patient)
    return rings


def _find(unit: Reader, receipt: Receipt) -> _Sent | None:
    identity = receipt.communication
    if identity is None and receipt.provider_id is not None:
        found = unit.one(_BY_PROVIDER, (receipt.channel, receipt.provider_id))
        identity = None if found is None else found[0]
    if identity is None and receipt.message_id is not None:
        identity = _newest(unit, receipt)
    return None if identity is None else _sent(unit, identity, receipt.channel)


def _newest(unit: Reader, receipt: Receipt) -> int | None:
    """The newest attempt that may have left of the request whose Message-ID was told; a complaint tells nothing else."""
    request = request_of(unit.store.keyring, receipt.message_id or "")
    if request is None:
        return None
    tried = unit.lookup(tables.communication, ("id", "channel", "status"), "request", [request])
    left = [one for one, channel, status in tried if channel == receipt.channel and status in MAY_HAVE_LEFT]
    return max(left, default=None)


def _sent(unit: Reader, identity: int, channel: ChannelKind) -> _Sent | None:
    rows = unit.lookup(tables.communication, _SENT, "id", [identity])
    return _Sent(*rows[0]) if rows and rows[0][2] == channel else None


def _lock(uow: UnitOfWork, sent: _Sent) -> int:
    """The patient whose request it is now, locked before it, as receive and deliver lock them."""
    ((patient,),) = uow.lookup(tables.request, ("patient",), "id", [sent.request])
    uow.lock(tables.patient, "token", [patient])
    uow.lock(tables.request, "id", [sent.request])
    return int(patient)


def settle(uow: UnitOfWork, attempt: int) -> int:
    """Make attempt and request agree with all receipts of the attempt; the request's id when it must ring, else 0.

    An attempt whose hand-over has not been settled yet is left alone: settling it comes here again.
    """
    receipts = uow.lookup(tables.receipt, ("status",), "communication", [attempt])
    if not receipts:
        return 0
    ((request, status, said),) = uow.lookup(tables.communication, ("request", "status", "reason"), "id", [attempt])
    evidence, why = weigh(ReceiptStatus(one) for (one,) in receipts)
    if status in (CommunicationStatus.IN_PROGRESS, CommunicationStatus.NOT_DONE) or evidence is Evidence.NONE:
        return 0
    if evidence is Evidence.FAILED and status != CommunicationStatus.STOPPED:
        assert why is not None
        return _failed(uow, attempt, request, why)
    late = evidence is Evidence.ARRIVED and said == Reason.SILENT
    if evidence in (Evidence.ARRIVED, Evidence.TAKEN) and (status != CommunicationStatus.COMPLETED or late):
        _arrived(uow, attempt, request, evidence)
    return 0


def _failed(uow: UnitOfWork, attempt: int, request: int, why: Reason) -> int:
    """It provably did not arrive: the rule's next channel may, unless something else left or a message ended it."""
    _tell(uow, attempt, request, CommunicationStatus.STOPPED, why)
    others = uow.lookup(tables.communication, ("id", "status"), "request", [request])
    ((at,),) = uow.lookup(tables.communication, ("at",), "id", [attempt])
    ((state, reason),) = uow.lookup(tables.request, ("state", "reason"), "id", [request])
    waits = state == RequestStatus.ON_HOLD and reason == Reason.OUTCOME_UNKNOWN
    if any(status in MAY_HAVE_LEFT for one, status in others if one != attempt):
        return 0
    if state != RequestStatus.COMPLETED and not waits:
        return 0
    if at <= brakes.restored(uow):  # a database that was lost since may have gone the next way already
        uow.update(
            tables.request, ("id",), ("state", "reason"), [(RequestStatus.ON_HOLD, Reason.OUTCOME_UNKNOWN, request)]
        )
        return 0
    again = (RequestStatus.ACTIVE, why, uow.now, None, request)
    uow.update(tables.request, ("id",), ("state", "reason", "ring_at", "lease_until"), [again])
    return request


def _arrived(uow: UnitOfWork, attempt: int, request: int, evidence: Evidence) -> None:
    """It is there, or on its way: a doubt is settled, and what was to go by another channel does not."""
    ((state, reason, lease),) = uow.lookup(tables.request, ("state", "reason", "lease_until"), "id", [request])
    if evidence is Evidence.TAKEN and not _status_is_unknown(uow, attempt):
        return  # that it was taken says nothing against a refusal
    _tell(uow, attempt, request, CommunicationStatus.COMPLETED, None)
    doubted = state == RequestStatus.ON_HOLD and reason == Reason.OUTCOME_UNKNOWN
    arrived = evidence is Evidence.ARRIVED and lease is None
    # whatever it waits for by now: it was sent back, or nothing was heard, and went on to the next channel's gates
    goes_on = state in (RequestStatus.ACTIVE, RequestStatus.ON_HOLD) and arrived
    sent_back = state == RequestStatus.REVOKED and reason in SENT_BACK and arrived
    if doubted or goes_on or sent_back:
        uow.update(tables.request, ("id",), ("state", "reason"), [(RequestStatus.COMPLETED, None, request)])


def _status_is_unknown(uow: UnitOfWork, attempt: int) -> bool:
    ((status,),) = uow.lookup(tables.communication, ("status",), "id", [attempt])
    return bool(status == CommunicationStatus.UNKNOWN)


def _tell(uow: UnitOfWork, attempt: int, request: int, status: CommunicationStatus, why: Reason | None) -> None:
    uow.update(tables.communication, ("id",), ("status", "reason"), [(status, why, attempt)])
    ((patient,),) = uow.lookup(tables.request, ("patient",), "id", [request])
    uow.audit([(Action.COMMUNICATION_SETTLED, attempt, status, why)], request=request, patients=[patient])


def _of_the_address(uow: UnitOfWork, sent: _Sent, receipt: Receipt, patient: int) -> None:
    """A hard bounce and a complaint end writing there at once; a complaint is a revocation (EM-26)."""
    complained = receipt.status is ReceiptStatus.COMPLAINED
    if receipt.address_bad or complained:
        why = Reason.COMPLAINED if complained else Reason.BOUNCED
        ledger.suppress(uow, address=sent.address, why=why, patients=[patient])
    if receipt.opted_out or complained:
        evidence = f"told by the provider: {receipt.code or receipt.status}"
        ledger.opt_out(
            uow, address=sent.address, channel=ChannelKind(sent.channel), evidence=evidence, patients=[patient]
        )
