"""What callers may try who have proven nothing, or only something else: no crash, no store of memory, and no effect beyond the proof."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from types import SimpleNamespace

import pytest
from fhir_site import KEY, appointment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.sources.exchange import Request
from connectors.sources.fhir.clouds import Dialect
from connectors.sources.fhir.options import Scheme
from connectors.sources.fhir.reading import path_of, read
from connectors.sources.fhir.signatures import verifies
from gateway.model.errors import Unreadable

BODY = json.dumps(appointment(1)).encode()
_ODD = [
    b'{"resourceType":"Appointment","id":"1","x":1e400}',
    b'{"resourceType":"Appointment","id":"1","x":1e999999999999999999}',
    b'{"resourceType":"Appointment","id":"1","x":"\\ud800"}',
    b'{"resourceType":"Appointment","id":"1","x":"\\u0000"}',
    b'{"resourceType":"Appointment","id":"1","x":"\xff"}',
    b'{"resourceType":"Appointment","id":"1","id":"2"}',
    b'{"resourceType":"Appointment","resourceType":"Patient"}',
    b'{"resourceType":"Appointment","id":"' + b"1" * 70_000 + b'"}',
    b'{"resourceType":"' + b"A" * 70_000 + b'"}',
    b'{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Appointment","x":"\\ud800"}}]}',
    b'{"resourceType":"Bundle","type":"history","timestamp":"0001-01-01T00:00:00+23:59","entry":[]}',
    b'{"resourceType":"Bundle","type":"history","entry":[{"request":{"method":"DELETE","url":"Patient/.."}}]}',
    b'{"resourceType":"Bundle","type":"message","entry":[{"resource":{"resourceType":"MessageHeader","id":"\\u20ac"}},{"resource":{"resourceType":"Bundle","type":"x","entry":[null]}}]}',
    b'{"resourceType":"Bundle","type":"history","entry":[{"resource":{"resourceType":"Parameters","parameter":[{"name":"type","valueCode":"handshake"},{"name":"events-since-subscription-start","valueString":"1e5"}]}}]}',
    b'\xef\xbb\xbf{"resourceType":"Appointment","id":"1"}',
    b'\xef\xbb\xbf\xef\xbb\xbf{"resourceType":"Appointment","id":"1"}',
    b"[]", b"null", b"1e400", b"\x00", b'"\\ud800"', b"{" * 60, b'{"resourceType":"Bundle","entry":null}',
]  # fmt: skip


def _request(method="POST", path="/fhir/ehr", *headers):
    return Request({"method": method, "path": path, "headers": headers, "client": ("127.0.0.1", 1)})


def _is_read_or_refused(body, dialect=Dialect.FHIR):
    request = _request()
    refused = None
    try:
        read(request, path_of(request.path, "/fhir/ehr"), body, ("https://x.example",), at=0, dialect=dialect)
    except Unreadable as refusal:
        refused = refusal
    assert refused is None or "CANARY" not in str(refused.fault)


@pytest.mark.parametrize("body", _ODD, ids=range(len(_ODD)))
@pytest.mark.parametrize("dialect", Dialect)
def test_odd_bodies_are_read_or_refused_and_nothing_else_happens(body, dialect):
    """M-02, S-37: an exception would be a 500, and its text in the log."""
    _is_read_or_refused(body, dialect)
    if dialect is Dialect.PUBSUB:
        for payload in ("FullResource", "NameOnly"):
            told = {"action": "UpdateResource", "payloadType": payload}
            data = base64.b64encode(body).decode()
            _is_read_or_refused(json.dumps({"message": {"attributes": told, "data": data}}).encode(), dialect)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(
        ["Bundle", "history", "message", "SubscriptionStatus", "Parameters", "handshake", "event-notification", "DELETE", "Patient/1", "CANARY"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["resourceType", "type", "entry", "resource", "request", "method", "url", "fullUrl", "parameter", "part", "name",
                         "valueCode", "notificationEvent", "focus", "reference", "eventNumber", "id", "message", "data", "attributes",
                         "response", "lastModified", "timestamp", "eventType", "subscription", "topic"]),
        inner, max_size=5,
    ),
    max_leaves=30,
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_json, st.sampled_from([*Dialect]))
def test_whatever_stands_where_is_read_or_refused(told, dialect):
    """M-02."""
    kinds = [told, {"resourceType": "Bundle", "type": "history", "entry": told}]
    kinds += [{"resourceType": "Bundle", "type": "message", "entry": [{"resource": {"resourceType": "MessageHeader", "id": "1"}}, {"resource": told}]}]  # fmt: skip
    kinds += [{"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "SubscriptionStatus", "type": "event-notification", "notificationEvent": told}}, told]}]  # fmt: skip
    for one in kinds:
        _is_read_or_refused(json.dumps(one).encode(), dialect)


def _signed(body):
    return {"x_signature": hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()}


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("", "POST", {"x_medplum_deleted_resource": "Appointment/9"}),
        ("/Appointment/9", "DELETE", {}),
    ],
)
def test_a_signature_seen_once_deletes_nothing_it_does_not_name(site, path, method, headers):
    """S-32, point 5: it covers the bytes alone; what head and path claim is asked of the server before it is believed."""
    ehr = site(signatures=[{"secret": KEY}])
    assert ehr.send(b"{}", path, method=method, **headers, **_signed(b"{}")).status_code == 200
    assert not ehr.intake.stored
    assert ehr.fetches.wanted == [("Appointment/9", None)]


@pytest.mark.parametrize(
    ("body", "ours"),
    [
        (b'{"resourceType":"Patient","id":"p1"}', True),
        (b'{"resourceType": "Patient", "id": "p1"}', False),
        (b'{"resourceType":"Patient","id":"p1"}\n', False),
    ],
)
def test_the_computed_vector(body, ours):
    """5.4: the bytes as they came, and not what they say."""
    shown = b"4b697ec82efdc1b260ad5ed38a8f5b44e6105393de28dc673ce85be713273e96"
    call = SimpleNamespace(all=lambda name: [shown] if name == b"x-signature" else [])
    assert verifies(Scheme.MEDPLUM, "secret-1", call, body) is ours


def test_a_delete_of_who_shows_a_key_is_believed(site):
    """S-07: the key is of the whole call."""
    ehr = site(keys=[{"secret": KEY}])
    assert ehr.send(b"", "/Appointment/9", method="DELETE", x_gateway_key=KEY).status_code == 200
    assert len(ehr.intake.stored) == 1
    assert not ehr.fetches.wanted


def test_signed_bodies_that_do_not_come_keep_nobody_out_who_shows_a_key(site):
    """S-34: who has proven nothing yet gets at most half of what is taken at a time."""
    ehr = site(keys=[{"secret": KEY}], signatures=[{"secret": KEY}], max_waiting=4, body_timeout="5s")
    head = b"POST /fhir/ehr HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nX-Signature: made-up\r\nContent-Length: 900\r\n\r\n"
    links = [ehr.socket() for _ in range(4)]
    for link in links:
        link.sendall(head)
    ehr.until(lambda: ehr.source.counts.get("fhir.crowded", 0) >= 2)
    assert ehr.send(BODY, x_gateway_key=KEY).status_code == 200


def test_who_has_proven_nothing_fills_no_memory(site):
    """S-37: as many bodies as are taken at a time, none longer than the longest: but not all of them at their longest."""
    ehr = site(signatures=[{"secret": KEY}], max_body="1MiB", max_waiting=16, body_timeout="5s")
    head = b"POST /fhir/ehr HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nX-Signature: made-up\r\nContent-Length: 1048576\r\n\r\n"
    links = [ehr.socket() for _ in range(16)]
    for link in links:
        link.sendall(head)
    ehr.until(lambda: ehr.source.counts.get("fhir.crowded", 0) >= 8)


def test_a_key_set_that_drips_holds_up_nobody_for_long(site):
    """S-32: made-up tokens must not keep threads that others need; keys that come slowly are no keys."""
    door = socket.create_server(("127.0.0.1", 0))

    def drip():
        link, _ = door.accept()
        with link:
            link.recv(65_536)
            try:
                link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")
                while True:
                    link.sendall(b" ")
                    time.sleep(0.2)
            except OSError:
                return

    threading.Thread(target=drip, daemon=True).start()
    url = f"http://127.0.0.1:{door.getsockname()[1]}/keys"
    token = {"issuer": "https://i.example", "jwks": url, "audience": "a", "subject": "s"}
    ehr = site(tokens=[token])
    begun = time.monotonic()
    header = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"x"}').rstrip(b"=").decode()
    assert ehr.send(BODY, authorization=f"Bearer {header}.e30.AA").status_code == 401
    assert time.monotonic() - begun < 8
    door.close()


def test_made_up_tokens_are_counted_like_any_other_call(site):
    """S-34: `max_waiting` holds while a token is looked at."""
    ehr = site(
        tokens=[{"issuer": "https://i.example", "jwks": "http://127.0.0.1:1/keys", "audience": "a", "subject": "s"}]
    )
    endpoint = ehr.source._endpoint
    endpoint._inside = endpoint._options.max_waiting
    assert ehr.send(BODY, authorization="Bearer a.b.c").status_code == 503
    endpoint._inside = 0


def test_a_version_that_is_no_version_is_not_asked_for(site):
    """S-33: what a cloud's envelope writes there goes to disk and into a URL."""
    event = {"eventType": "Microsoft.HealthcareApis.FhirResourceUpdated", "data": {
        "resourceType": "Patient", "resourceFhirId": "1", "resourceFhirAccount": "fhir.lakeside.example",
        "resourceVersionId": "CANARY " * 10_000,
    }}  # fmt: skip
    ehr = site(dialect="event-grid")
    assert ehr.send([event], kind="application/json").status_code == 200
    assert ehr.fetches.wanted == [("Patient/1", None)]
