"""Which conditions no test decided: a condition counts as tested when one test needs it met and another fails by it alone.

Only tests that pass say anything. What a rule says without being tested is a guess in production.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.analyst.outcome import against
from gateway.analyst.rule_cases import Case, Later
from gateway.analyst.rule_seen import CANCEL, HOLD, UNLESS, WHERE, Section
from gateway.analyst.rule_tests import beside
from gateway.analyst.scene import CaseScene
from gateway.model.rule import Condition, Rule
from gateway.model.verdict import Reason
from gateway.ruleset import RuleSet, cancels, deciding, holding
from gateway.ruleset.match import answer
from gateway.yamlfile import load as read_yaml

Place = tuple[str, ...]  # the path of a condition, or of `cancel`, `once_per`, `alike`, `effective`, in its file


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Uncovered:
    """A line that no test decided. `missing`: "met", "decides" or both; `sentence` says which test to add."""

    file: str
    line: int
    column: int
    rule: str
    missing: tuple[str, ...]
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.sentence}"


@dataclass(slots=True)
class _Shown:
    """What the tests of one rule showed: places that were met, and places that decided against."""

    met: set[Place] = field(default_factory=set)
    decided: set[Place] = field(default_factory=set)


def uncovered(rules: RuleSet, cases: Mapping[str, Sequence[Case]]) -> list[Uncovered]:
    """Every condition of every rule that its tests leave open, sorted by place.

    `cases`: by rule, the tests that passed. Raises ConfigError when a rule file cannot be read again.
    """
    found: list[Uncovered] = []
    for rule in rules.rules.values():
        open_ = dict(_open(rule, cases.get(rule.name, ())))
        found += _located(rules.folder / rule.file, rule, open_)
    return sorted(found)


def percent(rules: RuleSet, open_: Sequence[Uncovered]) -> float:
    """How many of a hundred conditions are tested; 100 when there are none."""
    total = sum(len(list(_places(rule))) for rule in rules.rules.values())
    return 100.0 if not total else 100.0 * (total - len(open_)) / total


def _open(rule: Rule, cases: Sequence[Case]) -> Iterator[tuple[Place, tuple[str, ...]]]:
    shown = _Shown()
    for case in cases:
        _look(rule, case, shown)
    for place in _places(rule):
        missing = [word for word, places in (("met", shown.met), ("decides", shown.decided)) if place not in places]
        if place in (("once_per",), ("alike",)):
            missing = [word for word in missing if word == "decides"]  # what comes of one alone says nothing
        if missing:
            yield place, tuple(missing)


def _places(rule: Rule) -> Iterator[Place]:
    for section, conditions in _sections(rule):
        yield from ((*section, condition.fact) for condition in conditions)
    if rule.effective is not None:
        yield ("effective",)
    if rule.cancel is not None:
        yield ("cancel",)
    if rule.once_per_patient:
        yield ("once_per",)
    if rule.alike:
        yield ("alike",)


def _sections(rule: Rule) -> Iterable[tuple[Section, tuple[Condition, ...]]]:
    cancelling = rule.cancel.where if rule.cancel is not None else ()
    return (WHERE, rule.where), (UNLESS, rule.unless), (HOLD, rule.hold), (CANCEL, cancelling)


def _look(rule: Rule, case: Case, shown: _Shown) -> None:
    """What one passing test shows."""
    why = against(rule, CaseScene(case))
    if isinstance(why, Condition):
        section = WHERE if why in rule.where else UNLESS
        shown.decided.add((*section, why.fact))
    elif why == "effective":
        shown.decided.add(("effective",))
    elif why is None:
        _look_planned(rule, case, shown)


def _look_planned(rule: Rule, case: Case, shown: _Shown) -> None:
    if deciding(rule, case.facts) is None:
        for section, conditions in ((WHERE, rule.where), (UNLESS, rule.unless)):
            shown.met.update((*section, condition.fact) for condition in conditions)
    expect = case.expect
    reasons = {one.because for one in (*expect.withheld, *expect.held)}
    held = holding(rule, case.facts)
    if expect.sends:
        shown.met.update((*HOLD, condition.fact) for condition in rule.hold)
        shown.met.add(("effective",))
    if held is not None and Reason.HELD_BY_RULE in reasons:
        shown.decided.add((*HOLD, held.fact))
    if Reason.NOT_IN_EFFECT in reasons:
        shown.decided.add(("effective",))
    if Reason.SUPERSEDED in reasons:
        shown.decided.add(("once_per",))
    _look_across(rule, case, shown)


def _look_across(rule: Rule, case: Case, shown: _Shown) -> None:
    """`then`: what cancelled meets every condition of `cancel`; what failed by one condition alone is decided by it."""
    if case.expect.sends and any(_else_withdrawn(rule, case, later) for later in case.then):
        shown.decided.add(("alike",))
    cancel = rule.cancel
    if cancel is None:
        return
    cancelled = {one.because for one in case.expect.withheld} >= {Reason.CANCELLED_BY_EVENT}
    for later in case.then:
        if cancels(rule, later.event, later.at, later.facts, own=case.facts, since=case.occurred):
            if cancelled:
                shown.met.update((*CANCEL, condition.fact) for condition in cancel.where)
                shown.decided.add(("cancel",))
        elif later.event in cancel.events and later.at >= case.occurred and case.expect.sends:
            failing = [one for one in cancel.where if answer(one, later.facts) is not True]
            shown.decided.update((*CANCEL, one.fact) for one in failing[:1])
    if case.expect.sends:
        shown.met.add(("cancel",))


def _else_withdrawn(rule: Rule, case: Case, later: Later) -> bool:
    """Whether another thing is let be only because it is not alike."""
    return beside(rule, case, later) is None and beside(replace(rule, alike=()), case, later) is not None


_ADVICE: Mapping[str, str] = {
    "where": "when `{name}` is not so: `silent: {{because: {name}}}`",
    "unless": "when `{name}` is so: `silent: {{because: {name}}}`",
    "hold": "when `{name}` is so: `held: {{because: held-by-rule}}`",
    "cancel": "in which another event (`then`) is of the kind told, and not so by `{name}`: it still sends",
}
_WHOLE: Mapping[str, str] = {
    "cancel": "in which another event (`then`) cancels: `withheld: {because: cancelled-by-event}`",
    "once_per": "in which a later one (`then`) withdraws it: `withheld: {because: superseded}`",
    "alike": "in which another one (`then`) tells something else: it still sends",
    "effective": "on a day outside: `silent: {because: effective}`",
}


def _located(path: Path, rule: Rule, missing: Mapping[Place, tuple[str, ...]]) -> Iterator[Uncovered]:
    if not missing:
        return
    root = read_yaml(path)
    for place, words in missing.items():
        above = root.get(*place[:-1])
        line, column = above.keys[place[-1]] if above is not None else (root.line, root.column)
        yield Uncovered(
            file=str(path), line=line, column=column, rule=rule.name, missing=words, sentence=_sentence(place, words)
        )


def _sentence(place: Place, missing: tuple[str, ...]) -> str:
    name = place[-1]
    section = "cancel" if place[0] == "cancel" else place[-2:][0]
    side = _WHOLE[name] if len(place) == 1 else _ADVICE[section].format(name=name)
    if len(place) == 1 or place[0] != "cancel":
        met = "in which everything is met and it sends"
    else:
        met = "in which another event (`then`) meets it: `withheld: {because: cancelled-by-event}`"
    wanted = [side] if "decides" in missing else []
    wanted += [met] if "met" in missing else []
    return f"no test decides `{name}`: add one {' and one '.join(wanted)}"
