"""A campaign's limits are never passed: its row is locked, asked and counted in the very unit that clears a message.

What finds no room is promised a place in a later hour, each its own, so that a million that wait are asked about once
or twice, not every hour.
"""

from __future__ import annotations

from sqlalchemy import bindparam, func, select, update

from gateway.model.rule import Rule
from gateway.model.when import Millis
from gateway.pipeline.campaigns.standing import afresh, held, hours, in_force
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.policy.campaigns import day_of, hour_of, opens
from gateway.policy.circumstances import CampaignStanding
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import UnitOfWork

_c, _h = tables.campaign.c, tables.campaign_hour.c
_SENT, _PROMISED = (
    Statement(
        f"campaign_hour.{column.name}",
        update(tables.campaign_hour)
        .where(_h.rule == bindparam("of_rule"), _h.hour == bindparam("of_hour"))
        .values({column.name: column + 1}),
        params=("of_rule", "of_hour"),
        exempt=True,
    )
    for column in (_h.sent, _h.promised)
)
_TOTAL = Statement(
    "campaign.sent",
    update(tables.campaign)
    .where(_c.id == bindparam("which"))
    .values(sent=_c.sent + 1, begun=func.coalesce(_c.begun, bindparam("now"))),
    params=("now", "which"),
    exempt=True,
)
_LAST = Statement(
    "campaign_hour.last-promised",
    select(func.max(_h.hour)).where(_h.rule == bindparam("rule"), _h.promised > 0),
    params=("rule",),
)


def locked(uow: UnitOfWork, site: Site, rules: Active, rule: Rule) -> CampaignStanding:
    """How the campaign stands, and nobody changes it before the unit ends."""
    held(uow, rule.name)
    return afresh(uow, site, rules, rule)


def count(uow: UnitOfWork, site: Site, rule: Rule) -> None:
    """One more is cleared now; under the lock of `locked`."""
    force = in_force(uow, rule.name)
    assert force is not None, "what leaves was approved"
    _add(uow, _SENT, rule.name, hour_of(uow.now, site.own_zone))
    uow.run(_TOTAL, (uow.now, force.id))


def queue(uow: UnitOfWork, site: Site, rule: Rule, at: Millis) -> Millis:
    """The next place that nobody was promised, from `at` on, when the volume opens; under the lock of `locked`."""
    force, zone = in_force(uow, rule.name), site.own_zone
    assert rule.campaign is not None
    assert force is not None, "only what was approved asks for room"
    last = uow.one(_LAST, (rule.name,))
    place = at if last is None or last[0] is None else max(at, last[0])
    taken = {hour: sum(counts) for hour, counts in hours(uow, rule.name, day_of(place, zone)).items()}
    begun = uow.now if force.begun is None else force.begun
    while (then := opens(rule.campaign, taken, begun, place, zone)) > place:
        place = then
    _add(uow, _PROMISED, rule.name, hour_of(place, zone))
    return place


def _add(uow: UnitOfWork, statement: Statement, rule: str, hour: Millis) -> None:
    uow.insert_missing(tables.campaign_hour, ("rule", "hour", "sent", "promised"), [(rule, hour, 0, 0)])
    uow.run(statement, (rule, hour))
