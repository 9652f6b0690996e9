"""The tests beside a rule can say what happened next: to the same patient, to the calendar, by which channel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.model.errors import ConfigError
from gateway.packs import shipped
from tests.analyst.test_lint_rules import write  # noqa: F401 - a fixture
from tests.analyst.test_rule_case_files import SENDS, Failures, failures  # noqa: F401 - a fixture

RECALL = {
    "why:": "once_per: patient\ncancel:\n  event: appointment.booked\n  where: {appointment.service: surgery}\nwhy:",
    "{before: appointment.start, by: [7d]}\n  expires: appointment.start": (
        "{after: appointment.start, by: 1y, every: 1y, times: 2}\n  expires_after: 5d"
    ),
}
BOTH = "{sends: [{step: 1y, at: 2027-03-20 09:30, by: email}, {step: 2y, at: 2028-03-20 09:30, by: email}]}"
LATER = "then: [{event: appointment.booked, at: %s, facts: {%s}}]"
SURGERY = "appointment.service: surgery, appointment.status: pending"


@pytest.mark.parametrize(
    ("expect", "extra"),
    [
        (BOTH, ""),
        ("{withheld: {because: cancelled-by-event}}", LATER % ("2026-03-02 10:00", SURGERY)),
        ("{withheld: {because: cancelled-by-event}}", LATER % ("2026-05-01 10:00", SURGERY)),
        (BOTH, LATER % ("2026-03-01 10:00", SURGERY)),
        (BOTH, LATER % ("2026-05-01 10:00", "appointment.service: cardiology")),
        ("{sends: [{step: 1y, at: 2027-03-20 09:30, by: email}], withheld: {step: 2y, because: cancelled-by-event}}",
         LATER % ("2027-05-01 10:00", SURGERY)),
        ("{withheld: {because: superseded}}",
         LATER % ("2026-05-01 10:00", "appointment.status: booked, appointment.start: 2026-06-01 10:00")),
        (BOTH, LATER % ("2026-05-01 10:00", "appointment.status: booked, appointment.start: 2026-03-01 10:00")),
        (BOTH, LATER % ("2026-05-01 10:00", "appointment.status: pending, appointment.start: 2026-06-01 10:00")),
        (BOTH, LATER % ("2026-05-01 10:00", "appointment.status: booked")),
        (BOTH, "then: [{event: appointment.missed, at: 2026-05-01 10:00}]"),
        ("{withheld: {because: no-consent}}", f"consents: [permit HPAYMT * *]\n    {LATER % ('2026-05-01 10:00', SURGERY)}"),
        ("{withheld: {because: cancelled-by-event}}",
         f"patient: {{holds: [identity-doubtful]}}\n    {LATER % ('2026-05-01 10:00', SURGERY)}"),
    ],
)  # fmt: skip
def test_what_happens_to_something_else_withdraws_what_waits(failures: Failures, expect: str, extra: str) -> None:  # noqa: F811
    """What left before that, left; what is withheld anyway keeps its own reason."""
    assert failures(expect, extra=extra, change=RECALL) == ()


@pytest.mark.parametrize(
    ("service", "expect"),
    [("surgery", BOTH), ("primary-care", "{withheld: {because: superseded}}"), ("unmapped", BOTH)],
)
def test_only_a_later_one_that_is_alike_outdoes_it(failures: Failures, service: str, expect: str) -> None:  # noqa: F811
    """`alike`: a later visit elsewhere is another matter; one of unknown kind too."""
    change = {**RECALL, "why:": "once_per: patient\nalike: [appointment.service]\nwhy:"}
    told = f"appointment.service: {service}, appointment.status: booked, appointment.start: 2026-06-01 10:00"
    own = "    facts: {appointment.service: primary-care}\n"
    assert failures(expect, extra=f"{own.strip()}\n    {LATER % ('2026-05-01 10:00', told)}", change=change) == ()


@pytest.mark.parametrize(
    ("days", "expect", "extra"),
    [
        ("{from: 2026-03-02, until: 2026-03-13}", SENDS, ""),
        ("{until: 2026-03-12}", "{withheld: {because: not-in-effect}}", ""),
        ("{from: 2026-03-03}", "{silent: {because: effective}}", ""),
        ("{until: 2026-03-01}", "{silent: {because: effective}}", ""),
        ("{until: 2026-03-13}", "{withheld: {because: not-in-effect}}", "sent: [2026-03-13 08:00, 2026-03-13 08:10, 2026-03-13 08:20, 2026-03-13 08:30]"),
        ("{from: 2026-03-03}", "{silent: {because: when.event}}", "event: appointment.missed"),
    ],
)  # fmt: skip
def test_on_other_days_nothing_is_planned_and_nothing_leaves(
    failures: Failures,  # noqa: F811
    days: str,
    expect: str,
    extra: str,
) -> None:
    """A message that had to wait until the rule's days were over does not leave."""
    assert failures(expect, extra=extra, change={"why:": f"effective: {days}\nwhy:"}) == ()


def test_a_failure_names_what_cancelled(failures: Failures) -> None:  # noqa: F811
    """With the place in the house where it was decided."""
    told = failures(BOTH, extra=LATER % ("2026-05-01 10:00", SURGERY), change=RECALL)
    assert told[0] == (
        "step 1y: expected that it sends at 2027-03-20 09:30 by email, but it is withheld because cancelled-by-event"
        " (gate across)"
    )


def test_the_hour_and_the_weekday_are_those_of_the_schedule(failures: Failures) -> None:  # noqa: F811
    """A week before Friday the 20th is a Friday; on Mondays only, it is the 9th, at noon."""
    change = {"by: [7d]}": 'by: [7d], on: mon, time: "12:00"}'}
    assert failures("{sends: [{step: 7d, at: 2026-03-09 12:00, by: email}]}", change=change) == ()


def test_what_was_sent_by_another_channel_fills_no_cap_of_this_one(
    failures: Failures,  # noqa: F811
    write: Callable[..., Path],  # noqa: F811
) -> None:
    """`sent` may tell the channel; without one it counts for whatever is asked."""
    policy = write() / "policy.yaml"
    policy_with = policy.read_text(encoding="utf-8").replace(
        "caps:\n", "caps:\n  - {per: patient, channel: email, at_most: 1, within: 1d}\n"
    )
    shipped_policy = shipped("rules") / "policy.yaml"
    assert policy_with != shipped_policy.read_text(encoding="utf-8")

    def sends(sent: str, at: str) -> None:
        found = failures(f"{{sends: [{{step: 7d, at: {at}, by: email}}]}}", extra=f"sent: [{sent}]", policy=policy_with)
        assert found == ()

    sends("2026-03-13 08:00 sms", "2026-03-13 09:30")
    sends("2026-03-13 08:00 email", "2026-03-14 08:00")
    sends("2026-03-13 08:00", "2026-03-14 08:00")


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("then: [{event: appointment.booked, at: soon}]", "`then.at` must be a local date and time"),
        ("then: [{event: appointment.booked, at: 2026-05-01 10:00, facts: {appointment.strat: x}}]", "unknown fact `appointment.strat`"),
        ("sent: [soon sms]", "`sent` must be a local date and time"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(failures: Failures, extra: str, expected: str) -> None:  # noqa: F811
    """At the test's place."""
    with pytest.raises(ConfigError, match=expected):
        failures(SENDS, extra=extra)
