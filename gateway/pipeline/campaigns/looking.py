"""How every campaign stands, for people: what was approved, what has left, what waits for whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import bindparam, func, select

from gateway.model.errors import RenderError
from gateway.model.when import Millis
from gateway.pipeline.campaigns.deciding import NEWEST
from gateway.pipeline.campaigns.ringing import OPEN
from gateway.pipeline.campaigns.standing import CampaignState, InForce, digest_of, in_force
from gateway.pipeline.campaigns.tripping import Health, health
from gateway.pipeline.rules import Active
from gateway.policy.campaigns import outgrown
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader

WHY = "--reason '…'"
_c, _r = tables.campaign.c, tables.request.c
_decode = msgspec.json.Decoder(dict[str, Any]).decode
HISTORY = Statement(
    "campaign.history",
    select(_c.id, _c.state, _c.people, _c.forecast, _c.at, _c.by, _c.decided, _c.decided_by, _c.why)
    .where(_c.rule == bindparam("rule"))
    .order_by(_c.id.desc())
    .limit(bindparam("limit")),
    params=("rule", "limit"),
)
MET = Statement(
    "campaign.met",
    select(_r.id).where(_r.rule == bindparam("rule"), OPEN).limit(bindparam("limit")),
    params=("rule", "limit"),
)
_COUNTED = select(_r.state, _r.reason, func.count()).where(_r.rule == bindparam("rule")).group_by(_r.state, _r.reason)
STATES = Statement("campaign.requests", _COUNTED, params=("rule",))
WAITS = Statement("campaign.open-requests", _COUNTED.where(OPEN), params=("rule",))


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignLine:
    """One campaign. `said`: how it stands, in words; `needs`: what a person has to type after `caregate campaign`, or None.

    `sent`: since it was approved or resumed last; `decided`: Millis UTC.
    """

    rule: str
    state: str
    said: str
    needs: str | None
    people: int
    sent: int
    decided: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """One dry run and what a person said to it; times are Millis UTC."""

    id: int
    state: str
    people: int
    forecast: Mapping[str, Any]
    at: Millis
    by: str
    decided: Millis | None
    decided_by: str | None
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignReport:
    """One campaign whole: `requests` by state, reason and how many, and its dry runs, newest first."""

    line: CampaignLine
    health: Health | None
    requests: tuple[tuple[str, str, int], ...]
    runs: tuple[DryRun, ...]


def campaigns(unit: Reader, rules: Active) -> list[CampaignLine]:
    """Every rule with a campaign, in the order of their names."""
    return [_line(unit, rules, rule.name) for rule in rules.ruleset.campaigns]


def campaign(unit: Reader, rules: Active, name: str, *, runs: int = 10, ended: bool = True) -> CampaignReport:
    """One of them whole. `ended`: count every message that was ever planned by it, which reads every request there is."""
    force = in_force(unit, name)
    return CampaignReport(
        line=_line(unit, rules, name),
        health=None if force is None else health(unit, name, force),
        requests=tuple(
            (state, why or "", count) for state, why, count in unit.all(STATES if ended else WAITS, (name,))
        ),
        runs=tuple(_run(row) for row in unit.all(HISTORY, (name, runs))),
    )


def _run(row: tuple[Any, ...]) -> DryRun:
    identity, state, people, forecast, *rest = row
    at, by, decided, decided_by, why = rest
    return DryRun(
        id=identity, state=state, people=people, forecast=_decode(forecast),
        at=at, by=by, decided=decided, decided_by=decided_by, why=why,
    )  # fmt: skip


def _line(unit: Reader, rules: Active, name: str) -> CampaignLine:
    force, newest = in_force(unit, name), unit.one(NEWEST, (name, 1))
    said, needs = _said(rules, name, force)
    if force is None and newest is None and unit.one(MET, (name, 1)) is None:
        needs = None  # a rule that has met nobody needs nobody
    if needs == f"plan {name}" and newest is not None and newest[2] == CampaignState.FORECAST:
        needs = f"approve {name} --people {newest[3]} {WHY}"
        if bytes(newest[1]) != _digest(rules, name):
            needs = f"plan {name}"
    return CampaignLine(
        rule=name,
        state="unapproved" if force is None else force.state,
        said=said,
        needs=needs,
        people=0 if force is None else force.people,
        sent=0 if force is None else force.sent,
        decided=None if force is None else force.decided,
    )


def _said(rules: Active, name: str, force: InForce | None) -> tuple[str, str | None]:
    if force is None:
        return "was never approved: nothing of it leaves", f"plan {name}"
    if force.state == CampaignState.OVER:
        return "is over", None
    if force.state == CampaignState.STOPPED:
        return "is stopped: nothing of it leaves", f"resume {name} {WHY}"
    if bytes(force.digest) != _digest(rules, name):
        return "is not what was approved (rule, list or template): nothing of it leaves", f"plan {name}"
    if outgrown(force.people, force.planned):
        return (
            f"has met {force.planned} people more than the {force.people} approved: nothing of it leaves",
            f"plan {name}",
        )
    return "runs", None


def _digest(rules: Active, name: str) -> bytes:
    """Nothing approved has the empty one: a template that is gone was not approved."""
    try:
        return digest_of(rules, name)
    except RenderError:
        return b""
