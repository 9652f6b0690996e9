"""Nothing leaves while it is quiet anywhere the patient may be; openings are exact, also when the clocks change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given as cases
from hypothesis import strategies as st

from gateway.model.consent import ChannelKind, Purpose
from gateway.model.policy import DEFAULT_QUIET, Policy
from gateway.model.request import RequestKind
from gateway.model.verdict import Hold, Reason
from gateway.model.when import DAY, HOUR, MINUTE, Millis, to_datetime, to_millis, zone_of
from gateway.policy import Circumstances, decide, plausible_zones
from gateway.policy.hours import is_quiet, next_closing, next_opening, next_opening_of
from gateway.policy.kinds import rings_until
from gateway.policy.zones import ANYWHERE, _table, us_zones

NEW_YORK, CHICAGO, HONOLULU = "America/New_York", "America/Chicago", "Pacific/Honolulu"
NIGHT = (21 * 60, 8 * 60)


def at(text: str, zone: str = NEW_YORK, fold: int = 0) -> Millis:
    return to_millis(datetime.fromisoformat(text).replace(tzinfo=zone_of(zone), fold=fold))


def opens(zones: list[str], quiet: tuple[int, int], now: Millis, zone: str = NEW_YORK) -> str | None:
    found = next_opening(zones, quiet, now)
    return None if found is None else to_datetime(found, zone).isoformat()


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-10T12:00", "2026-03-10T12:00:00-04:00"),
        ("2026-03-10T08:00", "2026-03-10T08:00:00-04:00"),
        ("2026-03-10T07:59:59", "2026-03-10T08:00:00-04:00"),
        ("2026-03-10T20:59:59", "2026-03-10T20:59:59-04:00"),
        ("2026-03-10T21:00", "2026-03-11T08:00:00-04:00"),
        ("2026-03-10T23:30:30", "2026-03-11T08:00:00-04:00"),
        ("2026-03-07T22:00", "2026-03-08T08:00:00-04:00"),
        ("2026-10-31T22:00", "2026-11-01T08:00:00-05:00"),
    ],
)
def test_a_message_waits_for_eight_in_the_morning(now: str, expected: str) -> None:
    """47 CFR 64.1200(c)(1): 8 to 21 at the called party's location, also in the nights when clocks change."""
    assert opens([NEW_YORK], NIGHT, at(now)) == expected


def test_an_hour_that_does_not_exist_opens_when_the_clock_jumps_over_it() -> None:
    """Quiet until 02:30 on the night without one: at 02:00 it is 03:00, and open."""
    assert opens([NEW_YORK], (0, 150), at("2026-03-08T00:30")) == "2026-03-08T03:00:00-04:00"


def test_an_hour_that_exists_twice_is_quiet_twice() -> None:
    """Quiet until 01:30: after the clock is set back it is quiet again."""
    assert opens([NEW_YORK], (0, 90), at("2026-11-01T00:30")) == "2026-11-01T01:30:00-04:00"
    assert opens([NEW_YORK], (0, 90), at("2026-11-01T01:10", fold=1)) == "2026-11-01T01:30:00-05:00"


def test_quiet_hours_within_a_day_and_none_at_all() -> None:
    """(from, until) need not pass midnight; equal ones are never quiet; no zone asks for nothing."""
    assert opens([NEW_YORK], (12 * 60, 14 * 60), at("2026-03-10T12:30")) == "2026-03-10T14:00:00-04:00"
    assert opens([NEW_YORK], (0, 0), at("2026-03-10T03:00")) == "2026-03-10T03:00:00-04:00"
    assert next_opening([], NIGHT, 5) == 5


def test_between_two_zones_only_the_hours_open_in_both_are_used() -> None:
    """A patient of a divided state is written to when it is eight in the later zone."""
    assert opens([NEW_YORK, CHICAGO], NIGHT, at("2026-03-10T07:00")) == "2026-03-10T09:00:00-04:00"
    assert opens([NEW_YORK, CHICAGO], NIGHT, at("2026-03-10T21:30")) == "2026-03-11T09:00:00-04:00"


def test_where_no_hour_is_open_everywhere_there_is_no_opening() -> None:
    """Anywhere in the world it is always night somewhere."""
    assert next_opening(ANYWHERE, NIGHT, at("2026-03-10T12:00")) is None


ZONES = st.lists(
    st.sampled_from([NEW_YORK, CHICAGO, HONOLULU, "America/St_Johns", "America/Phoenix"]), min_size=1, max_size=3
)
MOMENTS = st.integers(at("2026-01-01T00:00") // MINUTE, at("2026-12-31T00:00") // MINUTE)
CLOCKS = st.integers(0, 24 * 60 - 1)


@cases(ZONES, MOMENTS, CLOCKS, CLOCKS)
def test_an_opening_is_open_and_nothing_before_it_was(zones: list[str], minute: int, start: int, end: int) -> None:
    """Checked minute by minute over the whole wait, at any time of the year."""
    now = minute * MINUTE
    opening = next_opening(zones, (start, end), now)
    stop = now + 2 * DAY if opening is None else opening
    for moment in range(now, min(stop, now + 2 * DAY), 7 * MINUTE):
        assert any(is_quiet(zone, (start, end), moment) for zone in zones)
    if opening is not None:
        assert opening >= now
        assert not any(is_quiet(zone, (start, end), opening) for zone in zones)
        assert opening == now or any(is_quiet(zone, (start, end), opening - 1) for zone in zones)


@cases(ZONES, MOMENTS, CLOCKS, CLOCKS)
def test_all_is_open_until_the_hours_begin(zones: list[str], minute: int, start: int, end: int) -> None:
    """SM-17: what is open goes on to be at least until then, at any time of the year; and it is no later than a day."""
    now = minute * MINUTE
    if any(is_quiet(zone, (start, end), now) for zone in zones):
        return
    closing = next_closing(zones, [(start, end)], now)
    assert (closing is None) == (not zones or start == end)
    for moment in range(now, now if closing is None else closing, 7 * MINUTE):
        assert not any(is_quiet(zone, (start, end), moment) for zone in zones)
    assert closing is None or now < closing <= now + DAY


def test_the_evening_is_that_of_the_easternmost_zone_and_of_the_persons_own_hours() -> None:
    """SM-17: whichever begins first."""
    noon = at("2026-03-10T12:00")
    assert next_closing([CHICAGO, NEW_YORK], [NIGHT], noon) == at("2026-03-10T21:00")
    assert next_closing([CHICAGO, NEW_YORK], [NIGHT, (13 * 60, 14 * 60)], noon) == at("2026-03-10T13:00")


def test_what_is_cleared_may_ring_until_night_or_its_own_end(
    given: Callable[..., Circumstances], policy: Policy
) -> None:
    """SM-17: what is over is not told; an answer to what was just written is not bound to hours."""
    now = given(now=at("2026-03-10T19:00", CHICAGO), expires=None, channel=ChannelKind.SMS)
    soon = replace(now, expires=now.now + 5 * MINUTE)
    assert rings_until(now, policy, RequestKind.RULE) == at("2026-03-10T21:00", CHICAGO)
    assert rings_until(soon, policy, RequestKind.RULE) == soon.expires
    assert rings_until(soon, policy, RequestKind.CODE) == soon.expires
    assert rings_until(now, policy, RequestKind.OPT_OUT_CONFIRMATION) is None


def test_what_solicits_may_ring_until_the_law_of_the_place_ends_the_day(
    given: Callable[..., Circumstances], policy: Policy
) -> None:
    """SM-17, regulation 44: Florida's day ends at eight in the evening (Fla. Stat. 501.616(6)(a)), whatever the site's hours."""
    evening = given(now=at("2026-03-10T19:30"), expires=None, channel=ChannelKind.SMS, state="FL", zones=(NEW_YORK,))
    offer = replace(evening, purpose=Purpose.HMARKT)
    assert rings_until(offer, policy, RequestKind.RULE) == at("2026-03-10T20:00")
    assert rings_until(evening, policy, RequestKind.RULE) == at("2026-03-10T21:00")


def test_the_gate_holds_until_the_patients_morning(given: Callable[..., Circumstances], policy: Policy) -> None:
    """SM-17, T-09: the patient's own zone, and the hold says until when."""
    night = at("2026-03-10T22:00", CHICAGO)
    held = decide(given(now=night, expires=None), policy).against
    assert isinstance(held, Hold)
    assert (held.reason, held.until) == (Reason.QUIET_HOURS, at("2026-03-11T08:00", CHICAGO))


def test_an_unknown_address_may_be_anywhere_in_the_united_states(
    given: Callable[..., Circumstances], policy: Policy
) -> None:
    """Eight in Samoa and not yet twenty-one in Puerto Rico or after eight in Guam: a narrow but real window."""
    held = decide(given(now=at("2026-03-10T10:00"), expires=None, zones=()), policy).against
    assert isinstance(held, Hold)
    assert held.until is not None
    assert all(not is_quiet(zone, NIGHT, held.until) for zone in us_zones())


def test_without_any_plausible_window_it_waits_for_an_address_that_tells_the_zone(
    given: Callable[..., Circumstances], policy: Policy
) -> None:
    """Law 6: the message waits with a reason that says what would release it, and is looked at again."""
    now = given(zones=ANYWHERE)
    held = decide(now, policy).against
    assert isinstance(held, Hold)
    assert (held.reason, held.until) == (Reason.NO_PLAUSIBLE_WINDOW, now.now + policy.look_again)


def test_a_channel_nobody_gave_hours_is_quiet_at_night(policy: Policy) -> None:
    """Not told is not never quiet."""
    assert policy.quiet(ChannelKind.SMS) == DEFAULT_QUIET
    assert policy.quiet(ChannelKind.PORTAL) == (0, 0)


@pytest.mark.parametrize(
    ("state", "postal", "country", "expected"),
    [
        ("IL", "60601", "US", {CHICAGO}),
        ("il", " 60601-1234 ", "usa", {CHICAGO}),
        ("FL", "33101", "", {NEW_YORK}),
        ("FL", "32501", None, {CHICAGO}),
        ("FL", "32401", "US", {NEW_YORK, CHICAGO}),
        ("FL", "", "US", {NEW_YORK, CHICAGO}),
        ("FL", "x2401", "US", {NEW_YORK, CHICAGO}),
        ("FL", "３２４", "US", {NEW_YORK, CHICAGO}),
        ("AZ", "86515", "US", {"America/Phoenix", "America/Denver"}),
        ("AZ", "85001", "US", {"America/Phoenix"}),
        ("TX", "79901", "US", {"America/Denver"}),
        ("IN", "46402", "US", {CHICAGO}),
        ("PR", "00901", "US", {"America/Puerto_Rico"}),
        ("", "", "PR", {"America/Puerto_Rico"}),
        (None, None, "GUM", {"Pacific/Guam"}),
        ("ON", "M5V", "CA", {"America/Toronto", "America/Winnipeg"}),
        ("AB", None, "Canada", {"America/Edmonton"}),
        ("AE", "09012", "US", set(ANYWHERE)),
        ("AP", "96201", "", set(ANYWHERE)),
        (None, None, "DE", set(ANYWHERE)),
        (None, "60601", "US", set()),
        ("XX", "60601", "US", set()),
        (None, None, None, set()),
    ],
)
def test_state_and_zip_tell_where_a_patient_may_be(
    state: str | None, postal: str | None, country: str | None, expected: set[str]
) -> None:
    """Divided areas have both zones; what tells nothing is empty; abroad is anywhere unless the table knows better."""
    assert set(plausible_zones(state, postal, country)) == expected


def test_a_province_the_table_lacks_takes_all_zones_of_its_country() -> None:
    """Wide rather than wrong."""
    assert len(plausible_zones("??", None, "CA")) > 5
    assert "America/Tijuana" in plausible_zones("BCN", None, "MEX")


def test_every_state_is_in_the_table_and_every_zone_exists() -> None:
    """Fifty states, the district and five territories; split ones have a line for the rest of their ZIPs."""
    table = _table()
    states = {region for country, region, _ in table if country == "US"}
    assert len(states) == 56
    for (country, region, zip3), zones in table.items():
        assert zones
        assert all(zone_of(zone) for zone in zones)
        if zip3 not in ("", "rest"):
            assert set(zones) <= set(table[country, region, ""])
            assert (country, region, "rest") in table


def test_an_hour_is_found_quickly() -> None:
    """The widest search, fourteen zones, asks each zone a few times, not every minute."""
    now = at("2026-03-07T22:00")
    opening = next_opening(us_zones(), NIGHT, now)
    assert opening is not None
    assert opening - now < 30 * HOUR


def test_hours_of_ones_own_are_kept_beside_the_sites(noon: int) -> None:
    """Whichever of the two is quiet, it is; two that leave nothing between them leave nothing."""
    zones = ["America/Chicago"]
    night, own = (21 * 60, 8 * 60), (8 * 60, 13 * 60)
    assert next_opening_of(zones, (night,), noon) == noon
    assert next_opening_of(zones, (night, own), noon) == noon + HOUR
    at_nine = noon + 9 * HOUR
    assert next_opening_of(zones, (night, own), at_nine) == at_nine + 16 * HOUR
    assert next_opening_of(zones, (night, (8 * 60, 21 * 60)), noon) is None
    assert next_opening_of(ANYWHERE, (DEFAULT_QUIET,), noon) is None
