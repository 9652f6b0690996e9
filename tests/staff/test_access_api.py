"""The API over a real socket: what is answered, what is audited, and what is never in an answer, a log or a URL."""

from __future__ import annotations

import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from staff_site import CANARY, MRN, NOW, PERSON, WORDS, Caller, StaffSite, booked

from gateway import telemetry
from gateway.api import access as access_module
from gateway.model.access import Refusal
from gateway.model.errors import ConfigError, StoreUnavailable
from gateway.model.when import DAY
from gateway.pipeline import inspect
from gateway.settings.show import print_config
from gateway.store import tables

ABOUT = {"identifier": PERSON}


def _entries(site, word):
    return [(actor, entry) for actor, text in site.audit() for entry in json.loads(text) if entry[0] == word]


def test_a_consent_is_added_listed_and_taken_back(caller, site):
    """AU-04: each entry names who recorded it; ids are strings, times ISO 8601."""
    officer = caller("privacy-officer")
    body = {**ABOUT, "permit": True, "purpose": "TREAT", "channel": "email", "evidence": "form 12-B"}
    made = officer.post("/consents", json=body)
    assert made.status_code == 201
    (entry,) = made.json()["entries"]
    listed = officer.post("/consents/search", json=ABOUT).json()["items"]
    (one,) = [line for line in listed if line["id"] == entry]
    assert one["decision"] == "permit"
    assert one["valid_from"] == "2026-03-02T15:00:00.000Z"
    stands = _stands(officer, "TREAT", "email")
    assert stands == {"yes"}
    taken = officer.post(
        "/consents/revoke", json={**ABOUT, "purpose": "TREAT", "channel": "email", "evidence": "call 5"}
    )
    assert taken.status_code == 201
    assert _stands(officer, "TREAT", "email") == {"no"}
    assert [actor for actor, _ in _entries(site, "consent.recorded")][-2:] == [officer_account(site)] * 2


AUTHORIZATION = {
    "description": "which devices are used", "discloser": "Lakeside Health", "recipient": "the maker",
    "purpose": "offers of newer devices", "expiry": "2027-03-01", "signature": "cabinet 4", "signed_on": "2026-03-01",
    "revocation": "by a letter to us", "no_conditioning": "care does not depend on it", "redisclosure": "it may be told on",
}  # fmt: skip


def test_each_kind_of_consent_is_an_entry_of_its_own(caller):
    """CN-08, regulations 4, 35: an authorization that lacks an element is refused, and what is taken back is of its kind."""
    officer = caller("privacy-officer")
    marketing = {**ABOUT, "permit": True, "kind": "authorization", "purpose": "HMARKT", "evidence": "form 7"}
    whole = {**marketing, "text_version": "auth-3", "language": "en", "elements": AUTHORIZATION}
    without = {name: text for name, text in AUTHORIZATION.items() if name != "redisclosure"}
    assert officer.post("/consents", json={**whole, "elements": without}).status_code == 409
    assert officer.post("/consents", json={**marketing, "kind": "blessing"}).status_code == 422
    assert officer.post("/consents", json=whole).status_code == 201
    lines = officer.post("/consents/search", json=ABOUT).json()["items"]
    (made,) = [one for one in lines if one["kind"] == "authorization"]
    assert (made["decision"], made["text_version"], made["language"]) == ("permit", "auth-3", "en")
    assert "cabinet 4" not in str(lines)
    taken = {**ABOUT, "kind": "authorization", "purpose": "HMARKT", "evidence": "call 9"}
    assert officer.post("/consents/revoke", json=taken).status_code == 201
    lines = officer.post("/consents/search", json=ABOUT).json()["items"]
    assert [one["decision"] for one in lines if one["kind"] == "authorization"] == ["permit", "deny"]


def officer_account(site):
    (key,) = inspect.access_list(site.gateway.store)
    return key.account


def _stands(officer, purpose, channel):
    lines = officer.post("/preferences/search", json=ABOUT).json()["lines"]
    return {one["stands"] for one in lines if (one["purpose"], one["channel"]) == (purpose, channel)}


def test_every_look_at_a_person_is_audited_with_who_and_why(caller, site, reply):
    """Regulation 20, AU-01: before the answer, under the key's own name; without a reason nothing is shown."""
    officer = caller("privacy-officer")
    request = site.rows(tables.request.c.id)[0][0]
    looks = [
        ("POST", "/consents/search", "consents"),
        ("POST", "/preferences/search", "preferences"),
        ("POST", "/people/story/search", "trace"),
        ("POST", "/suppression/search", "suppression"),
        ("GET", f"/requests/{request}/story", "request-story"),
        ("GET", f"/requests/{request}/receipts", "receipts"),
        ("GET", f"/replies/{reply}", "reply"),
    ]
    for method, path, _ in looks:
        body = ABOUT if method == "POST" else None
        assert officer.request(method, path, json=body, headers={"X-Reason": ""}).status_code == 422
    assert not _entries(site, "content.read")
    for method, path, what in looks:
        assert officer.request(method, path, json=ABOUT if method == "POST" else None).status_code == 200, path
        actor, entry = _entries(site, "content.read")[-1]
        assert (actor, entry[1], entry[-1]) == (officer_account(site), what, "ticket 88")


def test_a_story_tells_why_a_message_waits_page_by_page(caller, site):
    """The same lines as `caregate trace`, a cursor for the rest, and no name in them."""
    officer = caller("privacy-officer")
    told = officer.post("/people/story/search", json=ABOUT).json()
    assert told["next"] is None
    assert any("planned as request" in line["words"] for line in told["items"])
    some, cursor = [], None
    while True:
        more = officer.post("/people/story/search", json={**ABOUT, "limit": 2, "cursor": cursor}).json()
        assert len(more["items"]) <= 2
        some += more["items"]
        cursor = more["next"]
        if cursor is None:
            break
    assert some[: len(told["items"])] == told["items"]


@pytest.mark.parametrize("cursor", ["%", "AAAA", "LTE", "x" * 60])
def test_a_cursor_somebody_made_up_is_refused(caller, cursor):
    """It is a place in a list and nothing else."""
    answer = caller("operator").get("/suppression", params={"cursor": cursor})
    assert answer.status_code in (409, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_address_is_restored_with_a_reason_and_its_opt_out_stands(caller, site):
    """SM-14, EM-24: the list by row, the person's own, and back."""
    ids, officer = site.suppress(), caller("privacy-officer")
    page = officer.get("/suppression", params={"limit": 1}).json()
    assert [one["address"] for one in page["items"]] == [str(ids[0])]
    rest = officer.get("/suppression", params={"cursor": page["next"]}).json()
    assert [one["address"] for one in rest["items"]] == [str(one) for one in ids[1:]]
    assert len(officer.post("/suppression/search", json=ABOUT).json()["items"]) == len(ids)
    assert officer.post(f"/suppression/{ids[0]}/restore").json() == {"done": True}
    assert officer.post(f"/suppression/{ids[0]}/restore").status_code == 409
    assert _entries(site, "address.restored")[0][1][1:] == [ids[0], "ticket 88"]


def test_a_reply_is_read_and_decided_once(caller, site, reply):
    """SM-18: its words for who may and says why; decided twice, the second time is told so."""
    operator = caller("operator")
    assert [one["id"] for one in operator.get("/replies").json()["items"]] == [str(reply)]
    assert operator.get(f"/replies/{reply}").json()["text"] == WORDS
    unclear = operator.post(f"/replies/{reply}/decision", json={"decision": "confirm"})
    assert unclear.status_code == 409
    assert operator.post(f"/replies/{reply}/decision", json={"decision": "stop"}).status_code == 200
    assert operator.post(f"/replies/{reply}/decision", json={"decision": "done"}).status_code == 409
    assert _entries(site, "reply.decided")[0][1][1:] == [reply, "stop", "ticket 88"]
    assert any(out is not None for (out,) in site.rows(tables.address.c.opted_out_at))
    assert operator.get("/replies").json()["items"] == []


def test_nothing_that_names_the_patient_is_in_logs_audit_answers_or_errors(site, reply):
    """The canary: its words are only where they were asked for with a reason."""
    log = io.StringIO()
    telemetry.configure(json=True, stream=log, hooks=False)
    try:
        with site.serving() as address:
            somebody = Caller(address, site.key("privacy-officer"))
            answers = [
                somebody.post("/consents/search", json={"identifier": {**PERSON, "value": MRN + "0"}}),
                somebody.post("/consents/search", json={"identifier": {**PERSON, MRN: WORDS}}),
                somebody.post("/consents/search", json={"identifier": MRN}),
                somebody.post("/consents", json={**ABOUT, "permit": True, "topic": WORDS, "evidence": "x"}),
                somebody.post("/consents", json={**ABOUT, "permit": True, "topic": WORDS, "evidence": "form 1"}),
                somebody.post("/consents", content=f'{{"{MRN}'.encode(), headers={"content-type": "application/json"}),
                somebody.get(f"/{MRN}/{WORDS}"),
                somebody.get("/suppression", params={"cursor": MRN, "limit": WORDS}),
                somebody.post("/consents/search", json=ABOUT),
                somebody.post("/preferences/search", json=ABOUT),
                somebody.post("/people/story/search", json=ABOUT),
                somebody.post(
                    "/consents", json={**ABOUT, "permit": True, "evidence": "f 1"}, headers={"Idempotency-Key": MRN}
                ),
                somebody.get("/messages/1/story"),
                Caller(address, MRN).get("/suppression"),
                httpx.get(f"{address}/metrics"),
            ]
            told = "\n".join(one.text for one in answers)
            assert [one.status_code for one in answers[:4]] == [404, 422, 422, 422]
    finally:
        telemetry.reset()
    held = "\n".join([log.getvalue(), told, *(text for _, text in site.audit()), str(site.rows(*tables.said_once.c))])
    for word in CANARY:
        assert word not in held, word
    assert MRN.encode() not in b"".join(one.read_bytes() for one in site.folder.glob("caregate.db*"))


def test_a_write_said_twice_is_done_once(caller, site):
    """Idempotency-Key: the same answer again; another request under it, or another caller's key, is another thing."""
    officer, other = caller("privacy-officer"), caller("privacy-officer", "auditor")
    body = {**ABOUT, "permit": True, "channel": "email", "purpose": "TREAT", "evidence": "form 12"}
    first = officer.post("/consents", json=body, headers={"Idempotency-Key": "k1"})
    again = officer.post("/consents", json=body, headers={"Idempotency-Key": "k1"})
    assert again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert (
        officer.post("/consents", json={**body, "permit": False}, headers={"Idempotency-Key": "k1"}).status_code == 422
    )
    assert other.post("/consents", json=body, headers={"Idempotency-Key": "k1"}).json() != first.json()
    refused = {**body, "topic": "no-such-topic"}
    for _ in range(2):  # what was refused did nothing: the key is free
        assert officer.post("/consents", json=refused, headers={"Idempotency-Key": "k2"}).status_code == 409
    assert officer.post("/consents", json=body, headers={"Idempotency-Key": "k2"}).status_code == 201
    assert officer.post("/consents", json=body, headers={"Idempotency-Key": "x" * 201}).status_code == 400
    site.clock.set(NOW + DAY)
    assert "idempotency-replayed" not in officer.post("/consents", json=body, headers={"Idempotency-Key": "k1"}).headers


def test_a_write_whose_outcome_nobody_knows_is_not_done_again(caller, site, monkeypatch):
    """The connection broke in the middle: the caller is told to look."""
    officer = caller("privacy-officer")
    body = {**ABOUT, "permit": True, "channel": "email", "purpose": "TREAT", "evidence": "form 12"}

    def broken(*_args, **_more):
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(inspect, "consent_add", broken)
        assert officer.post("/consents", json=body, headers={"Idempotency-Key": "k1"}).status_code == 503
    assert officer.post("/consents", json=body, headers={"Idempotency-Key": "k1"}).status_code == 409


def test_two_servers_do_a_write_said_to_both_at_once_only_once(tmp_path):
    """Whatever process it reaches: one entry, and the others say so or repeat it."""
    first = StaffSite(tmp_path)
    first.receive(booked())
    second = StaffSite(tmp_path)
    try:
        with first.serving() as one, second.serving() as two:
            secret = first.key("privacy-officer")
            body = {**ABOUT, "permit": True, "channel": "email", "purpose": "TREAT", "evidence": "form 77"}
            answers = []

            def say(address):
                told = Caller(address, secret).post("/consents", json=body, headers={"Idempotency-Key": "both"})
                answers.append(told.status_code)

            threads = [threading.Thread(target=say, args=(address,)) for address in (one, two) * 4]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
        evidence = [told for (told,) in first.rows(tables.consent.c.evidence) if told == "form 77"]
        assert len(evidence) == 1
        assert set(answers) <= {201, 409}
        assert 201 in answers
    finally:
        second.gateway.close()
        first.gateway.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/consents/../../health/live", "/%2e%2e/%2e%2e/metrics", "//suppression", "/suppression/", "/replies/1e3", "/replies/-1", "/replies/0", "/replies/99999999999999999999", "/docs", "/redoc", "/openapi.json/")),
        ("PUT", "/consents"), ("DELETE", "/suppression"), ("PATCH", "/replies/1"), ("TRACE", "/suppression"),
        ("HEAD", "/suppression"), ("OPTIONS", "/suppression"), ("CONSENTS", "/consents"),
    ],
)  # fmt: skip
def test_crooked_paths_and_methods_reach_nothing(caller, method, path):
    """No way around, no other method, no override by a header; each a problem document."""
    answer = caller("privacy-officer").request(method, path, headers={"X-HTTP-Method-Override": "POST"})
    assert answer.status_code in (404, 405, 422)
    if method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_too_long_or_too_slow_is_refused(caller, site, address, monkeypatch):
    """64 KiB: announced, and not announced; nobody waits for the rest."""
    officer = caller("privacy-officer")
    assert officer.post("/consents", content=b"x" * 70_000).status_code == 413
    assert officer.post("/consents", content=(b"x" * 1000 for _ in range(70))).status_code == 413
    monkeypatch.setattr("gateway.api.bounds.BODY_SECONDS", 0.2)

    def slow():
        yield b"{"
        time.sleep(1)
        yield b"}"

    assert officer.post("/consents", content=slow()).status_code == 408


def test_who_calls_too_fast_is_slowed_down(caller, monkeypatch):
    """By caller: a hundred at once, twenty a second then."""
    operator, other = caller("operator"), caller("analyst")
    codes = [operator.get("/replies").status_code for _ in range(int(access_module.BURST) + 5)]
    assert codes.count(429) == 5
    assert operator.get("/replies").headers["retry-after"] == "5"
    assert other.get("/replies").status_code == 200


def test_who_is_refused_is_audited_without_a_flood(caller, site, address):
    """Regulation 19 and 20: the first at once, the rest as one row a minute with their count."""
    analyst = caller("analyst")
    for _ in range(30):
        assert analyst.post("/consents/search", json=ABOUT).status_code == 403
    for number in range(20):
        assert Caller(address, f"cgk_guess{number}").get("/replies").status_code == 401
    first = _entries(site, "access.refused")
    assert [entry[1:] for _, entry in first] == [
        [Refusal.NOT_ALLOWED, "POST /consents/search", officer_account(site), 1],
        [Refusal.KEY_UNKNOWN, "GET /replies", "127.0.0.1", 1],
    ]
    site.clock.set(NOW + 61_000)
    assert caller().get("/replies").status_code == 401
    counted = {(entry[1], entry[4]) for _, entry in _entries(site, "access.refused")[2:]}
    assert counted == {(Refusal.NOT_ALLOWED, 29), (Refusal.KEY_UNKNOWN, 19), (Refusal.NO_CREDENTIALS, 1)}


def test_a_flood_from_many_addresses_is_still_few_rows(site):
    """What is remembered is bounded, and so is what is written."""
    refusals = inspect.Refusals(site.gateway.store)
    before = len(site.audit())
    for number in range(1_000):
        refusals(f"10.0.{number // 256}.{number % 256}", Refusal.KEY_UNKNOWN, "GET /replies")
    refusals.flush()
    assert len(site.audit()) - before == 101
    assert sum(entry[4] for _, entry in _entries(site, "access.refused")) == 1_000


def test_a_key_ends_by_its_date_by_hand_and_at_once(caller, site, address):
    """Regulation 19: 401 from the next request on; the reason is kept."""
    secret = site.key("operator", name="on-call", lasts=DAY)
    somebody = Caller(address, secret)
    assert somebody.get("/replies").status_code == 200
    site.clock.set(NOW + DAY)
    assert somebody.get("/replies").json()["reason"] == "key-expired"
    site.clock.set(NOW)
    inspect.access_revoke(site.gateway.store, "on-call", reason="left", account="os:test")
    assert somebody.get("/replies").json()["reason"] == "key-revoked"
    assert _entries(site, "access.revoked")[0][1][3:] == ["on-call", "left"]


def test_what_the_database_holds_opens_nothing(site, address):
    """Only SHA-256 of 32 random bytes is kept; neither it nor the row's id is a key."""
    secret = site.key("operator")
    ((digest, identity),) = site.rows(tables.api_key.c.digest, tables.api_key.c.id)
    everything = b"".join(one.read_bytes() for one in site.folder.glob("caregate.db*"))
    assert secret.encode() not in everything
    for guess in (bytes(digest).hex(), str(identity), secret[:-1], secret + "A", secret.upper(), "", "cgk_"):
        assert Caller(address, guess).get("/replies").status_code == 401, guess
    assert len(secret) >= 4 + 43


def test_wrong_keys_take_the_same_way_whether_they_are_nearly_right_or_not(site, monkeypatch):
    """No comparison that stops early: one look-up by digest, of which nobody can choose the beginning."""
    secret, asked = site.key("operator"), []
    store = site.gateway.store
    original = type(store).read

    def counted(self):
        asked.append(1)
        return original(self)

    monkeypatch.setattr(type(store), "read", counted)
    nearly = secret[:10] + ("B" if secret[10] == "A" else "A") + secret[11:]
    for guess in (nearly, "cgk_" + "A" * 43, "nonsense"):
        assert inspect.access_find(store, guess) is Refusal.KEY_UNKNOWN
    assert len(asked) == 3


def test_a_token_is_taken_nowhere_but_in_the_header(caller, site, address):
    """RFC 6750 §2: not in a URL, a body or a cookie, which are kept and sent along."""
    secret = site.key("operator")
    with httpx.Client(base_url=f"{address}/api/v1", trust_env=False) as client:
        tries = [
            client.get("/replies", params={"access_token": secret}),
            client.get("/replies", headers={"Cookie": f"access_token={secret}; caregate-staff={secret}"}),
            client.get("/replies", headers={"Authorization": f"Basic {secret}"}),
            client.get("/replies", headers={"Authorization": secret}),
            client.get("/replies", headers={"Authorization": f"Bearer {'é' * 20}".encode("latin-1")}),
            client.get("/replies", headers={"Authorization": "Bearer " + "x" * 9_000}),
        ]
    assert {one.status_code for one in tries} <= {401}


def test_the_description_needs_a_token_and_names_the_right_of_each_route(caller):
    """OpenAPI 3.1; nothing about us for who is nobody, no page that fetches from elsewhere."""
    assert caller().get("/openapi.json").status_code == 401
    told = caller("analyst").get("/openapi.json").json()
    assert told["openapi"].startswith("3.1")
    rights = {one["x-caregate-right"] for path in told["paths"].values() for one in path.values()}
    assert {"consent.write", "person.read", "reply.decide"} <= rights


def test_on_a_door_that_others_can_listen_at_there_is_no_api(tmp_path):
    """Regulation 23: neither API nor staff pages without TLS beyond this machine; health is there."""
    site = StaffSite(tmp_path, api="bind: 0.0.0.0")
    try:
        with site.serving() as address:
            assert Caller(address, site.key("operator")).get("/replies").status_code == 404
            assert httpx.get(f"{address}/staff/sign-in").status_code == 404
            assert httpx.get(f"{address}/health/live").status_code == 200
    finally:
        site.gateway.close()


def test_a_database_that_is_away_shows_nobody_anything(caller, site, monkeypatch):
    """AU-05: what cannot be audited is not disclosed; 503, and try again."""
    officer = caller("privacy-officer")

    def gone(*_args, **_more):
        raise StoreUnavailable("gone")

    monkeypatch.setattr(type(site.gateway.store), "begin", gone)
    answer = officer.post("/consents/search", json=ABOUT)
    assert answer.status_code == 503
    assert "items" not in answer.text


class _Publisher(BaseHTTPRequestHandler):
    """An identity provider's two documents, on this machine."""

    key: ClassVar[dict[str, object]] = {}

    def do_GET(self):
        issuer = f"http://127.0.0.1:{self.server.server_port}"
        told = {"issuer": issuer, "jwks_uri": f"{issuer}/keys"} if "well-known" in self.path else {"keys": [self.key]}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        """Say nothing."""


def test_a_token_of_the_sites_own_provider_opens_the_api(tmp_path):
    """AU-03: settings, keys over a socket, and of the token its jti, iss and sub in the audit, never itself."""
    private = ec.generate_private_key(ec.SECP256R1())
    public = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    _Publisher.key = {**public, "kid": "k1", "alg": "ES256"}
    publisher = ThreadingHTTPServer(("127.0.0.1", 0), _Publisher)
    threading.Thread(target=publisher.serve_forever, daemon=True).start()
    issuer = f"http://127.0.0.1:{publisher.server_port}"
    oidc = (
        f"oidc: {{issuer: '{issuer}', audience: caregate, roles_claim: groups, roles: {{cg-privacy: privacy-officer}}}}"
    )
    site = StaffSite(tmp_path, api=f"bind: 127.0.0.1, {oidc}")
    site.receive(booked())
    told = {
        "iss": issuer,
        "aud": "caregate",
        "sub": "maria",
        "jti": "j-7",
        "exp": NOW // 1000 + 60,
        "groups": ["cg-privacy"],
    }
    token = jwt.encode(told, private, algorithm="ES256", headers={"kid": "k1"})
    other = jwt.encode({**told, "groups": ["guests"]}, private, algorithm="ES256", headers={"kid": "k1"})
    try:
        with site.serving() as address:
            assert Caller(address, token).post("/consents/search", json=ABOUT).status_code == 200
            assert Caller(address, other).post("/consents/search", json=ABOUT).status_code == 403
            assert Caller(address, token[:-4]).post("/consents/search", json=ABOUT).status_code == 401
        (who,) = {actor for actor, entry in _entries(site, "content.read")}
        assert who == f"oidc:maria iss={issuer} jti=j-7"
        assert token not in str(site.audit())
        assert "cg-privacy: privacy-officer" in print_config(site.settings, {})
    finally:
        site.gateway.close()
        publisher.shutdown()
        publisher.server_close()


def test_a_provider_that_would_be_asked_in_the_clear_stops_the_start(tmp_path):
    """Said at the start, not at the first request."""
    oidc = "oidc: {issuer: 'http://id.lakeside.example', audience: a, roles: {a: auditor}}"
    site = StaffSite(tmp_path, api=f"bind: 127.0.0.1, {oidc}")
    try:
        with pytest.raises(ConfigError, match=r"api\.oidc"), site.serving():
            pass
    finally:
        site.gateway.close()
