"""A Bundle taken apart into the resources that changed: as its sender's, or as any server tells several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from connectors.sources.fhir.messages import message_of
from connectors.sources.fhir.notices import (
    FOREIGN,
    Change,
    Kind,
    Notice,
    Reference,
    instant_of,
    named,
    reference_of,
)
from connectors.sources.fhir.status import Status, status_of
from gateway.fhirfile import deletion
from gateway.fhirjson import parse, refuse_modified
from gateway.fhirlabels import labelled_body, labels_of
from gateway.fhirlinks import Links
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Place

_HINTS = frozenset({"Patient", "RelatedPerson"})  # sent along, they spare us a question
_PASSED_OVER = frozenset({"OperationOutcome", "MessageHeader", "SubscriptionStatus", "Parameters", "Subscription"})
_FIRST = frozenset({"Patient"})


class _Slot(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw(b"")


class _Slots(msgspec.Struct):
    entry: list[_Slot] = []


_slots = msgspec.json.Decoder(_Slots).decode


class _Entry:
    """One entry, with the bytes of its resource as they came, made compact."""

    def __init__(
        self, number: int, told: Any, raw: msgspec.Raw, bases: Sequence[str], links: Links, labels: Sequence[Any]
    ) -> None:
        if not isinstance(told, dict):
            raise Unreadable(
                Fault(code=100, rule="an entry is no object", place=Place(f"Bundle.entry[{number}]")), AckCode.AE
            )
        refuse_modified(told, f"Bundle.entry[{number}]")
        self.where = f"Bundle.entry[{number}].resource"
        self.url = told.get("fullUrl")
        resource, request = told.get("resource"), told.get("request")
        self.resource: dict[str, Any] | None = resource if isinstance(resource, dict) else None
        self.response = told.get("response")
        request = request if isinstance(request, dict) else {}
        deleted = request.get("method") == "DELETE"
        self._raw = raw
        self._links, self._labels = links, labels
        if self.resource is not None:
            links.learn(self.url, self.type, self.resource.get("id"))
        gone = reference_of(request.get("url"), bases) if deleted else None
        self.reference = gone or self._own() or reference_of(self.url, bases)
        self.deleted = deleted and isinstance(self.reference, Reference)

    @property
    def type(self) -> str:
        """Of its resource, as far as one is told."""
        told = None if self.resource is None else self.resource.get("resourceType")
        return told if isinstance(told, str) else ""

    def _own(self) -> Reference | None:
        return None if self.resource is None else named(self.type, self.resource.get("id"))

    def change(self, *, hint: bool = False, at: str = "") -> Change:
        """What it tells."""
        literal = self.reference.literal if isinstance(self.reference, Reference) else ""
        if self.deleted or self.resource is None:
            return Change(
                reference=literal, body=deletion(literal, response=self.response, at=at), where=self.where, hint=hint
            )
        body = labelled_body(self._links.literal(msgspec.json.format(bytes(self._raw), indent=-1)), self._labels)
        return Change(reference=literal, body=body, where=self.where, hint=hint)


def notice_of(body: bytes, bases: Sequence[str], *, at: str, labels: Sequence[Any] = ()) -> Notice:
    """The notice that a Bundle is. `at` (an instant): its receipt; `labels`: of what it came in. Raises Unreadable (S-11, S-18, S-22)."""
    told = parse(body)
    labels = [*labels, *labels_of(told.get("meta"))]
    refuse_modified(told, "Bundle")
    if told.get("type") == "message" and (within := _carried(told, body)) is not None:
        return replace(notice_of(within, bases, at=at, labels=labels), message=message_of(told))
    entries = _entries(told, body, bases, labels)
    if entries and entries[0].resource is not None and entries[0].type in _PASSED_OVER:  # what tells of all the others
        refuse_modified(entries[0].resource, entries[0].where)
    status = status_of(entries[0].resource) if entries else None
    if status is None:
        made, changes = instant_of(told.get("timestamp")), _ordered(_plain(entries, at))
        return Notice(kind=Kind.PLAIN, changes=changes, at=made, message=message_of(told))
    return _topical(status, entries[1:], bases, told.get("timestamp"), at)


def _carried(told: dict[str, Any], body: bytes) -> bytes | None:
    """The notification that a message carries (R5 subscriptions, "FHIR Messaging"); None: it carries something else."""
    listed = told.get("entry")
    second = listed[1] if isinstance(listed, list) and len(listed) == 2 else None
    resource = second.get("resource") if isinstance(second, dict) else None
    if not isinstance(resource, dict) or resource.get("resourceType") != "Bundle" or resource.get("type") == "message":
        return None
    return bytes(_raws(body)[1])


def _entries(told: dict[str, Any], body: bytes, bases: Sequence[str], labels: Sequence[Any]) -> list[_Entry]:
    listed = told.get("entry", [])
    if not isinstance(listed, list):
        raise Unreadable(Fault(code=100, rule="it is no list", place=Place("Bundle.entry")), AckCode.AE)
    raws, links = _raws(body), Links()
    both = enumerate(zip(listed, raws, strict=True))
    return [_Entry(number, one, raw, bases, links, labels) for number, (one, raw) in both]


def _raws(body: bytes) -> list[msgspec.Raw]:
    """The resources of the entries as they came."""
    try:
        return [one.resource for one in _slots(body).entry]
    except (msgspec.DecodeError, RecursionError):
        fault = Fault(code=100, rule="an entry is no object", place=Place("Bundle.entry"))
        raise Unreadable(fault, AckCode.AE) from None


def _plain(entries: Sequence[_Entry], at: str) -> list[Change]:
    """Of searchset, history, transaction, collection: everything there is, but for what only tells about the Bundle."""
    return [
        one.change(at=at)
        for one in entries
        if one.type not in _PASSED_OVER and (one.resource is not None or one.deleted)
    ]


def _topical(status: Status, entries: Sequence[_Entry], bases: Sequence[str], made: object, at: str) -> Notice:
    changes: list[Change] = []
    foreign = 0
    taken: set[int] = set()
    found = _Found(entries)
    for focus in status.focuses:
        reference = reference_of(focus, bases)
        entry = found.of(focus)
        if entry is not None and (entry.resource is not None or entry.deleted):
            taken.add(id(entry))
            changes.append(entry.change(at=at))
        elif isinstance(reference, Reference):
            changes.append(Change(reference=reference.literal, version=reference.version))
        elif reference == FOREIGN:
            foreign += 1
    focused = bool(changes) or foreign > 0
    rest = [one for one in entries if id(one) not in taken and (one.type in _HINTS or not focused)]
    changes += [one.change(hint=focused, at=at) for one in rest if one.resource is not None or one.deleted]
    events = status.kind in (Kind.EVENTS, Kind.QUERIED)
    return Notice(
        kind=status.kind,
        subscription=status.subscription,
        topic=status.topic,
        numbers=status.numbers,
        count=status.count,
        at=instant_of(made),
        changes=_ordered(changes) if events else (),
        asks=events and not changes and not foreign,
        foreign=foreign,
    )


class _Found:
    """Entries by what they are called, each name looked at once: a call may hold tens of thousands of both."""

    def __init__(self, entries: Sequence[_Entry]) -> None:
        self._by_url: dict[str, _Entry] = {}
        self._by_name: dict[str, _Entry] = {}
        for one in entries:
            if isinstance(one.url, str):
                self._by_url.setdefault(one.url, one)
            if isinstance(one.reference, Reference):
                self._by_name.setdefault(one.reference.literal, one)

    def of(self, focus: object) -> _Entry | None:
        """The entry that a focus is about: by its URL, else by type and id, whatever the server calls itself there."""
        if not isinstance(focus, str):
            return None
        tail = reference_of(focus, ())
        named = self._by_name.get(tail.literal) if isinstance(tail, Reference) else None
        return self._by_url.get(focus) or named


def _ordered(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Patients first: what refers to them finds them there."""
    return tuple(sorted(changes, key=lambda one: one.reference.partition("/")[0] not in _FIRST))
