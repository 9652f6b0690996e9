"""Where is AND, unless is ANY, and not knowing is never a yes to sending."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.consent import ChannelKind, Purpose
from gateway.model.facts import UNMAPPED, FactValue
from gateway.model.policy import Policy
from gateway.model.request import Priority
from gateway.model.rule import Condition, Rule, Schedule, Step
from gateway.model.when import DAY, Precision, When, to_millis
from gateway.ruleset import RuleSet, deciding, holding, load, undecided, unmapped
from gateway.ruleset.match import against, answer

Write = Callable[..., Path]
START = When(to_millis(datetime(2026, 3, 20, 14, tzinfo=UTC)), "America/Chicago", Precision.MINUTE)
FIT: Mapping[str, FactValue] = {"appointment.status": "booked", "appointment.service": "primary-care"}


def rule(**changes: Any) -> Rule:
    told: dict[str, Any] = {
        "name": "r",
        "file": "r.yaml",
        "owner": "o",
        "why": "w",
        "events": frozenset({"appointment.booked"}),
        "where": (),
        "unless": (),
        "hold": (),
        "purpose": Purpose.TREAT,
        "remuneration": "none",
        "topic": "appointments",
        "channels": (ChannelKind.EMAIL,),
        "template": "t",
        "schedule": Schedule(anchor="appointment.start", steps=(Step(label="7d", days=-7, millis=0),)),
        "expires": "appointment.start",
        "expires_after": None,
        "reveals": (),
        "max_age": DAY,
        "priority": Priority.ROUTINE,
    }
    return Rule(**{**told, **changes})


def asks(fact: str, **told: Any) -> Condition:
    return Condition(fact=fact, line=1, **told)


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        (asks("appointment.service", values=frozenset({"a", "b"})), "b", True),
        (asks("appointment.service", values=frozenset({"a", "b"})), "c", False),
        (asks("appointment.service", values=frozenset({"a"})), UNMAPPED, None),
        (asks("appointment.service", values=frozenset({"a"})), None, None),
        (asks("appointment.service", present=True), "a", True),
        (asks("appointment.service", present=True), None, False),
        (asks("appointment.service", present=False), None, True),
        (asks("appointment.service", present=False), "a", False),
        (asks("appointment.service", present=True), UNMAPPED, None),
        (asks("patient.inpatient", values=frozenset({True})), True, True),
        (asks("patient.inpatient", values=frozenset({True})), False, False),
        (asks("patient.age", at_least=18), 18, True),
        (asks("patient.age", at_least=18), 17, False),
        (asks("patient.age", at_least=18, at_most=64), 65, False),
        (asks("patient.age", at_most=64), 64, True),
        (asks("patient.age", at_least=18), "x", None),
        (asks("patient.age", at_least=18), True, None),
        (asks("appointment.start", after=date(2026, 3, 19)), START, True),
        (asks("appointment.start", after=date(2026, 3, 20)), START, False),
        (asks("appointment.start", before=date(2026, 3, 20)), START, False),
        (asks("appointment.start", before=date(2026, 3, 21)), START, True),
        (asks("appointment.start", at_least=date(2026, 1, 1)), When(START.utc, "UTC", Precision.YEAR), None),
        (asks("appointment.start", at_least=date(2026, 1, 1)), When(START.utc, "UTC", Precision.DAY), True),
        (asks("x.date", at_most=date(2026, 1, 1)), date(2026, 1, 1), True),
        (asks("x.date", at_most=date(2026, 1, 1)), 5, None),
    ],
)
def test_a_condition_answers_yes_no_or_unknown(
    condition: Condition, value: FactValue | None, expected: bool | None
) -> None:
    """T-01: 2026 is not the first of January 2026, so a date bound cannot answer for it."""
    facts = {} if value is None else {condition.fact: value}
    assert answer(condition, facts) is expected


def test_a_datetime_is_compared_by_its_own_local_day() -> None:
    """Late in the evening in Chicago it is already tomorrow in Greenwich."""
    late = When(to_millis(datetime(2026, 3, 21, 2, tzinfo=UTC)), "America/Chicago", Precision.MINUTE)
    assert answer(asks("appointment.start", at_most=date(2026, 3, 20)), {"appointment.start": late}) is True


def test_a_rule_matches_when_every_where_and_no_unless_holds(write: Write) -> None:
    """And the first condition that decided against is named with its line."""
    reminder = load(write()).named("reminder")
    assert reminder is not None
    assert deciding(reminder, FIT) is None
    against = deciding(reminder, {**FIT, "appointment.status": "pending"})
    assert against is not None
    assert (against.fact, against.line) == ("appointment.status", 7)
    excluded = deciding(reminder, {**FIT, "appointment.service": "hiv-care"})
    assert excluded is not None
    assert (excluded.fact, excluded.line) == ("appointment.service", 9)


@pytest.mark.parametrize("service", [None, UNMAPPED, "hiv-care"])
def test_not_knowing_the_service_is_no_reason_to_send(write: Write, service: str | None) -> None:
    """An absent fact, or a code no table knows, always satisfies `unless` (PV-08)."""
    reminder = load(write()).named("reminder")
    assert reminder is not None
    facts = {"appointment.status": "booked"} | ({} if service is None else {"appointment.service": service})
    assert deciding(reminder, facts) is not None


def test_what_only_an_unmapped_exclusion_stands_against_is_for_a_person() -> None:
    """Not for a `where`: a strange code is none of the codes a rule wants."""
    excluding = rule(
        where=(asks("appointment.status", values=frozenset({"booked"})),),
        unless=(asks("appointment.service", values=frozenset({"hiv-care"})),),
    )
    assert undecided(excluding, {**FIT, "appointment.service": UNMAPPED}) == ("appointment.service",)
    assert undecided(excluding, FIT) == ()
    assert undecided(excluding, {"appointment.status": "booked"}) == ()
    assert undecided(excluding, {**FIT, "appointment.status": UNMAPPED, "appointment.service": UNMAPPED}) == ()


@pytest.mark.parametrize(("inpatient", "held"), [(True, True), (False, False), (None, True)])
def test_a_due_send_waits_while_a_hold_condition_holds_or_cannot_be_answered(
    inpatient: bool | None, held: bool
) -> None:
    """Fail closed: whether someone is in hospital must be known to write to them."""
    holds = rule(hold=(asks("patient.inpatient", values=frozenset({True})),))
    facts = {} if inpatient is None else {"patient.inpatient": inpatient}
    assert (holding(holds, facts) is not None) is held


def test_unmapped_codes_are_named_if_the_rule_shows_them_or_asks_about_them() -> None:
    """What the rule does not name does not matter to it."""
    shows = rule(
        reveals=("appointment.location",),
        hold=(asks("encounter.class", values=frozenset({"inpatient"})),),
    )
    facts = {"appointment.location": UNMAPPED, "encounter.class": UNMAPPED, "appointment.service": UNMAPPED}
    assert unmapped(shows, facts) == ("appointment.location", "encounter.class")
    assert unmapped(shows, FIT) == ()


# -- the index


def many(seed: int, count: int = 40) -> list[Rule]:
    choose = random.Random(seed)
    services = ["a", "b", "c", "d"]
    made = []
    for number in range(count):
        where = []
        if choose.random() < 0.5:
            where.append(asks("patient.age", at_least=choose.choice([18, 65])))
        if choose.random() < 0.7:
            where.append(asks("appointment.service", values=frozenset(choose.sample(services, 2))))
        if choose.random() < 0.3:
            where.append(asks("appointment.status", values=frozenset({"booked"})))
        events = frozenset(choose.sample(["appointment.booked", "appointment.missed"], choose.choice([1, 2])))
        made.append(rule(name=f"r{number:03}", where=tuple(where), events=events))
    return made


FACTS = st.fixed_dictionaries(
    {},
    optional={
        "appointment.service": st.sampled_from(["a", "b", "z", UNMAPPED]),
        "appointment.status": st.sampled_from(["booked", "pending"]),
        "patient.age": st.sampled_from([3, 20, 70]),
    },
)


@cache
def policy_of(folder: Path) -> Policy:
    return load(folder).policy


def ruleset(rules: list[Rule], folder: Path) -> RuleSet:
    return RuleSet.of(rules, policy_of(folder), {}, digest="d", folder=folder)


@given(st.integers(0, 20), FACTS, st.sampled_from(["appointment.booked", "appointment.missed", "patient.added"]))
def test_the_index_leaves_out_only_rules_that_cannot_match(seed: int, facts: dict[str, FactValue], kind: str) -> None:
    """Asking every rule and asking the index give the same matches, in the same order, however files are ordered."""
    rules = many(seed)
    folder = Path(__file__).parents[2] / "rules"
    expected = [one.name for one in rules if kind in one.events and deciding(one, facts) is None]
    for order in (rules, rules[::-1]):
        offered = list(ruleset(order, folder).for_event(kind, facts))
        assert [one.name for one in offered if deciding(one, facts) is None] == expected


@given(st.integers(0, 20), FACTS, st.sampled_from(["appointment.booked", "appointment.missed"]))
def test_a_rule_that_is_not_even_offered_has_the_condition_that_was_not_met(
    seed: int, facts: dict[str, FactValue], kind: str
) -> None:
    """Why nothing was sent can be told of every rule about the kind: this condition is what kept it from being found."""
    rules = many(seed)
    told = ruleset(rules, Path(__file__).parents[2] / "rules")
    offered = {one.name for one in told.for_event(kind, facts)}
    for one in rules:
        found_by = told.found_by(kind, one.name)
        if kind not in one.events:
            assert found_by is None
        elif one.name not in offered:
            assert found_by is not None
            assert found_by in one.where
            assert answer(found_by, facts) is not True
    assert told.found_by("patient.added", "r0") is None


def test_five_hundred_rules_cost_little_more_than_ten(folder: Path) -> None:
    """Only the rules behind the event's own code are looked at."""
    rules = [rule(name=f"r{n}", where=(asks("appointment.service", values=frozenset({f"s{n}"})),)) for n in range(500)]
    found = list(ruleset(rules, folder).for_event("appointment.booked", {"appointment.service": "s7"}))
    assert [one.name for one in found] == ["r7"]
    assert list(ruleset(rules, folder).for_event("appointment.booked", {})) == []


@given(st.integers(0, 20), FACTS)
def test_what_speaks_against_a_rule_is_what_decides_unless_only_unmapped_codes_do(
    seed: int, facts: dict[str, FactValue]
) -> None:
    """PV-08: asked in one go or in two, the same condition is named, and the same rules are left to a person."""
    for one in many(seed):
        apart = deciding(one, facts)
        assert against(one, facts) is (None if apart is None or undecided(one, facts) else apart)


def test_rules_that_all_ask_for_booked_are_told_apart_by_what_only_few_ask(folder: Path) -> None:
    """The first code of a rule may be everybody's; a rule is found by the one that fewest share."""
    booked = asks("appointment.status", values=frozenset({"booked"}))
    rules = [
        rule(name=f"r{n}", where=(booked, asks("appointment.service", values=frozenset({f"s{n}"})))) for n in range(50)
    ]
    told = ruleset([*rules, rule(name="plain", where=(booked,))], folder)
    facts: dict[str, FactValue] = {"appointment.status": "booked", "appointment.service": "s7"}
    assert [one.name for one in told.for_event("appointment.booked", facts)] == ["plain", "r7"]


def test_the_person_is_only_looked_up_where_a_rule_asks(folder: Path) -> None:
    """Law 5: kinds of event nobody named are not listened to, and no fact of the person is opened for nothing."""
    asking = rule(name="asks", where=(asks("patient.language", values=frozenset({"es"})),))
    plain = rule(name="plain", events=frozenset({"appointment.missed"}))
    told = ruleset([asking, plain], folder)
    kinds = ("appointment.booked", "appointment.missed", "patient.added")
    assert [told.listens(kind) for kind in kinds] == [True, True, False]
    assert [told.asks_person(kind) for kind in kinds] == [True, False, False]


def test_facts_that_nothing_names_are_not_asked_for(write: Write) -> None:
    """Law 5: rules and gates together say what is kept."""
    used = load(write()).facts_used
    assert {"appointment.start", "patient.given_name", "patient.inpatient", "appointment.service"} <= used
    assert "encounter.disposition" not in used
    assert "appointment.practitioner" not in used
