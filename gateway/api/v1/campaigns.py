"""Rules that write to an audience: how they stand, their dry runs, and what a person decides of them, as `caregate campaign`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from gateway.api.choosing import campaign_of
from gateway.api.v1.campaign_shapes import (
    BoundsOut,
    CampaignOut,
    CampaignWhole,
    DryRunOut,
    HealthOut,
    PeopleIn,
    ProgressOut,
    VariantOut,
    WaitsOut,
)
from gateway.api.v1.guard import Guarded, Runs, Site, Who, Why, guarded
from gateway.api.v1.shapes import Cursor, Done, Limit, Page, page
from gateway.model.access import Right
from gateway.pipeline.campaigns import deciding, looking

routes = APIRouter(route_class=Guarded, tags=["campaigns"])
Name = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$", description="The rule's name.")]


@routes.get("/campaigns", **guarded(Right.OUTBOX_READ))
def listed(site: Site, cursor: Cursor = None, limit: Limit = 100) -> Page[CampaignOut]:
    """Every campaign, how it stands, and what it waits for."""
    with site.store.read() as unit:
        lines = looking.campaigns(unit, site.rules.current())
    return page(CampaignOut, [_line(one) for one in lines], cursor, limit)


@routes.get("/campaigns/{rule}", **guarded(Right.OUTBOX_READ))
def shown(rule: Name, site: Site, runs: Runs) -> CampaignWhole:
    """One whole: bounds, what it sent and what came of it, what waits and why, its dry runs."""
    told, rules = campaign_of(site, rule), site.rules.current()
    with site.store.read() as unit:
        found = looking.campaign(unit, rules, rule, ended=False)
    return CampaignWhole(
        campaign=_line(found.line),
        bounds=BoundsOut.model_validate(told.campaign),
        variants=[VariantOut.model_validate(one) for one in told.variants],
        health=None if found.health is None else HealthOut.model_validate(found.health),
        waits=[WaitsOut(state=state, reason=why, count=count) for state, why, count in found.requests],
        runs=[DryRunOut.model_validate(one) for one in found.runs],
        planning=None if (going := runs.of(rule)) is None else ProgressOut.model_validate(going),
    )


@routes.post("/campaigns/{rule}/plan", status_code=202, **guarded(Right.OUTBOX_CONTROL))
def plan(rule: Name, who: Who, site: Site, runs: Runs) -> Done:
    """Begin a dry run: every gate about every message, nothing sent. It is among the campaign's `runs` when it is through."""
    runs.begin(campaign_of(site, rule).name, account=who.account)
    return Done()


@routes.post("/campaigns/{rule}/approve", **guarded(Right.CAMPAIGN_APPROVE))
def approve(rule: Name, told: PeopleIn, who: Who, site: Site, why: Why) -> Done:
    """Let it leave, exactly as its last dry run showed it, to as many people as that counted; what waits is judged again."""
    by, name, run = who.account, campaign_of(site, rule).name, int(told.run)
    deciding.approve(site, name, people=told.people, run=run, by=by, why=why, account=by)
    return Done()


@routes.post("/campaigns/{rule}/stop", **guarded(Right.OUTBOX_CONTROL))
def stop(rule: Name, who: Who, site: Site, why: Why) -> Done:
    """Let nothing more of it leave, on any worker, until somebody resumes it."""
    deciding.stop(site.store, campaign_of(site, rule).name, by=who.account, why=why, account=who.account)
    return Done()


@routes.post("/campaigns/{rule}/resume", **guarded(Right.CAMPAIGN_APPROVE))
def resume(rule: Name, who: Who, site: Site, why: Why) -> Done:
    """Let it go on; what would stop it is counted anew."""
    deciding.resume(site.store, campaign_of(site, rule).name, by=who.account, why=why, account=who.account)
    return Done()


@routes.post("/campaigns/{rule}/end", **guarded(Right.OUTBOX_CONTROL))
def end(rule: Name, who: Who, site: Site, why: Why) -> Done:
    """End it for good: what waits is withdrawn as it is judged again."""
    deciding.end(site.store, campaign_of(site, rule).name, by=who.account, why=why, account=who.account)
    return Done()


def _line(told: looking.CampaignLine) -> CampaignOut:
    names = ("rule", "state", "said", "people", "sent", "decided")
    command = None if told.needs is None else f"caregate campaign {told.needs}"
    return CampaignOut.model_validate({**{name: getattr(told, name) for name in names}, "command": command})
