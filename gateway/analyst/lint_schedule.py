"""Schedules on which nothing leaves, or something leaves too late: each is provable from the rule and policy.yaml alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from gateway.analyst.findings import Finding
from gateway.analyst.rule_seen import Seen
from gateway.model.rule import Effective, Schedule, Step
from gateway.model.when import DAY, MINUTE, Millis
from gateway.ruleset.load import POLICY
from gateway.ruleset.schedule import OCCURRED
from gateway.ruleset.words import WEEKDAYS

_DAY_MINUTES = 24 * 60
_WEEK = 7
_SHORTEST_MONTH = 28 * DAY
# What begins before it ends: a message counted from the end is past what expires at the beginning.
_BEGINNINGS = {"appointment.end": "appointment.start", "encounter.end": "encounter.start"}


def findings(seen: Seen) -> Iterator[Finding]:
    """CG030, CG034, CG038 and CG039 of one rule."""
    yield from _expires_first(seen)
    yield from _never_in_effect(seen)
    yield from _quiet(seen)
    yield from _too_late(seen)
    yield from _nothing_waits(seen)


def _expires_first(seen: Seen) -> Iterator[Finding]:
    rule, schedule = seen.rule, seen.rule.schedule
    if rule.expires == OCCURRED:
        sentence = f"`{OCCURRED}` is past when the event is known: tell `expires_after`, or a moment still to come"
        yield seen.at("CG030", sentence, "send", "expires")
        return
    if rule.expires is None or rule.expires not in (schedule.anchor, _BEGINNINGS.get(schedule.anchor)):
        return
    late = [number for number, step in enumerate(schedule.steps) if _is_late(step, schedule)]
    if late:
        labels = " and ".join(f"`{schedule.steps[number].label}`" for number in late)
        sentence = (
            f"{labels} after `{schedule.anchor}` it has expired (`expires: {rule.expires}`) and can never leave:"
            " use `before`, or `expires_after`"
        )
        yield seen.at("CG030", sentence, "send", "at", "by", late[0])


def _is_late(step: Step, schedule: Schedule) -> bool:
    """Whether it falls due at its anchor, or after it."""
    return not schedule.before or (step.is_zero and not schedule.moves)


def _never_in_effect(seen: Seen) -> Iterator[Finding]:
    """`on` names weekdays, and the days in effect hold none of them."""
    days, weekdays = seen.rule.effective, seen.rule.schedule.weekdays
    if days is not None and weekdays and not any(day.weekday() in weekdays for day in _days(days)):
        named = ", ".join(WEEKDAYS[day] for day in sorted(weekdays))
        yield seen.at("CG030", f"no day of `effective` is a {named}: nothing can fall due", "send", "at", "on")


def _days(days: Effective) -> Iterator[date]:
    """The first week in effect; with an open end, any week: it holds every weekday."""
    if days.start is None or days.until is None:
        first = date(2024, 1, 1)
        yield from (first + timedelta(days=number) for number in range(_WEEK))
    else:
        last = min(days.until.toordinal(), days.start.toordinal() + _WEEK - 1)
        yield from map(date.fromordinal, range(days.start.toordinal(), last + 1))


def _quiet(seen: Seen) -> Iterator[Finding]:
    rule, minute = seen.rule, seen.rule.schedule.minute
    waits = [] if minute is None else [_wait(minute, *seen.policy.quiet(channel)) for channel in rule.channels]
    if not waits or not all(waits) or minute is None:
        return
    opens = (minute + min(waits)) % _DAY_MINUTES
    told = f"{POLICY} keeps {' and '.join(rule.channels)} quiet at {_clock(minute)}"
    if rule.expires_after is not None and rule.expires_after <= min(waits) * MINUTE:
        sentence = f"{told} until {_clock(opens)}, and by then it has expired: it can never leave; tell a later `time`"
        yield seen.at("CG030", sentence, "send", "at", "time")
    else:
        sentence = f"{told}: it would always wait until {_clock(opens)}; tell a `time` outside the quiet hours"
        yield seen.at("CG038", sentence, "send", "at", "time")


def _wait(minute: int, start: int, end: int) -> int:
    """Minutes until it is open; 0 when it is not quiet."""
    inside = start <= minute < end if start <= end else minute >= start or minute < end
    return (end - minute) % _DAY_MINUTES if inside else 0


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _too_late(seen: Seen) -> Iterator[Finding]:
    """What is meant for before a moment, and has sense for longer than until then (held, or over a cap)."""
    rule = seen.rule
    if not rule.schedule.before or rule.expires_after is None:
        return
    late = [step.label for step in rule.schedule.steps if _ahead(step) < rule.expires_after]
    if late:
        anchor = rule.schedule.anchor
        sentence = f"what waits {late[-1]} before `{anchor}` may leave after it: tell `expires: {anchor}` instead"
        yield seen.at_key("CG039", sentence, "send", "expires_after")


def _ahead(step: Step) -> Millis:
    return -(step.months * _SHORTEST_MONTH + step.days * DAY + step.millis)


def _nothing_waits(seen: Seen) -> Iterator[Finding]:
    rule = seen.rule
    if not rule.looks_across or rule.schedule.moves or not all(step.is_zero for step in rule.schedule.steps):
        return
    key = "cancel" if rule.cancel is not None else "once_per"
    yield seen.at_key(
        "CG034", f"`{key}` withdraws what waits, and this rule sends at once: take it out, or send later", key
    )
