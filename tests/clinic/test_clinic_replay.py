"""Replaying the rules in force gives what they did; replaying others says who would gain, lose or move a message."""

from __future__ import annotations

import pytest
from clinic_dsl import Clinic
from clinic_site import shipped_rule, write_rules

from gateway.app.replay import Asked, Here, replay
from gateway.app.replay.play import play
from gateway.ruleset.load import read_files

REMINDER = "appointment-reminder"


@pytest.fixture
def month(clinic: Clinic):
    """A month of a small clinic, with something of everything."""
    clinic.passes("1d")
    for handle in ("ann", "bob", "eve", "dan"):
        clinic.enrols(handle)
    clinic.books("ann", "2026-03-20 09:30")
    clinic.books("bob", "2026-03-12 14:00")
    clinic.passes("2h")
    clinic.reschedules("ann", "2026-03-24 10:00")
    clinic.books("eve", "2026-03-25 11:00")
    clinic.books("dan", "2026-03-26 11:00")
    clinic.until("2026-03-11 20:00")
    clinic.opts_out("eve")
    clinic.cancels("dan")
    clinic.misses("bob")
    clinic.until("2026-03-19 12:00")
    return clinic


def here(clinic: Clinic):
    return {"clock": clinic.clock, "kinds": tuple(clinic.gateway.channels)}


def played(clinic: Clinic, tmp_path, since, name="home"):
    home = tmp_path / name
    home.mkdir()
    settings = clinic.gateway.settings
    files = read_files(settings.rules)
    return play(settings, files, home, since, clinic.clock.now(), **here(clinic))


def did(clinic: Clinic):
    """What the gateway itself did, in a replay's words: the last request of each step."""
    found = {}
    for handle in ("ann", "bob", "eve", "dan"):
        for one in clinic.requests(handle):
            found[clinic.token(handle), one.rule, one.step] = (one.state, one.reason)
    return found


def told(what):
    return {(one.patient, one.rule, one.step): (one.state, one.reason) for one in what.messages.values()}


def test_the_rules_in_force_did_what_their_replay_says(month: Clinic, tmp_path):
    """By patient, rule and step: what left, what waits, what was withdrawn and why."""
    since = month.when("2026-03-02 00:00")
    assert told(played(month, tmp_path, since)) == did(month)
    assert len({one.state for one in played(month, tmp_path, since, "again").messages.values()}) == 3


def test_a_replay_leaves_no_trace_but_its_report(month: Clinic, tmp_path):
    """Nothing is sent, stored or changed (law 3)."""
    names = ("raw", "request", "communication", "consent", "occurrence", "patient", "audit")
    before = {name: month.count(name) for name in names}, month.mails()
    played(month, tmp_path, month.when("2026-03-02 00:00"))
    assert ({name: month.count(name) for name in names}, month.mails()) == before


def test_a_draft_is_compared_with_what_is_in_force(month: Clinic, tmp_path):
    """Bob gets one message instead of two; the digest says under which report the draft may come into force."""
    folder = write_rules(tmp_path / "draft", {REMINDER: shipped_rule(REMINDER, ("by: [7d, 1d]", "by: [7d]"))})
    asked = Asked(since=month.when("2026-03-02 00:00"), until=month.clock.now(), folder=folder)
    report = replay(month.gateway.settings, asked, here=Here(**here(month)))
    lost = {(one.patient, one.step) for one in report.changes if one.what == "lose"}
    assert (month.token("bob"), "1d") in lost
    assert set(report.counts) == {"lose"}
    again = replay(month.gateway.settings, asked, here=Here(**here(month)))
    assert again.digest == report.digest
    assert month.count("rule_report") == 1


def test_what_is_known_of_before_the_window_is_said(month: Clinic, tmp_path):
    """Occurrences that began before it and were told of again within it."""
    result = played(month, tmp_path, month.when("2026-03-03 10:30"))
    assert result.begun >= 1
