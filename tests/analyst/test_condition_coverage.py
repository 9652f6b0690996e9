"""A condition counts as tested when one test needs it and another fails by it; what no test decided is named with its line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.analyst.condition_coverage import percent, uncovered
from gateway.analyst.rule_tests import Suite, passed, read, run_suite
from gateway.packs import shipped
from tests.analyst.test_lint_rules import write  # noqa: F401 - a fixture

GIVEN = """\
given:
  zone: America/Chicago
  event: appointment.booked
  now: 2026-03-02 10:00
  facts: {appointment.start: 2026-03-20 09:30, appointment.status: booked, appointment.service: primary-care}
tests:
"""
SENDS = "{sends: [{step: 7d, at: 2026-03-13 09:30, by: email}]}"
WHERE = "    appointment.status: booked\n"
RULE = {
    WHERE: WHERE + "  unless:\n    appointment.service: surgery\nhold:\n  patient.inpatient: yes\n",
    "why:": "cancel:\n  event: appointment.missed\n  where:\n    appointment.service: surgery\nwhy:",
    "when:": "effective: {until: 2026-12-31}\nonce_per: patient\nwhen:",
    "{before: appointment.start, by: [7d]}\n  expires: appointment.start": (
        "{after: appointment.start, by: [7d]}\n  expires_after: 5d"
    ),
}
AFTER = "{sends: [{step: 7d, at: 2026-03-27 09:30, by: email}]}"
MISSED = "then: [{event: appointment.missed, at: 2026-03-03 10:00, facts: {%s}}]"
EVERY = {
    "sends": f"expect: {AFTER}",
    "where": "facts: {appointment.status: pending}\n    expect: {silent: {because: appointment.status}}",
    "unless": "facts: {appointment.service: surgery}\n    expect: {silent: {because: appointment.service}}",
    "hold": "patient: {inpatient: yes}\n    expect: {held: {because: held-by-rule}}",
    "cancelled": MISSED % "appointment.service: surgery" + "\n    expect: {withheld: {because: cancelled-by-event}}",
    "not cancelled": MISSED % "appointment.service: cardiology" + f"\n    expect: {AFTER}",
    "over": "now: 2027-01-01 10:00\n    occurred: 2027-01-01 10:00\n    expect: {silent: {because: effective}}",
    "superseded": (
        "then: [{event: appointment.booked, at: 2026-03-03 10:00, facts: {appointment.start: 2026-04-01 10:00,"
        " appointment.status: booked, appointment.service: x}}]\n    expect: {withheld: {because: superseded}}"
    ),
}
Suites = Callable[..., Suite]


@pytest.fixture
def suites(write: Callable[..., Path]) -> Suites:  # noqa: F811
    """Writes the rule with the tests named and reads both."""

    def _suites(*names: str, change: dict[str, str] | None = None) -> Suite:
        folder = write(RULE if change is None else change)
        text = GIVEN + "".join(f"  - name: {name}\n    {EVERY[name]}\n" for name in names)
        (folder / "reminder.test.yaml").write_text(text, encoding="utf-8")
        return read(folder)

    return _suites


def open_lines(suite: Suite) -> list[str]:
    """What is uncovered, by paths from the folder, after running the tests."""
    results = list(run_suite(suite))
    found = uncovered(suite.rules, passed(suite, results))
    return [str(one).replace(f"{suite.rules.folder}{os.sep}", "") for one in found]


def test_every_condition_decided_once_each_way_is_a_hundred(suites: Suites) -> None:
    """Where, unless, hold, cancel, once_per and effective."""
    suite = suites(*EVERY)
    assert [result.failures for result in run_suite(suite) if result.failures] == []
    assert open_lines(suite) == []
    assert percent(suite.rules, []) == 100.0


@pytest.mark.parametrize(
    ("left_out", "expected"),
    [
        ("where", "reminder.yaml:13:5: no test decides `appointment.status`: add one when `appointment.status` is not so: `silent: {because: appointment.status}`"),
        ("unless", "reminder.yaml:15:5: no test decides `appointment.service`: add one when `appointment.service` is so: `silent: {because: appointment.service}`"),
        ("hold", "reminder.yaml:17:3: no test decides `patient.inpatient`: add one when `patient.inpatient` is so: `held: {because: held-by-rule}`"),
        ("not cancelled", "reminder.yaml:6:5: no test decides `appointment.service`: add one in which another event (`then`) is of the kind told, and not so by `appointment.service`: it still sends"),
        ("over", "reminder.yaml:8:1: no test decides `effective`: add one on a day outside: `silent: {because: effective}`"),
        ("superseded", "reminder.yaml:9:1: no test decides `once_per`: add one in which a later one (`then`) withdraws it: `withheld: {because: superseded}`"),
    ],
)  # fmt: skip
def test_a_condition_no_test_decided_is_named_with_the_test_it_needs(
    suites: Suites, left_out: str, expected: str
) -> None:
    """At the line of the condition, in the rule's file."""
    assert open_lines(suites(*(name for name in EVERY if name != left_out))) == [expected]


def test_what_cancels_needs_a_test_for_the_section_and_for_its_condition(suites: Suites) -> None:
    """Without one nobody knows that it ever cancels."""
    found = open_lines(suites(*(name for name in EVERY if name != "cancelled")))
    assert [one.partition(": ")[0] for one in found] == ["reminder.yaml:3:1", "reminder.yaml:6:5"]
    assert found[1].endswith(
        "add one in which another event (`then`) meets it: `withheld: {because: cancelled-by-event}`"
    )


def test_likeness_needs_a_test_in_which_another_is_not_alike(suites: Suites) -> None:
    """Without one nobody knows that it ever lets anything be."""
    suite = suites(*EVERY)
    path = suite.rules.folder / "reminder.yaml"
    text = path.read_text(encoding="utf-8").replace(
        "once_per: patient", "once_per: patient\nalike: [appointment.status]"
    )
    path.write_text(text, encoding="utf-8")
    (found,) = [one for one in open_lines(read(suite.rules.folder)) if "`alike`" in one]
    assert found.endswith(
        "no test decides `alike`: add one in which another one (`then`) tells something else: it still sends"
    )


def test_without_a_test_that_sends_nothing_is_known_to_be_met(suites: Suites) -> None:
    """All conditions could contradict each other."""
    names = [name for name in EVERY if name not in ("sends", "not cancelled")]
    found = open_lines(suites(*names))
    assert (
        "reminder.yaml:17:3: no test decides `patient.inpatient`: add one in which everything is met and it sends"
        in found
    )
    suite = suites("where")
    assert len(open_lines(suite)) == 7
    assert percent(suite.rules, uncovered(suite.rules, suite.cases)) == 0.0


def test_a_test_that_fails_decides_nothing(suites: Suites) -> None:
    """What it expects is not what the rule does."""
    suite = suites(*EVERY)
    path = suite.rules.folder / "reminder.test.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("because: held-by-rule", "because: minor"), encoding="utf-8"
    )
    assert [one.partition(": ")[0] for one in open_lines(read(suite.rules.folder))] == ["reminder.yaml:17:3"]


def test_a_code_no_table_knows_does_not_show_what_unless_refuses(suites: Suites) -> None:
    """It is planned and held for a person: neither met nor refused."""
    suite = suites("where", "unless")
    path = suite.rules.folder / "reminder.test.yaml"
    more = (
        "  - name: strange\n    facts: {appointment.service: unmapped}\n    expect: {held: {because: unmapped-code}}\n"
    )
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
    assert len(open_lines(read(suite.rules.folder))) == 7


def test_a_rule_without_conditions_has_nothing_to_cover(suites: Suites) -> None:
    """A hundred of nothing."""
    suite = suites("sends", change={"  where:\n" + WHERE: ""})
    assert open_lines(suite) == []
    assert percent(suite.rules, []) == 100.0


def test_the_shipped_rules_decide_every_condition() -> None:
    """`make test` asks for it as well."""
    suite = read(shipped("rules"))
    assert open_lines(suite) == []
