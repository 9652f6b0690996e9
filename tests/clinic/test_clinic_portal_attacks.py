"""The links under attack: guessing, replaying, enumerating, sharing, scanning, forms from elsewhere; each tried, each harmless (point 6)."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_portal import URL, VISIT, WEEK, Reader, code_in, link_in, open_portal, registers, served, texts

from gateway.api.pace import Bucket, caller_of
from gateway.api.portal.guard import form_token
from gateway.model.when import DAY, MINUTE
from gateway.pipeline.links import digest, end
from gateway.store import tables

NOWHERE = "/p/" + "A" * 43
_TOUCHED = ("link", "login", "audit", "consent", "receipt", "inbound", "request")


@pytest.fixture
def clinic(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """Ann's reminder lies in the portal; its notice came by e-mail."""
    clinic = open_portal(open_clinic, tmp_path)
    registers(clinic, "Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    return clinic


def _link(clinic: Clinic) -> str:
    return link_in(clinic.mailbox("Ann")[-1].text)


def _counts(clinic: Clinic) -> dict[str, int]:
    return {table: clinic.count(table) for table in _TOUCHED}


def _bare(response: httpx.Response) -> tuple[int, str]:
    """An answer without what differs in every form: its own token."""
    import re

    return response.status_code, re.sub(r'name="form" value="[0-9a-f]+"', "", response.text)


# -- scanning


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_mail_scanner_changes_nothing(clinic: Clinic, method: str) -> None:
    """EM-10, EM-22 [RFC 8058]: whoever fetches every link of a mail, as often as it likes, with or without cookies."""
    before = _counts(clinic)
    reader = Reader(clinic)
    paths = [_link(clinic), _link(clinic).replace("/p/", "/u/"), "/portal", "/portal/birth", "/portal/code"]
    for path in paths * 3:
        assert reader.asks(method, path, headers={"sec-purpose": "prefetch"}).status_code == 200
    assert _counts(clinic) == before
    assert len(texts(clinic)) == 0


def test_a_scanner_that_presses_the_button_learns_nothing_and_takes_nothing_away(clinic: Clinic) -> None:
    """Some sandboxes submit forms: the reader still gets in afterwards."""
    for _ in range(3):
        Reader(clinic).follows(_link(clinic))
    assert texts(clinic) == []
    assert "Main Street Clinic" in Reader(clinic).enters(_link(clinic), "Ann").text


def test_a_link_of_one_kind_is_none_of_another(clinic: Clinic) -> None:
    """Whoever got a notice forwarded ends nobody's mail with it."""
    before = clinic.count("consent")
    path = _link(clinic).replace("/p/", "/u/")
    assert Reader(clinic).asks("POST", path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert clinic.count("consent") == before


# -- guessing and enumerating


def test_a_guessed_link_looks_like_any_other_at_every_step(clinic: Clinic) -> None:
    """EM-10, SM-19: nothing tells a link that exists from one that never did, ended, or expired."""
    answers = []
    for path in (_link(clinic), NOWHERE, "/p/short", "/p/" + "%00" * 20):
        reader = Reader(clinic)
        seen = [_bare(reader.gets(path)), _bare(reader.sends(path))]
        seen += [_bare(reader.tells_birth("Ann", year="1900")), _bare(reader.tells_code("000000"))]
        seen.append(_bare(reader.gets("/portal")))
        answers.append(seen)
    assert all(one == answers[0] for one in answers)


def test_a_right_birth_date_looks_like_a_wrong_one(clinic: Clinic) -> None:
    """It is no oracle for birth dates: only who gets the code knows."""
    right, wrong = Reader(clinic), Reader(clinic)
    right.follows(_link(clinic))
    wrong.follows(_link(clinic))
    assert _bare(right.tells_birth("Ann")) == _bare(wrong.tells_birth("Ann", year="1900"))
    assert len(texts(clinic)) == 1


def test_answers_to_guesses_take_the_same_time(clinic: Clinic) -> None:
    """Whatever the database had to do: each answer takes as long as the slowest may."""
    from gateway.api.mounting import mounted
    from gateway.api.portal import Pages, routes_of
    from gateway.api.readiness import Readiness
    from gateway.api.site import create
    from gateway.app.assembly import portal_of

    routes = routes_of(portal_of(clinic.gateway), Pages(clinic.gateway.site), URL, slowest=0.15)
    app = create(Readiness({}), routes=[mounted(one) for one in routes])

    def took(path: str) -> float:
        reader = Reader(clinic, app=app)
        reader.gets(path)
        before = time.perf_counter()
        reader.sends(path, follow=False)
        return time.perf_counter() - before

    known, unknown = ([took(path) for _ in range(3)] for path in (_link(clinic), NOWHERE))
    assert min(*known, *unknown) >= 0.15
    assert abs(statistics.median(known) - statistics.median(unknown)) < 0.1


def test_a_slow_broker_does_not_tell_that_a_birth_date_was_right(clinic: Clinic) -> None:
    """EM-10: the code is rung for when the answer has left."""
    rung = []

    def slow(ids: Sequence[int]) -> None:
        time.sleep(2)
        rung.extend(ids)

    clinic.gateway.doorbell.connect(slow)
    reader = Reader(clinic)
    reader.follows(_link(clinic))
    born = reader.clinic.person("Ann").born
    assert born is not None
    told = {"year": str(born.year), "month": str(born.month), "day": str(born.day)}
    assert reader.sends("/portal/birth", told, follow=False).elapsed.total_seconds() < 1.5
    assert len(rung) == 1


def test_codes_cannot_be_guessed(clinic: Clinic) -> None:
    """Five tries, then a rest: also with a new log-in each time, and the right code is of no use meanwhile."""
    reader = Reader(clinic)
    reader.follows(_link(clinic))
    reader.tells_birth("Ann")
    code = code_in(texts(clinic)[-1])
    for guess in range(5):
        assert "That is not right" in reader.tells_code(f"{(int(code) + guess + 1) % 1_000_000:06d}").text
    assert "That is not right" in reader.tells_code(code).text
    again = Reader(clinic)
    again.follows(_link(clinic))
    again.tells_birth("Ann")
    assert len(texts(clinic)) == 1, "no code is sent while the link rests"
    clinic.passes("16m")
    assert "Main Street Clinic" in Reader(clinic).enters(_link(clinic), "Ann").text


def test_each_lock_out_is_longer_than_the_one_before(clinic: Clinic) -> None:
    """A quarter of an hour, then one, then four: a birth date is not found by patience."""
    rests = []
    for _ in range(3):
        reader = Reader(clinic)
        reader.follows(_link(clinic))
        for year in range(1900, 1905):
            reader.tells_birth("Ann", year=str(year))
        with clinic.gateway.store.read() as unit:
            rows = unit.lookup(tables.login, ("id", "locked_until"), "state", ["locked"])
        until = max(rows)[1]
        rests.append((until - clinic.clock.now()) // 60_000)
        clinic.clock.set(until + 1)
    assert rests == [15, 60, 240]


def test_new_log_ins_bring_no_new_tries(clinic: Clinic) -> None:
    """Four wrong birth dates with one cookie and one with the next are five."""
    first = Reader(clinic)
    first.follows(_link(clinic))
    for year in range(1900, 1904):
        first.tells_birth("Ann", year=str(year))
    second = Reader(clinic)
    second.follows(_link(clinic))
    second.tells_birth("Ann", year="1904")
    third = Reader(clinic)
    third.follows(_link(clinic))
    third.tells_birth("Ann")
    assert texts(clinic) == []


def _reads_another(clinic: Clinic) -> str:
    """One more message to Ann, and its link."""
    before = len(clinic.mailbox("Ann"))
    clinic.books("Ann", on=clinic.wall(clinic.clock.now() + 7 * DAY + 10 * MINUTE))
    clinic.passes("11m")
    assert len(clinic.mailbox("Ann")) > before
    return _link(clinic)


def _fails(clinic: Clinic, path: str, times: int = 5) -> None:
    reader = Reader(clinic)
    reader.follows(path)
    for year in range(1900, 1900 + times):
        reader.tells_birth("Ann", year=str(year))


def test_a_stranger_with_one_link_shuts_nobody_out_of_the_next(clinic: Clinic) -> None:
    """A forwarded link rests, longer each time, for ever if they like; what is written to the person later is read."""
    path = _link(clinic)
    for _ in range(4):
        _fails(clinic, path)
        clinic.passes("61m")
    assert "Main Street Clinic" in Reader(clinic).enters(_reads_another(clinic), "Ann").text


def test_who_tries_at_several_links_gets_no_further_by_the_next(clinic: Clinic) -> None:
    """Whoever reads the mailbox has all links: fifteen tries a day, and the person rests."""
    for _ in range(3):
        _fails(clinic, _link(clinic))
        path = _reads_another(clinic)
    reader = Reader(clinic)
    reader.follows(path)
    reader.tells_birth("Ann")
    assert texts(clinic) == []
    clinic.passes("25h")
    assert "Main Street Clinic" in Reader(clinic).enters(path, "Ann").text


def test_nobody_is_flooded_with_codes(clinic: Clinic) -> None:
    """Three of one log-in, ten a day; each is a text, whatever log-in it is of."""
    for _ in range(6):
        reader = Reader(clinic)
        reader.follows(_link(clinic))
        for _ in range(4):
            reader.gets("/portal/birth")
            reader.tells_birth("Ann")
        clinic.passes("61m")
    assert len(texts(clinic)) == 10
    log_ins = [reader for reader in range(20) if Reader(clinic).follows(_link(clinic))]
    assert log_ins
    assert clinic.count("login") <= 6 + 10, "ten log-ins of one link in an hour"


# -- replaying


def test_a_code_is_good_once_and_for_ten_minutes(clinic: Clinic) -> None:
    """It opens one session: not a second one, and not later."""
    reader = Reader(clinic)
    reader.follows(_link(clinic))
    reader.tells_birth("Ann")
    code = code_in(texts(clinic)[-1])
    other = Reader(clinic)
    other.follows(_link(clinic))
    other.tells_birth("Ann")
    assert "That is not right" in other.tells_code(code).text, "a code belongs to its log-in"
    clinic.passes("10m")
    assert "That is not right" in reader.tells_code(code).text


def test_an_earlier_code_is_worth_nothing_once_another_was_sent(clinic: Clinic) -> None:
    """The last one counts."""
    reader = Reader(clinic)
    reader.follows(_link(clinic))
    reader.tells_birth("Ann")
    reader.gets("/portal/birth")
    reader.tells_birth("Ann")
    first, second = (code_in(text) for text in texts(clinic))
    assert first == second or "That is not right" in reader.tells_code(first).text
    assert "Main Street Clinic" in reader.tells_code(second).text


def test_a_session_ends_by_leaving_by_idleness_and_for_good(clinic: Clinic) -> None:
    """Fifteen idle minutes; and a cookie that was copied is worth nothing after log-out."""
    reader = Reader(clinic)
    reader.enters(_link(clinic), "Ann")
    copied = httpx.Cookies(reader.cookies)
    clinic.passes("14m")
    assert "Main Street Clinic" in reader.gets("/portal").text
    reader.sends("/portal/leave")
    assert "logged out" in reader.page.text
    reader.cookies = copied
    assert "Main Street" not in reader.gets("/portal").text
    reader.enters(_link(clinic), "Ann")
    clinic.passes("15m")
    assert "Please open the link again" in reader.gets("/portal").text


def test_a_session_that_is_always_used_ends_after_two_hours(clinic: Clinic) -> None:
    """However busy: who stole one has it for so long."""
    reader = Reader(clinic)
    reader.enters(_link(clinic), "Ann")
    for _ in range(11):
        clinic.passes("10m")
        assert "Main Street Clinic" in reader.gets("/portal").text
    clinic.passes("10m")
    assert "Please open the link again" in reader.gets("/portal").text


def test_a_session_ends_with_its_link(clinic: Clinic) -> None:
    """A link that is taken back is taken back for whoever followed it already."""
    reader = Reader(clinic)
    reader.enters(_link(clinic), "Ann")
    with clinic.gateway.store.begin("test") as uow:
        ((identity,),) = uow.lookup(tables.link, ("id",), "digest", [digest(_link(clinic).removeprefix("/p/"))])
        end(uow, [identity], why="test")
        uow.commit()
    assert "Please open the link again" in reader.gets("/portal").text


def test_a_session_cannot_be_fixed(clinic: Clinic) -> None:
    """Whoever plants a cookie before the log-in has nothing after it: the session gets a new one at each step up."""
    reader = Reader(clinic)
    reader.follows(_link(clinic))
    planted = httpx.Cookies(reader.cookies)
    reader.tells_birth("Ann")
    reader.tells_code(code_in(texts(clinic)[-1]))
    assert dict(planted) != dict(reader.cookies)
    thief = Reader(clinic)
    thief.cookies = planted
    assert "Please open the link again" in thief.gets("/portal").text


# -- sharing


def test_a_shared_link_opens_nothing_without_birth_date_and_telephone(clinic: Clinic) -> None:
    """5.5: forwarded or read on a shared mailbox, with the birth date known in the family, the code still goes elsewhere."""
    thief = Reader(clinic)
    thief.follows(_link(clinic))
    thief.tells_birth("Ann")
    assert len(texts(clinic)) == 1
    assert len(clinic.mailbox("Ann")) == 1, "no code to where the link went"
    assert "Main Street" not in thief.tells_code("123456").text


@pytest.mark.parametrize("allowed", [False, True])
def test_the_code_goes_where_the_link_went_only_if_the_policy_says_so(
    open_clinic: OpenClinic, tmp_path: Path, allowed: bool
) -> None:
    """Of whom no other address is known, nobody gets in, unless `portal: {same_contact_point: yes}`."""
    policy = (("minimum_age: 18", "portal: {same_contact_point: yes}\nminimum_age: 18"),) if allowed else ()
    clinic = open_portal(open_clinic, tmp_path, policy=policy)
    registers(clinic, "Ann", mobile=False)
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    path = _link(clinic)
    reader = Reader(clinic)
    reader.follows(path)
    reader.tells_birth("Ann")
    mails = clinic.mailbox("Ann")
    assert len(mails) == (2 if allowed else 1)
    if allowed:
        assert "Main Street Clinic" in reader.tells_code(code_in(mails[-1].text)).text


# -- from elsewhere


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_form_on_another_site_does_nothing(clinic: Clinic, site: str) -> None:
    """CSRF: the cookie is not sent along, the form's token is not known, and the browser says where it comes from."""
    reader = Reader(clinic)
    reader.enters(_link(clinic), "Ann")
    before = _counts(clinic)
    headers = {"sec-fetch-site": site}
    assert reader.sends("/portal/reply", {"choice": "cancel"}, headers=headers).status_code == 400
    reader.gets("/portal/preferences")
    assert reader.sends("/portal/preferences", {}, headers=headers).status_code == 400
    assert reader.sends("/portal/leave", {}, headers=headers).status_code == 400
    assert Reader(clinic).asks("POST", _link(clinic), data={}, headers=headers).status_code == 400
    assert _counts(clinic)["consent"] == before["consent"]
    assert _counts(clinic)["inbound"] == 0


@pytest.mark.parametrize("form", ["", "0" * 64, "é"])
def test_a_form_without_its_sessions_token_does_nothing(clinic: Clinic, form: str) -> None:
    """A browser that tells nothing of where a form comes from is judged by the token alone."""
    reader = Reader(clinic)
    reader.enters(_link(clinic), "Ann")
    for path in ("/portal/reply", "/portal/preferences", "/portal/leave", "/portal/birth", "/portal/code"):
        assert reader.asks("POST", path, data={"form": form, "choice": "cancel"}).status_code == 400
    assert clinic.count("inbound") == 0


def test_cookies_are_for_us_alone(clinic: Clinic) -> None:
    """__Host-, Secure, HttpOnly, SameSite=Strict, this path, no domain, no longer than the browser."""
    reader = Reader(clinic)
    reader.gets(_link(clinic))
    response = reader.sends(_link(clinic), follow=False)
    name, *attributes = response.headers["set-cookie"].split("; ")
    assert name.startswith("__Host-caregate=")
    assert sorted(one.lower() for one in attributes) == ["httponly", "path=/", "samesite=strict", "secure"]


def test_no_page_can_be_framed_scripted_cached_or_followed_from(clinic: Clinic) -> None:
    """Clickjacking, injected scripts, shared machines, tokens in Referer: each by a header, on every answer, errors too."""
    reader = Reader(clinic)
    answers = [reader.gets(path) for path in (_link(clinic), NOWHERE, "/portal", "/portal/birth")]
    answers += [reader.asks("PUT", "/portal"), reader.asks("POST", "/portal/code"), reader.enters(_link(clinic), "Ann")]
    answers.append(reader.gets("/portal/preferences"))
    for one in answers:
        policy = one.headers["content-security-policy"]
        assert policy == (
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        assert one.headers["referrer-policy"] == "no-referrer"
        assert one.headers["cache-control"] == "no-store"
        assert one.headers["x-frame-options"] == "DENY"
        assert one.headers["x-content-type-options"] == "nosniff"
        assert one.headers["strict-transport-security"].startswith("max-age=")
        assert "<script" not in one.text
        assert "style=" not in one.text
        assert "http://" not in one.text
        assert "https://" not in one.text


@pytest.mark.parametrize("host", ["evil.example", "messages.lakeside.example.evil.example", "evil.example/x"])
def test_a_forged_host_leads_nowhere(clinic: Clinic, host: str) -> None:
    """Host header, X-Forwarded-Host: no address of ours is made from what a caller says."""
    reader = Reader(clinic)
    headers = {"host": host, "x-forwarded-host": host, "x-original-url": "/evil", "forwarded": f"host={host}"}
    page = reader.gets(_link(clinic), headers=headers)
    went = reader.sends(_link(clinic), follow=False, headers=headers)
    assert went.headers["location"] == "/portal/birth?lang=en"
    assert "evil" not in page.text + json.dumps(dict(went.headers))


@pytest.mark.parametrize("path", ["/p/{}/", "/u/{}/", "/portal/", "/portal/birth/", "/health/live/"])
def test_no_path_of_ours_is_mended_by_a_redirect(clinic: Clinic, path: str) -> None:
    """A slash too many led, with the link's token, to http:// and whatever host the caller named."""
    path = path.format(_link(clinic).removeprefix("/p/"))
    answer = Reader(clinic).gets(path, headers={"host": "evil.example"})
    assert (answer.status_code, answer.headers.get("location")) == (404, None)


@pytest.mark.parametrize("lang", ["//evil.example", "https://evil.example", "es\r\nX: y", "'><script>", "x" * 5_000])
def test_no_field_leads_to_another_site_or_into_a_page(clinic: Clinic, lang: str) -> None:
    """No open redirect, no header from a field, nothing echoed."""
    reader = Reader(clinic)
    reader.gets(_link(clinic), params={"lang": lang})
    assert "evil" not in reader.page.text
    assert "<script>" not in reader.page.text
    went = reader.asks("POST", _link(clinic), data={"lang": lang, "next": "https://evil.example"})
    assert went.headers["location"] == "/portal/birth?lang=en"


def test_what_somebody_writes_is_shown_to_nobody_as_markup(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """A name that is a script stays a name."""
    clinic = open_portal(open_clinic, tmp_path)
    registers(clinic, "Ann", given="<script>alert(1)</script>Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    page = Reader(clinic).enters(_link(clinic), "Ann")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "<script" not in page.text


# -- too much


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(clinic: Clinic, method: str) -> None:
    """Every path says what it takes."""
    reader = Reader(clinic)
    for path in (_link(clinic), NOWHERE, "/portal", "/portal/code", "/portal/reply"):
        answer = reader.asks(method, path)
        assert answer.status_code == 405
        assert "HEAD" in answer.headers["allow"]


def test_what_is_too_long_is_not_read(clinic: Clinic) -> None:
    """Bodies beyond 32 KiB, a thousand fields, another media type, broken escapes."""
    reader = Reader(clinic)
    reader.enters(_link(clinic), "Ann")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for body in (b"text=" + b"x" * 40_000, b"&".join(b"a=1" for _ in range(1_000)), b"\xff=\xff"):
        assert reader.asks("POST", "/portal/reply", content=body, headers=headers).status_code == 400
    assert reader.asks("POST", "/portal/reply", json={"choice": "cancel"}).status_code == 400
    assert clinic.count("inbound") == 0


def test_one_address_cannot_keep_us_busy(clinic: Clinic) -> None:
    """Per client address and process: the rest are told to come back in a minute, others are served."""
    app = served(clinic)
    greedy = Reader(clinic, app=app)

    async def many() -> list[int]:
        async with httpx.AsyncClient(transport=greedy._transport, base_url=URL) as client:
            return [(await client.get("/portal/birth")).status_code for _ in range(640)]

    told = asyncio.run(many())
    assert told[0] == 200
    assert told[-1] == 429
    assert Reader(clinic, app=app, address="203.0.113.9").gets("/portal/birth").status_code == 200


@pytest.mark.parametrize("known", [True, False])
def test_one_link_cannot_fill_the_audit_log(clinic: Clinic, known: bool) -> None:
    """F-14: each log-in and each refusal is a row: so many of one link, and the rest, of made-up links too, wait."""
    reader, path = Reader(clinic), _link(clinic) if known else NOWHERE
    before = clinic.count("audit")
    told = [reader.asks("POST", path, data={"lang": "en"}).status_code for _ in range(60)]
    assert (told[:20], set(told[20:])) == ([303] * 20, {429})
    assert clinic.count("audit") - before <= 20


def test_what_is_made_up_waits_for_no_lock_and_holds_none(clinic: Clinic) -> None:
    """F-14: feeds write under one lock (SQLite): a stranger without a link or a session never gets as far."""
    reader, session = Reader(clinic), "B" * 43
    reader.cookies.set("__Host-caregate", session)
    form = {
        "form": form_token(session),
        "choice": "cancel",
        "year": "1980",
        "month": "3",
        "day": "15",
        "code": "123456",
    }
    posts = ("/portal/birth", "/portal/code", "/portal/reply", "/portal/preferences", "/portal/leave", NOWHERE)
    begun = []
    store = clinic.gateway.store
    begin, store.begin = store.begin, lambda actor: begun.append(actor) or begin(actor)  # type: ignore[method-assign, func-returns-value]
    try:
        for path in (*posts, NOWHERE.replace("/p/", "/u/")):
            assert reader.asks("POST", path, data={**form, "List-Unsubscribe": "One-Click"}).status_code < 500
        for path in ("/portal", "/portal/preferences"):
            reader.gets(path)
    finally:
        store.begin = begin  # type: ignore[method-assign]
    assert begun == []


def test_a_bucket_forgets(clinic: Clinic) -> None:
    """A million addresses take no more memory than ten thousand."""
    bucket = Bucket(clinic.clock, 1, 2, most=100)
    for number in range(10_000):
        bucket.take(f"{number}")
    assert len(bucket._left) == 100


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "testclient", False),
    ],
)
def test_one_customers_network_is_one_caller(one: str, other: str, same: bool) -> None:
    """Of IPv6 everybody has 2^64 addresses at least: each as a caller of its own would be no limit."""
    assert (caller_of(one) == caller_of(other)) is same


def test_a_proxy_on_this_machine_is_not_taken_for_one_greedy_caller(clinic: Clinic) -> None:
    """Else one stranger behind it shuts all patients out."""
    reader = Reader(clinic, address="127.0.0.1")

    async def many() -> set[int]:
        async with httpx.AsyncClient(transport=reader._transport, base_url=URL) as client:
            return {(await client.get("/portal/birth")).status_code for _ in range(640)}

    assert asyncio.run(many()) == {200}


def test_neither_tokens_nor_codes_lie_in_the_database(clinic: Clinic) -> None:
    """What is stolen there opens nothing: SHA-256 of tokens, keyed digests of codes."""
    reader = Reader(clinic)
    reader.enters(_link(clinic), "Ann")
    token, session = _link(clinic).removeprefix("/p/"), next(iter(dict(reader.cookies).values()))
    code = code_in(texts(clinic)[-1])
    with clinic.gateway.store.read() as unit:
        rows = [str(row) for row in unit.lookup(tables.login, tuple(tables.login.c.keys()), "state", ["open"])]
        rows += [str(row) for row in unit.lookup(tables.link, tuple(tables.link.c.keys()), "kind", ["pick-up"])]
    for secret in (token, session, code):
        assert not any(secret in row for row in rows)


def test_after_an_unreadable_person_nobody_gets_in(clinic: Clinic) -> None:
    """Erased: the key is gone, the page says what it says to everybody, nothing crashes."""
    path = _link(clinic)
    with clinic.gateway.store.begin("test") as uow:
        ((key,),) = uow.lookup(tables.patient, ("key",), "token", [_token(uow)])
        uow.update(tables.data_key, ("id",), ("wrapped", "destroyed_at"), [(None, uow.now, key)])
        uow.audit([("test", key)])
        uow.commit()
    reader = Reader(clinic)
    reader.follows(path)
    reader.tells_birth("Ann")
    assert "That is not right" in reader.tells_code("123456").text
    assert texts(clinic) == []


def _token(uow: object) -> int:
    from test_clinic_portal import clinic_token

    return clinic_token(uow)
