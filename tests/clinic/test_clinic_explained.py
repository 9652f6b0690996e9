"""What `caregate explain` says of a message is what the gateway then does, on every store."""

from __future__ import annotations

from pathlib import Path

import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_site import shipped_rule, write_rules

from gateway.analyst.asked import explain_file, explain_message
from gateway.analyst.explain_words import lines
from gateway.analyst.explained import Answer, Explanation, RuleSaid
from gateway.app.asking import under
from gateway.model.errors import CommandError
from gateway.model.event import Format, RawMessage
from gateway.model.when import DAY
from gateway.pipeline.retention import purge_facts
from gateway.store.datakeys import purge

VISIT = "2026-03-20 09:30"


def explained(
    clinic: Clinic, message: int | None, *, draft: Path | None = None, at_receipt: bool = False
) -> Explanation:
    """A stored message."""
    assert message is not None
    gateway = clinic.gateway
    rules, readers = under(gateway, draft)
    return explain_message(
        gateway, gateway.channels, rules, readers, message, reason="ticket", account="os:ann", at_receipt=at_receipt
    )


def tried(clinic: Clinic, body: bytes) -> Explanation:
    """Bytes in a file."""
    gateway = clinic.gateway
    raw = RawMessage(source="ehr", format=Format.HL7V2, body=body, received=clinic.clock.now())
    rules = gateway.rules.current()
    return explain_file(gateway, gateway.channels, rules, gateway.readers["ehr"], raw, reason="t", account="os:ann")


def reminder(told: Explanation) -> RuleSaid:
    """What it says of the reminder."""
    (event,) = told.events
    return next(rule for rule in event.rules if rule.rule == "appointment-reminder")


def outcomes(told: Explanation) -> list[tuple[str, str, tuple[str, ...]]]:
    """Step, outcome, reasons."""
    return [(step.step, step.outcome, step.because) for step in reminder(told).steps]


@pytest.fixture
def booked(clinic: Clinic) -> tuple[Clinic, int]:
    """Ann, enrolled, with a visit."""
    clinic.enrols("Ann")
    clinic.consents("Ann")
    message = clinic.books("Ann", VISIT, sch={9: "30", 10: "MIN"}).message
    assert message is not None
    return clinic, message


def test_what_is_said_is_what_then_happens(booked: tuple[Clinic, int]) -> None:
    """The times at which mail arrives are those that were told."""
    clinic, message = booked
    told = explained(clinic, message)
    assert [(step.outcome, step.by) for step in reminder(told).steps] == [("sends", "email")] * 2
    leaves = [clinic.wall(step.leaves) for step in reminder(told).steps if step.leaves is not None]
    clinic.until("2026-03-21 09:00")
    assert clinic.arrivals("Ann") == leaves
    after = [step.stands for step in reminder(explained(clinic, message)).steps]
    assert all(stands and "completed" in stands for stands in after)


def test_a_file_says_before_what_receiving_says_after(clinic: Clinic) -> None:
    """The same words as the audit log, but for the numbers; and nothing of the trial stays."""
    clinic.enrols("Ann")
    clinic.books("Ann", VISIT, appointment="7001")
    body = clinic.spoken[-1]
    clinic.cancels("Ann", appointment="7001")
    again = body.replace(b"7001", b"7002").replace(b"M00001", b"M00091")
    before = tried(clinic, again)
    assert tried(clinic, again).log[0].split()[:3] == before.log[0].split()[:3]
    message = clinic.hears(again).message
    after = explained(clinic, message)
    assert [entry.split(" as request")[0] for entry in after.log if entry.startswith("rule")] == [
        entry.split(" as request")[0] for entry in before.log if entry.startswith("rule")
    ]
    assert outcomes(after) == outcomes(before)


def test_consent_taken_back_since_is_told_as_it_is_now_and_as_it_was(booked: tuple[Clinic, int]) -> None:
    """`--as-of received`: the ledger of that moment."""
    clinic, message = booked
    clinic.passes("1d")
    clinic.consents("Ann", permit=False)
    now = [(step.outcome, step.because[-1]) for step in reminder(explained(clinic, message)).steps]
    assert now == [("withheld", "consent-denied")] * 2
    assert [outcome for _, outcome, _ in outcomes(explained(clinic, message, at_receipt=True))] == ["sends"] * 2


def test_who_has_died_since_gets_nothing_and_that_is_told(booked: tuple[Clinic, int]) -> None:
    """PI-12; with the stored request that was withdrawn."""
    clinic, message = booked
    clinic.dies("Ann")
    told = explained(clinic, message)
    assert {reasons for _, _, reasons in outcomes(told)} == {("deceased",)}
    assert all("revoked" in (step.stands or "") for step in reminder(told).steps)


def test_a_cancelled_visit_is_told_as_it_was_told_and_that_more_came(booked: tuple[Clinic, int]) -> None:
    """The booking still says what it said; the note says that it is not the last word."""
    clinic, message = booked
    cancelled = clinic.cancels("Ann").message
    told = explained(clinic, message)
    assert reminder(told).matches
    assert any(f"by message {cancelled}" in note for note in told.notes)
    assert reminder(explained(clinic, cancelled)).because == "when.event"


def test_without_its_bytes_a_draft_is_judged_as_far_as_facts_were_kept(
    booked: tuple[Clinic, int], tmp_path: Path
) -> None:
    """Within the window the bytes are read again; outside it what cannot be answered is said."""
    clinic, message = booked
    asks = ("    appointment.status: booked", "    appointment.status: booked\n    appointment.duration: {at_least: 5}")
    draft = write_rules(tmp_path / "draft", {"appointment-reminder": shipped_rule("appointment-reminder", asks)})
    told = reminder(explained(clinic, message, draft=draft))
    assert (told.matches, told.lost) == (True, ())
    clinic.passes("40d")
    assert purge(clinic.gateway.store, clinic.clock.now(), 30 * DAY)
    told = reminder(explained(clinic, message, draft=draft))
    assert (told.matches, told.lost) == (False, ("appointment.duration",))
    (asked,) = [one for one in told.conditions if one.fact == "appointment.duration"]
    assert (asked.answer, asked.told) == (Answer.LOST, "not kept")
    purge_facts(clinic.gateway.store, DAY)
    gone = explained(clinic, message)
    assert "appointment.status" in reminder(gone).lost
    assert any("facts are forgotten" in note for note in gone.notes)


def test_a_test_message_says_so_and_asks_no_rule(booked: tuple[Clinic, int]) -> None:
    """X-05."""
    clinic, _ = booked
    told = tried(clinic, clinic.spoken[-1].replace(b"|P|2.", b"|T|2.").replace(b"|M0", b"|T0"))
    assert told.events == ()
    assert any("not production" in note for note in told.notes)


def test_the_screen_shows_nobody(booked: tuple[Clinic, int]) -> None:
    """The name, the address and the number of a person are not on it, nor what kind of care is sensitive."""
    clinic, message = booked
    screen = "\n".join(lines(explained(clinic, message), verbose=True))
    print(screen)  # the canary searches standard output
    assert "every gate permits" in screen


def test_a_message_that_is_not_there_is_refused(clinic: Clinic) -> None:
    """One sentence."""
    with pytest.raises(CommandError, match="there is no message 5"):
        explained(clinic, 5)


def test_what_the_patients_other_visit_made_needless_is_told(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """`cancel` of the rule, with its line and the other occurrence."""
    text = shipped_rule("appointment-reminder", ("hold:", "cancel:\n  event: encounter.registered\nhold:"))
    clinic = open_clinic(rules=write_rules(tmp_path / "own", {"appointment-reminder": text}))
    clinic.enrols("Ann")
    clinic.consents("Ann")
    message = clinic.books("Ann", VISIT).message
    clinic.registers("Ann")
    told = reminder(explained(clinic, message))
    assert {step.because for step in told.steps} == {("cancelled-by-event",)}
    assert all("appointment-reminder.yaml:" in step.gate for step in told.steps)
