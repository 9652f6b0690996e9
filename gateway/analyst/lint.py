"""Rule files that are valid but wrong, found before they are active: each finding has a place, a code and advice.

| code | what |
|---|---|
| CG001 | the file cannot be read as rules, policy or tests |
| CG002 | the file cannot be read as a mapping or code table |
| CG003 | the configuration, or what it names, is wrong |
| CG010 | a template uses what its rule does not reveal, or cannot be compiled |
| CG011 | a marketing template offers no way out |
| CG020 | a reveal is above a channel's ceiling for the purpose |
| CG030 | no schedule step can ever leave: it expires first |
| CG031 | the rule can never match: its conditions contradict each other |
| CG032 | the rule asks for a fact that its events never tell |
| CG040 | no mapping produces the event |
| CG041 | no code table produces the code |
| CG042 | nothing the mappings produce cancels the rule's messages |
| CG050 | no test in which the rule sends, or none in which it stays silent |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.analyst.lint_templates import read_templates, template_findings
from gateway.analyst.rule_cases import Case, read_cases
from gateway.model.errors import ConfigError
from gateway.model.event import EventKind
from gateway.model.facts import VOCABULARY, WHEN_DUE, FactType
from gateway.model.policy import Policy
from gateway.model.rule import Condition, Rule
from gateway.ruleset import RuleSet, load
from gateway.ruleset.load import POLICY, TEST_SUFFIX
from gateway.ruleset.rule_file import TEMPLATES
from gateway.ruleset.schedule import OCCURRED
from gateway.yamlfile import Node
from gateway.yamlfile import load as read_yaml

# What takes a planned message back, by the event that planned it (AD-08, AD-10, SI-04).
_CANCELS: Mapping[str, str] = {
    EventKind.APPOINTMENT_BOOKED: EventKind.APPOINTMENT_CANCELLED,
    EventKind.APPOINTMENT_RESCHEDULED: EventKind.APPOINTMENT_CANCELLED,
    EventKind.ENCOUNTER_ADMITTED: EventKind.ENCOUNTER_ADMISSION_CANCELLED,
    EventKind.ENCOUNTER_DISCHARGED: EventKind.ENCOUNTER_DISCHARGE_CANCELLED,
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One thing to mend. Its text form is what people and code hosts show."""

    file: str
    line: int
    column: int
    code: str
    sentence: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.code} {self.sentence}"


def lint(
    folder: Path, *, events: Iterable[str] | None = None, codes: Mapping[str, frozenset[str]] | None = None
) -> list[Finding]:
    """Everything wrong with a rule folder, sorted by place; empty when it may be activated.

    `events`: kinds the mappings in use produce; `codes`: per fact, the codes their tables produce. None skips
    what needs them. Never raises for what is in the files.
    """
    try:
        rules = load(folder)
    except ConfigError as error:
        return sorted(map(finding_of, error.problems))
    produced = None if events is None else frozenset(events)
    found: set[Finding] = set()
    for rule in rules.rules.values():
        found.update(_Rule(folder, rule, rules.policy).findings(produced, codes or {}))
        found.update(_tested(folder, rule))
    found.update(_templates(folder, rules))
    return sorted(found)


def finding_of(problem: str, code: str = "CG001") -> Finding:
    """A ConfigError's "file:line:column: sentence" as a finding; what stands in no file ("environment: …") has line 0."""
    place, _, sentence = problem.partition(": ")
    file, *numbers = place.rsplit(":", 2)
    line, column = map(int, numbers) if len(numbers) == 2 and all(map(str.isdigit, numbers)) else (0, 0)
    return Finding(file=file, line=line, column=column, code=code, sentence=sentence)


def _templates(folder: Path, rules: RuleSet) -> Iterator[Finding]:
    templates = read_templates(folder / TEMPLATES)
    for rule in rules.rules.values():
        for path, line, code, sentence in template_findings(folder / TEMPLATES, templates, rule):
            yield Finding(file=str(path), line=line, column=1, code=code, sentence=sentence)


def _tested(folder: Path, rule: Rule) -> Iterator[Finding]:
    path = folder / f"{rule.name}{TEST_SUFFIX}"
    cases: list[Case] = []
    if path.exists():
        try:
            cases = read_cases(path)
        except ConfigError as error:
            yield from map(finding_of, error.problems)
            return
    missing = [
        what
        for what, there in (
            ("in which it sends", any(case.expect.sends for case in cases)),
            ("in which nothing leaves", any(not case.expect.sends for case in cases)),
        )
        if not there
    ]
    for what in missing:
        sentence = f"rule {rule.name} has no test {what}: add one to {path.name}"
        yield Finding(file=str(folder / rule.file), line=1, column=1, code="CG050", sentence=sentence)


class _Rule:
    """The findings about one rule file."""

    def __init__(self, folder: Path, rule: Rule, policy: Policy) -> None:
        self._rule, self._policy, self._folder = rule, policy, folder
        self._node: Node = read_yaml(folder / rule.file)

    def findings(self, events: frozenset[str] | None, codes: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
        yield from self._ceilings()
        yield from self._expires_first()
        yield from self._contradictions()
        yield from self._facts_never_told()
        yield from self._codes(codes)
        if events is not None:
            yield from self._events(events)

    def _find(self, code: str, sentence: str, *path: str | int) -> Finding:
        line, column = self._node.at(*path)
        return Finding(file=self._node.file, line=line, column=column, code=code, sentence=sentence)

    def _ceilings(self) -> Iterator[Finding]:
        rule = self._rule
        for number, name in enumerate(rule.reveals):
            level = VOCABULARY[name].sensitivity
            for channel in rule.channels:
                limit = self._policy.ceiling(rule.purpose, channel)
                if level > limit:
                    sentence = (
                        f"`{name}` is {level.name.lower()}, but {POLICY} lets {rule.purpose} show only "
                        f"{limit.name.lower()} by {channel}: drop the channel, or reveal less"
                    )
                    yield self._find("CG020", sentence, "send", "reveals", number)

    def _expires_first(self) -> Iterator[Finding]:
        rule = self._rule
        for number, step in enumerate(rule.schedule.steps):
            late = step.days + step.millis >= 0
            if late and rule.expires in (rule.schedule.anchor, OCCURRED):
                sentence = f"`{step.label}` after the fact at which it expires: it can never leave"
                yield self._find("CG030", sentence, "send", "at", "by", number)

    def _contradictions(self) -> Iterator[Finding]:
        for condition in (*self._rule.where, *self._rule.unless):
            if _empty(condition):
                yield self._condition("CG031", condition, "no value lies between these bounds: it can never hold")
        where = {condition.fact: condition for condition in self._rule.where if condition.values is not None}
        for condition in self._rule.unless:
            wanted = where.get(condition.fact)
            if wanted and wanted.values and condition.values and wanted.values <= condition.values:
                sentence = f"every value `where` asks of `{condition.fact}` is refused here: the rule can never match"
                yield self._condition("CG031", condition, sentence)

    def _condition(self, code: str, condition: Condition, sentence: str) -> Finding:
        return Finding(file=self._node.file, line=condition.line, column=1, code=code, sentence=sentence)

    def _facts_never_told(self) -> Iterator[Finding]:
        """An appointment's event tells nothing of a visit's facts, and the other way about."""
        rule = self._rule
        for condition in (*rule.where, *rule.unless):
            if condition.fact in WHEN_DUE:
                sentence = f"`{condition.fact}` is not known before the message is due: ask for it under `hold`"
                yield self._condition("CG032", condition, sentence)
        spaces = {event.partition(".")[0] for event in rule.events} | {"patient", "event"}
        for condition in rule.where:
            if condition.fact.partition(".")[0] not in spaces and condition.present is not False:
                yield self._condition("CG032", condition, f"the rule's events never tell `{condition.fact}`")
        anchor = rule.schedule.anchor
        if anchor.partition(".")[0] not in spaces:
            side = "before" if self._node.get("send", "at", "before") else "after"
            yield self._find("CG032", f"the rule's events never tell `{anchor}`", "send", "at", side)

    def _codes(self, codes: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
        for condition in (*self._rule.where, *self._rule.unless, *self._rule.hold):
            known = codes.get(condition.fact)
            if known is None or condition.values is None or VOCABULARY[condition.fact].type is not FactType.CODE:
                continue
            for value in sorted(str(value) for value in condition.values - known):
                yield self._condition("CG041", condition, f"no code table turns anything into `{value}`")

    def _events(self, events: frozenset[str]) -> Iterator[Finding]:
        for event in sorted(self._rule.events - events):
            yield self._find("CG040", f"no mapping produces `{event}`", "when", "event")
        cancels = {_CANCELS[event] for event in self._rule.events if event in _CANCELS}
        for event in sorted(cancels - events):
            yield self._find("CG042", f"nobody cancels this: no mapping produces `{event}`", "when", "event")


def _empty(condition: Condition) -> bool:
    """Whether no value can satisfy the bounds."""
    low, high = condition.at_least, condition.at_most
    return any(
        floor is not None and top is not None and (floor > top or (strict and floor >= top))  # type: ignore[operator]
        for floor, top, strict in (
            (low, high, False),
            (condition.after, high, True),
            (low, condition.before, True),
            (condition.after, condition.before, True),
        )
    )
