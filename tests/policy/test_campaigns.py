"""A campaign leaves as slowly as its bounds say, and only as what a person approved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.model.consent import ChannelKind
from gateway.model.policy import Policy
from gateway.model.rule import Campaign
from gateway.model.verdict import Deny, Hold, Reason
from gateway.model.when import DAY, HOUR, Millis, to_millis
from gateway.policy import Circumstances, at_planning, decide
from gateway.policy.campaigns import day_of, days_needed, hour_of, is_held_out, open_hours, opens, outgrown
from gateway.policy.circumstances import CampaignStanding

Given = Callable[..., Circumstances]
CHICAGO = "America/Chicago"


def at(text: str) -> Millis:
    """An instant of UTC: "2026-09-01 15:30"."""
    return to_millis(datetime.fromisoformat(text).replace(tzinfo=UTC))


MORNING = at("2026-09-01 15:30")  # half past ten in Chicago
RUNNING = CampaignStanding(approved=True, stopped=False, over=False, opens=0)


def campaign(**told: object) -> Campaign:
    """With these bounds and no others."""
    return Campaign(line=1, **told)  # type: ignore[arg-type]


def test_a_tenth_is_never_written_to_and_always_the_same_people() -> None:
    """Who drew below the share is of it; without a campaign nobody is."""
    assert [drawn for drawn in range(100) if is_held_out(campaign(holdout=10), drawn)] == list(range(10))
    assert not is_held_out(campaign(), 0)
    assert not is_held_out(None, 0)


def test_more_people_than_a_tenth_beyond_the_approved_is_another_audience() -> None:
    """SN-03: a hundred and ten of a hundred are borne, one more is not; of nobody approved nobody is."""
    assert not outgrown(100, 10)
    assert outgrown(100, 11)
    assert outgrown(0, 1)
    assert not outgrown(0, 0)


def test_without_bounds_anything_may_leave_at_any_time() -> None:
    """The gates for hours, caps and law are others."""
    assert opens(campaign(), {hour_of(MORNING, CHICAGO): 10**6}, 0, MORNING, CHICAGO) == MORNING


def test_a_full_hour_opens_with_the_next() -> None:
    """The last one of the hour leaves, the one after it waits for the full hour."""
    hour = at("2026-09-01 15:00")
    told = campaign(hourly=500)
    assert opens(told, {hour: 499}, hour, MORNING, CHICAGO) == MORNING
    assert opens(told, {hour: 500}, hour, MORNING, CHICAGO) == hour + HOUR
    assert opens(told, {hour - HOUR: 500}, hour, MORNING, CHICAGO) == MORNING


def test_a_full_day_opens_at_midnight_where_the_organization_is() -> None:
    """Not at that of UTC; what left the evening before does not count."""
    told = campaign(daily=1000, hourly=1000)
    night = at("2026-09-01 05:00")
    assert day_of(MORNING, CHICAGO) == night
    assert opens(told, {night: 600, night + 9 * HOUR: 400}, night, MORNING, CHICAGO) == night + DAY
    assert opens(told, {night - HOUR: 600, night + 9 * HOUR: 400}, night, MORNING, CHICAGO) == MORNING


def test_the_day_on_which_clocks_go_back_has_twenty_five_hours() -> None:
    """1 November 2026: its midnights lie 25 hours apart."""
    noon = at("2026-11-01 18:00")
    begins = at("2026-11-01 05:00")
    assert opens(campaign(daily=1), {begins: 1}, begins, noon, CHICAGO) == begins + 25 * HOUR


def test_hours_of_a_zone_that_is_half_an_hour_off_begin_on_its_own_clock() -> None:
    """15:30 UTC is 21:00 in Kolkata."""
    assert hour_of(MORNING + 1, "Asia/Kolkata") == MORNING


@pytest.mark.parametrize(
    ("begun", "most"),
    [(None, 200), (MORNING, 200), (MORNING - DAY, 1000), (MORNING - 2 * DAY, 5000), (MORNING + DAY, 200)],
    ids=["before any", "first day", "second", "after the ramp", "a clock that went back"],
)
def test_the_first_days_are_slow(begun: Millis | None, most: int) -> None:
    """EM-30: days count from the one on which the first message left."""
    told = campaign(ramp=(200, 1000), daily=5000)
    hour = at("2026-09-01 15:00")
    assert opens(told, {hour: most - 1}, begun, MORNING, CHICAGO) == MORNING
    assert opens(told, {hour: most}, begun, MORNING, CHICAGO) > MORNING


def test_what_is_approved_running_and_has_room_leaves(given: Given, policy: Policy) -> None:
    """No gate of the campaign has anything against it."""
    assert decide(given(campaign=RUNNING), policy).clearance is not None


def test_what_is_over_ends_and_what_stands_still_waits(given: Given, policy: Policy) -> None:
    """Over goes before stopped: nobody resumes it."""
    over = CampaignStanding(approved=True, stopped=True, over=True, opens=0)
    assert decide(given(campaign=over), policy).against == Deny(gate="campaign-running", reason=Reason.CAMPAIGN_STOPPED)


@pytest.mark.parametrize(
    ("expires", "again"),
    [(None, DAY), (3 * DAY, DAY), (HOUR, HOUR - 1), (1, 1)],
    ids=["never", "later", "soon", "at once"],
)
def test_what_nobody_approved_is_asked_again_in_a_day_or_before_it_expires(
    given: Given, policy: Policy, expires: Millis | None, again: Millis
) -> None:
    """A million that wait cost a million looks a day, not one each hour; approval has all of them asked at once."""
    now = given().now
    unapproved = CampaignStanding(approved=False, stopped=False, over=False, opens=0)
    held = decide(given(campaign=unapproved, expires=None if expires is None else now + expires), policy).against
    assert isinstance(held, Hold)
    assert held.until == now + again


def test_a_full_volume_says_when_it_opens(given: Given, policy: Policy) -> None:
    """Time alone ends it."""
    now = given().now
    full = CampaignStanding(approved=True, stopped=False, over=False, opens=now + HOUR)
    held = decide(given(campaign=full), policy).against
    assert isinstance(held, Hold)
    assert (held.gate, held.until) == ("campaign-volume", now + HOUR)
    at_the_hour = CampaignStanding(approved=True, stopped=False, over=False, opens=now)
    assert decide(given(campaign=at_the_hour), policy).clearance is not None


def test_whoever_is_held_out_is_withheld_when_it_is_planned(given: Given, policy: Policy) -> None:
    """So the outbox is never full of what will not leave."""
    assert at_planning(given(held_out=True), policy) == Deny(gate="holdout", reason=Reason.HOLDOUT)


@pytest.mark.parametrize(
    ("bounds", "messages", "days"),
    [
        ({}, 10**6, 0),
        ({"daily": 5000}, 10**6, 200),
        ({"hourly": 500}, 12_001, 2),
        ({"daily": 5000, "hourly": 100}, 4800, 2),
        ({"ramp": (200, 1000), "daily": 5000}, 6201, 4),
        ({"ramp": (200, 1000)}, 300, 2),
        ({"ramp": (200, 1000)}, 5000, 3),
        ({"ramp": (200, 1000)}, 100, 1),
        ({"ramp": (200,), "hourly": 5}, 240, 2),
    ],
)
def test_a_dry_run_says_how_many_days_it_takes(bounds: dict[str, object], messages: int, days: int) -> None:
    """At its bounds, were every hour open: nobody is surprised that a million take two hundred days."""
    assert days_needed(campaign(**bounds), messages) == days


@pytest.mark.parametrize(
    ("quiet", "hours"),
    [
        ({ChannelKind.EMAIL: (21 * 60, 8 * 60)}, 13),
        ({ChannelKind.EMAIL: (20 * 60 + 30, 8 * 60)}, 13),
        ({ChannelKind.EMAIL: (12 * 60, 14 * 60)}, 22),
        ({ChannelKind.EMAIL: (0, 0)}, 24),
        ({ChannelKind.EMAIL: (21 * 60, 8 * 60), ChannelKind.SMS: (20 * 60, 10 * 60)}, 13),
        ({}, 24),
    ],
    ids=str,
)
def test_the_hours_of_a_day_are_those_that_are_not_quiet(
    policy: Policy, quiet: dict[ChannelKind, tuple[int, int]], hours: int
) -> None:
    """SM-17: by an hourly bound a night without sends makes it days longer; of several channels the longest day counts."""
    assert open_hours(replace(policy, quiet_hours=quiet), quiet) == hours
    assert days_needed(campaign(hourly=10), 240, hours=hours) == -(-24 // hours)
