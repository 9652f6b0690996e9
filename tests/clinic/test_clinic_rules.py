"""Rules that change while something waits: what leaves is what the rules in force say when it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from clinic_dsl import Clinic
from clinic_site import shipped_rule, write_rules

from connectors.channels.recording import RecordingChannel
from gateway.model.consent import ChannelKind

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"


@pytest.fixture
def booked(clinic: Clinic) -> Clinic:
    """Ann, who said yes to mail, is booked for Friday 2026-03-20 at 9:30 under the shipped rules."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    return clinic


def test_a_retired_rule_sends_nothing_more(booked: Clinic, tmp_path: Path) -> None:
    """Design: a waiting request is matched again under the active rule set; its rule is gone."""
    other = {"discharge-follow-up": shipped_rule("discharge-follow-up")}
    booked.restarts(rules=write_rules(tmp_path / "own", other))
    booked.passes("18d")
    assert (booked.mails(), booked.ended("Ann")) == ([], ["rule-retired", "rule-retired"])


def test_a_stricter_rule_withdraws_what_it_would_no_longer_send(booked: Clinic, tmp_path: Path) -> None:
    """Design: cardiology only, from now on."""
    changed = shipped_rule("appointment-reminder", ("  unless:", "    appointment.service: cardiology\n  unless:"))
    booked.restarts(rules=write_rules(tmp_path / "own", {"appointment-reminder": changed}))
    booked.passes("18d")
    assert (booked.mails(), booked.ended("Ann")) == ([], ["no-longer-matches", "no-longer-matches"])


def test_a_step_the_rule_no_longer_has_is_not_sent(booked: Clinic, tmp_path: Path) -> None:
    """Design: a week ahead is no longer wanted; a day ahead still is."""
    changed = shipped_rule("appointment-reminder", ("by: [7d, 1d]", "by: [1d]"))
    booked.restarts(rules=write_rules(tmp_path / "own", {"appointment-reminder": changed}))
    booked.passes("18d")
    assert booked.arrivals("Ann") == [DAY_BEFORE]
    assert booked.ended("Ann") == ["rule-retired"]


def test_a_reworded_template_is_what_leaves(booked: Clinic, tmp_path: Path) -> None:
    """Law 3: the clearance is bound to the template as it is when it leaves."""
    changed = shipped_rule("appointment-reminder", ("template: appointment_reminder", "template: short"))
    texts = {"short": "Dear {{ patient.given_name }}, we see you soon. {{ opt_out }}\n"}
    booked.restarts(rules=write_rules(tmp_path / "own", {"appointment-reminder": changed}, templates=texts))
    booked.passes("18d")
    assert booked.arrivals("Ann") == [WEEK, DAY_BEFORE]
    assert all("we see you soon" in mail.text for mail in booked.mails())


def test_a_rule_that_looks_at_new_facts_finds_them_missing_and_stays_silent(booked: Clinic, tmp_path: Path) -> None:
    """Law 5, law 6: a fact nobody kept is absent, and an absent fact never satisfies `where`."""
    changed = shipped_rule("appointment-reminder", ("  unless:", "    appointment.duration: {at_most: 60}\n  unless:"))
    booked.restarts(rules=write_rules(tmp_path / "own", {"appointment-reminder": changed}))
    booked.passes("18d")
    assert (booked.mails(), set(booked.ended("Ann"))) == ([], {"no-longer-matches"})


def test_the_rules_in_force_are_on_record(booked: Clinic, tmp_path: Path) -> None:
    """Law 2: activating a rule folder is audited with the account; the same folder again is not a new one."""
    booked.restarts()
    assert booked.count("ruleset") == 1
    other = {"discharge-follow-up": shipped_rule("discharge-follow-up")}
    booked.restarts(rules=write_rules(tmp_path / "own", other))
    assert booked.count("ruleset") == 2


def test_a_rule_for_many_channels_falls_back_only_where_it_may(clinic: Clinic, tmp_path: Path) -> None:
    """Design: `channels` in order, the first that may: there is no text channel here, so it is mail."""
    changed = shipped_rule("appointment-reminder", ("[preferred, sms, email]", "[sms, email]"))
    clinic.restarts(rules=write_rules(tmp_path / "own", {"appointment-reminder": changed}))
    clinic.enrols("Ann")
    clinic.consents("Ann", to="sms")
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == [WEEK, DAY_BEFORE]


# -- the patient's own choice

PHONE, MAIL = "(312)555-0143^PRS^CP^^^^^^^^^^^^^^^{}", "^NET^Internet^ann@patients.example^^^^^^^^^^^^^^{}"
TEXTED, MAILED = ["sms", "sms"], ["email", "email"]


@pytest.mark.parametrize(
    ("asks", "ranks", "expected"),
    [
        ("[preferred, sms, email]", ("2", "1"), MAILED),
        ("[preferred, email, sms]", ("1", "2"), TEXTED),
        ("[preferred, sms, email]", ("", ""), TEXTED),
        ("[preferred, email, sms]", ("", "1"), MAILED),
        ("[preferred, email, portal]", ("1", "2"), MAILED),
        ("[sms, email]", ("2", "1"), TEXTED),
    ],
)
def test_what_the_patient_ranked_first_is_asked_first(
    clinic: Clinic, tmp_path: Path, asks: str, ranks: tuple[str, str], expected: list[str]
) -> None:
    """PI-09: `preferred` takes the order of XTN.18, and only among the rule's channels; without it the rule's stands."""
    changed = shipped_rule("appointment-reminder", ("[preferred, sms, email]", asks))
    clinic.restarts(rules=write_rules(tmp_path / "own", {"appointment-reminder": changed}))
    texts = RecordingChannel(options={"kind": "sms"}, clock=clinic.clock)
    clinic.gateway.channels[ChannelKind.SMS] = texts  # type: ignore[index]  # a test's own channel
    clinic.enrols("Ann", pid={13: f"{PHONE.format(ranks[0])}~{MAIL.format(ranks[1])}"})
    clinic.consents("Ann", to="sms")
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert [one.channel.value for one in (*texts.envelopes, *clinic.post.envelopes)] == expected
