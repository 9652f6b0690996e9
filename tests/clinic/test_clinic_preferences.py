"""What a person chooses in the portal, or ends with one click, is in the ledger at once and decides from then on."""

from __future__ import annotations

from pathlib import Path

import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_portal import URL, VISIT, WEEK, Reader, link_in, open_portal, registers, texts

from gateway.api.portal.words import WORDS
from gateway.store import tables

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def clinic(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """Ann gets her reminder by e-mail."""
    clinic = open_portal(open_clinic, tmp_path, channels="[email]")
    registers(clinic, "Ann", "email")
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    return clinic


def _one_click(clinic: Clinic, handle: str = "Ann") -> str:
    told = clinic.mailbox(handle)[-1].envelope.unsubscribe
    assert told is not None
    assert told.startswith(URL + "/u/")
    return told.removeprefix(URL)


def _ledger(clinic: Clinic) -> list[tuple[object, ...]]:
    columns = ("id", "purpose", "channel", "topic", "permit", "kind", "text_version", "recorded_by")
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.consent, columns, "patient", [clinic.token("Ann")])
    return [row[1:] for row in sorted(rows) if row[-1] == "the patient"]


def _hears_no_more(clinic: Clinic) -> None:
    clinic.books("Ann", on="2026-04-20 09:30")
    clinic.passes("40d")
    assert len(clinic.mailbox("Ann")) == 1
    assert clinic.ended("Ann") == ["consent-denied"]


@pytest.mark.parametrize("multipart", [False, True])
def test_one_click_ends_mail_about_the_topic_at_once(clinic: Clinic, multipart: bool) -> None:
    """EM-21 [RFC 8058], 16 CFR 316.5: no cookie, no log-in, no redirect; a mail provider's request or the page's own."""
    reader = Reader(clinic)
    body = {"files": {"List-Unsubscribe": (None, "One-Click")}} if multipart else {"data": ONE_CLICK}
    headers = {"sec-fetch-site": "cross-site"}
    answer = reader.asks("POST", _one_click(clinic), headers=headers, **body)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert _ledger(clinic) == [("*", "email", "appointments", 0, "messages", "one-click-1", "the patient")]
    _hears_no_more(clinic)


def test_pressing_it_twice_is_pressing_it_once(clinic: Clinic) -> None:
    """Providers repeat what timed out."""
    for _ in range(3):
        Reader(clinic).asks("POST", _one_click(clinic), data=ONE_CLICK)
    assert len(_ledger(clinic)) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_at_it_changes_nothing(clinic: Clinic, method: str) -> None:
    """EM-22: scanners fetch links; also with the pair in the address."""
    for params in ({}, ONE_CLICK):
        assert Reader(clinic).asks(method, _one_click(clinic), params=params).status_code == 200
    assert _ledger(clinic) == []


@pytest.mark.parametrize(
    "body", [{}, {"List-Unsubscribe": "Two"}, {"list-unsubscribe": "one-click"}, {"x": "List-Unsubscribe=One-Click"}]
)
def test_another_body_is_not_the_click(clinic: Clinic, body: dict[str, str]) -> None:
    """RFC 8058 §3.2: exactly that pair."""
    assert Reader(clinic).asks("POST", _one_click(clinic), data=body).status_code == 400
    assert _ledger(clinic) == []


def test_a_link_that_leads_nowhere_says_the_same(clinic: Clinic) -> None:
    """Nobody learns which tokens exist; a link of another kind does not unsubscribe."""
    reader = Reader(clinic)
    right = reader.asks("POST", _one_click(clinic), data=ONE_CLICK)
    wrong = reader.asks("POST", "/u/" + "A" * 43, data=ONE_CLICK)
    assert right.text == wrong.text


def test_it_ends_one_topic_and_no_other(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """EM-23: bound to patient and topic."""
    clinic = open_portal(open_clinic, tmp_path, channels="[email]", **{"topic: appointments": "topic: visits"})
    registers(clinic, "Ann", "email")
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    Reader(clinic).asks("POST", _one_click(clinic), data=ONE_CLICK)
    assert [row[2] for row in _ledger(clinic)] == ["visits"]


def test_somebody_who_shares_the_mailbox_is_not_silenced(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """It is bound to the person (EM-21); STOP at a number is what binds everyone."""
    clinic = open_portal(open_clinic, tmp_path, channels="[email]")
    registers(clinic, "Ann", "email", mobile=False)
    registers(clinic, "Ben", "email", mobile=False, email=clinic.person("Ann").email)
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    Reader(clinic).asks("POST", _one_click(clinic), data=ONE_CLICK)
    clinic.books("Ben", on="2026-04-20 09:30")
    clinic.passes("40d")
    assert len(clinic.mailbox("Ben")) == 2


def test_without_https_there_is_no_one_click(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """RFC 8058 §3.1 asks for https."""
    clinic = open_portal(open_clinic, tmp_path, channels="[email]", more="api: {public_url: 'http://localhost:8080'}\n")
    registers(clinic, "Ann", "email")
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    assert clinic.mailbox("Ann")[0].envelope.unsubscribe is None


def test_a_notice_can_be_unsubscribed_too_and_a_code_cannot(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """EM-21, EM-23: it is about the topic of its message; whoever asks for a code has asked for it."""
    clinic = open_portal(open_clinic, tmp_path)
    registers(clinic, "Ann", "portal", "email", mobile=False)
    registers(clinic, "Ben", "portal", "sms")
    for handle in ("Ann", "Ben"):
        clinic.books(handle, on=VISIT)
    clinic.until(WEEK)
    Reader(clinic).asks("POST", _one_click(clinic), data=ONE_CLICK)
    assert [row[1:3] for row in _ledger(clinic)] == [("email", "appointments")]
    reader = Reader(clinic)
    reader.follows(link_in(texts(clinic)[0]))
    reader.tells_birth("Ben")
    assert clinic.mailbox("Ben")[-1].envelope.unsubscribe is None


def _choices(clinic: Clinic) -> Reader:
    """Ann at her preferences, by way of the unsubscribe page and a log-in."""
    reader = Reader(clinic)
    path = _one_click(clinic)
    reader.gets(path)
    reader.sends(path, {"more": "yes"})
    reader.tells_birth("Ann")
    reader.tells_code(texts(clinic)[-1][:6])
    assert reader.page.status_code == 303
    reader.gets(reader.page.headers["location"])
    return reader


def test_preferences_are_behind_the_log_in(clinic: Clinic) -> None:
    """Unsubscribing needs none; seeing what somebody gets does."""
    reader = _choices(clinic)
    assert "What you get from us" in reader.page.text
    assert "Please open the link again" in Reader(clinic).gets("/portal/preferences").text


def test_a_topic_that_is_unticked_is_a_no_and_ticked_again_a_yes(clinic: Clinic) -> None:
    """The ledger holds both, with the version of the words and the language they were read in."""
    reader = _choices(clinic)
    reader.sends("/portal/preferences", {"on": ["appointments.sms"]})
    assert "Saved." in reader.page.text
    assert [row[1:5] for row in _ledger(clinic)] == [
        ("email", "appointments", 0, "messages"),
        ("sms", "appointments", 1, "messages"),
        ("sms", "appointments", 1, "texts"),
        ("sms", "appointments", 1, "texts"),  # to the number the person has now
    ]
    clinic.passes("1m")
    reader.sends("/portal/preferences", {"on": ["appointments.email", "appointments.sms"]})
    assert _ledger(clinic)[-1][1:6] == ("email", "appointments", 1, "messages", "portal-preferences-1")
    reader.sends("/portal/preferences", {"on": ["appointments.email", "appointments.sms"]})
    assert len(_ledger(clinic)) == 5, "nothing changed, nothing written"
    clinic.books("Ann", on="2026-04-20 09:30")
    clinic.passes("40d")
    assert len(clinic.mailbox("Ann")) == 2


def test_unticking_everything_is_obeyed(clinic: Clinic) -> None:
    """Nothing is sent from then on."""
    _choices(clinic).sends("/portal/preferences", {})
    _hears_no_more(clinic)


def test_a_stop_at_the_address_is_not_lifted_by_a_tick(clinic: Clinic) -> None:
    """SM-14: the stricter wins, and the page says so."""
    reader = _choices(clinic)
    clinic.opts_out("Ann")
    reader.sends("/portal/preferences", {"on": ["appointments.email"]})
    assert "not everything could be switched on" in reader.page.text


def test_marketing_cannot_be_agreed_to_here(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """45 CFR 164.508(a)(3): it needs a signed authorization; a forged tick changes nothing."""
    clinic = open_portal(open_clinic, tmp_path, channels="[email]")
    registers(clinic, "Ann", "email")
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    rule = clinic.gateway.rules.current().ruleset.rules["appointment-reminder"]
    reader = _choices(clinic)
    from dataclasses import replace

    from gateway.model.consent import Purpose

    clinic.gateway.rules.current().ruleset.rules["appointment-reminder"] = replace(rule, purpose=Purpose.HMARKT)  # type: ignore[index]
    reader.gets("/portal/preferences")
    assert "signed authorization" in reader.page.text
    reader.sends("/portal/preferences", {"on": ["appointments.email", "nothing.email", "x"]})
    assert _ledger(clinic) == []


def test_hours_of_ones_own_are_kept(clinic: Clinic) -> None:
    """Quiet hours of the person beside those of the law: what falls due at 9:30 waits until noon."""
    reader = _choices(clinic)
    reader.sends("/portal/preferences", {"on": ["appointments.email"], "from": "420", "until": "720"})
    assert '<option value="420" selected>' in reader.page.text
    clinic.books("Ann", on="2026-04-20 09:30")
    clinic.passes("40d")
    assert clinic.arrivals("Ann")[-1] == "2026-04-13 12:00"
    reader = _choices(clinic)
    reader.sends("/portal/preferences", {"on": ["appointments.email"], "from": "", "until": ""})
    clinic.books("Ann", on="2026-07-20 09:30")
    clinic.passes("90d")
    assert clinic.arrivals("Ann")[-1] == "2026-07-13 09:30"


@pytest.mark.parametrize("hours", [("x", "y"), ("720", "720"), ("99999", "1"), ("-5", "10"), ("", "10")])
def test_hours_that_are_none_change_nothing(clinic: Clinic, hours: tuple[str, str]) -> None:
    """A forged form is no quiet time of a hundred hours."""
    reader = _choices(clinic)
    reader.sends("/portal/preferences", {"on": ["appointments.email"], "from": hours[0], "until": hours[1]})
    assert reader.page.text.count(" selected>") == 0


def test_the_language_chosen_outlives_what_the_feed_says(clinic: Clinic) -> None:
    """45 CFR 92.201: the registration desk's PID-15 does not overrule the person."""
    reader = _choices(clinic)
    reader.sends("/portal/preferences", {"on": ["appointments.email"], "speaks": "es"})
    clinic.person("Ann", pid={**clinic.person("Ann").pid, 15: "en"})
    clinic.changes("Ann")
    clinic.books("Ann", on="2026-04-20 09:30")
    clinic.passes("40d")
    assert clinic.mailbox("Ann")[-1].envelope.language == "es"
    again = _choices(clinic)
    again.sends("/portal/preferences", {"on": [], "speaks": "xx"})
    assert again.page.status_code == 200


def test_preferences_from_a_message_lead_back_to_it(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """The same session, the same pages."""
    clinic = open_portal(open_clinic, tmp_path)
    registers(clinic, "Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    reader = Reader(clinic)
    reader.enters(link_in(clinic.mailbox("Ann")[0].text), "Ann")
    assert "Back to the message" in reader.gets("/portal/preferences").text
    assert "Main Street Clinic" in reader.gets("/portal").text


def test_both_languages_say_the_same_things() -> None:
    """45 CFR 92.201: no page is half English."""
    assert WORDS["en"].keys() == WORDS["es"].keys()
    assert all(WORDS["en"][key] != WORDS["es"][key] for key in WORDS["en"])
