"""Lint finds what the newer sections of a rule say in vain: lists nobody uses, cancellations of what never waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.analyst.lint import lint
from tests.analyst.test_lint_rules import Write, shown, write  # noqa: F401 - a fixture

AT = "{before: appointment.start, by: [7d]}\n  expires: appointment.start"
AT_ONCE = "{after: event.occurred, by: 0m}\n  expires_after: 3d"
STATUS = "appointment.status: booked"


def with_lists(folder: Path, text: str) -> Path:
    (folder / "lists.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_list_nobody_uses_is_found(write: Write) -> None:  # noqa: F811
    """Spelled otherwise somewhere, or left over; used anywhere, it is used."""
    lists = "lists:\n  known: [booked]\n  other: [x]\n"
    folder = with_lists(write({STATUS: "appointment.status: {list: known}"}), lists)
    assert shown(folder, lint(folder)) == [
        "lists.yaml:3:3: CG033 no rule uses the list `other`: write {list: other} where it is meant, or take it out"
    ]
    cancel = "cancel:\n  event: encounter.registered\n  where: {encounter.class: {list: other}}\nwhy:"
    folder = with_lists(write({STATUS: "appointment.status: {list: known}", "why:": cancel}), lists)
    assert lint(folder) == []


def test_a_list_of_the_policy_is_used(write: Write) -> None:  # noqa: F811
    """What is protected may be a list."""
    folder = with_lists(write(), "lists: {protected: [hiv-care]}")
    policy = folder / "policy.yaml"
    lines = policy.read_text(encoding="utf-8").splitlines()
    kept = [
        "protected_services: {list: protected}" if line.startswith("protected_services") else line for line in lines
    ]
    assert [one.code for one in lint(folder)] == ["CG033"]
    policy.write_text("\n".join(kept) + "\n", encoding="utf-8")
    assert lint(folder) == []


def test_a_code_of_a_list_that_no_table_produces_is_found_where_it_is_used(write: Write) -> None:  # noqa: F811
    """With the list's name: that is where to mend it."""
    folder = with_lists(write({STATUS: "appointment.status: {list: known}"}), "lists: {known: [booked, bookt]}")
    found = shown(folder, lint(folder, codes={"appointment.status": frozenset({"booked"})}))
    assert found == [
        "reminder.yaml:7:32: CG041 no code table turns anything into `bookt` (list `known`); did you mean `booked`?"
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"why:": "cancel: {event: appointment.booked}\nwhy:", AT: AT_ONCE}, "reminder.yaml:3:1: CG034 `cancel` withdraws what waits, and this rule sends at once"),
        ({"why:": "once_per: patient\nwhy:", AT: AT_ONCE}, "reminder.yaml:3:1: CG034 `once_per` withdraws what waits"),
        ({"why:": "once_per: patient\nalike: [encounter.service]\nwhy:"}, "reminder.yaml:4:9: CG032 `encounter.service` is not told on both sides"),
        ({"why:": "once_per: patient\nalike: [patient.age]\nwhy:"}, "reminder.yaml:4:9: CG032 `patient.age` is not told on both sides"),
        ({"why:": "cancel: {event: encounter.admitted}\nalike: [appointment.service]\nwhy:"}, "reminder.yaml:4:9: CG032 `appointment.service` is not told"),
        ({"why:": "cancel: {event: appointment.booked, where: {encounter.class: x}}\nwhy:"}, "reminder.yaml:3:45: CG032 the events that cancel never tell `encounter.class`"),
        ({"why:": "cancel: {event: appointment.booked, where: {patient.age: {at_least: 9, at_most: 8}}}\nwhy:"}, "reminder.yaml:3:45: CG031 no value lies between"),
    ],
)  # fmt: skip
def test_a_section_that_says_something_in_vain_is_found(
    write: Write,  # noqa: F811
    changes: dict[str, str],
    expected: str,
) -> None:
    """At its line, with what to do."""
    folder = write(changes)
    assert any(one.startswith(expected) for one in shown(folder, lint(folder)))


def test_an_event_that_cancels_and_that_no_mapping_produces_is_found(write: Write) -> None:  # noqa: F811
    """The messages would never be withdrawn."""
    folder = write({"why:": "cancel: {event: [appointment.missed]}\nwhy:"})
    found = shown(folder, lint(folder, events={"appointment.booked", "appointment.cancelled"}))
    assert found == [
        "reminder.yaml:3:18: CG040 no mapping produces `appointment.missed`: map a message to it, or drop it"
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"why:": "cancel: {event: appointment.missed}\nwhy:"},
        {"why:": "once_per: patient\nwhy:", AT: "{after: event.occurred, by: 0d, on: [mon]}\n  expires_after: 3d"},
        {"why:": "cancel: {event: appointment.booked, where: {encounter.class: {present: no}}}\nwhy:"},
        {"by: [7d]}": 'by: [0d], time: "09:00"}'},
    ],
)
def test_what_may_be_meant_is_left_alone(write: Write, changes: dict[str, str]) -> None:  # noqa: F811
    """What sends at once but only on Mondays waits until Monday; nine o'clock on the day itself is before the visit."""
    folder = write(changes)
    assert [one.code for one in lint(folder) if one.code != "CG001"] == []
    assert lint(folder) == []


def test_every_variant_is_read_with_its_rule(write: Write) -> None:  # noqa: F811
    """One wording that shows what the rule does not reveal is one too many."""
    variants = "variants: [{name: a, template: note, share: 50}, {name: b, template: other, share: 50}]"
    folder = write({"template: note": variants})
    other = folder / "templates" / "other"
    other.mkdir()
    (other / "subject.txt").write_text("A message\n", encoding="utf-8")
    (other / "body.txt").write_text("Dear {{ patient.family_name }}\n", encoding="utf-8")
    (found,) = shown(folder, lint(folder))
    assert found.startswith(
        "templates/other/body.txt:1:9: CG010 `patient.family_name` is not revealed by rule reminder"
    )
