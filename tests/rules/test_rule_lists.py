"""Codes that several rules name stand in one list, and a refusal still names the rule's own line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.model.errors import ConfigError
from gateway.ruleset import deciding, load

Write = Callable[..., Path]
LISTS = "lists:\n  sensitive-services: [hiv-care, genetics]\n  open: [booked]\n"
USED = {"appointment.service: [hiv-care]": "appointment.service: {list: sensitive-services}"}


def listed(write: Write, text: str, changes: dict[str, str] | None = None) -> Path:
    folder = write(USED if changes is None else changes)
    (folder / "lists.yaml").write_text(text, encoding="utf-8")
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder)
    return "\n".join(problem.replace(f"{folder}{os.sep}", "") for problem in caught.value.problems)


def test_a_condition_takes_the_codes_of_a_list(write: Write) -> None:
    """Who wants to know why nothing was sent is shown the line in the rule."""
    rules = load(listed(write, LISTS))
    reminder = rules.rules["reminder"]
    (condition,) = reminder.unless
    assert (condition.values, condition.listed, condition.line) == ({"hiv-care", "genetics"}, "sensitive-services", 9)
    against = deciding(reminder, {"appointment.status": "booked", "appointment.service": "genetics"})
    assert against is condition
    assert rules.lists["open"] == {"booked"}


def test_a_changed_list_is_another_rule_set(write: Write) -> None:
    """The digest that is activated covers it; and it is no rule itself."""
    folder = listed(write, LISTS)
    before = load(folder)
    (folder / "lists.yaml").write_text(LISTS.replace("genetics", "psychotherapy"), encoding="utf-8")
    assert load(folder).digest != before.digest
    assert set(before.rules) == {"reminder"}


def test_the_policy_takes_a_list_too(write: Write) -> None:
    """What is protected and what rules keep silent about can be one list."""
    folder = listed(write, LISTS)
    policy = folder / "policy.yaml"
    text = policy.read_text(encoding="utf-8")
    start = text.index("protected_services:")
    end = text.index("\n", start)
    policy.write_text(text[:start] + "protected_services: {list: sensitive-services}" + text[end:], encoding="utf-8")
    assert load(folder).policy.protected_services == {"hiv-care", "genetics"}
    policy.write_text(text[:start] + "protected_services: {list: none-such}" + text[end:], encoding="utf-8")
    assert "there is no list `none-such` in lists.yaml" in refused(folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lists: {sensitive-services: []}", "lists.yaml:1:29: `lists.sensitive-services` must have at least this many entries: 1"),
        ("lists: {Sensitive: [a]}", "lists.yaml:1:9: `lists.Sensitive` is not of the expected form"),
        ("lists: {sensitive-services: hiv-care}", "lists.yaml:1:29: `lists.sensitive-services` must be a list"),
        ("lists: {sensitive-services: [hiv-care, [x]]}", "`lists.sensitive-services[2]` must be text"),
        ("lists: {sensitive-services: [hiv-care, unmapped]}", "lists.yaml:1:40: no condition can ask for `unmapped`"),
        ("lists: {sensitive-services: [hiv-care, hiv-care]}", "lists.yaml:1:40: `hiv-care` stands here twice"),
        ("lists: {sensitive-services: [hiv-care, '']}", "lists.yaml:1:40: a code must be told"),
        ("list: {sensitive-services: [hiv-care]}", "lists.yaml:1:1: unknown key `list`; did you mean `lists`?"),
        ("lists: [", "lists.yaml:"),
        ("lists: {sensitive-service: [hiv-care]}", "reminder.yaml:9:33: there is no list `sensitive-services` in lists.yaml; did you mean `sensitive-service`?"),
    ],
)  # fmt: skip
def test_a_list_that_means_nothing_is_refused(write: Write, text: str, expected: str) -> None:
    """At its own place, or at the place of use."""
    assert expected in refused(listed(write, text))


def test_a_broken_list_is_told_once(write: Write) -> None:
    """Not once more for every rule that uses it."""
    assert refused(listed(write, "lists: {sensitive-services: []}")).count("\n") == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"appointment.service: [hiv-care]": "appointment.service: {list: }"}, "there is no list `` in lists.yaml"),
        ({"appointment.service: [hiv-care]": "appointment.service: {list: open, present: yes}"}, "reminder.yaml:9:27: `list` stands alone"),
        ({"patient.inpatient: yes": "patient.inpatient: {list: open}"}, "`patient.inpatient` takes yes, no"),
        ({"patient.inpatient: yes": "patient.age: {list: open}"}, "`patient.age` takes {at_least: …"),
    ],
)  # fmt: skip
def test_a_list_is_of_codes_and_stands_alone(write: Write, changes: dict[str, str], expected: str) -> None:
    """No list of ages, and none beside another condition."""
    assert expected in refused(listed(write, LISTS, changes))


def test_without_the_file_there_are_no_lists(write: Write) -> None:
    """Most sites need none."""
    assert load(write()).lists == {}
    assert "there is no list `sensitive-services`" in refused(write(USED))
