"""Weeks, months and years are counted on the calendar where it takes place, and a message falls due at a decent hour."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import ConfigError
from gateway.model.rule import Rule, Schedule, Step
from gateway.model.when import DAY, HOUR, MINUTE, Millis, Precision, When, to_datetime, to_millis, zone_of
from gateway.ruleset import certain, load, planned
from gateway.ruleset.schedule import OCCURRED, shifted
from gateway.ruleset.words import WEEKDAYS
from tests.rules.test_rule_matching import rule

Write = Callable[..., Path]
CHICAGO = "America/Chicago"
WHOLE = "{before: appointment.start, by: [7d, 36h]}"


def at(text: str, zone: str = CHICAGO) -> Millis:
    return to_millis(datetime.fromisoformat(text).replace(tzinfo=zone_of(zone)))


def offset(months: int = 0, days: int = 0, millis: int = 0) -> Step:
    return Step(label="x", months=months, days=days, millis=millis)


def reminds(*steps: Step, **changes: Any) -> Rule:
    """A rule that counts back from an appointment's start."""
    return rule(schedule=Schedule(anchor="appointment.start", steps=steps, before=True, **changes))


def recalls(*steps: Step, **changes: Any) -> Rule:
    """A rule that counts on from an event."""
    told = Schedule(anchor=OCCURRED, steps=steps, **changes)
    return rule(schedule=told, expires=None, expires_after=DAY)


def due(asked: Rule, anchor: str, *, precision: Precision = Precision.MINUTE, zone: str = CHICAGO) -> list[str]:
    """Local times at which the steps of a rule fall due."""
    facts = {"appointment.start": When(at(anchor), CHICAGO, precision)}
    steps = planned(asked, facts, occurred=at(anchor), zone=zone)
    return [to_datetime(one.due, zone).strftime("%a %Y-%m-%d %H:%M") for one in steps]


@pytest.mark.parametrize(
    ("anchor", "step", "expected"),
    [
        ("2026-01-31T09:00", offset(months=1), "Sat 2026-02-28 09:00"),
        ("2028-01-31T09:00", offset(months=1), "Tue 2028-02-29 09:00"),
        ("2028-02-29T09:00", offset(months=12), "Wed 2029-02-28 09:00"),
        ("2026-02-20T09:00", offset(months=1), "Fri 2026-03-20 09:00"),
        ("2026-12-15T09:00", offset(months=1), "Fri 2027-01-15 09:00"),
        ("2026-01-31T09:00", offset(months=1, days=1), "Sun 2026-03-01 09:00"),
        ("2026-02-08T02:30", offset(months=1), "Sun 2026-03-08 03:30"),
        ("2026-10-01T01:30", offset(months=1), "Sun 2026-11-01 01:30"),
    ],
)
def test_a_month_later_is_the_same_day_and_hour_or_the_last_day_there_is(
    anchor: str, step: Step, expected: str
) -> None:
    """T-06: wall time where it takes place; a time that does not exist is the later one, one that exists twice the first."""
    assert due(recalls(step), anchor) == [expected]


def test_a_month_before_the_thirty_first_is_the_last_day_of_a_shorter_one() -> None:
    """Counted back as it is counted on."""
    assert due(reminds(offset(months=-1)), "2026-03-31T09:00") == ["Sat 2026-02-28 09:00"]


def test_each_of_several_years_is_counted_from_the_visit_itself() -> None:
    """Born on a leap day: the fourth year is on the 29th again, it does not drift to the 28th."""
    yearly = recalls(*(offset(months=12 * year) for year in (1, 2, 3, 4)))
    assert due(yearly, "2028-02-29T09:00")[-1] == "Sun 2032-02-29 09:00"


@pytest.mark.parametrize(
    ("asked", "anchor", "expected"),
    [
        (reminds(offset(days=-1), minute=540), "2026-03-20T14:00", "Thu 2026-03-19 09:00"),
        (reminds(offset(days=-1), minute=18 * 60), "2026-03-20T07:00", "Thu 2026-03-19 18:00"),
        (reminds(offset(), minute=540), "2026-03-20T14:00", "Fri 2026-03-20 09:00"),
        (reminds(offset(), minute=540), "2026-03-20T08:00", "Thu 2026-03-19 09:00"),
        (recalls(offset(days=1), minute=540), "2026-03-20T14:00", "Sat 2026-03-21 09:00"),
        (recalls(offset(), minute=540), "2026-03-20T14:00", "Sat 2026-03-21 09:00"),
        (recalls(offset(), minute=540), "2026-03-20T08:00", "Fri 2026-03-20 09:00"),
        (recalls(offset(days=1), minute=150), "2026-03-07T02:00", "Sun 2026-03-08 03:30"),
        (recalls(offset(days=1), minute=90), "2026-10-31T01:00", "Sun 2026-11-01 01:30"),
    ],
)
def test_it_falls_due_at_the_hour_told_and_never_on_the_other_side(asked: Rule, anchor: str, expected: str) -> None:
    """A reminder at nine for a visit at eight goes out the day before; T-06 for hours that do not exist, or twice."""
    assert due(asked, anchor) == [expected]


def test_an_hour_that_exists_twice_is_its_first_occurrence() -> None:
    """T-06: 01:30 in summer time, an hour before 01:30 in winter time."""
    (step,) = planned(recalls(offset(days=1), minute=90), {}, occurred=at("2026-10-31T01:00"), zone=CHICAGO)
    assert to_datetime(step.due, CHICAGO).isoformat() == "2026-11-01T01:30:00-05:00"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (reminds(offset(days=-2), weekdays=frozenset({0, 1, 2, 3, 4})), "Fri 2026-03-20 10:00"),
        (reminds(offset(days=-2), weekdays=frozenset({0, 1, 2, 3, 4}), minute=540), "Fri 2026-03-20 09:00"),
        (reminds(offset(days=-2), weekdays=frozenset({5})), "Sat 2026-03-21 10:00"),
        (reminds(offset(), weekdays=frozenset({0})), "Mon 2026-03-23 10:00"),
        (recalls(offset(days=5), weekdays=frozenset({0, 1, 2, 3, 4})), "Mon 2026-03-30 10:00"),
        (recalls(offset(days=5), weekdays=frozenset({5})), "Sat 2026-03-28 10:00"),
        (recalls(offset(), weekdays=frozenset({6})), "Sun 2026-03-29 10:00"),
    ],
)
def test_a_message_moves_to_an_allowed_weekday(asked: Rule, expected: str) -> None:
    """From Monday 2026-03-23, 10:00: what comes before moves back, what comes after moves on."""
    assert due(asked, "2026-03-23T10:00") == [expected]


def test_what_moves_onto_the_same_moment_is_one_message() -> None:
    """Two and one day before a Sunday visit are both the Friday; the one listed first stands."""
    asked = reminds(Step(label="2d", days=-2, millis=0), Step(label="1d", days=-1, millis=0), weekdays=frozenset({4}))
    steps = planned(
        asked, {"appointment.start": When(at("2026-03-22T10:00"), CHICAGO, Precision.MINUTE)}, occurred=0, zone=CHICAGO
    )
    assert [one.step for one in steps] == ["2d"]


def test_a_date_without_a_clock_will_do_when_the_rule_tells_the_hour() -> None:
    """T-07: a vaccination is told as a date; its recall is certain, and it is that day wherever the clinic is."""
    given_on = When(at("2026-03-20T00:00", "UTC"), "UTC", Precision.DAY)
    asked = rule(
        schedule=Schedule(anchor="immunization.given", steps=(offset(months=12),), minute=540),
        expires=None,
        expires_after=DAY,
    )
    facts = {"immunization.given": given_on}
    (step,) = planned(asked, facts, occurred=0, zone=CHICAGO)
    assert to_datetime(step.due, CHICAGO).isoformat() == "2027-03-20T09:00:00-05:00"
    assert certain(asked, facts)
    assert not certain(reminds(offset(days=-1)), {"appointment.start": When(at("2026-03-20"), CHICAGO, Precision.DAY)})
    assert not certain(asked, {"immunization.given": When(0, "UTC", Precision.MONTH)})
    assert certain(recalls(offset(days=1)), {})


def test_at_once_is_no_offset_unless_the_rule_tells_the_hour() -> None:
    """What is sent at once is never skipped as past; nine o'clock that is past is."""
    (plain,) = planned(recalls(offset()), {}, occurred=at("2026-03-20T10:00"), zone=CHICAGO)
    (timed,) = planned(recalls(offset(), minute=540), {}, occurred=at("2026-03-20T08:00"), zone=CHICAGO)
    (later,) = planned(recalls(offset(days=1)), {}, occurred=at("2026-03-20T10:00"), zone=CHICAGO)
    assert [one.at_once for one in (plain, timed, later)] == [True, False, False]


def test_what_weekdays_moved_back_is_skipped_when_it_is_past() -> None:
    """For a Saturday's visit, booked that morning, Friday is over: nothing leaves on a day the rule does not allow."""
    weekdays = frozenset(range(5))
    facts = {"appointment.start": When(at("2026-03-21T10:00"), CHICAGO, Precision.MINUTE)}
    (moved,) = planned(reminds(offset(), weekdays=weekdays), facts, occurred=0, zone=CHICAGO)
    assert (moved.due, moved.at_once) == (at("2026-03-20T10:00"), False)
    (onward,) = planned(recalls(offset(), weekdays=weekdays), {}, occurred=at("2026-03-21T10:00"), zone=CHICAGO)
    assert (onward.due, onward.at_once) == (at("2026-03-23T10:00"), True)


@pytest.mark.parametrize("asked", [recalls(offset(months=12)), recalls(offset(days=7), minute=60)])
def test_a_feed_that_writes_the_end_of_time_plans_nothing(asked: Rule) -> None:
    """The year 9999 is how some systems say never."""
    assert planned(asked, {}, occurred=at("9999-12-30T00:00", "UTC"), zone="UTC") == ()


@given(
    st.integers(at("2026-01-01") // MINUTE, at("2027-01-01") // MINUTE),
    st.integers(0, 40),
    st.none() | st.integers(0, 24 * 60 - 1),
    st.frozensets(st.integers(0, 6), max_size=7),
    st.booleans(),
    st.sampled_from([CHICAGO, "Australia/Lord_Howe", "Pacific/Apia"]),
)
def test_wherever_and_whenever_it_keeps_its_side_its_weekday_and_its_hour(
    minute: int, days: int, hour: int | None, weekdays: frozenset[int], before: bool, zone: str
) -> None:
    """Any date of the year: on an allowed weekday, at the hour told or the next that exists, within a week and a day."""
    anchor = minute * MINUTE
    step = offset(days=-days if before else days)
    asked = rule(
        schedule=Schedule(anchor=OCCURRED, steps=(step,), before=before, minute=hour, weekdays=weekdays),
        expires=None,
        expires_after=DAY,
    )
    (found,) = planned(asked, {}, occurred=anchor, zone=zone)
    local = to_datetime(found.due, zone)
    assert (found.due <= anchor) if before else (found.due >= anchor)
    assert not weekdays or local.weekday() in weekdays
    plain = shifted(anchor, step, zone)
    assert (plain - found.due if before else found.due - plain) < 9 * DAY
    wanted = hour if hour is not None else _minute(anchor, zone)
    gap = (local.hour * 60 + local.minute - wanted) % (24 * 60)
    assert gap == 0 or (gap <= 120 and _missing(local, wanted))


def _minute(millis: Millis, zone: str) -> int:
    local = to_datetime(millis, zone)
    return local.hour * 60 + local.minute


def _missing(local: datetime, minute: int) -> bool:
    """Whether the wall time of that day does not exist."""
    wall = local.replace(hour=minute // 60, minute=minute % 60, second=0, microsecond=0, fold=0)
    zone = local.tzinfo
    back = datetime.fromtimestamp(wall.timestamp(), zone)
    return (back.hour, back.minute) != (wall.hour, wall.minute)


# -- as it is written


def read(write: Write, text: str) -> Schedule:
    found = load(write({WHOLE: text, "expires: appointment.start": "expires_after: 3d"})).rules["reminder"].schedule
    assert isinstance(found, Schedule)
    return found


@pytest.mark.parametrize(
    ("written", "steps"),
    [
        ("{after: event.occurred, by: [1y, 6mo, 2w]}", [("1y", 12, 0), ("6mo", 6, 0), ("2w", 0, 14)]),
        ("{after: event.occurred, by: 1y, every: 1y, times: 3}", [("1y", 12, 0), ("2y", 24, 0), ("3y", 36, 0)]),
        ("{after: event.occurred, every: 6mo, times: 2}", [("6mo", 6, 0), ("12mo", 12, 0)]),
        ("{after: event.occurred, by: 11mo, every: 1y, times: 3}", [("11mo", 11, 0), ("11mo+1y", 23, 0), ("11mo+2y", 35, 0)]),
        ("{after: event.occurred, by: 2d, every: 1w, times: 2}", [("2d", 0, 2), ("2d+1w", 0, 9)]),
        ("{before: appointment.start, by: [1mo, 1w]}", [("1mo", -1, 0), ("1w", 0, -7)]),
    ],
)  # fmt: skip
def test_what_repeats_is_written_out_as_steps_with_names(
    write: Write, written: str, steps: list[tuple[str, int, int]]
) -> None:
    """Each has a label of its own, by which a request and a test name it."""
    assert [(one.label, one.months, one.days) for one in read(write, written).steps] == steps


def test_elapsed_time_may_repeat_too(write: Write) -> None:
    """Every twelve hours, three times."""
    schedule = read(write, "{after: event.occurred, by: 12h, every: 12h, times: 3}")
    assert [(one.label, one.millis) for one in schedule.steps] == [
        ("12h", 12 * HOUR),
        ("24h", 24 * HOUR),
        ("36h", 36 * HOUR),
    ]


def test_the_hour_and_the_weekdays_are_read(write: Write) -> None:
    """And one weekday may stand alone."""
    schedule = read(write, '{before: appointment.start, by: 7d, time: "09:30", on: [mon, sun]}')
    assert (schedule.minute, schedule.weekdays, schedule.before) == (570, {0, 6}, True)
    assert read(write, "{after: event.occurred, by: 7d, on: wed}").weekdays == {WEEKDAYS.index("wed")}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{after: event.occurred}", "reminder.yaml:18:7: tell `by`, or `every` and `times`"),
        ("{after: event.occurred, by: 1y, every: 1y}", "reminder.yaml:18:46: nothing repeats for ever: tell `times` too"),
        ("{after: event.occurred, by: 1y, times: 3}", "reminder.yaml:18:46: `times` says how often, and nothing says how far apart"),
        ("{after: event.occurred, by: 1y, every: 1y, times: 1}", "`send.at.times` must be at least 2"),
        ("{after: event.occurred, by: 1y, every: 1y, times: 61}", "`send.at.times` must be at most 60"),
        ("{after: event.occurred, by: [1y, 2y], every: 1y, times: 3}", "reminder.yaml:18:35: with `every`, `by` is the first offset alone"),
        ("{before: appointment.start, by: 1w, every: 1d, times: 3}", "reminder.yaml:18:50: what repeats comes after something"),
        ("{after: event.occurred, by: 1y, every: yearly, times: 3}", "reminder.yaml:18:46: `every` must be a duration"),
        ("{before: appointment.start, by: [1w, 7d]}", "reminder.yaml:18:44: `7d` is the same moment as `1w`"),
        ("{before: appointment.start, by: [1w, 1w]}", "reminder.yaml:18:44: `1w` stands here twice"),
        ("{after: event.occurred, by: 101y}", "reminder.yaml:18:35: `by` must be within a hundred years"),
        ('{before: appointment.start, by: [1d, 36h], time: "09:00"}', "reminder.yaml:18:56: `36h` counts hours or minutes, and `time` moves whole days"),
        ("{before: appointment.start, by: 36h, on: [mon]}", "`36h` counts hours or minutes, and `on` moves whole days"),
        ("{before: appointment.start, by: 1d, time: 9am}", "reminder.yaml:18:49: `send.at.time` must be a time of day like 08:00"),
        ("{before: appointment.start, by: 1d, on: [monday]}", "`send.at.on[1]` must be 'mon', 'tue'"),
        ("{before: appointment.start, by: 1d, on: [mon, mon]}", "`mon` stands here twice"),
        ("{before: appointment.start, by: 1d, on: []}", "`send.at.on` must have at least"),
    ],
)  # fmt: skip
def test_a_schedule_that_cannot_be_meant_is_named_with_its_place(write: Write, written: str, expected: str) -> None:
    """File, line, column, and what to do."""
    folder = write({WHOLE: written, "expires: appointment.start": "expires_after: 3d"})
    with pytest.raises(ConfigError) as caught:
        load(folder)
    told = "\n".join(problem.replace(f"{folder}{os.sep}", "") for problem in caught.value.problems)
    assert expected in told


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("expires: appointment.start", "expires_after: 6mo", "must have one length, which months and years do not: count days"),
        ("why:", "max_age: 1y\nwhy:", "`max_age` must have one length"),
    ],
)  # fmt: skip
def test_a_length_of_time_is_counted_in_weeks_at_most(write: Write, old: str, new: str, expected: str) -> None:
    """How long something has sense must not depend on the month."""
    with pytest.raises(ConfigError, match=expected):
        load(write({old: new}))
    weekly = load(write({"expires: appointment.start": "expires_after: 1w"})).rules["reminder"]
    assert weekly.expires_after == 7 * DAY


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (reminds(offset(days=-1)), False),
        (reminds(offset(days=-1), minute=540), True),
        (reminds(offset(days=-1), weekdays=frozenset({0})), True),
    ],
)
def test_only_an_hour_or_weekdays_move_a_message(asked: Rule, expected: bool) -> None:
    """Whoever looks for two rules in each other's way asks this."""
    assert asked.schedule.moves is expected
