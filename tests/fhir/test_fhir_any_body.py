"""Whatever stands where in a body, it becomes a notice or is unreadable: no other error, and no other server's resource."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from publisher import Event, Publisher, Subscription

from connectors.sources.exchange import Request
from connectors.sources.fhir.clouds import Dialect
from connectors.sources.fhir.reading import Path, read
from gateway.model.errors import Unreadable

BASE = "https://fhir.lakeside.example/r4"
VISIT = {"resourceType": "Appointment", "id": "1", "meta": {"versionId": "1"}, "status": "booked"}
JUNK = st.sampled_from(
    [None, True, 0, -1, 1e300, "", "CANARY", "Patient/1", "https://evil.example/Patient/1", "x" * 600, "\ud7ff", [], {}, [[]], [None],
     {"resourceType": "Bundle"}, {"reference": 7}, {"reference": ["Patient/1"]}, [{"name": 1}], "9" * 30, "DELETE", "message"]
)  # fmt: skip


def _bodies():
    """One of each dialect, as it should be."""
    one = Subscription("sub-1", "http://127.0.0.1:9/x", "full-resource", {})
    events = [
        Event(1, "2026-03-01T12:00:00Z", VISIT, "Appointment/1"),
        Event(2, "2026-03-01T12:00:00Z", None, "Appointment/2"),
    ]
    for dialect in ("r4", "r5"):
        server = Publisher(dialect)
        yield Dialect.FHIR, server.bundle(one, "event-notification", events)
        server._server.server_close()
    message = {"resourceType": "MessageHeader", "id": "m", "eventUri": "urn:x"}
    within = {"resourceType": "Bundle", "type": "history", "entry": []}
    yield (
        Dialect.FHIR,
        {"resourceType": "Bundle", "type": "message", "entry": [{"resource": message}, {"resource": within}]},
    )
    yield Dialect.FHIR, VISIT
    attributes = {"action": "UpdateResource", "payloadType": "NameOnly", "versionId": "1", "lastUpdatedTime": "x"}
    yield Dialect.PUBSUB, {"message": {"attributes": attributes, "data": "UGF0aWVudC8x"}}
    data = {
        "resourceType": "Patient",
        "resourceFhirId": "1",
        "resourceFhirAccount": "fhir.lakeside.example",
        "resourceVersionId": 1,
    }
    event = {"eventType": "Microsoft.HealthcareApis.FhirResourceDeleted", "eventTime": "x", "data": data}
    yield Dialect.EVENT_GRID, [event]


BODIES = list(_bodies())


def _places(told, at=()):
    yield at
    inner = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for key, value in inner:
        yield from _places(value, (*at, key))


def _changed(told, place, value):
    if not place:
        return value
    copy = dict(told) if isinstance(told, dict) else list(told)
    copy[place[0]] = _changed(told[place[0]], place[1:], value)
    return copy


@settings(max_examples=1_500)
@given(st.sampled_from(BODIES), st.data())
def test_any_value_anywhere_is_read_or_refused(body, data):
    """S-37, S-33: and what is wanted is always told relative to our own base."""
    dialect, told = body
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.sampled_from(list(_places(told))))
        told = _changed(told, place, data.draw(JUNK))
    request = Request({"method": "POST", "path": "/fhir/ehr", "client": ("127.0.0.1", 1), "headers": []})
    body = json.dumps(told).encode()
    refused: Unreadable | None = None
    try:
        notice = read(request, Path(), body, (BASE,), at=1_772_384_400_000, dialect=dialect)
    except Unreadable as error:
        refused = error
    if refused is not None:
        assert "CANARY" not in refused.fault.rule + str(refused.fault.place)
        return
    for change in notice.changes:
        assert "://" not in change.reference
        assert change.body is None or isinstance(json.loads(change.body), dict)


@pytest.mark.parametrize("at", range(len(BODIES)))
def test_what_is_as_it_should_be_is_read(at):
    """The bodies above are sound, so the junk is what is tried."""
    dialect, told = BODIES[at]
    request = Request({"method": "POST", "path": "/fhir/ehr", "headers": []})
    notice = read(request, Path(), json.dumps(told).encode(), (BASE,), at=0, dialect=dialect)
    assert notice.changes or notice.message or notice.foreign
