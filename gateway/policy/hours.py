"""Quiet hours in the patient's own zone: nothing leaves while it is quiet in any zone they may plausibly be in.

47 CFR 64.1200(c)(1) counts the hours at the called party's location; where that is not known, only the hours
open in all plausible zones are used (conformance T-09, SM-17).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from gateway.model.when import DAY, MINUTE, Millis, to_datetime

_DAY_MINUTES = 24 * 60
_LOOK_AHEAD = 3 * DAY  # windows repeat daily; one daylight-saving day may differ, three days cannot all


def next_opening(zones: Sequence[str], quiet: tuple[int, int], now: Millis) -> Millis | None:
    """The first instant from `now` on (Millis UTC) at which it is quiet in none of `zones`; None: there is none.

    `quiet`: (from, until) in minutes of the local day, `until` itself is open; equal means never quiet.
    """
    at = now
    while at <= now + _LOOK_AHEAD:
        later = max((_quiet_end(zone, quiet, at) for zone in zones), default=at)
        if later == at:
            return at
        at = later
    return None


def next_opening_of(zones: Sequence[str], windows: Sequence[tuple[int, int]], now: Millis) -> Millis | None:
    """As `next_opening`, where it must be quiet by none of several hours: the site's and the person's own."""
    at = now
    while at <= now + _LOOK_AHEAD:
        later = at
        for quiet in windows:
            opening = next_opening(zones, quiet, later)
            if opening is None:
                return None
            later = opening
        if later == at:
            return at
        at = later
    return None


def next_closing(zones: Sequence[str], windows: Sequence[tuple[int, int]], now: Millis) -> Millis | None:
    """The first instant after `now` (Millis UTC), which is open, at which any of the hours begins in any of `zones`; None: never."""
    starts = (_quiet_start(zone, quiet, now) for zone in zones for quiet in windows if quiet[0] != quiet[1])
    return min(starts, default=None)


def is_quiet(zone: str, quiet: tuple[int, int], at: Millis) -> bool:
    """Whether the local clock of `zone` stands within the quiet hours."""
    start, end = quiet
    minute = _local_minute(zone, at)
    return start <= minute < end if start <= end else minute >= start or minute < end


def _local_minute(zone: str, at: Millis) -> int:
    return _minute_of_day(zone, at - at % MINUTE)  # zones differ from UTC by whole minutes


@lru_cache(maxsize=4096)
def _minute_of_day(zone: str, at: Millis) -> int:
    local = to_datetime(at, zone)
    return local.hour * 60 + local.minute


def _quiet_end(zone: str, quiet: tuple[int, int], at: Millis) -> Millis:
    """When the quiet hours that `at` stands in end; `at` itself when it is not quiet."""
    while is_quiet(zone, quiet, at):
        minutes = (quiet[1] - _local_minute(zone, at)) % _DAY_MINUTES
        end = at - at % MINUTE + minutes * MINUTE
        jump = _jump(zone, at, end)
        at = end if jump is None else jump  # the clock jumps on the way: look again from there
    return at


def _quiet_start(zone: str, quiet: tuple[int, int], at: Millis) -> Millis:
    """When the quiet hours begin next; `at` stands outside of them."""
    minutes = (quiet[0] - _local_minute(zone, at)) % _DAY_MINUTES
    start = at - at % MINUTE + minutes * MINUTE
    jump = _jump(zone, at, start)
    return start if jump is None else min(jump, start)  # the clock jumps on the way: no later than that


def _jump(zone: str, start: Millis, end: Millis) -> Millis | None:
    """The minute in (start, end] at which the zone's offset changes, or None; found by halving."""
    if _offset(zone, start) == _offset(zone, end):
        return None
    low, high = start // MINUTE, end // MINUTE
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle * MINUTE) == _offset(zone, start):
            low = middle
        else:
            high = middle
    return high * MINUTE


def _offset(zone: str, at: Millis) -> float:
    shift = to_datetime(at, zone).utcoffset()
    return 0.0 if shift is None else shift.total_seconds()
