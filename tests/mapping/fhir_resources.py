"""FHIR resources made up for tests, and the feed that sends them."""

from __future__ import annotations

import json
from typing import Any

from gateway.mapping.feed import Feed
from gateway.mapping.fhir.scope import Scope
from gateway.model.event import Format, RawMessage
from gateway.model.when import Millis

BASE = "https://ehr.example.org/fhir"
RECEIVED: Millis = 1_772_500_000_000
MOMENT: Millis = 1_772_463_600_000  # 2026-03-02T15:00Z
FEED = Feed(
    name="ehr",
    zone="America/Chicago",
    format=Format.FHIR,
    base=BASE,
    systems={"urn:oid:1.2.3": "LAKESIDE|MR", "urn:oid:1.2.4": "LAKE"},
    locations={"Location/2": "cardiology", "W3": "ward", "North": "north"},
)


def raw(told: dict[str, Any] | bytes) -> RawMessage:
    """A message as it came."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return RawMessage(source="ehr", format=Format.FHIR, body=body, received=RECEIVED)


def scope(feed: Feed = FEED, **told: Any) -> Scope:
    """What a computation reads of a resource, a Patient unless told."""
    return Scope({"resourceType": "Patient", **told}, feed, MOMENT)


def appointment(**more: Any) -> dict[str, Any]:
    """A booked appointment of Patient/12."""
    return {
        "resourceType": "Appointment",
        "id": "a1",
        "meta": {"versionId": "1", "lastUpdated": "2026-03-02T15:00:00Z"},
        "status": "booked",
        "participant": [{"actor": {"reference": "Patient/12"}, "status": "accepted"}],
        "start": "2026-03-20T14:30:00Z",
        "end": "2026-03-20T15:00:00Z",
        **more,
    }


def patient(**more: Any) -> dict[str, Any]:
    """Patient/12."""
    return {"resourceType": "Patient", "id": "12", "birthDate": "1980-03-15", **more}


def bundle(url: str, **response: Any) -> dict[str, Any]:
    """A history that tells one delete."""
    entry = {"request": {"method": "DELETE", "url": url}, "response": {"status": "204", **response}}
    return {"resourceType": "Bundle", "type": "history", "entry": [entry]}
