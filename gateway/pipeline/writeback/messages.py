"""What is to be said of one message now, from the rows as they stand: whom it was for, what became of it, what it was about."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.mapping.fhir.references import LOGICAL
from gateway.mapping.fhir.written import Sent
from gateway.model.comingback import ReceiptStatus
from gateway.model.consent import ChannelKind
from gateway.model.request import CommunicationStatus
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline.directory import Directory
from gateway.pipeline.receipts import SENT_BACK
from gateway.pipeline.rows import PatientRow
from gateway.pipeline.site import SourceEntry
from gateway.pipeline.writeback.noting import reference_in
from gateway.store import tables
from gateway.store.uow import UnitOfWork

_COLUMNS = ("id", "request", "channel", "patient", "address", "template", "status", "reason", "at", "settled")
_ARRIVED = frozenset({ReceiptStatus.DELIVERED, ReceiptStatus.OPENED, ReceiptStatus.REPLIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is said, of which request and patient (a token). `at`: when it was tried last."""

    sent: Sent
    request: int
    token: int
    at: Millis

    @property
    def told(self) -> str:
        """What changes, in short: equal to what was told last, nothing is to be told."""
        one = self.sent
        return f"{one.status}|{one.reason or ''}|{one.sent or ''}|{one.received or ''}"


@dataclass(frozen=True, slots=True)
class _Attempt:
    id: int
    request: int
    channel: str
    patient: int
    address: int
    template: str
    status: str
    reason: str | None
    at: Millis
    settled: Millis | None


def message(uow: UnitOfWork, directory: Directory, source: SourceEntry, about: int) -> Message | None:
    """What became of the message whose first attempt is `about`; None: its patient is nobody this server knows, or erased."""
    last = _last(uow, about)
    if last is None:
        return None
    ((occurrence, token),) = uow.lookup(tables.request, ("occurrence", "patient"), "id", [last.request])
    directory.load_tokens([token, last.patient], lock=False)
    patient = directory.root(token)
    if patient.data_key is None or directory.patients[last.patient].data_key is None:
        return None
    known_as = directory.logical_id(patient, source.base, LOGICAL)
    if known_as is None:
        return None
    sent = Sent(
        id=about,
        status=CommunicationStatus(last.status),
        reason=None if last.reason is None else Reason(last.reason),
        channel=ChannelKind(last.channel),
        template=last.template,
        patient=f"Patient/{known_as}",
        about=_about(uow, directory, source, occurrence),
        to_patient=_is_their_own(uow, directory, patient, last.address),
        sent=_handed_over(last),
        received=_received(uow, last),
    )
    return Message(sent=sent, request=last.request, token=patient.token, at=last.at)


def _last(uow: UnitOfWork, about: int) -> _Attempt | None:
    """The newest attempt of the same request by the same channel."""
    found = uow.lookup(tables.communication, ("request", "channel"), "id", [about])
    if not found:
        return None
    ((request, channel),) = found
    tried = [_Attempt(*row) for row in uow.lookup(tables.communication, _COLUMNS, "request", [request])]
    return max((one for one in tried if one.channel == channel), key=lambda one: one.id)


def _about(uow: UnitOfWork, directory: Directory, source: SourceEntry, occurrence: int) -> str | None:
    ((patient, sealed),) = uow.lookup(tables.occurrence, ("patient", "sealed_facts"), "id", [occurrence])
    directory.load_tokens([patient], lock=False)
    return reference_in(directory, (occurrence, patient, sealed), source)


def _is_their_own(uow: UnitOfWork, directory: Directory, patient: PatientRow, address: int) -> bool:
    """Whether it went to the patient, and not to who receives in their stead."""
    owners = {owner for (owner,) in uow.lookup(tables.contact_point, ("patient",), "address", [address])}
    return not owners.isdisjoint(directory.family(patient.token))


def _handed_over(one: _Attempt) -> Millis | None:
    """When the carrier took it over, if it did (W-01); that it came back later does not change that."""
    left = one.status == CommunicationStatus.COMPLETED or one.reason in SENT_BACK
    return (one.settled or one.at) if left else None


def _received(uow: UnitOfWork, one: _Attempt) -> Millis | None:
    """When it provably arrived, of what was completed."""
    if one.status != CommunicationStatus.COMPLETED:
        return None
    told = uow.lookup(tables.receipt, ("status", "at"), "communication", [one.id])
    return min((at for status, at in told if status in _ARRIVED), default=None)
