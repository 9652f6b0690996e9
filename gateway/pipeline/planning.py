"""Plans, keeps and withdraws the sends of one occurrence under the active rules; the outbox never holds two of one step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from gateway.model.audit import Action
from gateway.model.facts import FactValue
from gateway.model.frozen import value
from gateway.model.request import RequestKind, RequestStatus
from gateway.model.rule import Rule
from gateway.model.verdict import Deny, Hold, Reason, Verdict
from gateway.model.when import Millis
from gateway.pipeline.packing import material
from gateway.pipeline.rows import OccurrenceRow, RequestRow
from gateway.ruleset.across import in_effect
from gateway.ruleset.index import RuleSet
from gateway.ruleset.match import against
from gateway.ruleset.schedule import Planned, planned

Entry = tuple[Any, ...]

# Members by module constants: an attribute of an Enum class costs ten times as much (Python 3.11).
_UNMATCHED, _PLANNED, _HELD, _WITHHELD = (
    Action.RULE_UNMATCHED,
    Action.REQUEST_PLANNED,
    Action.REQUEST_HELD,
    Action.REQUEST_WITHHELD,
)
_ACTIVE, _ON_HOLD, _REVOKED = RequestStatus.ACTIVE.value, RequestStatus.ON_HOLD.value, RequestStatus.REVOKED.value
_OF_A_RULE = RequestKind.RULE.value

# A step revoked for one of these is not planned again by a later update of the same occurrence.
_FINAL = frozenset({Reason.DECEASED, Reason.WITHDRAWN_BY_HAND, Reason.REFUSED, Reason.OPTED_OUT, Reason.CONSENT_DENIED})
# These mean that the occurrence (its patient, too) or the rules moved on, so a new match may plan afresh.
_FRESH = frozenset(
    {
        Reason.SUPERSEDED,
        Reason.CANCELLED,
        Reason.NO_LONGER_MATCHES,
        Reason.RULE_RETIRED,
        Reason.NOT_IN_EFFECT,
        Reason.IDENTITY_CONFLICT,
    }
)

# What a person let wait, or is to decide, is not let go by a later message.
_KEPT = {
    one: Hold(gate="", reason=one, released_by="a person who releases it")
    for one in (Reason.HELD_BY_HAND, Reason.POSSIBLE_DUPLICATE)
}
_MAY_HAVE_LEFT = Hold(gate="", reason=Reason.OUTCOME_UNKNOWN, released_by="a person who knows that it never left")
# Holds given at planning that a later message about the same occurrence may lift.
_PLANNING_HOLDS = frozenset({Reason.UNMAPPED_CODE, Reason.TIME_UNCERTAIN})


@value
class Occasion:
    """What planning needs beside the rules. `permanent`: the planning gates' answer for one step.

    `restored`: when this database took the place of a lost one, 0 if it never did; asked only of steps "at once".
    """

    patient: int
    raw: int | None
    now: Millis
    zone: str
    facts: Mapping[str, FactValue]
    permanent: Callable[[Rule, Planned], Deny | Hold | None]
    new_id: Callable[[], int]
    digest: Callable[[bytes], bytes]
    same: Callable[[bytes, bytes], bool]
    ruleset: int
    restored: Callable[[], Millis] = lambda: 0


@dataclass(slots=True)
class Plan:
    """What planning decided: audit entries, and the names of the rules that matched."""

    entries: list[Entry]
    matched: list[str]


def replan(row: OccurrenceRow, rules: RuleSet, occasion: Occasion, *, ended_by: Reason) -> Plan:
    """Match every rule against the occurrence as it now stands; plan, keep or withdraw its sends.

    A rule matches when the occurrence's status was reached by an event it names and its conditions hold.
    Changes `row.requests` in place. `ended_by` is the reason given to what no longer stands.
    """
    plan = Plan(entries=[], matched=[])
    standing: set[tuple[str, str]] = set()
    for rule in rules.for_event(row.reached_by, occasion.facts):
        if rule.effective is not None and not in_effect(rule, occasion.now, occasion.zone):
            plan.entries.append((_UNMATCHED, rule.name, rule.effective.line, "effective"))
            _withdraw(row, standing, plan, Reason.NOT_IN_EFFECT, of=rule.name)
            continue
        decided = against(rule, occasion.facts)
        if decided is not None:
            plan.entries.append((_UNMATCHED, rule.name, decided.line, decided.fact))
            continue
        plan.matched.append(rule.name)
        said = material(occasion.facts, rule.material)
        # What only an unmapped code keeps from matching is planned too: the planning gates hold it for a person.
        for step in _steps(row, rule, occasion, plan):
            standing.add((rule.name, step.step))
            _stand(row, rule, step, said, occasion, plan)
    _withdraw(row, standing, plan, ended_by)
    return plan


def ended(row: OccurrenceRow, ended_by: Reason) -> Plan:
    """What `replan` decides when no rule names the event that led to the status: nothing stands any more."""
    plan = Plan(entries=[], matched=[])
    _withdraw(row, set(), plan, ended_by)
    return plan


def _steps(row: OccurrenceRow, rule: Rule, occasion: Occasion, plan: Plan) -> tuple[Planned, ...]:
    steps = planned(rule, occasion.facts, occurred=row.occurred, zone=occasion.zone)
    if not steps:
        plan.entries.append((Action.REQUEST_WITHHELD, None, rule.name, "*", Reason.TIME_UNCERTAIN))
    return steps


def _latest(row: OccurrenceRow, rule: str, step: str) -> RequestRow | None:
    found = [one for one in row.requests if one.rule == rule and one.step == step]
    return max(found, key=lambda one: one.material_version) if found else None


def _stand(row: OccurrenceRow, rule: Rule, step: Planned, said: bytes, occasion: Occasion, plan: Plan) -> None:
    """One step of a matching rule: keep what is planned, or plan it (again) if something new would be `said`."""
    last = _latest(row, rule.name, step.step)
    kept = _KEPT.get(Reason(last.reason)) if last is not None and last.state == _ON_HOLD and last.reason else None
    if last is not None:
        if _said_under_other_rules(last, step, occasion):
            return
        if not _again(last, occasion.same(said, bytes(last.material))):
            if last.reason in _PLANNING_HOLDS and occasion.permanent(rule, step) is None:
                plan.entries += release([last], _PLANNING_HOLDS, occasion.now)
            return
        if last.waiting:
            last.settle(RequestStatus.REVOKED, Reason.SUPERSEDED)
            plan.entries.append((Action.REQUEST_WITHDRAWN, last.id, Reason.SUPERSEDED))
    verdict = occasion.permanent(rule, step)
    withheld = verdict.reason if isinstance(verdict, Deny) else _past(step, occasion)
    if withheld is Reason.HOLDOUT:
        _hold_out(row, rule, step, said, occasion, plan)
        return
    if withheld:
        plan.entries.append((_WITHHELD, None, rule.name, step.step, withheld))
        return
    verdict = verdict or kept
    if verdict is None and step.at_once and row.occurred <= occasion.restored():
        verdict = _MAY_HAVE_LEFT  # told again after a restore: the lost database may have sent it at once
    version = 0 if last is None else last.material_version + 1
    made = _request(row, rule, step, occasion, version, occasion.digest(said), verdict)
    row.requests.append(made)
    plan.entries.append(
        (_PLANNED, made.id, rule.name, step.step, made.due) if verdict is None else _held(made, verdict)
    )


def _hold_out(row: OccurrenceRow, rule: Rule, step: Planned, said: bytes, occasion: Occasion, plan: Plan) -> None:
    """Whoever a campaign never writes to has a request all the same, ended at once: they are who it is compared with."""
    last = _latest(row, rule.name, step.step)
    version = 0 if last is None else last.material_version + 1
    made = _request(row, rule, step, occasion, version, occasion.digest(said), None)
    made.state, made.reason = _REVOKED, Reason.HOLDOUT
    row.requests.append(made)
    plan.entries.append((_WITHHELD, made.id, rule.name, step.step, Reason.HOLDOUT))


def _held(made: RequestRow, verdict: Deny | Hold) -> Entry:
    detail = [verdict.detail] if isinstance(verdict, Hold) and verdict.detail else []
    return (_HELD, made.id, made.rule, made.step, verdict.reason, *detail)


def _again(last: RequestRow, same: bool) -> bool:
    """Whether the step's last request leaves room for another; `same`: it would say and time nothing new."""
    if last.reason in _FINAL and not last.waiting:
        return False
    if last.state == _REVOKED and last.reason in _FRESH:
        return True
    return not same


def _said_under_other_rules(last: RequestRow, step: Planned, occasion: Occasion) -> bool:
    """Whether a step "at once" left, or may have, when a rule may have revealed something else.

    Its digest then tells nothing about what changed, and nothing is sent twice because a rule file was edited;
    steps that lie ahead or behind are told apart by their time.
    """
    may_have_left = last.state == RequestStatus.COMPLETED or last.reason == Reason.OUTCOME_UNKNOWN
    return may_have_left and last.ruleset != occasion.ruleset and step.at_once


def release(requests: Iterable[RequestRow], lifted: AbstractSet[Reason], now: Millis) -> list[Entry]:
    """Let requests that were held for a reason that no longer stands be judged again; returns audit entries."""
    entries: list[Entry] = []
    for request in requests:
        if request.state == _ON_HOLD and request.reason in lifted:
            entries.append((Action.REQUEST_RELEASED, request.id, request.reason))
            request.settle(RequestStatus.ACTIVE, None)
            request.ring_at = max(request.due, now)
    return entries


def _past(step: Planned, occasion: Occasion) -> Reason | None:
    """Offsets already past are skipped, never sent at once; "at once" itself is no offset."""
    return Reason.OFFSET_PAST if step.due < occasion.now and not step.at_once else None


def moved_on(request: RequestRow) -> bool:
    """Whether it was withdrawn because its occurrence or its rule moved on, or something else made it needless."""
    reasons = (*_FRESH, Reason.CANCELLED_BY_EVENT)
    return request.state == RequestStatus.REVOKED and request.reason in reasons


def _request(
    row: OccurrenceRow, rule: Rule, step: Planned, occasion: Occasion, version: int, digest: bytes, hold: Verdict | None
) -> RequestRow:
    due = max(step.due, occasion.now)
    return RequestRow(
        occasion.new_id(),
        _OF_A_RULE,
        occasion.patient,
        row.id,
        occasion.raw,
        rule.name,
        occasion.ruleset,
        step.step,
        version,
        digest,
        occasion.patient,
        rule.priority.lane,
        due,
        step.expires,
        _ON_HOLD if isinstance(hold, Hold) else _ACTIVE,
        hold.reason if isinstance(hold, Hold) else None,
        due,
        new=True,
    )


def _withdraw(
    row: OccurrenceRow, standing: set[tuple[str, str]], plan: Plan, reason: Reason, *, of: str | None = None
) -> None:
    """Withdraw what no longer stands, of every rule or only `of` one."""
    for request in row.requests:
        if request.waiting and (request.rule, request.step) not in standing and of in (None, request.rule):
            request.settle(RequestStatus.REVOKED, reason)
            plan.entries.append((Action.REQUEST_WITHDRAWN, request.id, reason))
