"""When silence is unusual: by a feed's own habit, in its own zone; whatever the history, a feed that stops is noticed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.when import DAY, HOUR, MINUTE, Millis, to_datetime, to_millis
from gateway.pipeline.habits import (
    GENEROUS,
    SLOT,
    SLOTS_A_WEEK,
    Habit,
    learn,
    silent_from,
    slot_of,
    usual_rate,
)

ZONE = "America/Chicago"
MONDAY = datetime(2026, 1, 5, tzinfo=ZoneInfo(ZONE))
WEEK = 7 * DAY


def at(text: str) -> Millis:
    """The instant of a wall time in Chicago."""
    return to_millis(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)))


def spoken(every: timedelta, weeks: float, open_: Callable[[datetime], bool] = lambda _: True) -> list[Millis]:
    """One message `every` so often, by the wall clock, while `open_`."""
    told, now, end = [], MONDAY.replace(tzinfo=None), MONDAY.replace(tzinfo=None) + timedelta(weeks=weeks)
    while now < end:
        if open_(now):
            told.append(to_millis(now.replace(tzinfo=ZoneInfo(ZONE))))
        now += every
    return told


def office(now: datetime) -> bool:
    """Monday to Friday, 7 to 18."""
    return now.weekday() < 5 and 7 <= now.hour < 18


def habit_of(messages: Iterable[Millis], zone: str = ZONE) -> Habit:
    """What is learnt from messages."""
    told = sorted(messages)
    return learn(Counter(map(slot_of, told)), first=told[0], last=told[-1], zone=zone)


def alarm(messages: Iterable[Millis], last: str | None = None) -> str:
    """When silence after the messages (or up to one of them) is called so, as Chicago's wall time."""
    told = sorted(messages)
    if last is not None:
        told = [one for one in told if one <= at(last)]
    due = silent_from(habit_of(told), told[-1], silent_after=GENEROUS)
    return to_datetime(due, ZONE).strftime("%Y-%m-%d %H:%M")


def test_a_busy_feed_that_stops_in_the_morning_is_noticed_within_the_hour() -> None:
    """Feed watch: minutes, not hours, for a feed that speaks all day."""
    assert alarm(spoken(timedelta(minutes=2), 9, office), "2026-03-03 10:01") == "2026-03-03 10:45"


def test_nights_and_week_ends_are_no_silence() -> None:
    """Feed watch: what stops on Friday at closing time is noticed on Monday morning."""
    assert alarm(spoken(timedelta(minutes=2), 9, office), "2026-02-27 17:58") == "2026-03-02 07:30"


def test_a_feed_that_spoke_hourly_for_weeks_and_stops_is_noticed_soon() -> None:
    """Feed watch: after a second hour is missed."""
    assert alarm(spoken(timedelta(hours=1), 8), "2026-03-01 10:00") == "2026-03-01 12:15"


def test_a_nightly_batch_that_does_not_come_is_noticed_after_the_second_night() -> None:
    """Feed watch: a feed may be silent for a day and be well."""
    assert alarm(spoken(timedelta(days=1), 8), "2026-02-20 00:00") == "2026-02-22 00:15"


def test_a_feed_that_pauses_now_and_then_is_given_the_pauses_it_is_used_to() -> None:
    """Feed watch: about one message an hour, at random: seldom a false alarm in half a year, and one that stops is seen."""
    chance = random.Random(7)
    told, now = [], at("2026-01-05 00:00")
    for _ in range(24 * 7 * 34):
        now += int(chance.expovariate(1) * HOUR)
        told.append(now)
    alarms, habit, learnt = 0, None, 0
    counts: Counter[int] = Counter()
    for one, other in pairwise(told):
        counts[slot_of(one)] += 1
        if one - told[0] < 8 * WEEK or other - one < HOUR:
            continue
        if habit is None or one - learnt > 12 * HOUR:
            habit, learnt = learn(counts, first=told[0], last=one, zone=ZONE), one
        alarms += other >= silent_from(habit, one, silent_after=GENEROUS)
    assert alarms <= 3
    assert silent_from(habit_of(told), told[-1], silent_after=GENEROUS) - told[-1] < DAY


def test_a_new_feed_has_no_habit_and_the_configured_patience_counts() -> None:
    """Feed watch: less than two whole weeks tell nothing about week-ends."""
    told = spoken(timedelta(minutes=5), 1.9, office)
    habit = habit_of(told)
    assert not habit.known
    assert usual_rate(habit, told[-1]) is None
    assert silent_from(habit, told[-1], silent_after=4 * HOUR) == told[-1] + 4 * HOUR


def test_holidays_and_outages_of_the_past_are_not_usual() -> None:
    """Feed watch: one week-day of silence in eight weeks does not make the next one usual."""
    told = spoken(timedelta(minutes=2), 9, office)
    holiday = [one for one in told if to_datetime(one, ZONE).date().isoformat() != "2026-02-16"]
    assert alarm(holiday, "2026-03-03 10:01") == alarm(told, "2026-03-03 10:01")


def test_a_holiday_with_a_few_messages_is_one_alarm() -> None:
    """Feed watch: what the feed did today is its habit today; no alarm for each pause."""
    told = spoken(timedelta(minutes=2), 9, office)
    holiday = "2026-03-03"
    trickle = [at(f"{holiday} {hour:02}:10") for hour in range(8, 18, 2)]
    lived = [one for one in told if to_datetime(one, ZONE).date().isoformat() < holiday]
    alarms = []
    for number, one in enumerate(trickle[:-1], 1):
        known = [*lived, *trickle[:number]]
        if silent_from(habit_of(known), one, silent_after=GENEROUS) <= trickle[number]:
            alarms.append(one)
    assert alarms == [trickle[0]]


def test_an_outage_this_morning_does_not_hide_one_this_afternoon() -> None:
    """Feed watch: the tolerance that a long silence of today earns is bounded."""
    told = [one for one in spoken(timedelta(minutes=2), 9) if not at("2026-03-03 02:00") < one < at("2026-03-03 12:00")]
    assert alarm(told, "2026-03-03 13:00") == "2026-03-03 16:30"


@pytest.mark.parametrize("zone", ["America/Chicago", "Europe/Berlin", "-06:00", "Australia/Lord_Howe"])
def test_a_clock_change_is_no_silence(zone: str) -> None:
    """Feed watch: the week is the feed's wall clock's; Chicago changed on 2026-03-08."""
    local = [to_datetime(one, ZONE).replace(tzinfo=None) for one in spoken(timedelta(minutes=5), 9.5, office)]
    tz = ZoneInfo(zone) if "/" in zone else to_datetime(0, zone).tzinfo
    told = [to_millis(one.replace(tzinfo=tz)) for one in local]
    last = max(one for one in told if to_datetime(one, zone).strftime("%m-%d") == "03-06")
    known = [one for one in told if one <= last]
    due = silent_from(habit_of(known, zone), last, silent_after=GENEROUS)
    assert to_datetime(due, zone).strftime("%a %H:%M") == "Mon 07:30"


def test_the_usual_rate_is_that_of_the_time_of_the_week() -> None:
    """`feeds list`: thirty an hour at ten, none at night."""
    habit = habit_of(spoken(timedelta(minutes=2), 9, office))
    assert usual_rate(habit, at("2026-03-10 10:29")) == pytest.approx(30)
    assert usual_rate(habit, at("2026-03-10 03:00")) == 0


_HISTORY = st.lists(st.integers(0, 10 * SLOTS_A_WEEK), min_size=1, max_size=60)
_START = slot_of(to_millis(MONDAY))


@given(_HISTORY, st.sampled_from(["UTC", ZONE, "Asia/Kolkata"]))
@settings(max_examples=100, deadline=None)
def test_whatever_a_feed_did_its_silence_is_noticed_some_day_and_not_at_once(history: list[int], zone: str) -> None:
    """Feed watch: never silent while it speaks, never silent for ever unnoticed."""
    slots = Counter(_START + one for one in history)
    last = max(slots) * SLOT + MINUTE
    habit = learn(slots, first=min(slots) * SLOT, last=last, zone=zone)
    due = silent_from(habit, last, silent_after=GENEROUS)
    assert due > last
    assert due - last <= 40 * 8 * WEEK
    if habit.known:
        assert due - last > SLOT, "a quarter hour is no silence"


@given(_HISTORY, st.integers(1, 50))
@settings(max_examples=100, deadline=None)
def test_a_week_later_all_is_as_it_was(history: list[int], weeks: int) -> None:
    """Feed watch: only the place in the week counts."""
    slots = Counter(_START + one for one in history)
    later = Counter({slot + weeks * SLOTS_A_WEEK: count for slot, count in slots.items()})
    last = max(slots) * SLOT
    one = silent_from(learn(slots, first=min(slots) * SLOT, last=last, zone="UTC"), last, silent_after=GENEROUS)
    shift = weeks * WEEK
    habit = learn(later, first=min(later) * SLOT, last=last + shift, zone="UTC")
    assert silent_from(habit, last + shift, silent_after=GENEROUS) == one + shift


@given(_HISTORY, st.integers(0, 10 * SLOTS_A_WEEK))
@settings(max_examples=100, deadline=None)
def test_how_much_was_said_at_once_changes_nothing(history: list[int], burst: int) -> None:
    """X-06: a nightly reload of the whole population makes nobody expect another."""
    slots = Counter(_START + one for one in history)
    loud = slots.copy()
    loud[_START + history[burst % len(history)]] += 1_000_000
    first, last = min(slots) * SLOT, max(slots) * SLOT
    calm, shaken = (
        silent_from(learn(one, first=first, last=last, zone=ZONE), last, silent_after=GENEROUS) for one in (slots, loud)
    )
    assert calm == shaken
