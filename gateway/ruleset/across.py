"""What the day, and what else happened to a patient, do to a rule: it may be out of effect, or made needless.

Each answer depends on nothing but the state things are in, so that the order in which messages came never matters.
"""

from __future__ import annotations

from gateway.model.facts import UNMAPPED
from gateway.model.rule import Rule
from gateway.model.when import Millis, to_datetime
from gateway.ruleset.match import Facts, answer


def in_effect(rule: Rule, at: Millis, zone: str) -> bool:
    """Whether the rule plans and sends on the day that `at` (Millis UTC) is in `zone`; both ends are included."""
    days = rule.effective
    if days is None:
        return True
    today = to_datetime(at, zone).date()
    return (days.start is None or days.start <= today) and (days.until is None or today <= days.until)


def alike(rule: Rule, own: Facts, other: Facts) -> bool:
    """Whether two of a patient's things tell the same of all facts the rule names; not knowing is like nothing."""
    return all(own.get(fact, UNMAPPED) == other.get(fact) != UNMAPPED for fact in rule.alike)


def cancels(rule: Rule, reached_by: str, occurred: Millis, facts: Facts, *, own: Facts, since: Millis) -> bool:
    """Whether something else of the patient's makes the rule's messages needless.

    `reached_by`, `occurred`, `facts`: what led to its state, when, and what is known of it. `own`, `since`: what is
    known of that which planned the messages, and when it happened; only what happened then or later cancels them
    (both Millis UTC).
    """
    told = rule.cancel
    if told is None or reached_by not in told.events or occurred < since:
        return False
    return all(answer(condition, facts) is True for condition in told.where) and alike(rule, own, facts)
