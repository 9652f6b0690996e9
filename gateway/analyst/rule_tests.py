"""The tests beside each rule, run without database or network: what would leave, when, and what decided otherwise.

They ask the same matching, schedule and gates that `receive` and `deliver` ask, so a test cannot pass on other terms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.analyst.rule_cases import Case, NotExpected, read_cases
from gateway.model.consent import ChannelKind
from gateway.model.errors import ConfigError
from gateway.model.facts import UNMAPPED, VOCABULARY, Sensitivity
from gateway.model.policy import Policy
from gateway.model.rule import Condition, Rule
from gateway.model.verdict import Deny, Hold, Reason
from gateway.model.when import Millis, When, to_datetime
from gateway.policy import Circumstances, Sent, at_planning, decide, next_channel_may
from gateway.ruleset import Planned, RuleSet, deciding, holding, load, planned, undecided, unmapped
from gateway.ruleset.load import TEST_SUFFIX

_TIMED = frozenset({Reason.QUIET_HOURS, Reason.FREQUENCY_CAP})  # holds that time alone ends


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
class _Came:
    """What came of one step. `kind`: sends | withheld | held | skipped."""

    step: str
    kind: str
    at: str = ""
    by: str = ""
    reasons: tuple[Reason, ...] = ()
    gate: str = ""

    def __str__(self) -> str:
        if self.kind == "sends":
            return f"sends at {self.at} by {self.by}"
        if self.kind == "skipped":
            return "is skipped: its time is past"
        return f"is {self.kind} because {', '.join(self.reasons)} (gate {self.gate})"


def run(folder: Path) -> list[Result]:
    """Run every *.test.yaml of a rule folder. Raises ConfigError when rules or tests cannot be read."""
    rules = load(folder)
    results: list[Result] = []
    problems: list[str] = []
    for path in case_files(folder):
        try:
            results.extend(run_file(rules, path))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(*problems)
    return results


def case_files(folder: Path) -> list[Path]:
    """The rule tests of a folder, sorted by name."""
    return sorted(path for path in folder.glob(f"*{TEST_SUFFIX}") if not path.name.startswith("."))


def run_file(rules: RuleSet, path: Path) -> Iterator[Result]:
    """Run the tests of one file against a rule set. Raises ConfigError when it cannot be read."""
    name = path.name.removesuffix(TEST_SUFFIX)
    rule = rules.named(name)
    if rule is None:
        raise ConfigError(f"{path}:1:1: there is no rule `{name}` for these tests")
    for case in read_cases(path):
        yield Result(
            file=case.file,
            line=case.line,
            rule=name,
            name=case.name,
            sends=bool(case.expect.sends),
            failures=tuple(_failures(rule, rules.policy, case)),
        )


def _failures(rule: Rule, policy: Policy, case: Case) -> Iterator[str]:
    against = _against(rule, case)
    expected = case.expect.silent
    if against is not None:
        yield from _silent(rule, against, None if expected is None else expected.because)
    elif expected is not None:
        yield f"expected silence because of `{expected.because}`, but every condition of the rule is met"
    else:
        yield from _steps(rule, policy, case)


def _against(rule: Rule, case: Case) -> Condition | str | None:
    """What keeps the rule silent; what only an unmapped code under `unless` speaks against is planned and held."""
    if case.event not in rule.events:
        return "when.event"
    return None if undecided(rule, case.facts) else deciding(rule, case.facts)


def _silent(rule: Rule, against: Condition | str, expected: str | None) -> Iterator[str]:
    name, where = (against, rule.file) if isinstance(against, str) else (against.fact, f"{rule.file}:{against.line}")
    if expected is None:
        yield f"the rule stays silent because of `{name}` ({where})"
    elif expected != name:
        yield f"expected silence because of `{expected}`, but `{name}` decided ({where})"


def _steps(rule: Rule, policy: Policy, case: Case) -> Iterator[str]:
    steps = planned(rule, case.facts, occurred=case.occurred, zone=case.zone)
    if not steps:
        yield f"nothing can be planned: `{rule.schedule.anchor}` or `{rule.expires}` is absent or coarser than a day"
    came = [_came(rule, policy, case, step) for step in steps]
    yield from (text for one in came if (text := _difference(one, case)) is not None)
    labels = {one.step for one in came}
    expect = case.expect
    named = [*(s.step for s in expect.sends), *expect.skipped]
    named += [one.step for one in (*expect.withheld, *expect.held) if one.step is not None]
    yield from (
        f"step {step} was expected, but the rule plans none of that name" for step in named if step not in labels
    )


def _difference(came: _Came, case: Case) -> str | None:
    """What is wrong with one step, in words; None when it came as expected."""
    wanted = _wanted(came, case)
    if wanted is None:
        return f"step {came.step} {came}, which the test does not mention"
    return None if wanted == "" else f"step {came.step}: expected that it {wanted}, but it {came}"


def _wanted(came: _Came, case: Case) -> str | None:
    """The expectation in words when it differs, "" when it is met, None when there is none for the step."""
    expect = case.expect
    for send in expect.sends:
        if send.step == came.step:
            met = (came.kind, came.at, came.by) == ("sends", send.at, send.by)
            return "" if met else f"sends at {send.at} by {send.by}"
    if came.step in expect.skipped:
        return "" if came.kind == "skipped" else "is skipped"
    for kind, entries in (("withheld", expect.withheld), ("held", expect.held)):
        found = _entry(entries, came.step)
        if found is not None:
            met = came.kind == kind and found.because in came.reasons
            return "" if met else f"is {kind} because {found.because}"
    return None


def _entry(entries: list[NotExpected], step: str) -> NotExpected | None:
    exact = next((one for one in entries if one.step == step), None)
    return exact or next((one for one in entries if one.step is None), None)


def _came(rule: Rule, policy: Policy, case: Case, step: Planned) -> _Came:
    refused = at_planning(_circumstances(rule, case, step, ChannelKind.EMAIL, case.now), policy)
    if isinstance(refused, Deny):
        return _not(step, (refused,))
    if step.due < case.now and step.step[:-1].strip("0"):
        return _Came(step=step.step, kind="skipped")  # offsets already past are never sent at once; "0m" is no offset
    if refused is not None:
        return _not(step, (refused,))
    return _leaves(rule, policy, case, step, max(step.due, case.now))


def _leaves(rule: Rule, policy: Policy, case: Case, step: Planned, at: Millis) -> _Came:
    """Ask the gates as `deliver` would, again after each hold that time ends; expiry ends it at the latest."""
    while True:
        answers: list[Hold | Deny] = []
        for channel in _channels(rule, case):
            against = decide(_circumstances(rule, case, step, channel, at), policy).against
            if against is None:
                return _Came(step=step.step, kind="sends", at=_local(at, case.zone), by=channel)
            answers.append(against)
            if not next_channel_may(against):
                break
        last = answers[-1]
        if not isinstance(last, Hold) or last.reason not in _TIMED or last.until is None:
            return _not(step, tuple(answers))
        at = last.until


def _not(step: Planned, answers: tuple[Hold | Deny, ...]) -> _Came:
    """A hold decides alone; denials of several channels are all told."""
    last = answers[-1]
    reasons = (last.reason,) if isinstance(last, Hold) else tuple(dict.fromkeys(answer.reason for answer in answers))
    return _Came(step=step.step, kind="held" if isinstance(last, Hold) else "withheld", reasons=reasons, gate=last.gate)


def _channels(rule: Rule, case: Case) -> tuple[ChannelKind, ...]:
    prefers = case.patient.prefers
    if rule.preferred_first and prefers in rule.channels:
        return (prefers, *(channel for channel in rule.channels if channel is not prefers))
    return rule.channels


def _local(at: Millis, zone: str) -> str:
    return to_datetime(at, zone).strftime("%Y-%m-%d %H:%M")


def _circumstances(rule: Rule, case: Case, step: Planned, channel: ChannelKind, now: Millis) -> Circumstances:
    anchor = case.facts.get(rule.schedule.anchor)
    reachable = channel in case.patient.reachable
    return Circumstances(
        now=now,
        expires=step.expires,
        occurred=case.occurred,
        max_age=rule.max_age,
        production=case.production,
        deceased=case.patient.deceased,
        merged_away=case.patient.merged,
        patient_holds=frozenset(case.patient.holds),
        visit_holds=frozenset(),
        service=_service(case),
        location_sensitive=False,
        unmapped=unmapped(rule, case.facts),
        time_certain=anchor.has_clock if isinstance(anchor, When) else True,
        request=1,
        patient=1,
        rule=rule.name,
        ruleset=1,
        template_digest="",
        reveals=rule.reveals,
        sensitivity=_sensitivity(rule, case),
        purpose=rule.purpose,
        topic=rule.topic,
        channel=channel,
        source_held=False,
        feed_silent=False,
        holding=holding(rule, case.facts),
        age=case.patient.age if isinstance(case.patient.age, int) else None,
        channel_configured=True,
        contact_point=1 if reachable else None,
        address=1 if reachable else None,
        address_opted_out=channel in case.patient.opted_out,
        recipient_listed=True,
        consents=case.consents,
        sent_recently=tuple(
            Sent(per=per, purpose=rule.purpose, topic=rule.topic, at=at)
            for at in case.sent
            for per in ("patient", "address")
        ),
        zones=(case.patient.zone or case.zone,),
    )


def _service(case: Case) -> str | None:
    value = case.facts.get(f"{case.event.partition('.')[0]}.service")
    return value if isinstance(value, str) else None


def _sensitivity(rule: Rule, case: Case) -> Sensitivity:
    values = [case.facts.get(name) for name in rule.reveals]
    if UNMAPPED in values:
        return Sensitivity.PROTECTED
    return max((VOCABULARY[name].sensitivity for name in rule.reveals), default=Sensitivity.PUBLIC)
