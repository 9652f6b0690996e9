"""Rules that get in each other's way, or in their own: the same people would hear twice, or not at all.

Pairs are only looked for among rules of one topic and one moment, so that five hundred rules cost like ten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

from gateway.analyst.findings import Finding
from gateway.analyst.implied import all_imply, implies
from gateway.analyst.rule_seen import Seen
from gateway.model.rule import Condition, Effective, Rule

Moment = tuple[str, bool, int | None, frozenset[int], int, int, int]
Key = tuple[str, str, Moment]


def findings(every: Iterable[Seen]) -> Iterator[Finding]:
    """CG043, CG044 and CG045 of a whole rule folder."""
    seen = sorted(every, key=lambda one: one.rule.name)
    told: set[tuple[str, str]] = set()
    for together in _together(seen):
        for first, second in combinations(together, 2):
            pair = (first.rule.name, second.rule.name)
            if pair not in told and (found := _double(first, second) or _contradiction(first, second)):
                told.add(pair)
                yield found
    for one in seen:
        yield from _own_cancel(one)
        yield from _own_once(one)


def _together(seen: Iterable[Seen]) -> Iterator[list[Seen]]:
    """Rules that can speak of one topic at one moment: those of one template, and those of the same conditions."""
    same_words: dict[tuple[Key, str], list[Seen]] = {}
    same_people: dict[tuple[Key, frozenset[tuple[object, ...]]], list[Seen]] = {}
    for one in seen:
        for key in {(event, one.rule.topic, moment) for event in one.rule.events for moment in _moments(one.rule)}:
            for template in set(one.rule.templates):
                same_words.setdefault((key, template), []).append(one)
            same_people.setdefault((key, _people(one.rule)), []).append(one)
    yield from (*same_words.values(), *same_people.values())


def _moments(rule: Rule) -> set[Moment]:
    at = rule.schedule
    return {(at.anchor, at.before, at.minute, at.weekdays, s.months, s.days, s.millis) for s in at.steps}


def _people(rule: Rule) -> frozenset[tuple[object, ...]]:
    """The conditions as a value: equal for rules that are for exactly the same people."""
    return frozenset(
        (side, c.fact, c.values, c.at_least, c.at_most, c.after, c.before, c.present)
        for side, conditions in ((0, rule.where), (1, rule.unless))
        for c in conditions
    )


def _double(first: Seen, second: Seen) -> Finding | None:
    """The same template: whoever the narrower rule is for gets it twice."""
    if not set(first.rule.templates) & set(second.rule.templates) or not _meet(first.rule, second.rule):
        return None
    for inner, outer in ((second, first), (first, second)):
        if _within(inner.rule, outer.rule):
            other = outer.rule
            sentence = (
                f"everybody this rule is for gets the same message at the same moment from {other.name} ({other.file}):"
                " drop one of them, or take these people out there with `unless`"
            )
            return inner.at_key("CG043", sentence, "rule")
    return None


def _contradiction(first: Seen, second: Seen) -> Finding | None:
    """The same people, topic and moment, and other words."""
    if _people(first.rule) != _people(second.rule) or not _meet(first.rule, second.rule):
        return None
    other = first.rule
    sentence = (
        f"{other.name} ({other.file}) says something else of `{other.topic}` to the same people at the same moment:"
        " make one rule with `variants`, or let them differ in conditions or time"
    )
    return second.at_key("CG044", sentence, "rule")


def _meet(first: Rule, second: Rule) -> bool:
    """Whether some day and some channel are common to both."""
    return bool(set(first.channels) & set(second.channels)) and _overlap(first.effective, second.effective)


def _overlap(one: Effective | None, other: Effective | None) -> bool:
    if one is None or other is None:
        return True
    return not _ends_before(one, other) and not _ends_before(other, one)


def _ends_before(one: Effective, other: Effective) -> bool:
    return one.until is not None and other.start is not None and one.until < other.start


def _within(inner: Rule, outer: Rule) -> bool:
    """Whether everybody `inner` matches is matched by `outer` too."""
    return (
        inner.events <= outer.events
        and all_imply(inner.where, outer.where)
        and all(_not_refused(one, inner) for one in outer.unless)
    )


def _not_refused(asked: Condition, inner: Rule) -> bool:
    """Whether nobody of `inner` is refused by a condition under `unless` of the other rule."""
    if any(one.fact == asked.fact and implies(asked, one) for one in inner.unless):
        return True
    mine = next((one for one in inner.where if one.fact == asked.fact), None)
    return bool(mine and mine.values and asked.values and not mine.values & asked.values)


def _own_cancel(seen: Seen) -> Iterator[Finding]:
    """A reminder of one visit that any other visit like it withdraws."""
    rule = seen.rule
    if rule.cancel is None or not rule.schedule.before or rule.once_per_patient or rule.alike:
        return
    again = sorted(rule.cancel.events & rule.events)
    if again and all_imply(rule.where, rule.cancel.where):
        sentence = (
            f"a second `{again[0]}` of the patient's withdraws what waits for the first, which still takes place:"
            " a cancelled one is withdrawn anyway; take `cancel` out, or narrow its `where`"
        )
        yield seen.at("CG045", sentence, "cancel", "event")


def _own_once(seen: Seen) -> Iterator[Finding]:
    rule = seen.rule
    if rule.once_per_patient and rule.schedule.before and not rule.alike:
        sentence = (
            f"a later `{rule.schedule.anchor}` withdraws what waits for an earlier one, which still takes place:"
            " `once_per` is for what is counted `after` something; take it out, or tell what must be `alike`"
        )
        yield seen.at("CG045", sentence, "once_per")
