"""A test that fails says the first thing that differs: what the fact is, what the rule asks for, and on which line."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.analyst.differences import shown, wanted
from gateway.model.rule import Condition
from gateway.model.when import Precision, When
from tests.analyst.test_lint_rules import write  # noqa: F401 - a fixture
from tests.analyst.test_rule_case_files import SENDS, Failures, failures  # noqa: F401 - a fixture

STATUS = "appointment.status: booked"


@pytest.mark.parametrize(
    ("change", "extra", "said"),
    [
        ({STATUS: "patient.age: {at_least: 65, at_most: 80}"}, "", "`patient.age` is 44, and it asks for at least 65 and at most 80"),
        ({STATUS: "appointment.service: {present: yes}"}, "", "`appointment.service` is not told, and it asks for any value"),
        ({STATUS: "appointment.status: {present: no}"}, "", "`appointment.status` is booked, and it asks for none"),
        ({STATUS: "appointment.start: {after: 2026-04-01}"}, "", "`appointment.start` is 2026-03-20 09:30, and it asks for later than 2026-04-01"),
        ({STATUS: "patient.inpatient: yes"}, "", "`patient.inpatient` is no, and it asks for yes"),
        ({STATUS: f"{STATUS}\n  unless:\n    appointment.service: [surgery, cardiology]"}, "facts: {appointment.service: surgery}", "(reminder.yaml:9): `appointment.service` is surgery, and it refuses cardiology or surgery"),
        ({}, "facts: {appointment.status: unmapped}", "`appointment.status` is a code no table knows, and it asks for booked"),
        ({"when:": "effective: {from: 2027-01-01}\nwhen:"}, "", "because of `effective` (reminder.yaml): `now` is on another day"),
        ({"why:": "hold: {patient.inpatient: yes}\nwhy:"}, "patient: {inpatient: yes}", "it is held because held-by-rule (gate rule-hold): `patient.inpatient` is yes (reminder.yaml:3)"),
        ({"channels: [email]": "channels: [sms, email]"}, "patient: {reachable: [email, sms], opted_out: [email]}", "step 7d: expected by email, but it sends by sms (email is not tried before it)"),
    ],
)  # fmt: skip
def test_a_failure_names_the_value_the_question_and_the_line(
    failures: Failures,  # noqa: F811
    change: dict[str, str],
    extra: str,
    said: str,
) -> None:
    """The values are a test's own, nobody's."""
    assert any(said in one for one in failures(SENDS, extra=extra, change=change)), failures(
        SENDS, extra=extra, change=change
    )


def test_a_channel_that_was_tried_says_why_it_was_not_taken(failures: Failures) -> None:  # noqa: F811
    """The gate's own reason."""
    by_sms = SENDS.replace("email", "sms")
    change = {"channels: [email]": "channels: [sms, email]"}
    said = failures(by_sms, extra="patient: {reachable: [email, sms], opted_out: [sms]}", change=change)
    assert said == ("step 7d: expected by sms, but it sends by email (sms: opted-out)",)


def test_values_and_conditions_are_shown_as_an_analyst_writes_them() -> None:
    """Days without a clock show none (T-07); lists by their name."""
    assert shown(When(1_773_964_800_000, "UTC", Precision.DAY)) == "2026-03-20"
    assert shown(date(2026, 3, 20)) == "2026-03-20"
    listed = Condition(fact="x", line=1, values=frozenset({"a"}), listed="sensitive")
    assert wanted(listed) == "one of the list `sensitive`"
