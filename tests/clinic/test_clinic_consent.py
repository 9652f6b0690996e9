"""Consent: nothing leaves without a yes, a no wins over it, and a no belongs to the address as well as to the person."""

from __future__ import annotations

import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_site import shipped_policy, shipped_rule, write_rules

from gateway.model.consent import ChannelKind
from gateway.model.errors import CommandError
from gateway.pipeline import inspect
from gateway.pipeline.inspect.consents import opt_out_address

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"


@pytest.fixture
def booked(clinic: Clinic) -> Clinic:
    """Ann, who said yes to mail, is booked for Friday 2026-03-20 at 9:30."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    return clinic


def test_without_a_yes_nothing_leaves(clinic: Clinic) -> None:
    """PH-10; 45 CFR 164.508: planned, and denied at sending with its reason."""
    clinic.adds("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert (clinic.mails(), clinic.reasons("Ann")) == ([], ["no-consent"])


def test_who_says_yes_in_time_gets_the_reminder_planned_before(clinic: Clinic) -> None:
    """Design: consent is decided at sending; a yes after the booking still counts."""
    clinic.adds("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.passes("3d")
    clinic.consents("Ann", to="email")
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_a_no_between_planning_and_sending_wins(booked: Clinic) -> None:
    """SM-14: opted out after the first reminder: no second one."""
    booked.until("2026-03-14 12:00")
    booked.opts_out("Ann")
    booked.passes("10d")
    assert booked.arrivals("Ann") == [WEEK]
    assert booked.reasons("Ann") == ["consent-denied"]


def test_a_later_yes_of_the_same_scope_takes_the_no_back(booked: Clinic) -> None:
    """SM-14: STOP, then START, before anything was due."""
    booked.opts_out("Ann")
    booked.consents("Ann", to="email", purpose="*", evidence="call 78")
    booked.passes("18d")
    assert booked.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_a_no_to_one_topic_leaves_the_others(clinic: Clinic) -> None:
    """PH-10: deny × topic: no reminders, but the question after the hospital stay."""
    clinic.enrols("Ann")
    clinic.consents("Ann", topic="appointments", permit=False)
    clinic.books("Ann", on=FIRST)
    clinic.admits("Ann")
    clinic.discharges("Ann")
    clinic.passes("18d")
    assert [mail.at for mail in clinic.mails()] == ["2026-03-04 09:00"]
    assert "consent-denied" in clinic.reasons("Ann")


def test_a_yes_to_text_messages_is_no_yes_to_mail(clinic: Clinic) -> None:
    """PH-10: channel by channel."""
    clinic.adds("Ann")
    clinic.consents("Ann", to="sms")
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert (clinic.mails(), clinic.reasons("Ann")) == ([], ["no-consent"])


def test_who_shares_an_address_shares_the_opt_out(clinic: Clinic) -> None:
    """SM-14; 5.5(12): Ann's no binds the mailbox she shares with Ben, and no other mailbox."""
    ann = clinic.enrols("Ann")
    clinic.enrols("Ben", email=ann.email.upper())
    clinic.enrols("Cyd")
    for name in ("Ann", "Ben", "Cyd"):
        clinic.books(name, on=FIRST)
    clinic.opts_out("Ann")
    clinic.passes("18d")
    assert (clinic.mailbox("Ann"), clinic.arrivals("Cyd")) == ([], [WEEK, DAY_BEFORE])
    for name in ("Ann", "Ben"):
        assert set(clinic.ended(name)) <= {"consent-denied", "opted-out"}
        assert len(clinic.ended(name)) == 2


def test_an_opt_out_that_names_only_an_address_binds_whoever_has_it(booked: Clinic) -> None:
    """SM-14: a reply tells an address and no name."""
    address = booked.person("Ann").email
    opt_out_address(booked.gateway, address, channel=ChannelKind.EMAIL, evidence="reply 5", account="os:clerk")
    booked.passes("18d")
    assert booked.mails() == []


def test_a_new_address_does_not_inherit_the_yes_that_named_the_old_one(open_clinic: OpenClinic, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """PH-02: a declared basis speaks of the address it was told with; each new one gets its own entry, citing message and policy."""
    policy = shipped_policy(
        ("basis: []", "basis:\n  - {purpose: TREAT, channel: email, topic: appointments, because: notice 2026-02}")
    )
    rules = write_rules(tmp_path / "own", {"appointment-reminder": shipped_rule("appointment-reminder")}, policy=policy)
    clinic = open_clinic(rules=rules)
    clinic.adds("Ann")
    clinic.books("Ann", on=FIRST)
    lines = inspect.consent_list(clinic.gateway, clinic.identifier("Ann"), reason="look", account="os:clerk")
    assert [(one.decision, one.topic) for one in lines] == [("permit", "appointments")]
    assert lines[0].evidence.startswith("basis declared by policy 2026-03-01: message ")
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_a_basis_is_no_answer_to_a_no(open_clinic: OpenClinic, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """PH-10: deny beats a declared basis, also for an address told afterwards."""
    policy = shipped_policy(
        ("basis: []", "basis:\n  - {purpose: TREAT, channel: email, topic: '*', because: notice 2026-02}")
    )
    rules = write_rules(tmp_path / "own", {"appointment-reminder": shipped_rule("appointment-reminder")}, policy=policy)
    clinic = open_clinic(rules=rules)
    clinic.adds("Ann")
    clinic.opts_out("Ann")
    clinic.person("Ann", email=f"second.{clinic.person('Ann').email}")
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert (clinic.mails(), clinic.reasons("Ann")) == ([], ["consent-denied"])


def test_consents_are_imported_line_by_line(clinic: Clinic) -> None:
    """PV-06: good lines count, bad ones are named by line and never quoted."""
    clinic.adds("Ann")
    clinic.adds("Ben")
    line = {"system": "LAKESIDE", "type": "MR", "purpose": "TREAT", "channel": "email", "evidence": "form 9"}
    report = inspect.consent_import(
        clinic.gateway,
        [
            {**line, "identifier": clinic.person("Ann").mrn, "decision": "permit"},
            {**line, "identifier": clinic.person("Nobody").mrn, "decision": "permit"},
            {**line, "identifier": clinic.person("Ben").mrn, "decision": clinic.person("Ben").family},
            {**line, "identifier": clinic.person("Ben").mrn, "decision": "permit", "from": clinic.person("Ben").phone},
        ],
        account="os:clerk",
    )
    assert report.added == 1
    assert [text.split(":")[0] for text in report.refused] == ["line 3", "line 4", "line 5"]
    clinic.books("Ann", on=FIRST)
    clinic.books("Ben", on=FIRST)
    clinic.passes("18d")
    assert (len(clinic.mailbox("Ann")), len(clinic.mailbox("Ben"))) == (2, 0)


def test_an_imported_yes_lifts_no_stop_unless_it_is_told_to_be_later(clinic: Clinic) -> None:
    """SM-14, PV-06: a table of old forms undoes no STOP; without a date nobody knows which of them is the later."""
    clinic.enrols("Ann")
    clinic.opts_out("Ann")
    line = {
        "system": "LAKESIDE", "type": "MR", "identifier": clinic.person("Ann").mrn, "decision": "permit",
        "channel": "email", "evidence": "form 9",
    }  # fmt: skip
    report = inspect.consent_import(
        clinic.gateway, [line, {**line, "from": "2025-01-02"}, {**line, "purpose": "TREAT"}], account="os:clerk"
    )
    assert (report.added, [text.split(":")[0] for text in report.refused]) == (2, ["line 2"])
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert (clinic.mails(), clinic.reasons("Ann")) == ([], ["consent-denied"])


def test_a_consent_for_nobody_we_know_is_refused_in_one_sentence(clinic: Clinic) -> None:
    """PI-01: the refusal names no number."""
    clinic.person("Ann")
    with pytest.raises(CommandError, match="nobody here has that identifier"):
        clinic.consents("Ann")


def test_a_consent_that_has_run_out_permits_nothing(clinic: Clinic) -> None:
    """PV-06: a yes within its dates: until 15 March it counts, on the 19th it does not."""
    clinic.adds("Ann")
    inspect.consent_add(
        clinic.gateway, clinic.identifier("Ann"), permit=True, purpose="TREAT", channel="email",
        valid_until=clinic.when("2026-03-15 00:00"), evidence="form 3", account="os:clerk",
    )  # fmt: skip
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert (clinic.arrivals("Ann"), clinic.reasons("Ann")) == ([WEEK], ["no-consent"])


def test_a_no_that_arrives_while_the_mail_is_on_its_way_stops_the_next_one(booked: Clinic) -> None:
    """SM-14: the clearance came first, so the first mail stands; everything after it does not."""
    booked.post.before = lambda _envelope: booked.opts_out("Ann") and None
    booked.until("2026-03-13 09:31")
    booked.post.before = None
    booked.passes("10d")
    assert booked.arrivals("Ann") == [WEEK]
