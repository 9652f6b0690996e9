"""The staff pages over a socket: sessions that end, forms that nobody else can send, headers that keep browsers honest."""

from __future__ import annotations

import io
import json
import re

import httpx
import pytest
from staff_site import CANARY, MRN, NOW, PERSON, WORDS, StaffSite

from gateway import telemetry
from gateway.model.access import Refusal
from gateway.model.when import HOUR, MINUTE
from gateway.pipeline import inspect
from gateway.store import tables

COOKIE = "caregate-staff"
ABOUT = {**PERSON, "reason": "ticket 88"}


@pytest.fixture
def browser(site, address):
    """`browser("operator")`: somebody signed in; `.form` adds the token."""
    made = []

    def _browser(*roles):
        made.append(Signed(address, site.key(*roles) if roles else None))
        return made[-1]

    yield _browser
    for one in made:
        one.client.close()


class Signed:
    """A browser without a browser."""

    def __init__(self, address, key):
        self.client = httpx.Client(base_url=f"{address}/staff", timeout=20, trust_env=False)
        self.get = self.client.get
        if key is not None:
            answer = self.client.post("/sign-in", data={"key": key})
            assert (answer.status_code, answer.headers["location"]) == (303, "/staff/")
            self.cookie = answer.headers["set-cookie"]
            self.token = self.client.cookies[COOKIE]

    def post(self, path, headers=None, **form):
        return self.client.post(path, data={"token": inspect.form_token(self.token), **form}, headers=headers)


def _refused(site):
    return [entry[1] for _, text in site.audit() for entry in json.loads(text) if entry[0] == "access.refused"]


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser):
    """HttpOnly, SameSite=Strict, gone with the browser; Secure and __Host- where there is TLS."""
    told = browser("operator").cookie
    assert re.fullmatch(rf"{COOKIE}=[\w-]{{43}}; HttpOnly; Path=/; SameSite=strict", told)


def test_over_tls_the_cookie_is_bound_to_this_host(tmp_path):
    """RFC 6265bis §4.1.3, and HSTS."""
    import sys
    from pathlib import Path

    sys.path.append(str(Path(__file__).parent.parent / "mllp"))
    from mllp_certificates import Authority

    made = Authority(tmp_path).issue("gateway")
    site = StaffSite(tmp_path, api=f"bind: 0.0.0.0, tls: {{certificate: {made.certificate}, key: {made.key}}}")
    try:
        with site.serving() as address, httpx.Client(base_url=f"{address}/staff", verify=False) as client:
            answer = client.post("/sign-in", data={"key": site.key("auditor")})
            assert re.match(
                r"__Host-caregate-staff=[\w-]{43}; HttpOnly; Path=/; SameSite=strict; Secure",
                answer.headers["set-cookie"],
            )
            assert answer.headers["strict-transport-security"].startswith("max-age=")
            assert client.get("/").status_code == 200
    finally:
        site.gateway.close()


@pytest.mark.parametrize("path", ["/sign-in", "/", "/trace", "/style.css", "/nope"])
def test_every_answer_keeps_others_out_of_the_page(browser, path):
    """No framing, no script, no other site, nothing kept, nothing told in a Referer."""
    headers = browser("operator").get(path).headers
    policy = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    assert headers["content-security-policy"] == policy
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_whoever_leaves_the_slash_out_gets_there_whatever_host_they_name(address):
    """No address of ours is made from the Host header."""
    answer = httpx.get(address + "/staff", headers={"host": "evil.example"}, trust_env=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/staff/")


def test_a_session_nobody_uses_ends_after_fifteen_minutes(browser, site):
    """45 CFR 164.312(a)(2)(iii), regulation 19: used, it goes on; left alone, it ends, and the page leaves the screen."""
    somebody = browser("operator")
    for _ in range(4):
        site.clock.set(site.clock.now() + 14 * MINUTE)
        answer = somebody.get("/")
        assert answer.status_code == 200
        assert answer.headers["refresh"] == "900; url=/staff/signed-out"
    site.clock.set(site.clock.now() + 15 * MINUTE)
    assert somebody.get("/").headers["location"] == "/staff/sign-in"
    site.clock.set(site.clock.now() - 10 * MINUTE)
    assert somebody.get("/").status_code == 303  # it does not come back to life


def test_no_session_lasts_longer_than_a_shift(browser, site):
    """Twelve hours, however busy."""
    somebody, codes = browser("operator"), []
    for _ in range(75):
        site.clock.set(site.clock.now() + 10 * MINUTE)
        codes.append(somebody.get("/style.css").status_code and somebody.get("/trace").status_code)
    assert codes == [200] * 71 + [303] * 4
    assert 71 * 10 * MINUTE < 12 * HOUR <= 72 * 10 * MINUTE


def test_signing_out_ends_the_session_wherever_its_cookie_is(browser, site, address):
    """A copied cookie opens nothing afterwards, on no process."""
    somebody = browser("operator")
    copy = httpx.Cookies({COOKIE: somebody.token})
    assert httpx.get(f"{address}/staff/", cookies=copy).status_code == 200
    answer = somebody.post("/sign-out")
    assert answer.headers["location"] == "/staff/signed-out"
    assert httpx.get(f"{address}/staff/", cookies=copy).status_code == 303
    ended = [entry for _, text in site.audit() for entry in json.loads(text) if entry[0] == "access.revoked"]
    assert ended[0][1] == "session"
    assert ended[0][3] == "signed-out"


def test_revoking_a_key_ends_its_sessions_at_once(browser, site):
    """Whoever left is out."""
    somebody = browser("operator")
    inspect.access_revoke(site.gateway.store, "operator", reason="left", account="os:test")
    assert somebody.get("/").status_code == 303


def test_what_the_database_holds_of_a_session_opens_nothing(browser, site, address):
    """Only the digest of the cookie is kept."""
    browser("operator")
    ((digest,),) = site.rows(tables.staff_session.c.digest)
    for guess in (bytes(digest).hex(), "", "A" * 43):
        assert httpx.get(f"{address}/staff/", cookies={COOKIE: guess}).status_code == 303


def test_a_session_given_by_somebody_else_is_not_taken_over(site, address):
    """Session fixation: signing in makes a new one, whatever cookie came along."""
    with httpx.Client(base_url=f"{address}/staff", cookies={COOKIE: "chosen-by-somebody"}) as client:
        answer = client.post("/sign-in", data={"key": site.key("operator")})
    assert "chosen-by-somebody" not in answer.headers["set-cookie"]
    assert httpx.get(f"{address}/staff/", cookies={COOKIE: "chosen-by-somebody"}).status_code == 303


def test_a_form_of_another_site_does_nothing(browser, site):
    """CSRF: no token, another session's token, or a browser that says the form is foreign; each audited."""
    somebody, other = browser("privacy-officer"), browser("privacy-officer")
    site.suppress()
    address = site.rows(tables.address.c.id)[0][0]
    form = {"address": address, "reason": "ticket 88"}
    tries = [
        somebody.client.post("/suppression/restore", data=form),
        somebody.client.post("/suppression/restore", data={**form, "token": ""}),
        somebody.client.post("/suppression/restore", data={**form, "token": inspect.form_token(other.token)}),
        somebody.client.post("/suppression/restore", data={**form, "token": somebody.token}),
        somebody.post("/suppression/restore", headers={"Sec-Fetch-Site": "cross-site"}, **form),
        somebody.post("/suppression/restore", headers={"Sec-Fetch-Site": "same-site"}, **form),
        somebody.client.post("/sign-out", data={}),
    ]
    assert [one.status_code for one in tries] == [403] * 7
    assert Refusal.FORGED in _refused(site)
    assert None not in [since for (since,) in site.rows(tables.address.c.suppressed_at)]
    assert somebody.post("/suppression/restore", headers={"Sec-Fetch-Site": "same-origin"}, **form).status_code == 303


def test_signing_somebody_in_from_another_site_does_not_work(site, address):
    """Log-in CSRF: they would work under a name that is not theirs."""
    told = httpx.post(
        f"{address}/staff/sign-in", data={"key": site.key("operator")}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert told.status_code == 403
    assert "set-cookie" not in told.headers


@pytest.mark.parametrize("key", ["", "cgk_wrong", "é", "x" * 5_000, "a.b.c"])
def test_a_wrong_key_is_told_so_and_not_repeated(site, address, key):
    """One sentence for every reason; the reason is in the audit."""
    told = httpx.post(f"{address}/staff/sign-in", data={"key": key})
    assert told.status_code in (400, 401)
    assert "set-cookie" not in told.headers
    assert len(key) < 3 or key not in told.text


def test_changing_things_by_looking_does_not_work(browser, site):
    """A link cannot do what a form does: GET and HEAD change nothing."""
    somebody, before = browser("privacy-officer"), len(site.audit())
    for path in ("/requests/release", "/suppression/restore", "/consents/add", "/replies/decide", "/sign-out"):
        assert somebody.client.get(path, params={"token": inspect.form_token(somebody.token)}).status_code == 405
    assert len(site.audit()) == before


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"a=1&a=2", b"&".join(b"f%d=1" % n for n in range(60)), b"value=" + b"x" * 3_000, b'{"a": 1}']
)
def test_a_form_that_is_none_of_ours_is_refused(browser, body):
    """Bytes that are no text, fields told twice, too many or too long."""
    answer = browser("privacy-officer").client.post("/consents", content=body)
    assert answer.status_code in (403, 409)
    assert "Nothing was done" in answer.text


def test_a_form_that_is_too_long_is_not_read(browser):
    """64 KiB, as at the API."""
    assert browser("privacy-officer").client.post("/consents", content=b"x" * 70_000).status_code == 413


def test_what_a_patient_wrote_is_text_and_not_part_of_the_page(browser, site):
    """Cross-site scripting by SMS."""
    number = site.hear("<script>alert(1)</script><img src=x onerror=alert(2)>", event="SM9")
    page = browser("operator").post("/replies/read", reply=number, reason="ticket 88").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "<img" not in page


def test_the_worklist_releases_and_withdraws_what_waits(browser, site):
    """The same functions as `caregate holds`; the reason is kept."""
    operator, ids = browser("operator"), site.hold()
    page = operator.get("/").text
    assert all(str(one) in page for one in ids)
    assert operator.post("/requests/release", request=ids[0], reason="").status_code == 409
    assert operator.post("/requests/release", request=ids[0], reason="chart checked").status_code == 303
    assert operator.post("/requests/withdraw", request=ids[1], reason="called them").status_code == 303
    states = dict(site.rows(tables.request.c.id, tables.request.c.state))
    assert (states[ids[0]], states[ids[1]]) == ("active", "revoked")
    told = [(actor, text) for actor, text in site.audit() if "chart checked" in text or "called them" in text]
    assert {actor.partition("#")[0] for actor, _ in told} == {"key:operator"}


def test_a_person_is_found_in_a_form_and_never_in_a_url(browser, site):
    """Regulation 20: what was looked up is in no URL, no title, no redirect."""
    officer = browser("privacy-officer")
    for path in ("/trace/person", "/consents", "/suppression"):
        answer = officer.post(path, **ABOUT)
        assert answer.status_code == 200, answer.text
        title = re.search(r"<title>(.*?)</title>", answer.text)[1]
        assert not any(word in title + str(answer.url) for word in CANARY)
        assert officer.client.get(path if path != "/trace/person" else "/trace", params=PERSON).status_code == 200
    assert officer.post("/consents", **{**ABOUT, "value": "no-such"}).status_code == 409


def test_a_consent_is_added_and_taken_back_on_the_page(browser, site):
    """CN-01: entries are added; each names who did it."""
    officer = browser("privacy-officer")
    told = {"purpose": "TREAT", "channel": "email", "topic": "*", "evidence": "form 12"}
    added = officer.post("/consents/add", **ABOUT, **told, decision="permit", until="2027-03-01")
    assert "Recorded: " in added.text
    assert officer.post("/consents/add", **ABOUT, **told).status_code == 409
    assert officer.post("/consents/add", **ABOUT, **told, decision="permit", until="soon").status_code == 409
    assert "Recorded: " in officer.post("/consents/revoke", **ABOUT, **told).text
    (last, before) = sorted(site.rows(tables.consent.c.id, tables.consent.c.permit), reverse=True)[:2]
    assert (before[1], last[1]) == (1, 0)


def test_a_reply_is_read_and_decided_on_the_page(browser, site, reply):
    """SM-18."""
    operator = browser("operator")
    assert WORDS not in operator.get("/replies").text
    assert WORDS in operator.post("/replies/read", reply=reply, reason="ticket 88").text
    assert operator.post("/replies/decide", reply=reply, decision="maybe", reason="ticket 88").status_code == 409
    assert operator.post("/replies/decide", reply=reply, decision="done", reason="ticket 88").status_code == 303
    assert str(reply) not in operator.get("/replies").text


def test_the_story_of_a_request_has_its_attempts(browser, site):
    """By number; one that is not there is told so."""
    operator = browser("operator")
    request = site.rows(tables.request.c.id)[0][0]
    assert "planned as request" in operator.post("/trace", what="request", number=request, reason="ticket 88").text
    for wrong in ("1", "x", "9" * 30, ""):
        assert operator.post("/trace", what="request", number=wrong, reason="ticket 88").status_code == 409
    assert operator.post("/trace", what="person", reason="ticket 88").status_code == 409


def test_the_pages_speak_for_themselves_at_the_time_of_the_site(browser, site):
    """Times are UTC and say so."""
    site.hold()
    assert "2026-03-" in browser("operator").get("/").text
    assert site.clock.now() == NOW


def test_an_opt_out_nobody_could_be_told_of_is_settled_on_the_worklist(browser, site):
    """47 CFR 64.1200(a)(10); AU-05: by who may write the ledger, once, with a reason that the audit log keeps."""
    number = site.untold()
    assert "They were told" not in browser("operator").get("/").text
    officer = browser("privacy-officer")
    assert "They were told" in officer.get("/").text
    assert officer.post("/revocations/told", revocation=number, reason="ticket 88").status_code == 303
    assert officer.post("/revocations/told", revocation=number, reason="ticket 88").status_code == 409
    assert "They were told" not in officer.get("/").text
    assert sum("revocation.settled" in entries and "ticket 88" in entries for _, entries in site.audit()) == 1


def test_a_message_nobody_picked_up_is_seen_to_on_the_worklist(browser, site):
    """EM-11: with its age, once."""
    number = site.unread()
    assert "Seen to<" not in browser("analyst").get("/").text
    operator = browser("operator")
    assert "Seen to<" in operator.get("/").text
    assert operator.post("/unread/seen", message=number, reason="ticket 88").status_code == 303
    assert operator.post("/unread/seen", message=number, reason="ticket 88").status_code == 409
    assert "Seen to<" not in operator.get("/").text


def test_no_page_leaves_a_patients_words_in_log_or_audit(site, reply):
    """The canary on the pages: found, read and decided, and nowhere but on the screen."""
    log = io.StringIO()
    telemetry.configure(json=True, stream=log, hooks=False)
    try:
        with site.serving() as address:
            officer = Signed(address, site.key("privacy-officer"))
            for path in ("/trace/person", "/consents", "/suppression"):
                assert officer.post(path, **ABOUT).status_code == 200
                assert officer.post(path, **{**ABOUT, "value": MRN * 3}).status_code == 409
            assert WORDS in officer.post("/replies/read", reply=reply, reason="ticket 88").text
            told = officer.post("/consents", **{**ABOUT, "system": MRN * 20}).text
            told += officer.get(f"/{MRN}", params={"q": WORDS}).text
            officer.client.close()
    finally:
        telemetry.reset()
    held = "\n".join([log.getvalue(), told, *(text for _, text in site.audit())])
    for word in CANARY:
        assert word not in held, word
