"""When the steps of a rule fall due: whole days are wall time in the location's zone, hours and minutes elapsed time.

A day before 09:00 is 09:00 the day before, also across a daylight-saving change. A wall time that does not
exist moves to the later valid time; one that exists twice is its first occurrence (T-06).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

from gateway.model.frozen import value
from gateway.model.rule import Rule, Step
from gateway.model.when import DAY, SECOND, Millis, Precision, When, zone_of
from gateway.ruleset.match import Facts

OCCURRED = "event.occurred"


@value
class Planned:
    """One step of a rule at its time. `step`: the offset as written; `due`, `expires`: Millis UTC."""

    step: str
    due: Millis
    expires: Millis


def planned(rule: Rule, facts: Facts, *, occurred: Millis, zone: str) -> tuple[Planned, ...]:
    """All steps of a rule, past ones included, in the order of the file.

    `occurred`: Millis UTC of the event; `zone`: IANA zone of the location, in which days are counted. Empty
    when a fact the schedule needs is absent or coarser than a day: then nothing can be planned (T-07).
    """
    anchor = occurred if rule.schedule.anchor == OCCURRED else _instant(facts, rule.schedule.anchor)
    ends = None if rule.expires is None else _end(facts, rule.expires, zone)
    if anchor is None or (ends is None and rule.expires is not None):
        return ()
    return tuple(_plan(rule, step, shifted(anchor, step, zone), ends) for step in rule.schedule.steps)


def _plan(rule: Rule, step: Step, due: Millis, ends: Millis | None) -> Planned:
    return Planned(step=step.label, due=due, expires=due + (rule.expires_after or 0) if ends is None else ends)


def shifted(anchor: Millis, step: Step, zone: str) -> Millis:
    """The instant `step` away from `anchor`; days in `zone`, the rest elapsed (both Millis UTC)."""
    return (_days_away(anchor, step.days, zone) if step.days else anchor) + step.millis


@lru_cache(maxsize=4096)
def _days_away(anchor: Millis, days: int, zone: str) -> Millis:
    """Appointments begin on a few hundred marks of the clock a week, so that most are asked for again and again."""
    local = datetime.fromtimestamp(anchor / 1000, zone_of(zone))
    # Adding days to an aware time keeps the wall clock and gives fold=0 (PEP 495): the first of two, and in a
    # gap the offset before it, hence the later valid time.
    there = local + timedelta(days=days)
    return anchor + days * DAY + _offset(local) - _offset(there)


def _offset(local: datetime) -> Millis:
    shift = local.utcoffset() or timedelta()
    return shift.days * DAY + shift.seconds * SECOND


def _end(facts: Facts, name: str, zone: str) -> Millis | None:
    """When a fact's time has come; a day without a clock is over when the next one begins."""
    value, instant = facts.get(name), _instant(facts, name)
    if instant is None or (isinstance(value, When) and value.has_clock):
        return instant
    return shifted(instant, Step(label="", days=1, millis=0), zone)


def _instant(facts: Facts, name: str) -> Millis | None:
    value = facts.get(name)
    if not isinstance(value, When) or value.precision in (Precision.YEAR, Precision.MONTH):
        return None
    return value.utc
