"""Unsigned, wrongly signed, replayed, oversized, deeply nested, slow: refused, told without contents, nothing left but the audit."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import threading
import time
import tracemalloc

import pytest
from fhir_site import FHIR, KEY, appointment, issue_of

from connectors.sources.fhir import FhirSource
from gateway.model.audit import NodeFailure
from gateway.model.errors import ConfigError
from gateway.ports import Door, SystemClock

OTHER = "another-key-of-sixteen"
CANARY = "CANARYJONES"
BODY = json.dumps(appointment(1, description=CANARY)).encode()
MEDPLUM = {"signatures": [{"secret": KEY}, {"secret": OTHER}]}
STANDARD = {"signatures": [{"secret": KEY, "scheme": "standard"}]}


def _hex(body, secret=KEY):
    return {"x_signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def _standard(body, *, at=None, name="msg_1", secret=KEY):
    at = int(time.time()) if at is None else at
    mac = hmac.new(secret.encode(), f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
    shown = "v1," + base64.b64encode(mac).decode()
    return {"webhook_id": name, "webhook_timestamp": str(at), "webhook_signature": f"v1,bm9uZQ== {shown}"}


def _is_untouched(ehr, capfd, failure):
    """Nothing was taken, nothing of the body told, and the one audit entry says why."""
    assert ehr.intake.offered == 0
    assert not ehr.fetches.wanted
    assert not ehr.notes.kept
    assert ehr.failures == [failure]
    assert ehr.intake.witnessed[0][2] == "127.0.0.1"
    ehr.stop()
    told = capfd.readouterr()
    assert CANARY not in told.out + told.err


@pytest.mark.parametrize(
    "headers", [{"x_gateway_key": KEY}, {"x_gateway_key": OTHER}, {"authorization": f"Bearer {KEY}-b"}]
)
def test_who_shows_a_key_is_heard(site, headers):
    """S-06, S-32: a header of its own or a bearer token; several, so that one can be changed."""
    keys = [{"secret": KEY}, {"secret": OTHER}, {"secret": f"{KEY}-b", "header": "Authorization"}]
    assert site(keys=keys).send(BODY, **headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "failure"),
    [
        ({}, NodeFailure.CREDENTIALS_MISSING),
        ({"x_gateway_key": KEY + "x"}, NodeFailure.CREDENTIALS_WRONG),
        ({"authorization": f"Basic {KEY}"}, NodeFailure.CREDENTIALS_WRONG),
        ({"authorization": KEY}, NodeFailure.CREDENTIALS_WRONG),
    ],
)
def test_who_does_not_is_not_and_nothing_is_parsed(site, capfd, headers, failure):
    """S-32: 401, whatever the body is."""
    ehr = site(keys=[{"secret": KEY}, {"secret": OTHER, "header": "Authorization"}])
    answer = ehr.send(b"{" + BODY, **headers)
    assert (answer.status_code, issue_of(answer)["code"]) == (401, "login")
    _is_untouched(ehr, capfd, failure)


def test_two_keys_at_once_are_as_wrong_as_none(site):
    """S-32: which one was meant cannot be known."""
    ehr = site(keys=[{"secret": KEY}])
    headers = [("x-gateway-key", KEY), ("x-gateway-key", "x"), ("content-type", FHIR)]
    assert ehr.client().post(ehr.url, content=BODY, headers=headers).status_code == 401


def test_who_signs_the_raw_bytes_is_heard(site):
    """S-32, 2.4: Medplum; under either of two secrets; packed bodies as they came."""
    ehr = site(**MEDPLUM)
    assert ehr.send(BODY, **_hex(BODY)).status_code == 200
    assert ehr.send(BODY, **_hex(BODY, OTHER)).status_code == 200
    packed = gzip.compress(BODY)
    assert ehr.send(packed, content_encoding="gzip", **_hex(packed)).status_code == 200
    assert len(ehr.intake.stored) == 1


@pytest.mark.parametrize(
    ("headers", "failure"),
    [
        ({}, NodeFailure.CREDENTIALS_MISSING),
        (_hex(BODY, "wrong"), NodeFailure.CREDENTIALS_WRONG),
        (_hex(BODY + b" "), NodeFailure.CREDENTIALS_WRONG),
        ({"x_signature": "é"}, NodeFailure.CREDENTIALS_WRONG),
        ({"x_signature": ""}, NodeFailure.CREDENTIALS_WRONG),
    ],
)
def test_an_unsigned_or_wrongly_signed_call_is_refused(site, capfd, headers, failure):
    """S-32, point 5."""
    ehr = site(**MEDPLUM)
    assert ehr.client().post(ehr.url, content=BODY, headers={"content-type": FHIR, **{name.replace("_", "-"): value.encode() for name, value in headers.items()}}).status_code == 401  # fmt: skip
    _is_untouched(ehr, capfd, failure)


def test_a_replayed_call_is_refused(site):
    """Point 5: a signature that tells its time is good once, and not for long."""
    ehr = site(**STANDARD)
    signed = _standard(BODY)
    assert [ehr.send(BODY, **signed).status_code for _ in range(2)] == [200, 401]
    for at in (time.time() - 400, time.time() + 400):
        assert ehr.send(BODY, **_standard(BODY, at=int(at), name="msg_2")).status_code == 401
    assert ehr.failures == [NodeFailure.REPLAYED] * 3
    assert ehr.send(BODY, **_standard(BODY, at=int(time.time()), name="msg_3")).status_code == 200
    assert (len(ehr.intake.stored), ehr.intake.offered) == (1, 2)


def test_a_signed_call_that_was_not_answered_may_come_again(site):
    """S-31: its sender knows nothing of our trouble but that it had no 2xx."""
    ehr = site(**STANDARD)
    signed = _standard(BODY)
    ehr.intake.failing = True
    assert ehr.send(BODY, **signed).status_code == 503
    ehr.intake.failing = False
    assert ehr.send(BODY, **signed).status_code == 200


def test_a_replayed_call_without_a_time_has_no_second_effect(site):
    """S-36: the scheme does not tell one from a retry."""
    ehr = site(**MEDPLUM)
    assert [ehr.send(BODY, **_hex(BODY)).status_code for _ in range(2)] == [200, 200]
    assert len(ehr.intake.stored) == 1


def test_an_address_that_is_not_listed_is_turned_away(site, capfd):
    """TL-06 for FHIR."""
    ehr = site(allow="10.1.0.0/16")
    assert ehr.send(BODY).status_code == 403
    _is_untouched(ehr, capfd, NodeFailure.ADDRESS_UNKNOWN)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_oversized_body_is_refused(site, capfd, chunked):
    """S-37: by what it says, and by what comes."""
    ehr = site(max_body="64KiB")
    body = BODY + b" " * (64 << 10)
    content = iter([body[:1_000], body[1_000:]]) if chunked else body
    answer = ehr.client().post(ehr.url, content=content, headers={"content-type": FHIR})
    assert (answer.status_code, issue_of(answer)["code"]) == (413, "too-long")
    _is_untouched(ehr, capfd, NodeFailure.BODY_TOO_LARGE)


def test_a_packed_bomb_is_refused_and_never_unpacked(site, capfd):
    """S-25, S-37: 64 MiB of nothing in 64 kB."""
    ehr = site(max_body="1MiB")
    bomb = gzip.compress(b'{"resourceType":"Basic","x":"' + b"0" * (64 << 20))
    tracemalloc.start()
    answer = ehr.send(bomb, content_encoding="gzip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (answer.status_code, peak < 16 << 20) == (413, True)
    _is_untouched(ehr, capfd, NodeFailure.BODY_TOO_LARGE)


def _nested(depth):
    return (
        b'{"resourceType":"Appointment","id":"1","description":"'
        + CANARY.encode()
        + b'","x":'
        + b"[" * depth
        + b"]" * depth
        + b"}"
    )


@pytest.mark.parametrize(
    "body",
    [
        *[_nested(depth) for depth in (51, 900, 200_000)],
        b'{"resourceType":"Bundle","type":"batch","entry":[{"resource":' + _nested(60) + b"}]}",
        b'{"resourceType":"Bundle","type":"batch","type":"CANARYJONES"}',
        b'{"resourceType":"Bundle","entry":{"CANARYJONES":1}}',
        b'{"resourceType":"Bundle","entry":["CANARYJONES"]}',
        b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"SubscriptionStatus","type":["CANARYJONES"]}}, 7]}',
        b'{"resourceType":"Appointment","description":"CANARYJONES"',
        b'{"description":"CANARYJONES"}',
        b'["CANARYJONES"]',
        b'"CANARYJONES"',
        b"\xff\xfeCANARYJONES",
        b"<Appointment><description value='CANARYJONES'/></Appointment>",
        b'{"resourceType":["CANARYJONES"]}',
    ],
    ids=range(15),
)
def test_a_body_that_is_nested_too_deep_or_no_json_is_refused(site, capfd, body):
    """S-37, M-02: 400 or 422 with a rule, and never a word of it."""
    ehr = site()
    answer = ehr.send(body)
    assert answer.status_code in (400, 422)
    assert CANARY not in answer.text
    assert issue_of(answer)["code"] in ("structure", "required")
    _is_untouched(ehr, capfd, NodeFailure.BODY_UNREADABLE)


def test_a_body_that_does_not_come_is_not_waited_for(site, capfd):
    """Point 5: slow."""
    ehr = site(body_timeout="300ms")
    link = ehr.socket()
    link.sendall(
        b"POST /fhir/ehr HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nContent-Length: 900\r\n\r\n"
        + BODY[:80]
    )
    assert link.recv(1_000).startswith(b"HTTP/1.1 408")
    _is_untouched(ehr, capfd, NodeFailure.BODY_LATE)


def test_half_a_body_is_nothing(site):
    """F-06 for FHIR: who goes away in the middle has told nothing."""
    ehr = site()
    link = ehr.socket()
    link.sendall(
        b"POST /fhir/ehr HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nContent-Length: 900\r\n\r\n"
        + BODY
    )
    link.close()
    assert ehr.send(appointment(2)).status_code == 200
    assert list(ehr.intake.stored) == ["Appointment/2/_history/1"]


def test_too_many_at_once_are_asked_to_come_again(site):
    """S-34: what is in hand is answered all the same."""
    ehr = site(max_waiting=2)
    ehr.intake.gate.clear()
    answers: list[int] = []
    calls = [
        threading.Thread(target=lambda one=one: answers.append(ehr.send(appointment(one)).status_code))
        for one in (1, 2)
    ]
    for call in calls:
        call.start()
    ehr.until(lambda: ehr.intake.offered == 2)
    answer = ehr.send(appointment(3))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    ehr.intake.gate.set()
    for call in calls:
        call.join(10)
    assert answers == [200, 200]


def test_made_up_subscriptions_fill_no_memory(site):
    """S-35: there is an end to how many are told apart."""
    ehr = site()
    codes = {ehr.send(b"", f"/made-up-{number}").status_code for number in range(258)}
    assert codes == {200, 404}


@pytest.mark.parametrize(
    ("options", "door", "words"),
    [
        ({}, Door(loopback=False), "it needs `api.tls`"),
        ({"keys": [{"secret": KEY}]}, Door(loopback=False), "it needs `api.tls`"),
        ({}, Door(loopback=False, tls=True), "keys, signatures, or `api.tls.client_ca`"),
        ({"plaintext": "yes"}, Door(loopback=False), "name the addresses of the proxy"),
    ],
)
def test_a_door_that_is_not_safe_enough_is_not_opened(options, door, words):
    """S-32: beyond loopback TLS and authentication, or a proxy that has both."""
    with pytest.raises(ConfigError, match=words):
        FhirSource("ehr", options, SystemClock()).routes(door)


@pytest.mark.parametrize(
    ("options", "door"),
    [
        ({"keys": [{"secret": KEY}]}, Door(loopback=False, tls=True)),
        ({}, Door(loopback=False, tls=True, certificates=True)),
        ({"plaintext": "yes", "allow": "10.0.0.1"}, Door(loopback=False)),
    ],
)
def test_a_door_that_is_safe_enough_is(options, door):
    """S-32: mutual TLS too."""
    assert len(FhirSource("ehr", options, SystemClock()).routes(door)) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keys": [{"secret": "SHORTCANARY"}]}, "keys.0.secret"),
        ({"keys": [{"secret": KEY, "header": "CANARY:"}]}, "keys.0.header"),
        ({"signatures": [{"secret": KEY, "scheme": "CANARY"}]}, "signatures.0.scheme"),
        ({"also": "https://CANARY.example"}, "`also` needs `base`"),
        ({"path": "CANARY"}, "path: write a path"),
        ({"secret": "CANARY"}, "there is no such setting"),
    ],
)
def test_a_wrong_setting_is_named_and_never_quoted(options, words):
    """A secret least of all."""
    with pytest.raises(ConfigError, match=words) as told:
        FhirSource("ehr", options, SystemClock())
    assert "CANARY" not in str(told.value)
