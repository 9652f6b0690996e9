"""What an audit row says that others may be told of: each entry is read once, by its place, and means the same whenever it is read (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.model.audit import Action
from gateway.model.comingback import ReceiptStatus
from gateway.model.outcome import EVENTS, OutcomeKind
from gateway.model.request import CommunicationStatus
from gateway.model.verdict import Reason
from gateway.model.when import Millis

Entry = Sequence[Any]

_REASONS = frozenset(Reason)
_NEEDED_NO_MORE: Final = frozenset(
    {
        Reason.SUPERSEDED,
        Reason.CANCELLED,
        Reason.NO_LONGER_MATCHES,
        Reason.RULE_RETIRED,
        Reason.NOT_IN_EFFECT,
        Reason.CANCELLED_BY_EVENT,
        Reason.OFFSET_PAST,
        Reason.EXPIRED,
        Reason.WITHDRAWN_BY_HAND,
    }
)
"""Reasons for which a planned send ends without any gate having said no."""
_RECEIPTS: Final = {
    ReceiptStatus.DELIVERED: OutcomeKind.DELIVERED,
    ReceiptStatus.OPENED: OutcomeKind.DELIVERED,
    ReceiptStatus.REPLIED: OutcomeKind.DELIVERED,
    ReceiptStatus.COMPLAINED: OutcomeKind.COMPLAINED,
}
_STOPPED: Final[dict[str, OutcomeKind]] = {
    Reason.BOUNCED: OutcomeKind.BOUNCED,
    Reason.UNDELIVERED: OutcomeKind.UNDELIVERED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One entry. Exactly one of `request`, `attempt`, `consent` and `occurrence` says what it is about.

    `known`: it is a row that is now known, whose person may have opted out before; `kind` is None where that is all it says.
    `id`: the same at every reading; of an attempt it is told once that it was sent, however often that is written.
    """

    id: str
    at: Millis
    kind: OutcomeKind | None
    reason: str = ""
    request: int | None = None
    attempt: int | None = None
    consent: int | None = None
    occurrence: int | None = None
    rule: str = ""
    step: str = ""
    event: str = ""

    @property
    def known(self) -> bool:
        """Whether what it is about was made known by it, or told anew."""
        return self.kind in (None, OutcomeKind.EVENT)


def found(audit: int, at: Millis, entries: Sequence[Entry]) -> Iterator[Found]:
    """What one audit row says, in its order. What was there before us (K-16) is known, and nothing that happened."""
    about: int | None = None
    baseline = _is_baseline(entries)
    for place, entry in enumerate(entries):
        about = _occurrence(entry) or about
        one = _one(f"{audit}-{place}", at, entry, about)
        if one is not None:
            yield replace(one, kind=None, event="") if one.event and baseline else one


def _is_baseline(entries: Sequence[Entry]) -> bool:
    """As receive notes it with the message."""
    head = entries[0] if entries else ()
    return bool(head) and isinstance(head[-1], Mapping) and bool(head[-1].get("baseline"))


def _occurrence(entry: Entry) -> int | None:
    """The occurrence that what follows in the row is about."""
    if entry[0] in (Action.EVENT_APPLIED, Action.EVENT_UNCHANGED) and len(entry) > 2 and isinstance(entry[2], int):
        return entry[2]
    return None


def _one(identity: str, at: Millis, entry: Entry, about: int | None) -> Found | None:
    match entry[0]:
        case Action.REQUEST_PLANNED:
            return Found(id=identity, at=at, kind=OutcomeKind.PLANNED, request=entry[1])
        case Action.REQUEST_HELD:
            return Found(id=identity, at=at, kind=OutcomeKind.HELD, request=entry[1], reason=_held_for(entry))
        case Action.REQUEST_WITHHELD if about is not None:
            _, _, rule, step, why = entry[:5]
            kind = OutcomeKind.WITHHELD
            return Found(id=identity, at=at, kind=kind, occurrence=about, rule=rule, step=step, reason=why)
        case Action.REQUEST_WITHDRAWN:
            kind = OutcomeKind.WITHDRAWN if entry[2] in _NEEDED_NO_MORE else OutcomeKind.WITHHELD
            return Found(id=identity, at=at, kind=kind, request=entry[1], reason=entry[2])
        case Action.COMMUNICATION_SETTLED:
            return _of_attempt(at, entry[1], *_settled(entry))
        case Action.RECEIPT_RECORDED if entry[2] in _RECEIPTS:
            return _of_attempt(at, entry[1], _RECEIPTS[entry[2]], "")
        case Action.CONSENT_RECORDED:
            kind = OutcomeKind.OPTED_IN if entry[2] == "permit" else OutcomeKind.OPTED_OUT
            return Found(id=str(entry[1]), at=at, kind=kind, consent=entry[1])
        case Action.EVENT_APPLIED if about is not None:
            event = entry[1] if entry[1] in EVENTS and about == entry[2] else ""
            return Found(id=identity, at=at, kind=OutcomeKind.EVENT if event else None, occurrence=about, event=event)
    return None


def _held_for(entry: Entry) -> str:
    """As planning writes it (action, request, rule, step, reason), else (action, request, reason)."""
    return str(entry[4] if len(entry) > 4 and entry[4] in _REASONS else entry[2])


def _settled(entry: Entry) -> tuple[OutcomeKind | None, str]:
    """What an attempt's end is to others; one that is tried again, or that nobody knows the end of, is none yet."""
    status, why = entry[2], entry[3] or ""
    if status == CommunicationStatus.COMPLETED:
        return OutcomeKind.SENT, ""
    if status == CommunicationStatus.STOPPED:
        return _STOPPED.get(why, OutcomeKind.REFUSED), why
    return None, ""


def _of_attempt(at: Millis, attempt: int, kind: OutcomeKind | None, reason: str) -> Found | None:
    return None if kind is None else Found(id=f"{attempt}-{kind}", at=at, kind=kind, attempt=attempt, reason=reason)
