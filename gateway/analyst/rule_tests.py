"""The tests beside each rule, run without database or network: what would leave, when, and what decided otherwise.

They ask the same matching, schedule and gates that `receive` and `deliver` ask, so a test cannot pass on other terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.analyst import differences
from gateway.analyst.outcome import Came, against, outcome, steps
from gateway.analyst.rule_cases import Case, Later, read_cases
from gateway.analyst.scene import CaseScene, Sensitive, own_sensitivity
from gateway.model.errors import ConfigError
from gateway.model.policy import Policy
from gateway.model.rule import Rule
from gateway.model.verdict import Reason
from gateway.ruleset import RuleSet, alike, anchor_of, cancels, deciding, in_effect, load, planned
from gateway.ruleset.conditions import like
from gateway.ruleset.load import TEST_SUFFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One test's outcome. `failures`: sentences, empty when it passed. `sends`: whether it expects a message."""

    file: str
    line: int
    rule: str
    name: str
    sends: bool
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A rule folder and the tests beside its rules, read once. `cases`: by the rule's name.

    `sensitivity`: how much a value betrays, by the mappings in use.
    """

    rules: RuleSet
    cases: Mapping[str, Sequence[Case]]
    sensitivity: Sensitive = own_sensitivity


def read(folder: Path, sensitivity: Sensitive = own_sensitivity) -> Suite:
    """The rules of a folder and every *.test.yaml. Raises ConfigError with all problems of all of them."""
    rules = load(folder)
    cases: dict[str, Sequence[Case]] = {}
    problems: list[str] = []
    for path in case_files(folder):
        try:
            rule = _rule_of(rules, path)
            cases[rule.name] = read_cases(path)
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(*problems)
    return Suite(rules=rules, cases=cases, sensitivity=sensitivity)


def run(folder: Path) -> list[Result]:
    """Run every *.test.yaml of a rule folder. Raises ConfigError when rules or tests cannot be read."""
    return list(run_suite(read(folder)))


def run_suite(suite: Suite) -> Iterator[Result]:
    """Run tests that were read, in the order of the files."""
    for name, cases in suite.cases.items():
        for case in cases:
            yield _result(suite, suite.rules.rules[name], case)


def passed(suite: Suite, results: Iterable[Result]) -> dict[str, list[Case]]:
    """The tests that passed, by rule: what `condition_coverage.uncovered` counts."""
    failed = {(result.file, result.line) for result in results if result.failures}
    return {name: [c for c in cases if (c.file, c.line) not in failed] for name, cases in suite.cases.items()}


def case_files(folder: Path) -> list[Path]:
    """The rule tests of a folder, sorted by name."""
    return sorted(path for path in folder.glob(f"*{TEST_SUFFIX}") if not path.name.startswith("."))


def _rule_of(rules: RuleSet, path: Path) -> Rule:
    name = path.name.removesuffix(TEST_SUFFIX)
    rule = rules.named(name)
    if rule is None:
        raise ConfigError(f"{path}:1:1: there is no rule `{name}` for these tests{like(name, rules.rules)}")
    return rule


def _result(suite: Suite, rule: Rule, case: Case) -> Result:
    return Result(
        file=case.file,
        line=case.line,
        rule=rule.name,
        name=case.name,
        sends=bool(case.expect.sends),
        failures=tuple(_failures(rule, suite.rules.policy, case, CaseScene(case, suite.sensitivity))),
    )


def _failures(rule: Rule, policy: Policy, case: Case, scene: CaseScene) -> Iterator[str]:
    why = against(rule, scene)
    expected = None if case.expect.silent is None else case.expect.silent.because
    wrong = differences.silence(rule, case.facts, why, expected)
    if wrong is not None:
        yield wrong
    elif why is None:
        yield from _steps(rule, policy, case, scene)


def _steps(rule: Rule, policy: Policy, case: Case, scene: CaseScene) -> Iterator[str]:
    found = steps(rule, scene)
    if not found:
        names = " or ".join(dict.fromkeys(f"`{fact}`" for fact in (rule.schedule.anchor, rule.expires) if fact))
        yield f"nothing can be planned: {names} is absent or coarser than a day"
    came = [_in_the_end(rule, case, outcome(rule, policy, scene, step)) for step in found]
    every = (differences.step(rule, case.facts, one, case.expect) for one in came)
    yield from (text for text in every if text is not None)
    labels = [one.step for one in came]
    expect = case.expect
    named = [*(s.step for s in expect.sends), *expect.skipped]
    named += [one.step for one in (*expect.withheld, *expect.held) if one.step is not None]
    for step in named:
        if step not in labels and found:
            yield f"step {step} was expected, but the rule plans {' and '.join(labels)} only"


def _in_the_end(rule: Rule, case: Case, came: Came) -> Came:
    """What `then` makes of a step that waits or has not left yet; what left, left."""
    if came.kind in ("withheld", "skipped"):
        return came
    for later in case.then:
        reason = beside(rule, case, later)
        if reason is not None and (came.moment is None or later.at <= came.moment):
            return Came(step=came.step, kind="withheld", reasons=(reason,), gate="across")
    return came


def beside(rule: Rule, case: Case, later: Later) -> Reason | None:
    """Why another occurrence of the same patient's leaves nothing of the rule waiting; None if it does not."""
    if cancels(rule, later.event, later.at, later.facts, own=case.facts, since=case.occurred):
        return Reason.CANCELLED_BY_EVENT
    if not rule.once_per_patient or later.event not in rule.events or deciding(rule, later.facts) is not None:
        return None
    if not alike(rule, case.facts, later.facts):
        return None
    found = planned(rule, later.facts, occurred=later.at, zone=case.zone)
    ahead = any(step.at_once or step.due >= later.at for step in found) and in_effect(rule, later.at, case.zone)
    mine = anchor_of(rule, case.facts, occurred=case.occurred)
    its = anchor_of(rule, later.facts, occurred=later.at)
    return Reason.SUPERSEDED if ahead and mine is not None and its is not None and its > mine else None
