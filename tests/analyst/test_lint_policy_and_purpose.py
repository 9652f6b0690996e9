"""Lint holds a rule against its purpose, the policy, the calendar and the feeds, and leaves alone what may be meant."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.analyst.lint import lint
from gateway.analyst.lint_purpose import ALLOWED
from gateway.model.consent import Purpose
from gateway.model.event import EventKind
from tests.analyst.test_lint_rules import RULE, Write, shown, write  # noqa: F401 - a fixture

STATUS = "appointment.status: booked"
AT = "{before: appointment.start, by: [7d]}"
EXPIRES = "expires: appointment.start"
RESULT = {"[appointment.booked]": "result.available", STATUS: "result.status: final", AT: "{after: event.occurred, by: 1h}", EXPIRES: "expires_after: 3d"}  # fmt: skip


def test_every_purpose_has_its_limit() -> None:
    """A purpose without one would be allowed everything."""
    assert set(ALLOWED) == set(Purpose)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({**RESULT, "purpose: TREAT": "purpose: HPAYMT", "result.status: final": "result.abnormal: yes", "[patient.given_name]": "[]"}, "reminder.yaml:7:5: CG021 a rule for HPAYMT may not ask about `result.abnormal` (45 CFR 164.502(b), 164.514(d))"),
        ({**RESULT, "purpose: TREAT": "purpose: HOPERAT", "[patient.given_name]": "[result.code]"}, "reminder.yaml:16:13: CG020 `result.code` is sensitive, but policy.yaml lets HOPERAT show only ordinary by email"),
        ({**RESULT, "purpose: TREAT": "purpose: HPAYMT", "[patient.given_name]": "[result.code]"}, "reminder.yaml:16:13: CG021 a rule for HPAYMT may not show `result.code`"),
        ({"why:": "hold: {encounter.class: inpatient}\nwhy:"}, "reminder.yaml:3:8: CG032 the rule's events never tell `encounter.class`, and not knowing holds"),
        ({STATUS: f"{STATUS}\n  unless:\n    encounter.class: inpatient"}, "reminder.yaml:9:5: CG032 the rule's events never tell `encounter.class`, and not knowing refuses"),
        ({STATUS: f"{STATUS}\n  unless:\n    encounter.class: {{present: no}}"}, "reminder.yaml:9:5: CG032"),
        ({"[patient.given_name]": "[patient.given_name, encounter.start]"}, "reminder.yaml:16:33: CG032 the rule's events never tell `encounter.start`: no message could be written"),
        ({EXPIRES: "expires: encounter.end"}, "reminder.yaml:15:12: CG032 the rule's events never tell `encounter.end`: nothing could be planned"),
        ({STATUS: "appointment.start: {present: no}"}, "reminder.yaml:7:5: CG031 `appointment.start` must be there for `send.at`"),
        ({STATUS: "appointment.end: {present: no}", EXPIRES: "expires: appointment.end"}, "reminder.yaml:7:5: CG031 `appointment.end` must be there for `send.expires`"),
        ({STATUS: f"{STATUS}\n  unless:\n    appointment.start: {{present: yes}}"}, "reminder.yaml:9:5: CG031 every value `where` asks of `appointment.start` is refused here"),
        ({**RESULT, "result.status: final": "result.status: final\n  unless:\n    result.abnormal: [yes, no]"}, "reminder.yaml:9:5: CG031 yes and no are both refused"),
        ({STATUS: "patient.age: {at_least: 65}\n  unless:\n    patient.age: {at_least: 60}"}, "reminder.yaml:9:5: CG031 every value `where` asks of `patient.age`"),
        ({AT: "{after: appointment.end, by: [1h]}"}, "reminder.yaml:14:37: CG030 `1h` after `appointment.end` it has expired (`expires: appointment.start`)"),
        ({AT: "{before: appointment.start, by: [7d], on: [sat]}", "why:": "effective: {from: 2026-03-02, until: 2026-03-06}\nwhy:"}, "reminder.yaml:15:49: CG030 no day of `effective` is a sat"),
        ({AT: "{before: appointment.start, by: [7d], on: [sat]}", "why:": "effective: {from: 9999-12-31, until: 9999-12-31}\nwhy:"}, "reminder.yaml:15:49: CG030 no day of `effective` is a sat"),
        ({AT: "{before: appointment.start, by: [7d], on: [sat]}", "why:": "effective: {until: 0001-01-01}\nwhy:"}, "reminder.yaml:3:20: CG037 the rule is over"),
        ({AT: '{after: event.occurred, by: [1d], time: "03:00"}', EXPIRES: "expires_after: 5h"}, "reminder.yaml:14:47: CG030 policy.yaml keeps email quiet at 03:00 until 08:00, and by then it has expired"),
        ({AT: '{after: event.occurred, by: [1d], time: "03:00"}', EXPIRES: "expires_after: 6h"}, "reminder.yaml:14:47: CG038 policy.yaml keeps email quiet at 03:00: it would always wait until 08:00"),
        ({AT: '{after: event.occurred, by: [1d], time: "22:00"}', EXPIRES: "expires_after: 1d"}, "reminder.yaml:14:47: CG038"),
        ({EXPIRES: "expires_after: 8d"}, "reminder.yaml:15:3: CG039 what waits 7d before `appointment.start` may leave after it"),
        ({"why:": "effective: {until: 2026-02-28}\nwhy:"}, "reminder.yaml:3:20: CG037 the rule is over since 2026-02-28"),
        ({"owner: desk@clinic.example": "owner: desk"}, "reminder.yaml:2:8: CG036"),
    ],
)  # fmt: skip
def test_what_purpose_policy_and_calendar_forbid_is_found(write: Write, changes: dict[str, str], expected: str) -> None:  # noqa: F811
    """Asking is using: conditions count as much as what is shown."""
    folder = write(changes)
    found = [one for one in lint(folder, today=date(2026, 3, 1)) if one.code not in ("CG010", "CG070")]  # the wording
    found = shown(folder, found)
    assert found[0].startswith(expected), found
    assert len(found) == 1, found


@pytest.mark.parametrize(
    "changes",
    [
        {STATUS: f"{STATUS}\n  unless:\n    encounter.class: {{present: yes}}"},
        {STATUS: "patient.age: {at_least: 18}"},
        {STATUS: f"{STATUS}\n  unless:\n    patient.age: {{at_least: 65}}"},
        {STATUS: "patient.age: {at_least: 18}\n  unless:\n    patient.age: {at_least: 65}"},
        {STATUS: f"{STATUS}\n  unless:\n    appointment.start: {{after: 2026-12-31}}"},
        {EXPIRES: "expires_after: 7d"},
        {AT: "{before: appointment.start, by: [1mo]}", EXPIRES: "expires_after: 28d"},
        {AT: '{before: appointment.start, by: [7d], time: "08:00"}'},
        {AT: '{before: appointment.start, by: [7d], time: "07:59"}', "channels: [email]": "channels: [email, portal]"},
        {"why:": "effective: {until: 2026-03-01}\nwhy:"},
        {AT: "{before: appointment.start, by: [7d], on: [sat]}", "why:": "effective: {from: 2026-03-01}\nwhy:"},
        {AT: "{before: appointment.start, by: [7d], on: [sat]}", "why:": "effective: {until: 2026-03-01}\nwhy:"},
    ],
)
def test_what_may_be_so_is_left_alone(write: Write, changes: dict[str, str]) -> None:  # noqa: F811
    """Whoever is asked to look at what is right looks away when it is wrong."""
    folder = write(changes)
    assert [one for one in shown(folder, lint(folder, today=date(2026, 3, 1))) if one.startswith("reminder.yaml")] == []


def test_a_service_the_policy_protects_is_never_told(write: Write) -> None:  # noqa: F811
    """42 CFR 2.13: not even by a rule that asks for nothing else."""
    folder = write({STATUS: "appointment.service: [behavioral-health, genetics]"})
    assert "CG031 policy.yaml protects all of these" in shown(folder, lint(folder))[0]
    assert lint(write({STATUS: "appointment.service: [behavioral-health, cardiology]"})) == []


@pytest.mark.parametrize(
    ("event", "cancelled_by"),
    [
        ("result.available", "result.retracted"),
        ("document.available", "document.withdrawn"),
        ("prescription.new", "prescription.discontinued"),
        ("immunization.given", "immunization.retracted"),
    ],
)
def test_what_waits_must_be_cancelled_by_something(write: Write, event: str, cancelled_by: str) -> None:  # noqa: F811
    """A result that is taken back, a prescription that ends: the message about it waits no longer (OR-04, RX-03, DO-01)."""
    space = event.partition(".")[0]
    changes = {**RESULT, "[appointment.booked]": event, "result.status: final": f"{space}.location: clinic"}
    changes = {old: new for old, new in changes.items() if old in RULE} | {STATUS: f"{space}.location: clinic"}
    folder = write(changes)
    found = shown(folder, lint(folder, events={event}))
    assert any("nobody cancels this: no mapping produces `" in one and cancelled_by in one for one in found)
    assert lint(folder, events={event, cancelled_by}) == []
    at_once = write({**changes, AT: "{after: event.occurred, by: 0m}"})
    assert lint(at_once, events={event}) == []


def test_an_event_is_told_by_the_name_it_has_here(write: Write) -> None:  # noqa: F811
    """`A03`, `ADT^A03` or `adt^a03` is what other systems call it."""
    triggers = {"ADT^A03": frozenset({EventKind.ENCOUNTER_DISCHARGED.value}), "SIU^S24": frozenset[str]()}
    for word in ("A03", "ADT^A03", "adt^a03"):
        folder = write({"[appointment.booked]": word})
        (found,) = shown(folder, lint(folder, triggers=triggers))
        assert found.endswith("becomes `encounter.discharged` here: write that")
    folder = write({"[appointment.booked]": "S24"})
    assert shown(folder, lint(folder, triggers=triggers)) == ["reminder.yaml:5:10: CG001 unknown event `S24`"]


@pytest.mark.parametrize(
    ("value", "meant"),
    [("BOOKED", "; did you mean `booked`?"), ("no_show", "; did you mean `no-show`?"), ("xyz", ": add it to the table, or drop it")],
)  # fmt: skip
def test_a_code_is_found_where_it_stands_with_the_nearest_one(write: Write, value: str, meant: str) -> None:  # noqa: F811
    """In a list at its place in the list, written as a feed writes it or misspelled."""
    folder = write({STATUS: f"appointment.status: [booked, {value}]"})
    (found,) = shown(folder, lint(folder, codes={"appointment.status": frozenset({"booked", "no-show"})}))
    assert found == f"reminder.yaml:7:34: CG041 no code table turns anything into `{value}`{meant}"


def test_a_template_nobody_uses_is_found(write: Write) -> None:  # noqa: F811
    """Left over, or spelled otherwise in the rule."""
    folder = write()
    old = folder / "templates" / "note_old"
    old.mkdir()
    for part in ("subject.txt", "body.txt"):
        (old / part).write_text("A message\n", encoding="utf-8")
    (found,) = shown(folder, lint(folder))
    assert found.startswith("templates/note_old/body.txt:1:1: CG035 no rule uses the template `note_old`")
