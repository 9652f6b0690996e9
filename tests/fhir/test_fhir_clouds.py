"""Google's and Azure's envelopes around a resource, and the tokens that their calls show."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fhir_site import KEY, appointment, issue_of

from connectors.sources.fhir import FhirSource
from gateway.model.audit import NodeFailure
from gateway.model.errors import ConfigError
from gateway.ports import SystemClock

JSON = "application/json"
NAME = "projects/p/locations/l/datasets/d/fhirStores/s/fhir/Appointment/1"


def _pushed(action, data, payload="FullResource", **more):
    attributes = {"action": action, "resourceType": "Appointment", "payloadType": payload, "versionId": "v7"} | more
    told = json.dumps(data).encode() if isinstance(data, dict) else data.encode()
    message = {"attributes": attributes, "data": base64.b64encode(told).decode(), "messageId": "1"}
    return {"message": message, "subscription": "projects/p/subscriptions/s"}


def _event(kind="Microsoft.HealthcareApis.FhirResourceUpdated", **data):
    told = {"resourceType": "Appointment", "resourceFhirAccount": "fhir.lakeside.example", "resourceFhirId": "1"}
    return {
        "id": "e",
        "eventType": kind,
        "eventTime": "2026-03-01T12:00:00Z",
        "data": told | {"resourceVersionId": 3} | data,
    }


# -- Google


def test_a_pushed_resource_is_taken(site):
    """V-01, 2.4: the whole resource."""
    ehr = site(dialect="pubsub")
    assert ehr.send(_pushed("UpdateResource", appointment(1)), kind=JSON).status_code == 200
    assert list(ehr.intake.stored) == ["Appointment/1/_history/1"]


def test_a_pushed_name_is_wanted(site):
    """V-01, 2.4: the name only; read from our own base, whatever project it tells of."""
    ehr = site(dialect="pubsub")
    assert ehr.send(_pushed("CreateResource", NAME, "NameOnly"), kind=JSON).status_code == 200
    assert ehr.fetches.wanted == [("Appointment/1", "v7")]


def test_a_pushed_deletion_is_told_with_its_time(site):
    """V-01."""
    ehr = site(dialect="pubsub")
    told = _pushed("DeleteResource", NAME, "NameOnly", lastUpdatedTime="2026-03-01T12:00:00Z")
    assert ehr.send(told, kind=JSON).status_code == 200
    (kept,) = ehr.intake.stored.values()
    entry = json.loads(kept.body)["entry"][0]
    assert entry == {
        "request": {"method": "DELETE", "url": "Appointment/1"},
        "response": {"status": "204", "lastModified": "2026-03-01T12:00:00Z"},
    }


# -- Azure


def test_event_grid_asks_whether_we_want_its_events(site):
    """V-02: its code comes back; who asks is judged as ever."""
    ehr = site(dialect="event-grid", keys=[{"secret": KEY}])
    asked = [{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "abc-1"}}]
    assert ehr.send(asked, kind=JSON).status_code == 401
    answer = ehr.send(asked, kind=JSON, x_gateway_key=KEY)
    assert (answer.status_code, answer.json()) == (200, {"validationResponse": "abc-1"})


def test_event_grid_tells_ids(site):
    """V-01, 2.4: created and updated are wanted, deleted is told, another account's are never read (S-33)."""
    ehr = site(dialect="event-grid")
    gone = _event("Microsoft.HealthcareApis.FhirResourceDeleted", resourceFhirId="2")
    assert ehr.send([_event(), gone], kind=JSON).status_code == 200
    assert ehr.fetches.wanted == [("Appointment/1", "3")]
    assert '"url":"Appointment/2"' in next(iter(ehr.intake.stored.values())).body.decode()
    assert ehr.send([_event(resourceFhirAccount="evil.example")], kind=JSON).status_code == 422
    assert len(ehr.fetches.wanted) == 1


@pytest.mark.parametrize(
    ("dialect", "told"),
    [
        ("pubsub", {"message": 7}),
        ("pubsub", {"message": {"attributes": []}}),
        ("pubsub", _pushed("CANARY", NAME)),
        ("pubsub", _pushed("UpdateResource", "CANARY", "NameOnly")),
        ("pubsub", _pushed("UpdateResource", "CANARY")),
        ("pubsub", {"message": {"attributes": {"action": "UpdateResource"}, "data": "CANARY!"}}),
        ("event-grid", {"CANARY": 1}),
        ("event-grid", ["CANARY"]),
        ("event-grid", [{"eventType": "CANARY"}]),
        ("event-grid", [_event("CANARY")]),
        ("event-grid", [_event(resourceFhirId="../CANARY")]),
    ],
    ids=range(11),
)
def test_what_is_no_envelope_is_refused(site, dialect, told):
    """M-01: by its place."""
    ehr = site(dialect=dialect)
    answer = ehr.send(told, kind=JSON)
    assert answer.status_code in (400, 422)
    assert "CANARY" not in answer.text
    assert (ehr.intake.offered, ehr.fetches.wanted) == (0, [])
    assert issue_of(answer)["severity"] == "error"


# -- tokens


class Authority:
    """Signs tokens and serves its keys."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        self.asked = 0
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                authority.asked += 1
                told = jwt.algorithms.RSAAlgorithm.to_jwk(authority.key.public_key(), as_dict=True)
                body = json.dumps({"keys": [told | {"kid": "k1", "alg": "RS256", "use": "sig"}]}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Quietly."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def options(self):
        jwks = f"http://127.0.0.1:{self.server.server_address[1]}/certs"
        return {"issuer": "https://issuer.example", "jwks": jwks, "audience": "caregate", "subject": "push@p.example"}

    def token(self, *, key=None, kid="k1", algorithm="RS256", **claims):
        now = int(time.time())
        told = {"iss": "https://issuer.example", "aud": "caregate", "iat": now, "exp": now + 600, "sub": "1"}
        told |= {"email": "push@p.example", "email_verified": True} | claims
        told = {name: value for name, value in told.items() if value is not None}
        return "Bearer " + jwt.encode(told, key or self.key, algorithm=algorithm, headers={"kid": kid})


@pytest.fixture(scope="module")
def authority():
    """A cloud's issuer."""
    made = Authority()
    yield made
    made.server.shutdown()
    made.thread.join(10)
    made.server.server_close()


def test_who_shows_a_token_of_the_issuer_is_heard(site, authority):
    """V-02: Pub/Sub's OIDC token; its keys are fetched once."""
    ehr = site(dialect="pubsub", tokens=[authority.options])
    before = authority.asked
    for _ in range(3):
        told = _pushed("UpdateResource", appointment(1))
        assert ehr.send(told, kind=JSON, authorization=authority.token()).status_code == 200
    assert authority.asked == before + 1
    by_id = authority.token(email=None, email_verified=None, sub="push@p.example")
    assert ehr.send(told, kind=JSON, authorization=by_id).status_code == 200


def test_who_shows_another_is_not(site, authority):
    """V-02, S-32: another audience, issuer, subject, key, time; nothing is parsed, and keys are not asked for each time."""
    ehr = site(dialect="pubsub", tokens=[authority.options])
    before, other = authority.asked, rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    tokens = [
        authority.token(aud="other"),
        authority.token(iss="https://evil.example"),
        authority.token(email="evil@p.example"),
        authority.token(email_verified=False),
        authority.token(exp=int(time.time()) - 600),
        authority.token(exp=None),
        authority.token(key=other),
        authority.token(key=ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"),
        *[authority.token(kid=f"made-up-{number}") for number in range(3)],
        authority.token(key="a-secret-that-is-long-enough-for-it", algorithm="HS256"),
        "Bearer x",
        "Bearer é",
    ]
    for token in tokens:
        headers = {"content-type": JSON, "authorization": token.encode()}
        assert ehr.client().post(ehr.url, content=b"{", headers=headers).status_code == 401
    assert ehr.failures == [NodeFailure.CREDENTIALS_WRONG] * len(tokens)
    assert (authority.asked, ehr.intake.offered) == (before + 1, 0)


def test_keys_are_fetched_over_tls_only():
    """V-02."""
    told = {"issuer": "https://i.example", "jwks": "http://i.example/CANARY", "audience": "a", "subject": "s"}
    with pytest.raises(ConfigError, match=r"tokens\.0\.jwks: must be https") as error:
        FhirSource("ehr", {"tokens": [told]}, SystemClock())
    assert "CANARY" not in str(error.value)
