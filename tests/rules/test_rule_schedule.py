"""Days are wall time where the visit takes place; hours and minutes are elapsed time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.rule import Schedule, Step
from gateway.model.when import DAY, HOUR, MINUTE, Millis, Precision, When, to_datetime, to_millis, zone_of
from gateway.ruleset.schedule import OCCURRED, planned, shifted
from tests.rules.test_rule_matching import rule

NEW_YORK = "America/New_York"


def at(text: str, zone: str = NEW_YORK, fold: int = 0) -> Millis:
    return to_millis(datetime.fromisoformat(text).replace(tzinfo=zone_of(zone), fold=fold))


def days(count: int) -> Step:
    return Step(label=f"{abs(count)}d", days=count, millis=0)


@pytest.mark.parametrize(
    ("anchor", "step", "expected"),
    [
        ("2026-03-12T09:00", days(-7), "2026-03-05T09:00:00-05:00"),
        ("2026-11-05T09:00", days(-7), "2026-10-29T09:00:00-04:00"),
        ("2026-03-09T02:30", days(-1), "2026-03-08T03:30:00-04:00"),
        ("2026-11-02T01:30", days(-1), "2026-11-01T01:30:00-04:00"),
        ("2026-03-12T09:00", Step(label="168h", days=0, millis=-168 * HOUR), "2026-03-05T08:00:00-05:00"),
        ("2026-03-12T09:00", Step(label="30m", days=0, millis=30 * MINUTE), "2026-03-12T09:30:00-04:00"),
    ],
)
def test_a_week_before_nine_is_nine_also_across_a_clock_change(anchor: str, step: Step, expected: str) -> None:
    """T-06: a time that does not exist is the later valid one, one that exists twice its first occurrence."""
    assert to_datetime(shifted(at(anchor), step, NEW_YORK), NEW_YORK).isoformat() == expected


def scheduled(**changes: Any) -> Any:
    return rule(schedule=Schedule(anchor="appointment.start", steps=(days(-7), days(-1))), **changes)


def test_every_step_is_planned_past_ones_included() -> None:
    """The caller decides what to do about the past; the zone is the place's, whatever offset the feed told."""
    start = When(at("2026-03-12T09:00"), "-04:00", Precision.MINUTE)
    steps = planned(scheduled(), {"appointment.start": start}, occurred=0, zone=NEW_YORK)
    assert [(one.step, to_datetime(one.due, NEW_YORK).isoformat()) for one in steps] == [
        ("7d", "2026-03-05T09:00:00-05:00"),
        ("1d", "2026-03-11T09:00:00-04:00"),
    ]
    assert {one.expires for one in steps} == {start.utc}


def test_a_visit_without_a_clock_expires_when_its_day_is_over() -> None:
    """T-07: on the day itself the reminder still has sense."""
    start = When(at("2026-03-08T00:00"), NEW_YORK, Precision.DAY)
    steps = planned(scheduled(), {"appointment.start": start}, occurred=0, zone=NEW_YORK)
    assert {one.expires for one in steps} == {at("2026-03-09T00:00")}


@pytest.mark.parametrize(
    "facts", [{}, {"appointment.start": "soon"}, {"appointment.start": When(0, "UTC", Precision.MONTH)}]
)
def test_without_a_time_nothing_can_be_planned(facts: dict[str, Any]) -> None:
    """A month is no moment (T-01)."""
    assert planned(scheduled(), facts, occurred=0, zone=NEW_YORK) == ()


def test_without_the_time_at_which_it_expires_nothing_can_be_planned() -> None:
    """A send that would never expire is never planned."""
    facts = {"appointment.start": When(5 * DAY, "UTC", Precision.MINUTE)}
    assert planned(scheduled(expires="appointment.end"), facts, occurred=0, zone=NEW_YORK) == ()


def test_after_an_event_is_counted_from_the_event_and_expires_after_its_due_time() -> None:
    """The anchor `event.occurred` needs no fact."""
    after = rule(schedule=Schedule(anchor=OCCURRED, steps=(days(2),)), expires=None, expires_after=3 * DAY)
    (step,) = planned(after, {}, occurred=at("2026-03-07T10:00"), zone=NEW_YORK)
    assert step.due == at("2026-03-09T10:00")
    assert step.expires == step.due + 3 * DAY


@given(
    st.integers(at("2026-01-01T00:00") // MINUTE, at("2027-01-01T00:00") // MINUTE),
    st.integers(1, 30),
    st.sampled_from([NEW_YORK, "Australia/Lord_Howe", "America/Phoenix", "Pacific/Apia"]),
)
def test_some_days_off_it_is_the_same_time_of_day_or_the_next_that_exists(minute: int, count: int, zone: str) -> None:
    """Whatever the date: equal wall clock, except where the clock jumps over it."""
    anchor = minute * MINUTE
    due = to_datetime(shifted(anchor, days(-count), zone), zone)
    wall = to_datetime(anchor, zone)
    if (due.hour, due.minute) != (wall.hour, wall.minute):
        assert (due - wall).total_seconds() % 86_400 != 0  # moved out of a gap, later
        assert due.hour * 60 + due.minute > wall.hour * 60 + wall.minute
    assert (wall.date() - due.date()).days == count


def test_what_makes_a_send_worth_repeating_is_what_it_shows_and_what_times_it() -> None:
    """A changed room repeats nothing if the room was not told."""
    shows = scheduled(reveals=("patient.given_name",))
    assert shows.material == ("appointment.start", "patient.given_name")
    after = rule(schedule=Schedule(anchor=OCCURRED, steps=(days(1),)), reveals=("appointment.start",))
    assert after.material == ("appointment.start",)
