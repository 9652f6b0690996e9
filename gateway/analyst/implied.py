"""Whether one condition follows from another: never a yes where a single value or an unknown one would say no."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from gateway.model.rule import Bound, Condition

_FIRST, _LAST = date.min, date.max
_DAY = timedelta(days=1)
Range = tuple[Bound, Bound]


def implies(given: Condition, asked: Condition) -> bool:
    """Whether every fact value that satisfies `given` satisfies `asked` (both on the same fact)."""
    if asked.present is not None:
        return asked.present is (given.present is not False)
    if given.values is not None and asked.values is not None:
        return given.values <= asked.values
    inner, outer = span(given), span(asked)
    if inner is None or outer is None or type(inner[0]) is not type(outer[0]):
        return False
    return outer[0] <= inner[0] and inner[1] <= outer[1]  # type: ignore[operator]


def all_imply(given: Iterable[Condition], asked: Iterable[Condition]) -> bool:
    """Whether facts that satisfy all of `given` satisfy all of `asked`."""
    told = {condition.fact: condition for condition in given}
    return all(one.fact in told and implies(told[one.fact], one) for one in asked)


def is_empty(condition: Condition) -> bool:
    """Whether no value lies between the bounds."""
    found = span(condition)
    return found is not None and found[0] > found[1]  # type: ignore[operator]


def span(condition: Condition) -> Range | None:
    """The first and last value that bounds allow, both included; None for a condition without bounds."""
    told = (condition.at_least, condition.at_most, condition.after, condition.before)
    kind = next((type(bound) for bound in told if bound is not None), None)
    if kind is None:
        return None
    if kind is int:
        return condition.at_least or 0, condition.at_most if condition.at_most is not None else 2**63
    return _days(condition)


def _days(condition: Condition) -> Range:
    lows = [bound for bound in (condition.at_least, _moved(condition.after, _DAY)) if isinstance(bound, date)]
    highs = [bound for bound in (condition.at_most, _moved(condition.before, -_DAY)) if isinstance(bound, date)]
    return max(lows, default=_FIRST), min(highs, default=_LAST)


def _moved(bound: Bound | None, by: timedelta) -> date | None:
    if not isinstance(bound, date) or bound in (_FIRST, _LAST):
        return bound if isinstance(bound, date) else None
    return bound + by
