"""Lint sees rules beside one another: who would hear twice or not at all, and who only seems to."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.analyst.lint import lint
from tests.analyst.test_lint_rules import RULE, TESTS, Write, shown, write  # noqa: F401 - a fixture

WHERE = "  where:\n    appointment.status: booked\n"


def with_second(folder: Path, changes: dict[str, str], first: dict[str, str] | None = None) -> list[str]:
    """Codes and places of a folder in which a second rule differs from the first by `changes`."""
    text = RULE.replace("rule: reminder", "rule: second")
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    if first:
        mine = (folder / "reminder.yaml").read_text(encoding="utf-8")
        for old, new in first.items():
            mine = mine.replace(old, new)
        (folder / "reminder.yaml").write_text(mine, encoding="utf-8")
    (folder / "second.yaml").write_text(text, encoding="utf-8")
    (folder / "second.test.yaml").write_text(TESTS, encoding="utf-8")
    return [one.split(" ")[0] + " " + one.split(" ")[1] for one in shown(folder, lint(folder))]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["second.yaml:1:1: CG043"]),
        ({"booked\n": "booked\n    appointment.service: cardiology\n"}, ["second.yaml:1:1: CG043"]),
        ({WHERE: ""}, ["reminder.yaml:1:1: CG043"]),
        ({"booked\n": "booked\n    patient.age: {at_least: 65}\n"}, ["second.yaml:1:1: CG043"]),
        ({"[appointment.booked]": "[appointment.booked, appointment.rescheduled]"}, ["reminder.yaml:1:1: CG043"]),
        ({"by: [7d]": "by: [7d, 1d]"}, ["second.yaml:1:1: CG043"]),
        ({"booked\n": "booked\n  unless:\n    appointment.service: x\n"}, ["second.yaml:1:1: CG043"]),
    ],
)
def test_the_same_message_twice_is_found_at_the_narrower_rule(
    write: Write,  # noqa: F811
    changes: dict[str, str],
    expected: list[str],
) -> None:
    """Whoever the narrower rule is for, the other one is for as well."""
    assert with_second(write(), changes) == expected


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"status: booked": "status: pending"}, {}),
        ({"by: [7d]": "by: [1d]"}, {}),
        ({"by: [7d]": 'by: [7d], time: "10:00"'}, {}),
        ({"topic: appointments": "topic: parking"}, {}),
        ({"channels: [email]": "channels: [portal]"}, {}),
        ({"[appointment.booked]": "[appointment.rescheduled]"}, {}),
        ({"when:": "effective: {from: 2027-01-01}\nwhen:"}, {"when:": "effective: {until: 2026-12-31}\nwhen:"}),
        (
            {"booked\n": "booked\n    appointment.service: cardiology\n"},
            {"booked\n": "booked\n  unless:\n    appointment.service: [cardiology, surgery]\n"},
        ),
        (
            {"booked\n": "booked\n    patient.age: {at_least: 65}\n"},
            {"booked\n": "booked\n    patient.age: {at_most: 64}\n"},
        ),
        (
            {"booked\n": "booked\n    appointment.start: {after: 2026-06-01}\n"},
            {"booked\n": "booked\n    appointment.start: {before: 2026-06-01}\n"},
        ),
    ],
)
def test_rules_that_only_look_alike_are_left_alone(
    write: Write,  # noqa: F811
    changes: dict[str, str],
    first: dict[str, str],
) -> None:
    """Other people, another moment, another topic, another channel, other days."""
    assert with_second(write(), changes, first) == []


def test_days_in_effect_that_meet_are_one_time(write: Write) -> None:  # noqa: F811
    """The last day of one is the first of the other."""
    days = {"when:": "effective: {from: 2026-12-31}\nwhen:"}
    assert with_second(write(), days, {"when:": "effective: {until: 2026-12-31}\nwhen:"}) == ["second.yaml:1:1: CG043"]


def test_what_one_rule_refuses_the_other_may_refuse_too(write: Write) -> None:  # noqa: F811
    """Both refuse surgery: the rest hears twice."""
    refuses = {"booked\n": "booked\n  unless:\n    appointment.service: [cardiology, surgery]\n"}
    narrower = {"booked\n": "booked\n  unless:\n    appointment.service: surgery\n"}
    assert with_second(write(), refuses, narrower) == ["second.yaml:1:1: CG043"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ("cancel: {event: appointment.booked}\nwhy:", "reminder.yaml:3:17: CG045 a second `appointment.booked`"),
        (
            "cancel: {event: appointment.booked, where: {appointment.status: [booked, arrived]}}\nwhy:",
            "reminder.yaml:3:17: CG045",
        ),
        ("once_per: patient\nwhy:", "reminder.yaml:3:11: CG045 a later `appointment.start`"),
    ],
)
def test_a_rule_that_withdraws_its_own_messages_is_found(write: Write, changes: str, expected: str) -> None:  # noqa: F811
    """The visit still takes place, and nobody is reminded of it."""
    folder = write({"why:": changes})
    (found,) = shown(folder, lint(folder))
    assert found.startswith(expected)


def test_a_narrower_cancellation_is_meant(write: Write) -> None:  # noqa: F811
    """Another visit of one service is not just any other visit."""
    where = "cancel: {event: appointment.booked, where: {appointment.service: surgery}}\nwhy:"
    assert lint(write({"why:": where})) == []


def test_what_is_alike_takes_the_place_of_the_other(write: Write) -> None:  # noqa: F811
    """A later supply of the same medicine is what the earlier reminder was about."""
    for across in ("once_per: patient", "cancel: {event: appointment.booked}"):
        assert lint(write({"why:": f"{across}\nalike: [appointment.practitioner]\nwhy:"})) == []
