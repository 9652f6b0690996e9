"""Who we prove to be: a token is asked for once for all, with an assertion nobody can use twice."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import jwt
import pytest
from fhir_there import Asked, Said, client, patient, pem, smart, there
from pydantic import ValidationError

from connectors.sources.fhir.client import ClientOptions
from connectors.sources.fhir.client.jwks import jwks
from connectors.sources.fhir.client.keys import key_of
from connectors.sources.fhir.client.scopes import covers
from connectors.sources.fhir.options import FhirOptions
from gateway.model.errors import Busy, Denied, Unusable
from gateway.ports import SetClock

NOW = 1_772_463_600_000


class Auth:
    """A FHIR server and its token endpoint in one, that believes only the last token it gave."""

    def __init__(self, **more: Any) -> None:
        self.given = 0
        self.more = {"expires_in": 300, "scope": "system/*.rs", **more}
        self.status = 200
        self.base = ""

    def __call__(self, asked: Asked) -> Said:
        if asked.path.endswith("smart-configuration"):
            return Said(body={"token_endpoint": f"{self.base}/token"})
        if asked.path.endswith("/token"):
            if self.status != 200:
                return Said(self.status, {"error": "invalid_client", "error_description": "Zephyrine Quillfeather"})
            self.given += 1
            return Said(body={"access_token": f"t{self.given}", "token_type": "Bearer", **self.more})
        known = asked.headers.get("authorization") == f"Bearer t{self.given}"
        return Said(body=patient("1")) if known else Said(401)


@pytest.mark.parametrize("kind", ["RS384", "ES384"])
def test_an_assertion_is_what_backend_services_ask_for(kind: str) -> None:
    """O-01 to O-04: discovery, form, header and claims; a signature another library verifies; ES384's is raw."""
    auth, key = Auth(), pem(kind)
    with there(auth) as ehr:
        auth.base = ehr.base
        with client(ehr.base, smart(key, jku="https://gateway.lakeside.example/jwks"), SetClock(NOW)) as server:
            assert server.get("Patient/1").resource == patient("1")
        public = jwt.PyJWK(dict(server.keys[0].jwk))
    asked = ehr.of("token")[0]
    assert "authorization" not in asked.headers
    assert asked.form["grant_type"] == "client_credentials"
    assert asked.form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert asked.form["scope"] == "system/*.rs"
    assertion = asked.form["client_assertion"]
    header = jwt.get_unverified_header(assertion)
    assert header == {
        "alg": kind,
        "typ": "JWT",
        "kid": server.keys[0].kid,
        "jku": "https://gateway.lakeside.example/jwks",
    }
    claims = jwt.decode(
        assertion, public.key, algorithms=[kind], audience=f"{ehr.base}/token", options={"verify_exp": False}
    )
    assert claims["iss"] == claims["sub"] == "caregate"
    assert 0 < claims["exp"] - NOW // 1000 <= 300
    if kind == "ES384":
        assert len(assertion.split(".")[2]) == 128  # 96 bytes, base64url


def test_every_try_has_an_assertion_of_its_own_and_a_token_is_kept() -> None:
    """O-03, O-05: two requests, one token; a new one when it is not believed any more, once (Q-08)."""
    auth = Auth()
    with there(auth) as ehr:
        auth.base = ehr.base
        with client(ehr.base, smart()) as server:
            server.get("Patient/1")
            server.get("Patient/1")
            assert auth.given == 1
            auth.given = 7  # the server forgot what it gave
            server.get("Patient/1")
        told = [
            jwt.decode(one.form["client_assertion"], options={"verify_signature": False}) for one in ehr.of("token")
        ]
        assert len(ehr.of(".well-known/smart-configuration")) == 1
    assert len({one["jti"] for one in told}) == 2


def test_a_token_that_is_never_believed_is_refreshed_once_and_then_told() -> None:
    """Q-08: 401 → one refresh, then an alarm, no loop."""
    auth = Auth()
    with there(lambda asked: Said(401) if asked.path.endswith("Patient/1") else auth(asked)) as ehr:
        auth.base = ehr.base
        with client(ehr.base, smart()) as server, pytest.raises(Denied) as caught:
            server.get("Patient/1")
    assert not caught.value.known
    assert len(ehr.of("Patient/1")) == 2
    assert auth.given == 2


def test_a_file_that_is_streamed_survives_a_token_that_ended() -> None:
    """O-05, Q-08: an export takes longer than a token lives; one refresh, then the 401 is the caller's to judge."""
    auth = Auth()
    with there(auth) as ehr:
        auth.base = ehr.base
        with client(ehr.base, smart()) as server:
            server.get("Patient/1")
            auth.given = 7  # the server forgot what it gave
            with server.streamed(server.base.at("Patient/1"), headers={}) as stream:
                assert (stream.status, json.loads(b"".join(stream.pieces))) == (200, patient("1"))
            ehr.answer = lambda asked: Said(401) if asked.path.endswith("Patient/1") else auth(asked)
            with server.streamed(server.base.at("Patient/1"), headers={}) as stream:
                assert stream.status == 401
    assert auth.given == 9
    assert len(ehr.of("Patient/1")) == 5


def test_who_is_refused_a_token_does_not_ask_for_one_at_every_resource() -> None:
    """O-08: and the server's words are not repeated."""
    auth = Auth()
    auth.status = 400
    with there(auth) as ehr:
        auth.base = ehr.base
        with client(ehr.base, smart()) as server:
            for _ in range(3):
                with pytest.raises(Denied) as caught:
                    server.get("Patient/1")
        assert "Zephyrine" not in str(caught.value)
        assert len(ehr.of("token")) == 1
        assert ehr.of("Patient/1") == []


def test_threads_share_one_token() -> None:
    """O-05: eight that begin together cause one fetch."""
    auth = Auth()

    def slow(asked: Asked) -> Said:
        if asked.path.endswith("/token"):
            time.sleep(0.1)
        return auth(asked)

    with there(slow) as ehr:
        auth.base = ehr.base
        with client(ehr.base, smart()) as server:
            threads = [threading.Thread(target=server.get, args=("Patient/1",)) for _ in range(8)]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
    assert auth.given == 1
    assert len(ehr.of("Patient/1")) == 8


def test_a_token_is_renewed_before_it_ends() -> None:
    """O-05: one that lasts 30 seconds or less is used for half its time at least, not fetched at every request."""
    auth = Auth(expires_in=0.2)
    with there(auth) as ehr:
        auth.base = ehr.base
        with client(ehr.base, smart()) as server:
            server.get("Patient/1")
            time.sleep(0.15)
            server.get("Patient/1")
    assert auth.given == 2


def test_less_than_was_asked_for_is_worked_with_and_told() -> None:
    """O-08."""
    auth = Auth(scope="system/Patient.rs")
    with there(auth) as ehr:
        auth.base = ehr.base
        with client(ehr.base, smart(scope=["system/Patient.rs", "system/Appointment.rs"])) as server:
            server.get("Patient/1")
            assert server._tally.counts["fhir.scope-narrower"] == 1


def test_trouble_of_the_token_server_passes_and_nonsense_does_not() -> None:
    """503 is asked again; a configuration that names no safe endpoint, or a token of another kind, is not used."""
    auth = Auth()
    with there(auth) as ehr:
        auth.base = ehr.base
        auth.status = 503
        with client(ehr.base, smart()) as server, pytest.raises(Busy):
            server.get("Patient/1")
        auth.status, auth.more["token_type"] = 200, "DPoP"
        with client(ehr.base, smart()) as server, pytest.raises(Unusable):
            server.get("Patient/1")
        ehr.answer = lambda _: Said(body={"token_endpoint": "http://evil.example/token"})
        with client(ehr.base, smart()) as server, pytest.raises(Unusable, match="not https"):
            server.get("Patient/1")


def test_clocks_that_differ_are_told_of() -> None:
    """O-09: by the Date header."""
    with there(lambda _: Said(body=patient("1"))) as ehr, client(ehr.base, None, SetClock(NOW)) as server:
        server.get("Patient/1")
        assert server._tally.counts["fhir.clocks-differ"] == 1


def test_weak_keys_are_refused_and_none_is_quoted() -> None:
    """O-03: RS384 and ES384 only."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    short = ec.generate_private_key(ec.SECP256R1())
    text = short.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for told in (text, "-----BEGIN nonsense", ""):
        with pytest.raises(ValidationError) as caught:
            ClientOptions.model_validate(smart(told))
        assert "BEGIN" not in str(caught.value)


async def _asked(method: str) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    keys = (key_of(pem("ES384")), key_of(pem("RS384"), "old"))
    await jwks(keys)({"type": "http", "method": method}, None, send)  # type: ignore[arg-type]
    return sent


def test_our_key_set_holds_public_halves_of_both_keys() -> None:
    """O-06: two during a rotation, with a time to keep them."""
    import asyncio
    import json

    start, body = asyncio.run(_asked("GET"))
    told = json.loads(body["body"])["keys"]
    assert [one["alg"] for one in told] == ["ES384", "RS384"]
    assert told[1]["kid"] == "old"
    assert not {"d", "p", "q", "dp", "dq", "qi"} & {name for one in told for name in one}
    assert dict(start["headers"])[b"cache-control"] == b"public, max-age=300"
    assert asyncio.run(_asked("POST"))[0]["status"] == 405
    assert asyncio.run(_asked("HEAD"))[1]["body"] == b""


def test_a_scope_that_cannot_write_what_will_be_written_is_told_before_anything_starts() -> None:
    """O-08, W-01, S-01: else every write would be refused, message by message; scopes of both versions count."""
    told: dict[str, Any] = {
        "base": "https://ehr.lakeside.example/r4",
        "write_back": {"communications": True},
        "subscribe": {
            "endpoint": "https://us.example/fhir",
            "subscriptions": {"visits": {"criteria": "Appointment?status=booked"}},
        },
    }
    with pytest.raises(ValidationError, match=r"add system/Communication\.cu system/Subscription\.crud "):
        FhirOptions.model_validate({**told, "client": smart()})
    with pytest.raises(ValidationError, match=r"nobody write Subscription: "):
        FhirOptions.model_validate({**told, "client": smart(scope=["system/*.rs", "system/Communication.cu"])})
    for enough in (["system/*.cruds"], ["system/*.*"], ["system/Communication.write", "system/Subscription.write"]):
        FhirOptions.model_validate({**told, "client": smart(scope=enough)})
    FhirOptions.model_validate({**told, "client": {}})  # what a token that somebody else renews allows is not known


@pytest.mark.parametrize(
    ("granted", "asked", "enough"),
    [
        ("system/*.cruds", "system/Patient.rs", True),
        ("system/Patient.read", "system/Patient.rs", True),
        ("system/Patient.r system/Patient.s", "system/Patient.rs", True),
        ("system/Patient.r", "system/Patient.rs", False),
        ("system/Patient.rs", "system/*.rs", False),
        ("system/Appointment.rs", "system/Patient.rs", False),
        ("system/Patient.rs?active=true", "system/Patient.rs", False),
        ("system/Patient.rs?active=true", "system/Patient.rs?active=true", True),
    ],
)
def test_a_scope_is_enough_in_the_words_of_either_version(granted: str, asked: str, enough: bool) -> None:
    """O-08: a wider grant, or the same in other words, is nothing to tell of."""
    assert covers(granted.split(), asked) is enough
