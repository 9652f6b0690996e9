"""The shipped rules do what their tests beside them say; every one of those is a test here."""

from __future__ import annotations

import re

import pytest

from gateway.analyst.lint import lint
from gateway.analyst.rule_tests import Result, run
from gateway.packs import shipped
from gateway.render.templates import Templates
from gateway.ruleset import load

FOLDER = shipped("rules")


@pytest.mark.parametrize("result", run(FOLDER), ids=lambda result: f"{result.rule}: {result.name}")
def test_a_shipped_rule_does_what_is_written_beside_it(result: Result) -> None:
    """The analyst's own tests, word for word."""
    assert not result.failures, "\n".join([f"{result.file}:{result.line}", *result.failures])


def test_nothing_in_the_shipped_rules_is_valid_but_wrong() -> None:
    """Lint is quiet about what we ship."""
    assert lint(FOLDER) == []


def test_the_rules_that_are_shipped_are_those_of_the_readme() -> None:
    """Each with its line in the list; nothing declares a basis for anyone's consent."""
    rules = load(FOLDER)
    listed = re.findall(r"^\| `([a-z-]+)` \|", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rules.rules) == sorted(one for one in listed if (FOLDER / f"{one}.yaml").exists())
    assert rules.policy.basis == ()


def test_the_renderer_reads_the_very_templates_the_rules_were_loaded_with() -> None:
    """One digest, computed twice: a clearance names the words that are rendered (law 3)."""
    rules, templates = load(FOLDER), Templates(FOLDER / "templates")
    for rule in rules.rules.values():
        assert templates.digest(rule.template) == rules.templates[rule.template]
        assert templates.unrevealed(rule.template, rule.reveals) == ()


def test_a_reminder_says_when_and_where_and_nothing_else() -> None:
    """PH-05, PH-06: a name, the time, a place as it calls itself; never for what, or with whom."""
    rules = load(FOLDER)
    told = {fact for name, rule in rules.rules.items() if name.startswith("appointment") for fact in rule.reveals}
    assert told == {"patient.given_name", "appointment.start", "appointment.location"}


def test_no_subject_tells_anything_about_care() -> None:
    """PH-06, PH-08: the subject is read by whoever stands beside the patient."""
    templates = Templates(FOLDER / "templates")
    for name in templates.names:
        subject = (FOLDER / "templates" / name / "subject.txt").read_text(encoding="utf-8")
        assert subject.strip() == "A message from {{ organization.sender_name }}"
