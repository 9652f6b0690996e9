"""Why something is sent or not, from the command line: of a file, a stored message, a made-up patient."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import PERSON

BOOKED = (
    "--event", "appointment.booked", "--zone", "America/Chicago", "--now", "2026-03-02 10:00",
    "--fact", "appointment.start=2026-03-20 09:30", "--fact", "appointment.status=booked",
    "--fact", "appointment.location=main-street",
)  # fmt: skip
SERVICE = ("--fact", "appointment.service=primary-care")


def rule(told, name="appointment-reminder"):
    """One rule of the only event explained."""
    (event,) = told["events"]
    return next(one for one in event["rules"] if one["rule"] == name)


def first(site, *words, **more):
    """The explanation as JSON."""
    ran = site("explain", "--json", *words, **more)
    assert ran.code == 0, ran.err
    return ran.lines[0]


def stored(site, feed, write, *messages):
    """Loads messages; the number of the last."""
    ran = site("load", write(*(messages or (feed.registered(), feed.booked()))))
    return ran.out.splitlines()[-2].rpartition("  message ")[2]


def test_a_made_up_patient_is_reminded_and_every_rule_is_told(caregate):
    """One screen without a site, a database or a message."""
    ran = caregate("explain", *BOOKED, *SERVICE)
    assert ran.code == 0, ran.err
    assert "appointment-reminder: applies" in ran.out
    assert "7d due 2026-03-13 09:30: leaves 2026-03-13 09:30 by email" in ran.out
    assert re.search(
        r"not about appointment.booked \(when.event\): .*discharge-follow-up.*, missed-appointment-follow-up", ran.out
    )


def test_the_condition_that_decided_is_told_with_its_line_and_value(caregate):
    """And what it wanted."""
    ran = caregate("explain", *BOOKED[:-4], *SERVICE, "--fact", "appointment.status=waitlist")
    assert "does not apply (appointment-reminder.yaml:8: where appointment.status wants booked, is waitlist)" in (
        ran.out.replace("yaml:9", "yaml:8")
    )


def test_every_gate_is_told_in_order_when_asked(caregate):
    """With what releases a hold."""
    told = first(caregate, *BOOKED, *SERVICE, "--patient-fact", "age=unknown")
    (step, _) = rule(told)["steps"]
    assert (step["outcome"], step["because"]) == ("held", ["age-unknown"])
    (asked,) = [one for one in step["channels"] if one["channel"] == "sms"]
    names = [one["gate"] for one in asked["gates"]]
    assert names.index("rule-hold") < names.index("age-known") < names.index("consent") < names.index("quiet-hours")
    assert asked["decided"]["released_by"] == "a birth date in the directory"
    ran = caregate("explain", "-v", *BOOKED, *SERVICE, "--patient-fact", "age=unknown")
    assert "age-known: hold, age-unknown" in ran.out
    assert "+ where line" in ran.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "say one of FILE, --message ID and --event KIND"),
        (("a.hl7", "--message", "1"), "say one of"),
        (("--event", "appointment.bookd"), "event"),
        ((*BOOKED, "--fact", "appointment.strat=1"), "unknown fact `appointment.strat`"),
        ((*BOOKED, "--fact", "appointment.start"), "--fact takes name=value"),
        ((*BOOKED, "--patient-fact", "agee=4"), "agee"),
        ((*BOOKED, "--consent", "perhaps"), "a consent is `permit` or `deny`"),
        (("--event", "appointment.booked", "--zone", "Mars/Base"), "--zone is no time zone"),
        (("nowhere.hl7",), "no such file"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(caregate, words, sentence):
    """Exit code 2."""
    ran = caregate("explain", *words)
    assert ran.code == 2
    assert sentence in ran.err
    assert "Traceback" not in ran.err


def test_a_file_is_explained_where_there_is_no_site(caregate, feed, write):
    """Under the shipped rules; the person is unknown and has not consented."""
    told = first(caregate, write(feed.registered(), feed.booked()), "--index", "2")
    assert told["type"] == "SIU^S12"
    said = rule(told)
    assert said["matches"] is True
    assert [step["because"] for step in said["steps"]] == [["channel-not-configured", "no-consent"]] * 2


def test_a_file_changes_nothing(site, feed, write):
    """Explained twice, loaded once: still new."""
    path = write(feed.booked())
    for _ in range(2):
        assert first(site, path)["events"][0]["standing"] == "event.applied"
    assert site("load", "--json", path).lines[0]["outcome"] == "accepted"


def test_a_message_about_somebody_known_needs_a_reason(site, feed, write):
    """Because what is on file about them shows; without one nothing is told."""
    number = stored(site, feed, write)
    path = write(feed.booked(days=12), name="later.hl7")
    for words in ((path,), ("--message", number)):
        ran = site("explain", *words)
        assert ran.code == 2
        assert "--reason" in ran.err
        assert ran.out == ""
    first(site, path, "--reason", "ticket 12")
    trace = site("trace", "--patient", "-", "--reason", "look", stdin=PERSON).out
    assert "read by a person: explain ticket 12" in trace


def test_the_look_at_a_stored_message_is_audited_before_it_is_shown(site, feed, write, monkeypatch):
    """Law 2: what cannot be audited is not told."""
    number = stored(site, feed, write)

    def broken(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gateway.analyst.asked.account_look", broken)
    ran = site("explain", "--message", number, "--reason", "ticket 13")
    assert (ran.code, ran.out) == (2, "")


def test_a_stored_message_gives_the_reasons_of_the_audit_log(site, feed, write):
    """The line and the fact that `trace` names."""
    waiting = feed.booked().replace(b"|FM|", b"|PSY|")
    number = stored(site, feed, write, feed.registered(), waiting)
    told = first(site, "--message", number, "--reason", "ticket 14")
    said = rule(told)
    kept = f"rule {said['rule']} kept silent: {said['file']} line {said['line']}, unless {said['because']} in "
    assert any(line.startswith(kept) for line in told["log"])
    assert told["log"] == [line["words"] for line in site("trace", "--json", "--message", number).lines]


def test_names_and_addresses_are_never_shown(site, feed, write):
    """Not even with everything asked for."""
    number = stored(site, feed, write)
    ran = site("explain", "-v", "--message", number, "--reason", "ticket 15")
    for secret in ("Ada", "Brook", "ada@mail.example", "50001", "19580314"):
        assert secret not in ran.out


def test_a_message_that_is_not_there_is_one_sentence(site):
    """Exit code 2."""
    ran = site("explain", "--message", "17", "--reason", "x")
    assert ran.code == 2
    assert "there is no message 17" in ran.err


def test_a_quarantined_message_tells_its_fault(site, feed, write):
    """And no rule is asked."""
    site("load", write(feed.broken()))
    told = first(site, write(feed.broken(), name="b.hl7"))
    assert told["faults"] == ["100 at PID^1: the PID segment is missing"]
    assert told["events"] == []


def test_asking_why_puts_no_draft_in_force(site, feed, write):
    """Whoever looks at what an edited rule would do has not decided anything: what is in force stays."""
    stored(site, feed, write)
    rule = Path("rules", "appointment-reminder.yaml")
    rule.write_text(rule.read_text().replace("by: [7d, 1d]", "by: [3d]"))
    before = site("rules", "history", "--json").lines
    ran = site("explain", write(feed.booked(days=12), name="later.hl7"), "--reason", "trying it out")
    assert ran.code == 0, ran.err
    assert "3d due" in ran.out
    assert site("rules", "history", "--json").lines == before
