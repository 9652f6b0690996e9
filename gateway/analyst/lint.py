"""Rule files that are valid but wrong, found before they are active: each finding has a place, a code and advice.

The codes and what they mean: gateway/analyst/findings.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from gateway.analyst import lint_around, lint_conditions, lint_fallback, lint_pairs, lint_purpose, lint_schedule
from gateway.analyst.findings import Finding, finding_of
from gateway.analyst.lint_templates import template_findings
from gateway.analyst.phi_lint import excess
from gateway.analyst.rule_cases import Case, read_cases
from gateway.analyst.rule_seen import Seen
from gateway.analyst.rule_tests import case_files
from gateway.model.errors import ConfigError
from gateway.model.rule import Rule
from gateway.ruleset import RuleSet
from gateway.ruleset.conditions import like
from gateway.ruleset.load import TEST_SUFFIX, sound
from gateway.ruleset.rule_file import TEMPLATES

__all__ = ["Finding", "finding_of", "lint"]

_UNKNOWN_EVENT = "unknown event `"


def lint(
    folder: Path,
    *,
    events: Iterable[str] | None = None,
    codes: Mapping[str, frozenset[str]] | None = None,
    triggers: Mapping[str, frozenset[str]] | None = None,
    today: date | None = None,
) -> list[Finding]:
    """Everything wrong with a rule folder, sorted by place; empty when it may be activated.

    `events`: kinds the mappings in use produce; `codes`: per fact, the codes their tables produce; `triggers`: per
    message type ("SIU^S12"), the kinds it becomes, for who writes that instead; `today`: for days in effect that are
    over. None skips what needs them. Never raises for what is in the files.
    """
    rules, problems = sound(folder)
    found = {_advised(finding_of(problem), triggers or {}) for problem in problems}
    if rules is None:
        return sorted(found)
    produced = None if events is None else frozenset(events)
    every = [Seen(rule=rule, path=folder / rule.file, policy=rules.policy) for rule in rules.rules.values()]
    for seen in every:
        found.update(_of_rule(seen, produced, codes or {}, today))
        found.update(_tested(folder, seen.rule))
    found.update(lint_pairs.findings(every))
    found.update(_templates(folder, rules))
    found.update(excess(folder, every))
    if not problems:  # else a file that cannot be read may be what uses it
        found.update(lint_around.of_folder(folder, rules, every))
        found.update(_orphans(folder, rules))
    return sorted(found)


def _of_rule(
    seen: Seen, events: frozenset[str] | None, codes: Mapping[str, frozenset[str]], today: date | None
) -> Iterator[Finding]:
    yield from lint_purpose.findings(seen)
    yield from lint_schedule.findings(seen)
    yield from lint_fallback.findings(seen)
    yield from lint_conditions.findings(seen, codes)
    yield from lint_around.of_rule(seen, events, today)


def _advised(found: Finding, triggers: Mapping[str, frozenset[str]]) -> Finding:
    """Who names an event as HL7 does is told what it is called here."""
    if not found.sentence.startswith(_UNKNOWN_EVENT):
        return found
    told = found.sentence.removeprefix(_UNKNOWN_EVENT).partition("`")[0].upper()
    kinds = sorted({kind for name, some in triggers.items() if told in (name, name.partition("^")[2]) for kind in some})
    if not kinds:
        return found
    names = " or ".join(f"`{kind}`" for kind in kinds[:3])
    return replace(found, sentence=f"unknown event `{told}`; that message becomes {names} here: write that")


def _templates(folder: Path, rules: RuleSet) -> Iterator[Finding]:
    for path, line, column, code, sentence in template_findings(folder / TEMPLATES, rules):
        yield Finding(file=str(path), line=line, column=column, code=code, sentence=sentence)


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
    if missing:
        sentence = f"rule {rule.name} has no test {' and none '.join(missing)}: add one to {path.name}"
        yield Finding(file=str(folder / rule.file), line=1, column=1, code="CG050", sentence=sentence)


def _orphans(folder: Path, rules: RuleSet) -> Iterator[Finding]:
    """Tests of a rule that is not there: a rule was renamed, or its file is spelled otherwise."""
    for path in case_files(folder):
        name = path.name.removesuffix(TEST_SUFFIX)
        if rules.named(name) is None:
            sentence = f"there is no rule `{name}`: name the tests like their rule{like(name, rules.rules)}"
            yield Finding(file=str(path), line=1, column=1, code="CG050", sentence=sentence)
