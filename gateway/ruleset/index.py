"""The active rules, found by event kind and their most telling code, so that five hundred cost like ten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from gateway.model.facts import FactValue
from gateway.model.policy import GATE_FACTS, Policy
from gateway.model.rule import Condition, Rule
from gateway.ruleset.list_file import Lists
from gateway.ruleset.match import Facts

Numbered = tuple[int, Rule]


@dataclass(slots=True)
class _Kind:
    """The rules of one event kind: those to look at always, and those behind one code of one fact."""

    always: list[Numbered] = field(default_factory=list)
    coded: dict[str, dict[FactValue, list[Numbered]]] = field(default_factory=dict)
    found_by: dict[str, Condition] = field(default_factory=dict)
    person: bool = False

    def add(self, number: int, rule: Rule, found_by: Condition | None) -> None:
        self.person = self.person or _asks_person(rule)
        if found_by is None:
            self.always.append((number, rule))
            return
        self.found_by[rule.name] = found_by
        by_value = self.coded.setdefault(found_by.fact, {})
        for value in found_by.values or ():
            by_value.setdefault(value, []).append((number, rule))


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """One rule folder, loaded: immutable, known by the digest of its bytes.

    `templates`: digest (hex SHA-256) by name. `facts_used`: vocabulary facts that rules or gates name (law 5).
    `lists`: the named lists of lists.yaml. `across`: the rules that must know of a patient's other occurrences, by name; `campaigns`: those that have bounds.
    """

    rules: Mapping[str, Rule]
    policy: Policy
    templates: Mapping[str, str]
    digest: str
    folder: Path
    facts_used: frozenset[str]
    lists: Lists
    _kinds: Mapping[str, _Kind] = field(repr=False, compare=False)
    across: tuple[Rule, ...] = field(repr=False, compare=False)
    campaigns: tuple[Rule, ...] = field(repr=False, compare=False)
    _cancelled_by: Mapping[str, tuple[Rule, ...]] = field(repr=False, compare=False)

    @classmethod
    def of(
        cls,
        rules: Iterable[Rule],
        policy: Policy,
        templates: Mapping[str, str],
        *,
        digest: str,
        folder: Path,
        lists: Lists = MappingProxyType({}),
    ) -> RuleSet:
        """A rule set from its parts; rules are kept in the order of their names, so file order never matters."""
        named = {rule.name: rule for rule in sorted(rules, key=lambda rule: rule.name)}
        return cls(
            rules=named,
            policy=policy,
            templates=templates,
            digest=digest,
            folder=folder,
            facts_used=frozenset(GATE_FACTS.union(*(_facts(rule) for rule in named.values()))),
            lists=lists,
            _kinds=_index(named.values()),
            across=tuple(rule for rule in named.values() if rule.looks_across),
            campaigns=tuple(rule for rule in named.values() if rule.campaign is not None),
            _cancelled_by=_cancels(named.values()),
        )

    def for_event(self, kind: str, facts: Facts) -> Iterable[Rule]:
        """Rules that may match an event of this kind with these facts, in the order of their names.

        Those left out have a `where` on a code that `facts` does not have, and so cannot match.
        """
        found = self._kinds.get(kind)
        if found is None:
            return ()
        chosen = found.always.copy()
        for fact, by_value in found.coded.items():
            value = facts.get(fact)
            if value is not None:
                chosen += by_value.get(value, ())
        chosen.sort(key=_number)
        return [rule for _, rule in chosen]

    def found_by(self, kind: str, name: str) -> Condition | None:
        """The condition by which events of this kind find a rule: what `for_event` leaves out has not met it.

        None for a rule that is always looked at, or that does not name the kind.
        """
        found = self._kinds.get(kind)
        return None if found is None else found.found_by.get(name)

    def listens(self, kind: str) -> bool:
        """Whether any rule names this kind of event."""
        return kind in self._kinds

    def cancelled_by(self, kind: str) -> tuple[Rule, ...]:
        """The rules whose `cancel` names this kind of event, in the order of their names."""
        return self._cancelled_by.get(kind, ())

    def asks_person(self, kind: str) -> bool:
        """Whether matching or timing a rule of this kind takes a fact about the person (patient.*)."""
        found = self._kinds.get(kind)
        return found is not None and found.person

    def named(self, name: str) -> Rule | None:
        """The rule of this name, or None when it is not (or no longer) there."""
        return self.rules.get(name)


def _asks_person(rule: Rule) -> bool:
    conditions = (condition.fact for condition in (*rule.where, *rule.unless))
    return any(name.startswith("patient.") for name in (*conditions, rule.schedule.anchor, rule.expires or ""))


def _number(numbered: Numbered) -> int:
    return numbered[0]


def _index(rules: Iterable[Rule]) -> dict[str, _Kind]:
    numbered, kinds = list(enumerate(rules)), dict[str, _Kind]()
    crowd = Counter(
        (event, condition.fact, value)
        for _, rule in numbered
        for event in rule.events
        for condition in rule.where
        for value in condition.values or ()
    )
    for number, rule in numbered:
        for event in rule.events:
            kinds.setdefault(event, _Kind()).add(number, rule, _most_telling(rule, event, crowd))
    return kinds


def _most_telling(rule: Rule, event: str, crowd: Counter[tuple[str, str, FactValue]]) -> Condition | None:
    """The code condition that fewest other rules share (every reminder asks for `booked`); None: it asks for no code."""
    coded = [condition for condition in rule.where if condition.values is not None]
    return min(coded, key=lambda one: max(crowd[event, one.fact, value] for value in one.values or ()), default=None)


def _cancels(rules: Iterable[Rule]) -> dict[str, tuple[Rule, ...]]:
    found: dict[str, tuple[Rule, ...]] = {}
    for rule in rules:
        for event in rule.cancel.events if rule.cancel is not None else ():
            found[event] = (*found.get(event, ()), rule)
    return found


def _facts(rule: Rule) -> set[str]:
    cancel = rule.cancel.where if rule.cancel is not None else ()
    conditions = {condition.fact for condition in (*rule.where, *rule.unless, *rule.hold, *cancel)}
    times = {rule.schedule.anchor, *([rule.expires] if rule.expires else [])}
    return conditions | times | {*rule.reveals, *rule.alike}
