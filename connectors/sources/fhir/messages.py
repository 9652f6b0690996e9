"""`$process-message`: the answer is a message too, and says "fatal" only of what would be refused again (M-03, R4 messaging)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from connectors.sources.exchange import Answer
from gateway.model.event import Release

_EVENTS = ("eventCoding", "eventUri", "eventCanonical")  # R4 and R5
_US = "urn:caregate"


@dataclass(frozen=True, slots=True)
class Message:
    """What of a request's MessageHeader the answer repeats."""

    id: str
    event: Mapping[str, Any] = field(default_factory=dict, repr=False)


def message_of(told: Mapping[str, Any]) -> Message | None:
    """Of a Bundle whose first entry is a MessageHeader with an id; None: there is none."""
    entries = told.get("entry")
    first = (
        entries[0].get("resource") if isinstance(entries, list) and entries and isinstance(entries[0], dict) else None
    )
    if (
        not isinstance(first, dict)
        or first.get("resourceType") != "MessageHeader"
        or not isinstance(first.get("id"), str)
    ):
        return None
    return Message(first["id"], {key: first[key] for key in _EVENTS if key in first})


def reply(message: Message, answer: Answer, *, at: str, release: Release) -> Answer:
    """The same answer as a message: ok, transient-error (come again), fatal-error (it would be refused again).

    M-04: nothing is stored for a message that comes again. What it tells has no second effect, so the answer is the same.
    """
    code = "ok" if answer.status < 300 else "transient-error" if answer.status >= 500 else "fatal-error"
    r5 = release is Release.R5
    response: dict[str, Any] = {"identifier": {"value": message.id} if r5 else message.id, "code": code}
    header: dict[str, Any] = {"resourceType": "MessageHeader", "id": str(uuid.uuid4()), **message.event}
    header |= {"source": {"endpointUrl" if r5 else "endpoint": _US}, "response": response}
    entries: list[Any] = [{"fullUrl": f"urn:uuid:{header['id']}", "resource": header}]
    if answer.body:
        why = f"urn:uuid:{uuid.uuid4()}"
        response["details"] = {"reference": why}
        entries.append({"fullUrl": why, "resource": msgspec.Raw(answer.body)})
    bundle = {"resourceType": "Bundle", "id": str(uuid.uuid4()), "type": "message", "timestamp": at, "entry": entries}
    kept = tuple(one for one in answer.headers if one[0] != "content-type")
    shown = ("content-type", "application/fhir+json; charset=utf-8")
    return Answer(answer.status, (shown, *kept), msgspec.json.encode(bundle), answer.told)
