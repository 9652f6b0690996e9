"""Planning one occurrence's sends: never two of one step, withdrawn when it no longer stands, repeated only for news."""

from __future__ import annotations

from itertools import count

import pytest

from gateway.model.audit import Action
from gateway.model.consent import ChannelKind, Purpose
from gateway.model.facts import UNMAPPED
from gateway.model.policy import Policy
from gateway.model.request import Priority
from gateway.model.rule import Condition, Rule, Schedule, Step
from gateway.model.verdict import Deny, Hold, Reason
from gateway.model.when import DAY, HOUR, Precision, When
from gateway.pipeline.planning import Occasion, release, replan
from gateway.pipeline.rows import OccurrenceRow
from gateway.ruleset.index import RuleSet

NOW = 1_780_000_000_000
START = When(NOW + 10 * DAY, "UTC", Precision.MINUTE)


def rule(name="reminder", *, steps=("7d", "1d"), service="cardiology", **changes) -> Rule:
    """A reminder rule for one service."""
    fields = {
        "name": name,
        "file": f"{name}.yaml",
        "owner": "o",
        "why": "w",
        "events": frozenset({"appointment.booked", "appointment.rescheduled"}),
        "where": (Condition(fact="appointment.service", line=7, values=frozenset({service})),),
        "unless": (),
        "hold": (),
        "purpose": Purpose.TREAT,
        "remuneration": "none",
        "topic": "appointments",
        "channels": (ChannelKind.EMAIL,),
        "template": "t",
        "schedule": Schedule(
            anchor="appointment.start",
            steps=tuple(Step(label=step, days=-int(step[:-1]), millis=0) for step in steps),
        ),
        "expires": "appointment.start",
        "expires_after": None,
        "reveals": ("appointment.start", "patient.given_name"),
        "max_age": 2 * DAY,
        "priority": Priority.CLINICAL,
    }
    return Rule(**{**fields, **changes})


def ruleset(*rules: Rule, tmp_path) -> RuleSet:
    """A rule set of exactly these rules."""
    policy = Policy(version="1", quiet_hours={}, ceilings={}, hold_expires=30 * DAY)
    return RuleSet.of(list(rules), policy, {}, digest="d", folder=tmp_path)


@pytest.fixture
def plan(tmp_path):
    """Plan an occurrence: `plan(row, rules, facts, …)` returns what `replan` decided."""
    ids = count(100)

    def make(row, rules, facts, *, now=NOW, verdict=None, ended_by=Reason.NO_LONGER_MATCHES, restored=0):
        occasion = Occasion(
            patient=1,
            raw=5,
            now=now,
            zone="UTC",
            facts=facts,
            permanent=lambda _rule, _step: verdict,
            new_id=lambda: next(ids),
            digest=lambda said: said,
            same=lambda said, stored: said == stored,
            ruleset=9,
            restored=lambda: restored,
        )
        return replan(row, ruleset(*rules, tmp_path=tmp_path), occasion, ended_by=ended_by)

    return make


@pytest.fixture
def row() -> OccurrenceRow:
    """A booked appointment with nothing planned."""
    return OccurrenceRow(
        1, "Appointment", b"k", 1, 1, None, NOW, "booked", "appointment.booked", NOW, START.utc, "UTC", "minute",
        None, "", 5, b"", None, {},
    )  # fmt: skip


FACTS = {"appointment.service": "cardiology", "appointment.start": START, "patient.given_name": "Ann"}


def waiting(row):
    """Steps that may still be sent."""
    return sorted(one.step for one in row.requests if one.waiting)


def test_both_steps_are_planned_once(plan, row):
    """D-06: planning twice plans nothing twice."""
    first = plan(row, [rule()], FACTS)
    again = plan(row, [rule()], FACTS)
    assert first.matched == again.matched == ["reminder"]
    assert waiting(row) == ["1d", "7d"]
    assert not again.entries


def test_a_new_start_moves_both_steps(plan, row):
    """SI-02: the old reminders are withdrawn, the new ones planned."""
    plan(row, [rule()], FACTS)
    moved = {**FACTS, "appointment.start": When(START.utc + DAY, "UTC", Precision.MINUTE)}
    plan(row, [rule()], moved)
    assert waiting(row) == ["1d", "7d"]
    assert sorted((one.state, one.reason, one.material_version) for one in row.requests) == [
        ("active", None, 1),
        ("active", None, 1),
        ("revoked", "superseded", 0),
        ("revoked", "superseded", 0),
    ]


def test_a_corrected_name_repeats_nothing(plan, row):
    """Decision 0004: facts about the person are not material."""
    plan(row, [rule()], FACTS)
    for one in row.requests:
        one.state = "completed"
    assert not plan(row, [rule()], {**FACTS, "patient.given_name": "Anne"}).entries


def test_a_sent_step_is_repeated_only_for_news_still_ahead(plan, row):
    """SI-03: remind again only if what the patient was told changed; an offset already past is skipped."""
    plan(row, [rule()], FACTS)
    for one in row.requests:
        one.state = "completed"
    sooner = {**FACTS, "appointment.start": When(NOW + 3 * DAY, "UTC", Precision.MINUTE)}
    decided = plan(row, [rule()], sooner)
    assert waiting(row) == ["1d"]
    assert (Action.REQUEST_WITHHELD, None, "reminder", "7d", Reason.OFFSET_PAST) in decided.entries


def test_what_no_longer_matches_is_withdrawn_with_its_reason(plan, row):
    """A cancelled appointment withdraws all that waits."""
    plan(row, [rule()], FACTS)
    row.reached_by = "appointment.cancelled"
    decided = plan(row, [rule()], FACTS, ended_by=Reason.CANCELLED)
    assert waiting(row) == []
    assert [entry[2] for entry in decided.entries] == [Reason.CANCELLED, Reason.CANCELLED]


def test_a_withdrawn_step_is_planned_again_when_the_visit_is_booked_again(plan, row):
    """A withdrawn request planned again counts one version up."""
    plan(row, [rule()], FACTS)
    row.reached_by = "appointment.cancelled"
    plan(row, [rule()], FACTS, ended_by=Reason.CANCELLED)
    row.reached_by = "appointment.booked"
    plan(row, [rule()], FACTS)
    assert [one.material_version for one in row.requests if one.waiting] == [1, 1]


@pytest.mark.parametrize("reason", [Reason.DECEASED, Reason.WITHDRAWN_BY_HAND, Reason.REFUSED, Reason.OPTED_OUT])
def test_what_ended_for_good_is_not_planned_again(plan, row, reason):
    """PI-12: a reversed death restores no plan; nor does an update after a refusal or a person's no."""
    plan(row, [rule()], FACTS)
    for one in row.requests:
        one.settle("revoked", reason)
    moved = {**FACTS, "appointment.start": When(START.utc + DAY, "UTC", Precision.MINUTE)}
    plan(row, [rule()], moved)
    assert waiting(row) == []


def test_a_permanent_reason_plans_nothing_and_says_so(plan, row):
    """At planning only permanent reasons withhold; each is recorded."""
    decided = plan(row, [rule()], FACTS, verdict=Deny(gate="deceased", reason=Reason.DECEASED))
    assert row.requests == []
    assert {entry[4] for entry in decided.entries} == {Reason.DECEASED}


def test_what_a_person_must_look_at_is_planned_on_hold_and_released_when_the_doubt_is_gone(plan, row):
    """An unmapped code waits for a person, or for a message after the table knows it."""
    hold = Hold(gate="unmapped", reason=Reason.UNMAPPED_CODE, released_by="a table entry")
    careful = rule(
        where=(), unless=(Condition(fact="appointment.service", line=9, values=frozenset({"substance-use"})),)
    )
    plan(row, [careful], {**FACTS, "appointment.service": UNMAPPED}, verdict=hold)
    assert {(one.state, one.reason) for one in row.requests} == {("on-hold", "unmapped-code")}
    decided = plan(row, [careful], FACTS)
    assert {one.state for one in row.requests} == {"active"}
    assert {entry[0] for entry in decided.entries} == {Action.REQUEST_RELEASED}


def test_a_rule_that_does_not_apply_names_the_line_that_decided(plan, row):
    """Every refusal can name the line."""
    other = rule("other", where=(Condition(fact="appointment.location", line=12, values=frozenset({"x"})),))
    decided = plan(row, [other], FACTS)
    assert decided.entries in ([], [(Action.RULE_UNMATCHED, "other", 12, "appointment.location")])
    noted = rule("noted", where=(Condition(fact="patient.age", line=3, at_least=18),))
    assert plan(row, [noted], FACTS).entries == [(Action.RULE_UNMATCHED, "noted", 3, "patient.age")]


def test_a_visit_without_a_clock_time_cannot_be_planned(plan, row):
    """T-07: no schedule without the fact it hangs on."""
    facts = {name: value for name, value in FACTS.items() if name != "appointment.start"}
    decided = plan(row, [rule()], facts)
    assert (Action.REQUEST_WITHHELD, None, "reminder", "*", Reason.TIME_UNCERTAIN) in decided.entries


def test_a_released_request_rings_when_due_not_before(plan, row):
    """A lifted hold is judged again at its due time (decision 0005)."""
    hold = Hold(gate="g", reason=Reason.CONFIDENTIAL_VISIT, released_by="x")
    plan(row, [rule()], FACTS, verdict=hold)
    release(row.requests, {Reason.CONFIDENTIAL_VISIT}, NOW + 4 * DAY)
    assert sorted(one.ring_at - NOW for one in row.requests) == [4 * DAY, 9 * DAY]


def test_rules_do_not_depend_on_each_other_or_on_their_order(plan, row):
    """Order never matters: the same rules shuffled plan the same steps."""
    rules = [rule("a"), rule("b", steps=("2d",)), rule("c", service="imaging")]
    plan(row, rules, FACTS)
    one_way = sorted((one.rule, one.step, one.due) for one in row.requests)
    row.requests = []
    plan(row, rules[::-1], FACTS)
    assert sorted((one.rule, one.step, one.due) for one in row.requests) == one_way
    assert len(one_way) == 3


def test_an_offset_of_zero_means_at_once(plan, row):
    """Only "at once" may be due at the moment of planning."""
    at_once = rule(
        "thanks",
        schedule=Schedule(anchor="event.occurred", steps=(Step(label="0h", days=0, millis=0),)),
        expires=None,
        expires_after=HOUR,
    )
    plan(row, [at_once], {**FACTS, "event.occurred": When(NOW - 1, "UTC", Precision.SECOND)})
    assert [(one.step, one.due) for one in row.requests] == [("0h", NOW)]


def test_what_is_told_again_after_a_restore_waits_for_a_person(plan, row):
    """The lost database may have sent it at once; what lies ahead has not left, and what came later is new."""
    steps = (Step(label="0h", days=0, millis=0), Step(label="1d", days=1, millis=0))
    both = rule("thanks", schedule=Schedule(anchor="event.occurred", steps=steps), expires=None, expires_after=2 * DAY)
    facts = {**FACTS, "event.occurred": When(NOW, "UTC", Precision.SECOND)}
    plan(row, [both], facts, restored=NOW)
    assert {one.step: (one.state, one.reason) for one in row.requests} == {
        "0h": ("on-hold", Reason.OUTCOME_UNKNOWN),
        "1d": ("active", None),
    }
    row.requests.clear()
    plan(row, [both], facts, restored=NOW - 1)
    assert {one.state for one in row.requests} == {"active"}
