"""When the steps of a rule fall due: days and months are wall time in the location's zone, hours and minutes elapsed time.

A day before 09:00 is 09:00 the day before, also across a daylight-saving change. A wall time that does not
exist moves to the later valid time; one that exists twice is its first occurrence (T-06). A month after the 31st
is the last day of a shorter month.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from gateway.model.frozen import value
from gateway.model.rule import Rule, Schedule, Step
from gateway.model.when import DAY, SECOND, Millis, Precision, When, to_datetime, to_millis, zone_of
from gateway.ruleset.match import Facts

OCCURRED = "event.occurred"
_MONTHS = 12


@value
class Planned:
    """One step of a rule at its time. `step`: the offset as written; `due`, `expires`: Millis UTC.

    `at_once`: it names the anchor's own moment, so that it is never skipped as an offset that is past.
    """

    step: str
    due: Millis
    expires: Millis
    at_once: bool = False


def planned(rule: Rule, facts: Facts, *, occurred: Millis, zone: str) -> tuple[Planned, ...]:
    """All steps of a rule, past ones included, in the order of the file.

    `occurred`: Millis UTC of the event; `zone`: IANA zone of the location, in which days are counted. Empty when a
    fact the schedule needs is absent, coarser than a day or at the end of time: then nothing can be planned (T-07).
    """
    anchor = anchor_of(rule, facts, occurred=occurred)
    if anchor is None:
        return ()
    schedule = rule.schedule
    try:
        ends = None if rule.expires is None else _end(facts, rule.expires, zone)
        if ends is None and rule.expires is not None:
            return ()
        if schedule.minute is None and not schedule.weekdays:
            return tuple([_plan(rule, step, shifted(anchor, step, zone), ends, anchor) for step in schedule.steps])
        day = _told_day(rule, facts)
        moved = [(step, _moved(anchor, step, schedule, zone, day)) for step in schedule.steps]
        return _single([_plan(rule, step, due, ends, anchor) for step, due in moved])
    except (OverflowError, ValueError):  # a feed that writes the year 9999 for "never"
        return ()


def _single(steps: Iterable[Planned]) -> tuple[Planned, ...]:
    """What moved onto the same moment is one message: the step that is listed first."""
    firsts: dict[Millis, Planned] = {}
    for step in steps:
        firsts.setdefault(step.due, step)
    return tuple(firsts.values())


def anchor_of(rule: Rule, facts: Facts, *, occurred: Millis) -> Millis | None:
    """The instant the rule's steps are counted from (Millis UTC); None when it is absent or coarser than a day."""
    return occurred if rule.schedule.anchor == OCCURRED else _instant(facts, rule.schedule.anchor)


def certain(rule: Rule, facts: Facts) -> bool:
    """Whether the rule's moments are known exactly (T-07): the anchor has a clock, or the rule tells the time of day."""
    anchor = facts.get(rule.schedule.anchor)
    if rule.schedule.anchor == OCCURRED or (isinstance(anchor, When) and anchor.has_clock):
        return True
    return rule.schedule.minute is not None and _instant(facts, rule.schedule.anchor) is not None


def _plan(rule: Rule, step: Step, due: Millis, ends: Millis | None, anchor: Millis) -> Planned:
    return Planned(
        step=step.label,
        due=due,
        expires=due + (rule.expires_after or 0) if ends is None else ends,
        # what `on` moved back to an earlier day is an offset like any other
        at_once=not (step.days or step.millis or step.months) and rule.schedule.minute is None and due >= anchor,
    )


def _moved(anchor: Millis, step: Step, schedule: Schedule, zone: str, told: date | None) -> Millis:
    """The step's moment: on an allowed weekday and at the told time of day, and never on the anchor's other side.

    `before` goes back to the nearest earlier day that fits, `after` on to the next later one. `told`: the day of an
    anchor that has no clock, which is that day wherever the place is.
    """
    start = told or to_datetime(anchor, zone).date()
    day = _counted(start, step)
    while True:
        due = _moment(anchor, start, day, schedule.minute, zone)
        beyond = due > anchor if schedule.before else due < anchor
        if not beyond and (not schedule.weekdays or day.weekday() in schedule.weekdays):
            return due
        day += timedelta(days=-1 if schedule.before else 1)


def _moment(anchor: Millis, start: date, day: date, minute: int | None, zone: str) -> Millis:
    """A day of the place at a minute of its own, else at the anchor's time of day."""
    if minute is None:
        return shifted(anchor, Step(label="", days=(day - start).days, millis=0), zone)
    return _at(day, minute, zone)


@lru_cache(maxsize=4096)
def _at(day: date, minute: int, zone: str) -> Millis:
    """Whatever the anchors are, the days that rules come to are few: each is asked for again and again."""
    # fold=0 (PEP 495): the first of two equal wall times, and in a gap the later valid one
    return to_millis(datetime.combine(day, time(minute // 60, minute % 60), zone_of(zone)))


def shifted(anchor: Millis, step: Step, zone: str) -> Millis:
    """The instant `step` away from `anchor`; months and days in `zone`, the rest elapsed (both Millis UTC).

    Raises OverflowError or ValueError beyond the calendar's end.
    """
    if step.months:
        step = _in_days(anchor, step, zone)
    return (_days_away(anchor, step.days, zone) if step.days else anchor) + step.millis


@lru_cache(maxsize=4096)
def _days_away(anchor: Millis, days: int, zone: str) -> Millis:
    """Appointments begin on a few hundred marks of the clock a week, so that most are asked for again and again."""
    local = datetime.fromtimestamp(anchor / 1000, zone_of(zone))
    # Adding days to an aware time keeps the wall clock and gives fold=0 (PEP 495): the first of two, and in a
    # gap the offset before it, hence the later valid time.
    there = local + timedelta(days=days)
    return anchor + days * DAY + _offset(local) - _offset(there)


def _in_days(anchor: Millis, step: Step, zone: str) -> Step:
    """The same step with its months as the days they are from the anchor on."""
    day = to_datetime(anchor, zone).date()
    return Step(label=step.label, days=(_counted(day, step) - day).days, millis=step.millis)


def _counted(day: date, step: Step) -> date:
    """Months first, then days; the 31st is the last day of a shorter month, always counted from the anchor."""
    if step.months:
        year, month = divmod(day.year * _MONTHS + day.month - 1 + step.months, _MONTHS)
        day = date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    return day + timedelta(days=step.days)


def _told_day(rule: Rule, facts: Facts) -> date | None:
    """The day of an anchor told without a clock; None where the instant says more."""
    value = facts.get(rule.schedule.anchor)
    if rule.schedule.minute is None or not isinstance(value, When) or value.precision is not Precision.DAY:
        return None
    return value.local().date()


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
