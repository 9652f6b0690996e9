"""What must have left where nothing failed: a gateway that never sends holds every promise but this one."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from gateway.model.when import DAY, Millis, to_datetime
from tests.scenarios.lives import Life, instant
from tests.scenarios.site import ZONE

_PLAIN = {"moved", "moved back", "cancelled", "booked again", "number changed"}
_AHEAD = {"ahead": (7, 3), "soon": (1,)}
_NIGHT: Millis = DAY  # what falls due in quiet hours or between two ticks is later by less
Said = tuple[str, str]
"""(rule, slot)."""


def expected(lives: list[Life]) -> Counter[Said]:
    """(rule, slot) → how often it must have left at least; of lives that nothing silences."""
    shared = Counter(life.person.phone for life in lives)
    found: Counter[Said] = Counter()
    for life in lives:
        if life.kinds <= _PLAIN and shared[life.person.phone] == 1 and not life.person.guardian:
            found += _of(life)
    return found


def _of(life: Life) -> Counter[Said]:
    found: Counter[Said] = Counter()
    told = [one for one in life.told if one.visit is not None]
    for one, after in zip(told, [*told[1:], None], strict=True):
        if one.slot is None:
            continue
        wall = datetime.strptime(one.slot, "%B %d, %Y %I:%M %p")
        start = instant(wall)
        if to_datetime(start, ZONE).replace(tzinfo=None) != wall:
            continue  # a time that no clock showed
        until = start if after is None else min(after.at, start)
        if one.at + _NIGHT < until:
            found["booked", one.slot] = 1  # back again after a time that was past already says nothing new
        for rule, days in _AHEAD.items():
            due = [start - day * DAY for day in days]
            found[rule, one.slot] += sum(one.at + _NIGHT / 2 < at and at + _NIGHT / 2 < until for at in due)
    return found
