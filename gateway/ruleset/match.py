"""Whether a rule applies to facts, and which condition decided: not knowing is never a yes to sending.

`where` is AND, a list is OR, `unless` and `hold` are ANY. Each condition answers yes, no or unknown.
Unknown (an absent fact, a code no table knows, a date less precise than the question) never satisfies
`where` and always satisfies `unless` and `hold`; only `present` asks about absence itself.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from datetime import date

from gateway.model.facts import UNMAPPED, FactValue
from gateway.model.rule import Condition, Rule
from gateway.model.when import Precision, When

Facts = Mapping[str, FactValue]

_CALENDAR = frozenset({Precision.DAY, Precision.HOUR, Precision.MINUTE, Precision.SECOND})


def deciding(rule: Rule, facts: Facts) -> Condition | None:
    """None when the rule matches; else the first condition, in file order, that decided against."""
    for condition in rule.where:
        if answer(condition, facts) is not True:
            return condition
    for condition in rule.unless:
        if answer(condition, facts) is not False:
            return condition
    return None


def against(rule: Rule, facts: Facts) -> Condition | None:
    """`deciding`, but None also where only `undecided` codes keep the rule from matching: those a person looks at."""
    for condition in rule.where:
        if answer(condition, facts) is not True:
            return condition  # then nothing is undecided either, and most rules end here
    found = deciding(rule, facts)
    return None if found is None or undecided(rule, facts) else found


def holding(rule: Rule, facts: Facts) -> Condition | None:
    """The first `hold` condition that holds, or cannot be answered (fail closed); None lets the send go."""
    for condition in rule.hold:
        if answer(condition, facts) is not False:
            return condition
    return None


def unmapped(rule: Rule, facts: Facts) -> tuple[str, ...]:
    """Facts that the rule reveals or asks about and whose code no table knows, sorted."""
    return tuple(sorted([name for name in rule.named if facts.get(name) == UNMAPPED]))


def undecided(rule: Rule, facts: Facts) -> tuple[str, ...]:
    """Facts under `unless` with unmapped codes, when they alone keep the rule from matching; else ().

    What a person must look at: the code may or may not be one of those the rule excludes, and everything else
    speaks for sending. A `where` names the codes it wants; a code no table knows is none of them, so that one
    strange code does not plan a hold under every rule there is.
    """
    if any(answer(condition, facts) is not True for condition in rule.where):
        return ()
    against = [condition.fact for condition in rule.unless if answer(condition, facts) is not False]
    return tuple(sorted(set(against))) if all(facts.get(fact) == UNMAPPED for fact in against) else ()


def answer(condition: Condition, facts: Facts) -> bool | None:
    """Yes, no, or None for unknown."""
    value = facts.get(condition.fact)
    if value is None:
        return None if condition.present is None else not condition.present
    if value == UNMAPPED:
        return None
    if condition.present is not None:
        return condition.present
    if condition.values is not None:
        return value in condition.values
    return _within(condition, value)


def _within(condition: Condition, value: FactValue) -> bool | None:
    measured = _measure(value)
    if measured is None:
        return None
    within = True
    for bound, holds in (
        (condition.at_least, operator.ge),
        (condition.at_most, operator.le),
        (condition.after, operator.gt),
        (condition.before, operator.lt),
    ):
        if bound is not None:
            if type(bound) is not type(measured):
                return None
            within = within and holds(measured, bound)
    return within


def _measure(value: FactValue) -> int | date | None:
    if isinstance(value, When):
        # 2026 is not the first of January 2026 (T-01): a coarser time has no calendar day
        return value.local().date() if value.precision in _CALENDAR else None
    return None if isinstance(value, str) else value
