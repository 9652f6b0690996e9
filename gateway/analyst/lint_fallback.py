"""A second message on silence that could never leave, or that a cap of the site does not allow: provable from rule and policy."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.analyst.findings import Finding
from gateway.analyst.rule_seen import Seen
from gateway.model.consent import ANY
from gateway.model.policy import Cap
from gateway.model.when import DAY, Millis
from gateway.ruleset.load import POLICY

_LONGEST_MONTH = 31 * DAY


def findings(seen: Seen) -> Iterator[Finding]:
    """CG047 of one rule."""
    silent = seen.rule.silent_after
    if silent is None:
        return
    for number, cap in enumerate(seen.policy.caps, 1):
        if _forbids(seen, cap, silent):
            sentence = f"cap {number} of {POLICY} allows one message: the second one is held back by it; wait longer, or drop it"
            yield seen.at("CG047", sentence, "send", "fallback")
    lasts = _lasts(seen)
    if lasts is not None and silent >= lasts:
        yield seen.at("CG047", "every message has expired by then: wait less, or drop it", "send", "fallback")


def _forbids(seen: Seen, cap: Cap, silent: Millis) -> bool:
    """Whether two messages of the rule, so far apart, by whatever channels, are one too many. A person may have one address only."""
    rule = seen.rule
    counted = cap.counts(purpose=rule.purpose.value, topic=rule.topic, channel=ANY)
    return counted and cap.channel == ANY and cap.per == "patient" and cap.at_most == 1 and cap.within > silent


def _lasts(seen: Seen) -> Millis | None:
    """The longest time from when a message falls due until it expires; None where the rule alone does not tell."""
    rule, schedule = seen.rule, seen.rule.schedule
    if rule.expires_after is not None:
        return rule.expires_after
    if not schedule.before or rule.expires != schedule.anchor or schedule.moves:
        return None
    return max(-(step.months * _LONGEST_MONTH + step.days * DAY + step.millis) for step in schedule.steps)
