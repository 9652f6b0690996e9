"""What a test expected and what came, as the first thing that differs: a moment, a channel, a reason, never two at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from gateway.analyst.case_schema import Expected, NotExpected, SendExpected
from gateway.analyst.outcome import Came
from gateway.model.facts import UNMAPPED, FactValue
from gateway.model.rule import Condition, Rule
from gateway.model.verdict import Deny, Hold, Reason
from gateway.model.when import When
from gateway.ruleset import holding
from gateway.ruleset.conditions import like

_BOUNDS = {"at_least": "at least", "at_most": "at most", "after": "later than", "before": "earlier than"}


def silence(
    rule: Rule, facts: Mapping[str, FactValue], why: Condition | str | None, expected: str | None
) -> str | None:
    """What is wrong with a rule's silence, or with its speaking; None when it came as expected.

    `why`: what decided, None when nothing did; `expected`: what `silent: {because: …}` names, None without it.
    """
    if why is None:
        return (
            None if expected is None else f"expected silence because of `{expected}`, but {_met(rule, facts, expected)}"
        )
    name = why if isinstance(why, str) else why.fact
    if name == expected:
        return None
    wanted = (
        "the rule stays silent" if expected is None else f"expected silence because of `{expected}`, but it is silent"
    )
    return f"{wanted} because of {_decided(rule, facts, why)}"


def _met(rule: Rule, facts: Mapping[str, FactValue], expected: str) -> str:
    asked = {condition.fact: condition for condition in (*rule.where, *rule.unless)}
    if expected in asked:
        condition = asked[expected]
        return f"{_is(expected, facts)} and the rule speaks: it {_asks(rule, condition)} ({rule.file}:{condition.line})"
    if expected in ("when.event", "effective"):
        return "the rule speaks: every condition is met"
    return f"the rule speaks, and no condition of it asks about that{like(expected, asked)}"


def _decided(rule: Rule, facts: Mapping[str, FactValue], why: Condition | str) -> str:
    if isinstance(why, Condition):
        return f"`{why.fact}` ({rule.file}:{why.line}): {_is(why.fact, facts)}, and it {_asks(rule, why)}"
    if why == "effective":
        return f"`effective` ({rule.file}): `now` is on another day"
    return f"`{why}` ({rule.file}): it speaks of {', '.join(sorted(rule.events))}"


def _is(fact: str, facts: Mapping[str, FactValue]) -> str:
    """The made-up value of a test, in words."""
    value = facts.get(fact)
    if value is None:
        return f"`{fact}` is not told"
    return f"`{fact}` is a code no table knows" if value == UNMAPPED else f"`{fact}` is {shown(value)}"


def _asks(rule: Rule, condition: Condition) -> str:
    side = "refuses" if any(condition is one for one in rule.unless) else "asks for"
    return f"{side} {wanted(condition)}"


def wanted(condition: Condition) -> str:
    """What a condition asks for, in words: "booked or arrived", "at least 18", "the list `sensitive`", "any value"."""
    if condition.present is not None:
        return "any value" if condition.present else "none"
    if condition.listed is not None:
        return f"one of the list `{condition.listed}`"
    if condition.values is not None:
        return " or ".join(sorted(map(shown, condition.values)))
    told = ((words, getattr(condition, name)) for name, words in _BOUNDS.items())
    return " and ".join(f"{words} {shown(bound)}" for words, bound in told if bound is not None)


def shown(value: FactValue) -> str:
    """A value as an analyst writes it."""
    if isinstance(value, When):
        return f"{value.local():%Y-%m-%d %H:%M}" if value.has_clock else f"{value.local():%Y-%m-%d}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat() if isinstance(value, date) else str(value)


def step(rule: Rule, facts: Mapping[str, FactValue], came: Came, expect: Expected) -> str | None:
    """What is wrong with one step, in words; None when it came as expected."""
    for send in expect.sends:
        if send.step == came.step:
            return _send(rule, facts, came, send)
    if came.step in expect.skipped:
        return (
            None
            if came.kind == "skipped"
            else f"step {came.step}: expected that it is skipped, but it {_said(rule, facts, came)}"
        )
    for kind, entries in (("withheld", expect.withheld), ("held", expect.held)):
        found = _entry(entries, came.step)
        if found is not None:
            met = came.kind == kind and found.because in came.reasons
            said = f"step {came.step}: expected that it is {kind} because {found.because}, but it {_said(rule, facts, came)}"
            return None if met else said
    return f"step {came.step} {_said(rule, facts, came)}, which the test does not mention"


def _entry(entries: list[NotExpected], label: str) -> NotExpected | None:
    exact = next((one for one in entries if one.step == label), None)
    return exact or next((one for one in entries if one.step is None), None)


def _send(rule: Rule, facts: Mapping[str, FactValue], came: Came, send: SendExpected) -> str | None:
    if came.kind != "sends":
        return f"step {came.step}: expected that it sends at {send.at} by {send.by}, but it {_said(rule, facts, came)}"
    if came.at != send.at:
        return f"step {came.step}: expected at {send.at}, but it sends at {came.at}{_waited(came)}"
    return (
        None
        if came.by == send.by
        else f"step {came.step}: expected by {send.by}, but it sends by {came.by}{_passed(came, send)}"
    )


def _waited(came: Came) -> str:
    """Why it left later than it fell due, if it did."""
    held = [one.against for one in came.tried if isinstance(one.against, Hold)]
    return f" (it waits: {held[-1].reason})" if held else ""


def _passed(came: Came, send: SendExpected) -> str:
    """Why the channel expected was not taken."""
    answers = [one.against for one in came.tried if one.channel == send.by and isinstance(one.against, Deny | Hold)]
    return f" ({send.by}: {answers[-1].reason})" if answers else f" ({send.by} is not tried before it)"


def _said(rule: Rule, facts: Mapping[str, FactValue], came: Came) -> str:
    """What came of a step; a hold of the rule names its line."""
    held = holding(rule, facts) if Reason.HELD_BY_RULE in came.reasons else None
    if held is None:
        return str(came)
    return f"{came}: {_is(held.fact, facts)} ({rule.file}:{held.line})"
