"""`send.at` becomes a Schedule: what repeats is written out as single steps, so that a bounded number is planned at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.model.facts import FactType
from gateway.model.rule import Schedule, Step
from gateway.model.when import HOUR, MINUTE
from gateway.ruleset.complaints import Complaints
from gateway.ruleset.schedule import OCCURRED
from gateway.ruleset.schema import AtSection
from gateway.ruleset.words import WEEKDAYS, duration

_AT = ("send", "at")
_MONTHS_OF = {"y": 12, "mo": 1}
_DAYS_OF = {"w": 7, "d": 1}
_MILLIS_OF = {"h": HOUR, "m": MINUTE}
Amount = tuple[int, str]


def read_schedule(at: AtSection, tell: Complaints) -> Schedule | None:
    """The schedule, or None after telling what cannot be."""
    anchor = at.before or at.after
    if anchor is None or (at.before and at.after):
        tell.say("tell either `before` or `after`, and a datetime fact", *_AT)
        return None
    _check_anchor(anchor, at, tell)
    amounts = _amounts(at, tell)
    if amounts is None:
        return None
    _check_moves(at, amounts, tell)
    tell.repeated(at.by or (), *_AT, "by")
    tell.repeated(at.on or (), *_AT, "on")
    steps = tuple(_step(label, parts, -1 if at.before else 1) for label, parts in amounts)
    _check_twice(steps, tell)
    return Schedule(
        anchor=anchor,
        steps=steps,
        before=at.before is not None,
        minute=at.time,
        weekdays=frozenset(WEEKDAYS.index(day) for day in at.on or ()),
    )


def _check_anchor(anchor: str, at: AtSection, tell: Complaints) -> None:
    side = "before" if at.before else "after"
    tell.fact(anchor, *_AT, side, of=FactType.DATETIME)
    if at.before == OCCURRED:
        tell.say("nothing can be sent before an event is known: use `after`", *_AT, side)


def _check_moves(at: AtSection, amounts: Sequence[tuple[str, Sequence[Amount]]], tell: Complaints) -> None:
    """`time` and `on` speak of days: an offset in hours already says a time of day."""
    key = "time" if at.time is not None else "on" if at.on else None
    hours = next((label for label, parts in amounts if any(unit in _MILLIS_OF for _, unit in parts)), None)
    if key and hours:
        tell.say(f"`{hours}` counts hours or minutes, and `{key}` moves whole days: count in d, w, mo or y", *_AT, key)


def _check_twice(steps: Sequence[Step], tell: Complaints) -> None:
    """`1w` and `7d` are one moment, at which one message leaves and not two."""
    for position, step in enumerate(steps):
        moment = (step.months, step.days, step.millis)
        same = next((one for one in steps[:position] if (one.months, one.days, one.millis) == moment), None)
        if same is not None and same.label != step.label:
            tell.say(f"`{step.label}` is the same moment as `{same.label}`", *_AT, "by", position)


def _amounts(at: AtSection, tell: Complaints) -> list[tuple[str, Sequence[Amount]]] | None:
    """(label, amounts that are added up) of every step; None after telling what is wrong."""
    every = _duration(at.every, tell, "every")
    offsets = [(text, _duration(text, tell, "by", number)) for number, text in enumerate(at.by or ())]
    if _wrong_repeat(at, tell) or (at.every and every is None):
        return None
    known = [(text, amount) for text, amount in offsets if amount is not None]
    if len(known) < len(offsets):
        return None
    if every is None or at.times is None:
        return [(text, (amount,)) for text, amount in known]
    first = known[0][1] if known else every
    return list(_repeats(first, every, at.times))


def _duration(text: str | None, tell: Complaints, *path: str | int) -> Amount | None:
    if text is None:
        return None
    try:
        return duration(text)
    except ValueError as error:
        tell.say(f"`{path[0]}` {error}", *_AT, *path)
        return None


def _wrong_repeat(at: AtSection, tell: Complaints) -> bool:
    """Whether `every`, `times`, `by` and the side do not go together."""
    said = None
    if at.every is None and at.times is not None:
        said = ("`times` says how often, and nothing says how far apart: tell `every` too", "times")
    elif at.every is None and at.by is None:
        said = ("tell `by`, or `every` and `times`", "by")
    elif at.every is not None and at.times is None:
        said = ("nothing repeats for ever: tell `times` too", "every")
    elif at.every is not None and at.before:
        said = ("what repeats comes after something: use `after`, or list the offsets in `by`", "every")
    elif at.every is not None and at.by is not None and len(at.by) > 1:
        said = ("with `every`, `by` is the first offset alone", "by")
    if said is not None:
        tell.say(said[0], *_AT, said[1])
    return said is not None


def _repeats(first: Amount, every: Amount, times: int) -> Iterator[tuple[str, Sequence[Amount]]]:
    """Every step is counted from the anchor itself: 1y, 2y, 3y; of different units 11mo, 11mo+1y, 11mo+2y."""
    for number in range(times):
        more = (number * every[0], every[1])
        if first[1] == every[1]:
            total = (first[0] + more[0], first[1])
            yield f"{total[0]}{total[1]}", (total,)
        else:
            yield f"{first[0]}{first[1]}" + (f"+{more[0]}{more[1]}" if number else ""), (first, more)


def _step(label: str, parts: Sequence[Amount], sign: int) -> Step:
    return Step(
        label=label,
        months=sign * sum(count * _MONTHS_OF.get(unit, 0) for count, unit in parts),
        days=sign * sum(count * _DAYS_OF.get(unit, 0) for count, unit in parts),
        millis=sign * sum(count * _MILLIS_OF.get(unit, 0) for count, unit in parts),
    )
