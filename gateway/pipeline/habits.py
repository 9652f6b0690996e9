"""When a feed's silence is unusual: measured not by the clock but by how much the feed would have said by its own habit.

A week is cut into quarter hours of the feed's wall clock. How often the feed spoke in each of them is its habit; a
silence is as long as the quarters in which it would have spoken. So nights and week-ends cost nothing, and a feed
that pauses now and then is given the pauses it is used to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise

from gateway.model.when import DAY, MINUTE, Millis, zone_of

SLOT: Millis = 15 * MINUTE
WEEKS = 8
"""How many weeks before its last message make a feed's habit."""
LEAST = 2
"""With fewer whole weeks there is no habit yet."""
GENEROUS: Millis = 3 * DAY
"""How long a feed without a habit may be silent when nobody configured it: longer than a week-end."""
SLOTS_A_WEEK = 7 * DAY // SLOT
_THURSDAY = 3 * DAY // SLOT  # 1970-01-01 was one
_LEAST_MISSED = 2.0  # quarters that are missed before anything is called silence
_MARGIN = 1.5  # times the longest usual silence, and one quarter
_FORGIVEN_EVERY = 4  # weeks: so many of the longest silences, holidays and outages, are not usual
_RECENT = DAY // SLOT  # what the feed did today is its habit today: one alarm for a holiday, not one for each pause
_RECENT_MOST = 8.0  # but an outage this morning must not hide one this afternoon


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """How a feed is used to speak. `weeks`: whole weeks it was learnt from; below LEAST there is none.

    `spoke`: by quarter of the local week (Monday 00:00 first) the share of weeks in which the feed spoke, 0 to 1.
    `rate`: messages by quarter of the local week, the mean of the weeks. `allowed`: how many quarters in which it
    would have spoken it may miss. `longest`: its longest usual silence by the clock, Millis.
    """

    zone: str
    weeks: int
    spoke: tuple[float, ...]
    rate: tuple[float, ...]
    allowed: float
    longest: Millis

    @property
    def known(self) -> bool:
        """Whether there is one."""
        return self.weeks >= LEAST


def slot_of(at: Millis) -> int:
    """The quarter hour (since 1970, UTC) an instant falls in; every zone's quarters begin with it."""
    return at // SLOT


def learn(counts: Mapping[int, int], *, first: Millis, last: Millis, zone: str) -> Habit:
    """The habit of a feed, told by `counts` (messages by `slot_of`), up to its `last` message.

    `first`: when it spoke for the first time, Millis. What came after the last message, its silence, is not learnt
    from. Raises ValueError for a zone that does not exist.
    """
    until = slot_of(last) + 1
    weeks = min(WEEKS, (until - slot_of(first)) // SLOTS_A_WEEK)
    seen = sorted(one for one, count in counts.items() if count and until - weeks * SLOTS_A_WEEK <= one < until)
    times, said = [0] * SLOTS_A_WEEK, [0] * SLOTS_A_WEEK
    for one in seen:
        times[_place(one, zone)] += 1
        said[_place(one, zone)] += counts[one]
    # a day that puts the clock back has four quarters twice
    spoke = [min(1.0, count / max(weeks, 1)) for count in times]
    gaps = [(_missed(before, after, spoke, zone), after - before, after) for before, after in _pairs(seen)]
    usual = sorted((missed for missed, _, _ in gaps), reverse=True)[weeks // _FORGIVEN_EVERY :]
    lengths = sorted((length for _, length, _ in gaps), reverse=True)[weeks // _FORGIVEN_EVERY :]
    recent = max((missed for missed, _, ended in gaps if ended >= until - _RECENT), default=0.0)
    worst = max(usual[0] if usual else 0.0, min(recent, _RECENT_MOST))
    return Habit(
        zone=zone,
        weeks=weeks,
        spoke=tuple(spoke),
        rate=tuple(count / max(weeks, 1) for count in said),
        allowed=max(_LEAST_MISSED, 1 + _MARGIN * worst),
        longest=(lengths[0] if lengths else 0) * SLOT,
    )


def silent_from(habit: Habit, last: Millis, *, silent_after: Millis) -> Millis:
    """When a feed last heard at `last` is to be called silent if nothing comes; Millis, always finite.

    `silent_after`: how long it may be silent while it has no habit. A quarter counts once it is over.
    """
    weekly = sum(habit.spoke)
    if not habit.known or not weekly:
        return last + silent_after
    # whole weeks are skipped, all but one: those in which clocks change are not like the others
    skipped = max(0, int(habit.allowed / weekly) - 1)
    missed, slot = skipped * weekly, slot_of(last) + skipped * SLOTS_A_WEEK
    most = slot + 4 * SLOTS_A_WEEK
    while missed < habit.allowed and slot < most:
        slot += 1
        missed += habit.spoke[_place(slot, habit.zone)]
    return (slot + 1) * SLOT


def usual_rate(habit: Habit, now: Millis) -> float | None:
    """Messages an hour that are usual at this time of the week; None without a habit."""
    if not habit.known:
        return None
    return sum(habit.rate[_place(slot_of(now) - back, habit.zone)] for back in range(4))


def _pairs(slots: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbours with at least one silent quarter between them."""
    return [(one, other) for one, other in pairwise(slots) if other > one + 1]


def _missed(before: int, after: int, spoke: Sequence[float], zone: str) -> float:
    """How many quarters between two messages the feed would have spoken in."""
    return sum(spoke[_place(slot, zone)] for slot in range(before + 1, after))


def _place(slot: int, zone: str) -> int:
    """The quarter of the local week."""
    return (slot + _offset(slot // 2, zone) + _THURSDAY) % SLOTS_A_WEEK


@lru_cache(maxsize=8192)
def _offset(half_hour: int, zone: str) -> int:
    """How far a zone is ahead of UTC, in quarters; clocks change on half hours at the closest."""
    shift = datetime.fromtimestamp(half_hour * 1800, UTC).astimezone(zone_of(zone)).utcoffset()
    assert shift is not None
    return int(shift.total_seconds()) // 900
