"""Clouds tell of their FHIR stores in envelopes of their own: Google by Pub/Sub push, Azure by Event Grid (V-01, V-02)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NoReturn
from urllib.parse import urlsplit

import msgspec

from connectors.sources.fhir.notices import BYTE_ORDER_MARK, Change, Kind, Notice, Reference, named, reference_of
from gateway.fhirfile import deletion
from gateway.fhirjson import parse, read_object
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Place


class Dialect(StrEnum):
    """Whose envelope a source's calls come in."""

    FHIR = "fhir"  # none: told by method, path, headers and body
    PUBSUB = "pubsub"  # Google Cloud Healthcare API, Pub/Sub push
    EVENT_GRID = "event-grid"  # Azure Health Data Services, Event Grid's own schema


_ACTIONS = frozenset({"CreateResource", "UpdateResource", "PatchResource", "DeleteResource"})
_EVENTS = "Microsoft.HealthcareApis.FhirResource"
_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
_MOST_EVENTS = 5_000  # Event Grid batches no more


def pushed(body: bytes) -> Notice:
    """One Pub/Sub message: a resource, its name, or that it is gone. Raises Unreadable."""
    message = _object(read_object(body), "message")
    told = _object(message, "attributes")
    action = _text(told, "action")
    if action not in _ACTIONS:
        _refuse("it is no action of a FHIR store", "message.attributes.action")
    data = _data(message)
    deleted = action == "DeleteResource"
    if told.get("payloadType") == "FullResource" and not deleted:
        resource = parse(data)
        own = named(resource["resourceType"], resource.get("id"))
        data = data.removeprefix(BYTE_ORDER_MARK)
        change = Change(reference=own.literal if own is not None else "", body=msgspec.json.format(data, indent=-1))
        return Notice(kind=Kind.PLAIN, changes=(change,))
    name = "/".join(data.decode("utf-8", "replace").rstrip("/").split("/")[-2:])
    reference = reference_of(name, ())
    if not isinstance(reference, Reference):
        _refuse("it is no name of a resource", "message.data")
    at, version = _text(told, "lastUpdatedTime"), _text(told, "versionId") or None
    return Notice(kind=Kind.PLAIN, changes=(_change(reference.literal, version, at, deleted=deleted),))


def granted(body: bytes, bases: Sequence[str]) -> Notice:
    """Events of Event Grid: resources by their ids, or the question whether we want any (V-02). Raises Unreadable."""
    events = read_object(b'{"events":' + body + b"}")["events"]
    if not isinstance(events, list) or len(events) > _MOST_EVENTS:
        _refuse("it is no list of events", "$this")
    found = [_event(one, number) for number, one in enumerate(events)]
    for kind, data in found:
        if kind == _VALIDATION:
            answer = msgspec.json.encode({"validationResponse": _text(data, "validationCode")})
            return Notice(kind=Kind.HANDSHAKE, reply=answer)
    hosts = {urlsplit(base).hostname for base in bases}
    changes, foreign = [], 0
    for number, (kind, data) in enumerate(found):
        reference = reference_of(f"{_text(data, 'resourceType')}/{_text(data, 'resourceFhirId')}", ())
        if not kind.startswith(_EVENTS) or not isinstance(reference, Reference):
            _refuse("it is no event of a FHIR resource", f"$this[{number}]")
        if hosts and _text(data, "resourceFhirAccount") not in hosts:
            foreign += 1
            continue
        version = str(data["resourceVersionId"]) if "resourceVersionId" in data else None
        deleted = kind.endswith("Deleted")
        changes.append(_change(reference.literal, version, _text(events[number], "eventTime"), deleted=deleted))
    return Notice(kind=Kind.PLAIN, changes=tuple(changes), foreign=foreign)


def _change(reference: str, version: str | None, at: str, *, deleted: bool) -> Change:
    response = {"status": "204", "lastModified": at} if at else None
    body = deletion(reference, response=response) if deleted else None
    known = version is not None and isinstance(reference_of(f"{reference}/_history/{version}", ()), Reference)
    return Change(reference=reference, version=version if known else None, body=body)


def _event(told: object, number: int) -> tuple[str, dict[str, Any]]:
    if not isinstance(told, dict):
        _refuse("it is no event", f"$this[{number}]")
    return _text(told, "eventType"), _object(told, "data")


def _data(message: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(_text(message, "data"), validate=True)
    except (binascii.Error, ValueError):
        _refuse("it is not base64", "message.data")


def _object(told: dict[str, Any], key: str) -> dict[str, Any]:
    found = told.get(key)
    if not isinstance(found, dict):
        _refuse("it is no object", key)
    return found


def _text(told: dict[str, Any], key: str) -> str:
    found = told.get(key)
    return found if isinstance(found, str) else ""


def _refuse(rule: str, place: str) -> NoReturn:
    raise Unreadable(Fault(code=100, rule=rule, place=Place(place)), AckCode.AE)
