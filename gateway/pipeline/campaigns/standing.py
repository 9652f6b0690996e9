"""How a rule's campaign stands: what a person decided last holds for exactly what they saw, and for no bigger audience."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, select, update

from gateway.model.rule import Rule
from gateway.model.when import Millis
from gateway.pipeline.batch import Batch
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.policy.campaigns import Sent, day_of, opens, outgrown
from gateway.policy.circumstances import CampaignStanding
from gateway.ruleset.fingerprint import fingerprint
from gateway.ruleset.index import RuleSet
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork


class CampaignState(StrEnum):
    """Where a dry run stands; of a rule, the newest row that a person decided on is in force."""

    FORECAST = "forecast"  # nobody has decided on it
    APPROVED = "approved"
    STOPPED = "stopped"
    OVER = "over"
    REPLACED = "replaced"  # by a later one


BY_ITSELF = "campaign"
"""Who stopped it, where no person did."""
_c, _h = tables.campaign.c, tables.campaign_hour.c
COLUMNS = ("id", "digest", "state", "people", "planned", "sent", "begun", "decided")
IN_FORCE = Statement(
    "campaign.in-force",
    select(*(_c[name] for name in COLUMNS))
    .where(_c.rule == bindparam("rule"), _c.state.in_(("approved", "stopped", "over")))
    .order_by(_c.id.desc())
    .limit(bindparam("limit")),
    params=("rule", "limit"),
)
HOURS = Statement(
    "campaign_hour.since",
    select(_h.hour, _h.sent, _h.promised).where(_h.rule == bindparam("rule"), _h.hour >= bindparam("since")),
    params=("rule", "since"),
)
STOPPED = Statement(
    "campaign.stopped",
    select(_c.rule, _c.decided, _c.decided_by, _c.why).where(_c.state == "stopped").order_by(_c.id),
)
COUNTED = "campaign:"
"""And the rule's name: what planning units are at, and a dry run that counts is alone at."""
PLANNED = Statement(
    "campaign.planned",
    update(tables.campaign)
    .where(_c.rule == bindparam("of_rule"), _c.state.in_(("forecast", "approved", "stopped")))
    .values(planned=_c.planned + bindparam("more")),
    params=("more", "of_rule"),
    exempt=True,
)


@dataclass(frozen=True, slots=True)
class InForce:
    """The row in force. `people` of its dry run, `planned` for more since; `sent` since it was approved or resumed."""

    id: int
    digest: bytes
    state: str
    people: int
    planned: int
    sent: int
    begun: Millis | None
    decided: Millis | None


def digest_of(rules: Active, name: str) -> bytes:
    """What a person approves of a rule: itself, its lists, its templates in every language. RenderError: one is not there."""
    rule = rules.ruleset.rules[name]  # as written: a patient's own wording is not all that was approved
    return fingerprint(rule, tuple(rules.templates.digest(one) for one in rule.templates))


def in_force(unit: Reader, rule: str) -> InForce | None:
    """What a person decided last of a rule's campaign; None: nothing yet."""
    row = unit.one(IN_FORCE, (rule, 1))
    return None if row is None else InForce(*row)


def held(uow: UnitOfWork, rule: str) -> InForce | None:
    """As `in_force`, and nobody changes it before the unit ends; taken after everything else that a unit locks."""
    seen, force = None, in_force(uow, rule)
    while force is not None and force.id != seen:  # another dry run may be approved while we wait for this one's row
        uow.lock(tables.campaign, "id", [force.id])
        seen, force = force.id, in_force(uow, rule)
    return force


def is_off(unit: Reader, rule: str) -> bool:
    """Whether somebody, or the campaign itself, stopped or ended it."""
    force = in_force(unit, rule)
    return force is not None and force.state != CampaignState.APPROVED


def standing(unit: Reader, site: Site, rules: Active, rule: Rule) -> CampaignStanding | None:
    """What the gates may see of a rule's campaign, read once in a unit of work; None of a rule without one.

    One that was stopped stays so where its rule is none any more: to let it go on, or to end it, is another right than to
    write rules.
    """
    memo = unit.memo if isinstance(unit, UnitOfWork) else {}
    if rule.campaign is None:
        return _HALTED if rule.name in _halted(unit, memo) else None
    key = ("campaign", rule.name)
    if key not in memo:
        memo[key] = afresh(unit, site, rules, rule)
    found: CampaignStanding = memo[key]
    return found


_HALTED = CampaignStanding(approved=True, stopped=True, over=False, opens=0)


def _halted(unit: Reader, memo: dict[Any, Any]) -> AbstractSet[str]:
    """The rules whose campaign is stopped; hardly ever any."""
    key = ("campaigns", "stopped")
    if key not in memo:
        memo[key] = {name for name, *_ in unit.all(STOPPED)}
    found: AbstractSet[str] = memo[key]
    return found


def afresh(unit: Reader, site: Site, rules: Active, rule: Rule) -> CampaignStanding:
    """As `standing`, as it is now."""
    assert rule.campaign is not None, "only of such a rule"
    force = in_force(unit, rule.name)
    if force is None:
        return CampaignStanding(approved=False, stopped=False, over=False, opens=0)
    seen = bytes(force.digest) == digest_of(rules, rule.name)
    zone = site.own_zone
    sent = {hour: count for hour, (count, _) in hours(unit, rule.name, day_of(unit.now, zone)).items()}
    return CampaignStanding(
        approved=seen and not outgrown(force.people, force.planned),
        stopped=force.state == CampaignState.STOPPED,
        over=force.state == CampaignState.OVER,
        opens=opens(rule.campaign, sent, force.begun, unit.now, zone),
    )


def hours(unit: Reader, rule: str, since: Millis) -> dict[Millis, tuple[int, int]]:
    """By hour from `since` on, how many were cleared, and how many were told to come again then."""
    return {hour: (sent, promised) for hour, sent, promised in unit.all(HOURS, (rule, since))}


def count_planned(uow: UnitOfWork, batch: Batch, ruleset: RuleSet) -> None:
    """Count whom a unit plans a campaign for, in that unit: so no clearance sees an audience smaller than it is.

    The last thing a unit does: every clearance of the campaign waits for its row. A dry run that counts waits, too: whom
    it does not see yet is counted in its row, or seen.
    """
    if not ruleset.campaigns:
        return
    met = batch.newly({rule.name for rule in ruleset.campaigns})
    for rule in sorted(met):
        uow.among(COUNTED + rule)
        uow.run(PLANNED, (len(met[rule]), rule))


__all__ = [
    "CampaignState",
    "InForce",
    "Sent",
    "afresh",
    "count_planned",
    "digest_of",
    "held",
    "hours",
    "in_force",
    "is_off",
    "standing",
]
