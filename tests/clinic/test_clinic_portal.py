"""The portal: a notice without a word about anybody, a reader who proves who they are, and a decision at every reading."""

from __future__ import annotations

from pathlib import Path

import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_portal import NOTICE, VISIT, WEEK, Reader, code_in, link_in, open_portal, receipts, registers, texts

from connectors.channels.portal import PortalChannel
from gateway.app.doors import portal_routes_of
from gateway.model.errors import ConfigError, Insecure, Refused
from gateway.model.request import RequestKind
from gateway.pipeline import brakes
from gateway.pipeline.brakes import Scope, Stop
from gateway.pipeline.retention import purge_links
from gateway.ports import Envelope, Handover
from gateway.store import tables


@pytest.fixture
def clinic(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """Ann, with a mailbox and a mobile, has a reminder in the portal; its notice has arrived by e-mail."""
    clinic = open_portal(open_clinic, tmp_path)
    registers(clinic, "Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    return clinic


def _link(clinic: Clinic) -> str:
    return link_in(clinic.mailbox("Ann")[-1].text)


def _actions(clinic: Clinic) -> list[str]:
    return [str(entry[0]) for entry in clinic.entries("Ann") if str(entry[0]).startswith("portal.")]


def test_the_notice_says_nothing_about_the_person_or_their_care(clinic: Clinic) -> None:
    """EM-10, PH-06, SM-19, 5.5: neutral subject, one opaque link of our own, no name, no place, no time."""
    (mail,) = clinic.mailbox("Ann")
    assert mail.subject == "A message is waiting for you"
    assert len(_link(clinic)) == len("/p/") + 43
    for word in ("Main Street", "appointment", "09:30", "March", clinic.person("Ann").given):
        assert word not in mail.text + mail.subject
    assert mail.envelope.open_allowed, "nothing stands in it: it may go where mail is not encrypted"
    assert [(one.rule, one.state) for one in clinic.requests("Ann")] == [
        ("appointment-reminder", "completed"),
        (NOTICE, "completed"),
    ]


def test_a_message_is_picked_up_after_birth_date_and_code(clinic: Clinic) -> None:
    """EM-10, EM-11: the code goes elsewhere, the reading is audited and told as a receipt."""
    reader = Reader(clinic)
    page = reader.enters(_link(clinic), "Ann")
    assert "Main Street Clinic" in page.text
    assert clinic.person("Ann").given in page.text
    assert len(texts(clinic)) == 1, "the link came by e-mail, the code by text"
    assert _actions(clinic) == ["portal.started", "portal.entered", "portal.read"]
    assert receipts(clinic) == ["opened"]
    reader.gets("/portal")
    assert receipts(clinic) == ["opened"], "read twice is opened once"


def test_the_story_tells_who_came_in_and_what_they_read(clinic: Clinic) -> None:
    """45 CFR 164.312(b): link, log-in, wrong tries, reading, refusal, in words a privacy officer can use."""
    reader = Reader(clinic)
    reader.follows(_link(clinic))
    reader.tells_birth("Ann", year="1900")
    reader.enters(_link(clinic), "Ann")
    reader.gets("/portal/preferences")
    clinic.dies("Ann")
    reader.gets("/portal")
    reader.sends("/portal/leave")
    story = "\n".join(clinic.story("Ann"))
    for told in (
        "somebody followed link",
        "refused: birth-date",
        "birth date and code were right",
        "read in the portal by link",
        "preferences shown",
        "not shown to its reader: deceased (gate reader-deceased)",
        "logged out",
    ):
        assert told in story


def test_the_page_of_a_message_names_nobody_in_title_or_address(clinic: Clinic) -> None:
    """PH-06: history, bookmarks and the tabs of a shared machine show titles and addresses."""
    reader = Reader(clinic)
    page = reader.enters(_link(clinic), "Ann")
    title = page.text.split("<title>")[1].split("</title>")[0]
    assert title == "A message is waiting for you – Lakeside Health"
    assert str(page.url.path) == "/portal"


def test_it_is_read_in_ones_language(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """45 CFR 92.201: notice, pages and message in Spanish."""
    clinic = open_portal(open_clinic, tmp_path)
    registers(clinic, "Ann", language="es")
    clinic.person("Ann", pid={**clinic.person("Ann").pid, 15: "es"})
    clinic.changes("Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    assert clinic.mailbox("Ann")[0].subject == "Tiene un mensaje"
    reader = Reader(clinic)
    assert "Continuar" in reader.gets(_link(clinic), headers={"accept-language": "es-US,es;q=0.9"}).text
    page = reader.enters(_link(clinic), "Ann")
    assert 'lang="es"' in page.text
    assert "Voy a ir" in page.text


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("death", "deceased"),
        ("retraction", "not-as-announced"),
        ("cancellation", "not-as-announced"),
        ("restriction", "protection-indicator"),
        ("brake", "stopped"),
        ("rule brake", "stopped"),
        ("facility brake", "stopped"),
        ("withdrawal", "withdrawn-by-hand"),
    ],
)
def test_what_happened_since_is_read_afresh_at_every_reading(clinic: Clinic, what: str, reason: str) -> None:
    """5.5; PI-12, PV-02, OR-05: the reader is told nothing but to call, the audit log says why."""
    reader = Reader(clinic)
    assert "Main Street Clinic" in reader.enters(_link(clinic), "Ann").text
    _happens(clinic, what)
    page = reader.gets("/portal")
    assert "There is nothing to show" in page.text
    assert "Main Street" not in page.text
    assert reason not in page.text
    refused = [entry for entry in clinic.entries("Ann") if entry[0] == "portal.refused"]
    assert refused[-1][2] == reason


def _happens(clinic: Clinic, what: str) -> None:
    match what:
        case "death":
            clinic.dies("Ann")
        case "retraction":
            clinic.deletes("Ann")
        case "cancellation":
            clinic.cancels("Ann")
        case "restriction":
            clinic.changes("Ann", extra=["PD1||||||||||||Y"])
        case "withdrawal":
            _set(clinic, tables.request, "revoked", "withdrawn-by-hand")
        case _:
            _brakes(clinic, what)


def _set(clinic: Clinic, table: object, state: str, reason: str) -> None:
    request = next(one.id for one in clinic.requests("Ann") if one.rule == "appointment-reminder")
    with clinic.gateway.store.begin("test") as uow:
        uow.update(tables.request, ("id",), ("state", "reason"), [(state, reason, request)])
        uow.audit([("test", request)])
        uow.commit()


def _brakes(clinic: Clinic, what: str) -> None:
    scope, value = {
        "brake": ("everything", None),
        "rule brake": ("rule", "appointment-reminder"),
        "facility brake": ("facility", "MAIN"),
    }[what]
    with clinic.gateway.store.begin("test") as uow:
        ids = [one for (one,) in uow.lookup(tables.occurrence, ("id",), "patient", [clinic_token(uow)])]
        ((facility,),) = uow.lookup(tables.occurrence, ("facility",), "id", ids)
        row = (uow.new_id(), scope, facility if scope == "facility" else value, "snow", "os:x", uow.now)
        uow.insert(tables.brake, ("id", "scope", "value", "why", "by", "at"), [row])
        uow.audit([("test", row[0])])
        uow.commit()


def clinic_token(uow: object) -> int:
    """The one patient there is."""
    from sqlalchemy import select

    from gateway.store.statement import Statement

    found = uow.one(Statement("test.one-patient", select(tables.patient.c.token)))  # type: ignore[attr-defined]
    return int(found[0])


def test_a_merge_is_followed(clinic: Clinic) -> None:
    """AD-18, AD-32: the survivor's death counts, and the survivor reads what was written to the number merged away."""
    registers(clinic, "Ben", born=clinic.person("Ann").born)
    path = _link(clinic)
    clinic.merges("Ann", into="Ben")
    reader = Reader(clinic)
    page = reader.enters(path, "Ben")
    assert "Main Street Clinic" in page.text
    clinic.dies("Ben")
    assert "Main Street" not in reader.gets("/portal").text


def test_an_answer_in_the_portal_is_an_answer_to_that_very_visit(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """SM-09: with two open visits a text is unclear, the portal is not; cancelling goes to staff."""
    clinic = open_portal(open_clinic, tmp_path)
    registers(clinic, "Ann")
    clinic.books("Ann", on=VISIT)
    clinic.books("Ann", on="2026-03-20 15:00")
    clinic.until("2026-03-13 15:00")
    reader = Reader(clinic)
    reader.enters(link_in(clinic.mailbox("Ann")[0].text), "Ann")
    page = reader.sends("/portal/reply", {"choice": "confirm"})
    assert "Your answer has been kept" in page.text
    reader.sends("/portal/reply", {"choice": "cancel"})
    reader.sends("/portal/reply", {"choice": "text", "text": "Where do I park?"})
    assert [(meaning, state) for meaning, state in _inbound(clinic)] == [
        ("confirm", "done"),
        ("cancel-visit", "open"),
        ("free-text", "open"),
    ]
    assert sorted(receipts(clinic)) == ["opened", "replied", "replied", "replied"]


def _inbound(clinic: Clinic) -> list[tuple[str, str]]:
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.inbound, ("id", "meaning", "state"), "channel", ["portal"])
    return [(meaning, state) for _, meaning, state in sorted(rows)]


def test_stop_written_in_the_portal_is_stop(clinic: Clinic) -> None:
    """47 CFR 64.1200(a)(10): by any reasonable means; nothing is sent any more, and staff look."""
    reader = Reader(clinic)
    reader.enters(_link(clinic), "Ann")
    reader.sends("/portal/reply", {"choice": "text", "text": "Please stop texting me"})
    assert _inbound(clinic) == [("stop", "open")]
    clinic.books("Ann", on="2026-05-20 09:30")
    clinic.passes("80d")
    assert len(clinic.mailbox("Ann")) == 1


def test_a_message_expires_in_the_portal(clinic: Clinic) -> None:
    """EM-11: thirty days unless told; then the link leads nowhere, as any wrong link does."""
    path = _link(clinic)
    clinic.passes("31d")
    reader = Reader(clinic)
    reader.follows(path)
    before = len(texts(clinic))
    reader.tells_birth("Ann")
    assert len(texts(clinic)) == before


def test_mail_without_verified_encryption_goes_to_the_portal(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """EM-01, EM-10: the message never left in the open, its notice may."""
    clinic = open_portal(open_clinic, tmp_path, channels="[email, portal]")
    registers(clinic, "Ann")
    send = clinic.post.send

    def insecure(envelope: Envelope) -> Handover:
        if not envelope.open_allowed:
            raise Insecure("no certificate that fits")
        return send(envelope)

    clinic.post.send = insecure  # type: ignore[method-assign]
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    assert [mail.subject for mail in clinic.mailbox("Ann")] == ["A message is waiting for you"]
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.communication, ("channel", "status", "reason"), "patient", [clinic.token("Ann")])
    assert ("email", "stopped", "no-verified-tls") in rows
    assert ("portal", "completed", None) in rows


def test_the_notice_goes_by_text_where_mail_is_not_wanted(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """EM-10: e-mail first, then a text if it was agreed to; the code then goes by e-mail."""
    clinic = open_portal(open_clinic, tmp_path)
    registers(clinic, "Ann", "portal", "sms")
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    (text,) = texts(clinic)
    reader = Reader(clinic)
    reader.follows(link_in(text))
    reader.tells_birth("Ann")
    assert "Main Street Clinic" in reader.tells_code(code_in(clinic.mailbox("Ann")[0].text)).text


def test_without_a_way_for_the_notice_nothing_is_put_there(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """A message nobody hears of is none: it is refused as one without an address."""
    clinic = open_portal(open_clinic, tmp_path)
    registers(clinic, "Ann", "portal")
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    assert clinic.ended("Ann") == ["no-address"]


@pytest.mark.parametrize("agreed", [True, False])
def test_a_notice_that_is_refused_goes_by_the_next_address_that_may(
    open_clinic: OpenClinic, tmp_path: Path, agreed: bool
) -> None:
    """EM-11: else the message would lie there unheard; a text goes only to whoever agreed to texts."""
    clinic = open_portal(open_clinic, tmp_path)
    registers(clinic, "Ann", "portal", "email", *(["sms"] if agreed else []))

    def refuses(_envelope: Envelope) -> Handover:
        raise Refused("RCPT: answered 550")

    clinic.post.send = refuses  # type: ignore[method-assign]
    clinic.books("Ann", on=VISIT)
    clinic.until("2026-03-13 09:31")
    assert len(texts(clinic)) == int(agreed)
    notices = [(one.state, one.reason) for one in clinic.requests("Ann") if one.rule == NOTICE]
    assert notices == [("revoked", "refused"), ("completed", None) if agreed else ("revoked", "no-consent")]
    if agreed:
        with clinic.gateway.store.read() as unit:
            ended = unit.lookup(tables.link, ("id", "ended"), "kind", ["pick-up"])
        assert [at is None for _, at in sorted(ended)] == [False, True], "what was refused leads nowhere"


def test_a_notice_counts_once_for_a_cap(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """What lies in the portal is counted by its notice: a cap of one lets one through, and holds the second."""
    clinic = open_portal(
        open_clinic,
        tmp_path,
        policy=(("{per: patient, at_most: 4, within: 1d}", "{per: patient, at_most: 1, within: 1d}"),),
    )
    registers(clinic, "Ann")
    clinic.books("Ann", on=VISIT)
    clinic.books("Ann", on="2026-03-20 15:00")
    clinic.until("2026-03-13 16:00")
    assert len(clinic.mailbox("Ann")) == 1
    clinic.until("2026-03-14 12:00")
    assert len(clinic.mailbox("Ann")) == 2


def test_what_was_being_put_there_when_the_process_died_is_there(clinic: Clinic) -> None:
    """SM-07: the portal is asked, says yes, and the notice goes out after all."""
    from gateway.pipeline.doubts import Doubts

    clinic.books("Ann", on="2026-04-20 09:30")
    deliverer, settle = clinic.deliverer, clinic.deliverer._settle
    deliverer._settle = lambda *_: None  # type: ignore[method-assign]  # it dies before it can say so
    clinic.until("2026-04-13 09:35")
    deliverer._settle = settle  # type: ignore[method-assign]
    clinic.passes("10m")
    doubts = Doubts(clinic.gateway.store, clinic.gateway.channels, clinic.rung.extend)
    assert doubts.once() == 1
    clinic.answers_doorbells()
    clinic.passes("1m")
    assert len(clinic.mailbox("Ann")) == 2


def test_a_portal_nobody_can_reach_is_not_started(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """It needs `api.public_url`, and has no options that could be misspelt."""
    with pytest.raises(ConfigError, match=r"`api\.public_url`"):
        open_portal(open_clinic, tmp_path, more="channels: {portal: {kind: portal}}\n")
    with pytest.raises(ConfigError, match=r"channels\.portal\.color: the portal has no options"):
        PortalChannel("portal", {"color": "blue"})


@pytest.mark.parametrize(
    ("api", "served"),
    [
        ("{public_url: 'https://m.example'}", True),
        ("{public_url: 'https://m.example', bind: '0.0.0.0'}", False),
        ("{bind: '0.0.0.0'}", None),
    ],
)
def test_pages_are_not_served_in_clear_beyond_this_machine(
    open_clinic: OpenClinic, tmp_path: Path, api: str, served: bool | None
) -> None:
    """45 CFR 164.312(e): birth dates and codes are typed there."""
    clinic = open_portal(open_clinic, tmp_path, channels="[email]", more=f"api: {api}\n")
    if served is False:
        with pytest.raises(ConfigError, match=r"beyond loopback the pages need `api\.tls`"):
            portal_routes_of(clinic.gateway)
        return
    paths = [route.path for route in portal_routes_of(clinic.gateway)]
    assert ("/p/{token}" in paths) is bool(served)


def test_links_are_forgotten_a_month_after_they_expired(clinic: Clinic) -> None:
    """Log-ins go with them, what was audited stays."""
    reader = Reader(clinic)
    reader.enters(_link(clinic), "Ann")
    clinic.passes("31d")
    assert purge_links(clinic.gateway.store) == 0
    clinic.passes("30d")
    assert purge_links(clinic.gateway.store) == 1
    assert (clinic.count("link"), clinic.count("login")) == (1, 0), "the way to unsubscribe stays for a year"
    assert "portal.read" in _actions(clinic)


RULE = Stop(scope=Scope.RULE, value="appointment-reminder")
MAIL = Stop(scope=Scope.CHANNEL, value="email")


@pytest.fixture
def unannounced(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """Ann's message lies in the portal, and its notice waits because e-mail is stopped."""
    clinic = open_portal(open_clinic, tmp_path)
    registers(clinic, "Ann")
    clinic.books("Ann", on=VISIT)
    brakes.stop(clinic.gateway.store, MAIL, why="relay", account="os:operator")
    clinic.until(WEEK)
    clinic.passes("1h")
    assert clinic.mails() == []
    return clinic


def _resumes(clinic: Clinic, what: Stop) -> None:
    brakes.resume(clinic.gateway.store, clinic.gateway.site, what, why="mended", account="os:operator")
    clinic.passes("1h")


def test_what_stops_a_message_stops_its_notice(unannounced: Clinic) -> None:
    """EM-11: nobody is called to a page that shows nothing while its rule is stopped."""
    brakes.stop(unannounced.gateway.store, RULE, why="wrong texts", account="os:operator")
    _resumes(unannounced, MAIL)
    assert unannounced.mails() == []
    _resumes(unannounced, RULE)
    assert len(unannounced.mails()) == 1


def test_a_visit_that_is_off_is_announced_no_more(unannounced: Clinic) -> None:
    """OR-05, SI-25: the message could not be read any more."""
    unannounced.cancels("Ann")
    _resumes(unannounced, MAIL)
    assert unannounced.mails() == []
    with unannounced.gateway.store.read() as unit:
        told = unit.lookup(tables.request, ("state", "reason"), "kind", [RequestKind.PICK_UP_NOTICE.value])
    assert told == [("revoked", "not-as-announced")]
