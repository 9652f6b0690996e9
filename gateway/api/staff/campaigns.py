"""Campaigns for who types no commands: what a dry run counted is read, its number of people typed, and only then does it leave."""

from __future__ import annotations

from gateway.api.choosing import campaign_of
from gateway.api.staff.pages import Answer, Page
from gateway.api.staff.visit import Elsewhere, Shown, Visit
from gateway.model.access import Right
from gateway.model.rule import Rule
from gateway.pipeline.campaigns import deciding, looking


def _list(visit: Visit) -> Answer:
    with visit.gateway.store.read() as unit:
        lines = looking.campaigns(unit, visit.gateway.rules.current())
    return Shown(template="campaigns.html", given={"lines": lines})


def _show(visit: Visit) -> Answer:
    rule = campaign_of(visit.gateway, visit.query.get("rule", ""))
    rules = visit.gateway.rules.current()
    with visit.gateway.store.read() as unit:
        found = looking.campaign(unit, rules, rule.name, ended=False)
    given = {
        "found": found,
        "line": found.line,
        "rule": rule,
        "bounds": rule.campaign,
        "planning": visit.dry_runs.of(rule.name),
        "acts": visit.may(Right.OUTBOX_CONTROL),
        "approves": visit.may(Right.CAMPAIGN_APPROVE),
    }
    return Shown(template="campaign.html", given=given)


def _rule(visit: Visit) -> Rule:
    return campaign_of(visit.gateway, visit.told("rule"))


def _back(rule: Rule) -> Answer:
    return Elsewhere(path=f"/campaigns/show?rule={rule.name}")  # a rule's name needs no escape


def _plan(visit: Visit) -> Answer:
    rule = _rule(visit)
    visit.dry_runs.begin(rule.name, account=visit.account)
    return _back(rule)


def _approve(visit: Visit) -> Answer:
    rule, people, by = _rule(visit), visit.number("people", "the number of people"), visit.account
    run = visit.number("run", "the dry run")
    deciding.approve(visit.gateway, rule.name, people=people, run=run, by=by, why=visit.reason(), account=by)
    return _back(rule)


def _stop(visit: Visit) -> Answer:
    rule, by = _rule(visit), visit.account
    deciding.stop(visit.gateway.store, rule.name, by=by, why=visit.reason(), account=by)
    return _back(rule)


def _resume(visit: Visit) -> Answer:
    rule, by = _rule(visit), visit.account
    deciding.resume(visit.gateway.store, rule.name, by=by, why=visit.reason(), account=by)
    return _back(rule)


def _end(visit: Visit) -> Answer:
    rule, by = _rule(visit), visit.account
    deciding.end(visit.gateway.store, rule.name, by=by, why=visit.reason(), account=by)
    return _back(rule)


PAGES = (
    Page(method="GET", path="/campaigns", right=Right.OUTBOX_READ, answer=_list, title="Campaigns"),
    Page(method="GET", path="/campaigns/show", right=Right.OUTBOX_READ, answer=_show),
    Page(method="POST", path="/campaigns/plan", right=Right.OUTBOX_CONTROL, answer=_plan),
    Page(method="POST", path="/campaigns/approve", right=Right.CAMPAIGN_APPROVE, answer=_approve),
    Page(method="POST", path="/campaigns/stop", right=Right.OUTBOX_CONTROL, answer=_stop),
    Page(method="POST", path="/campaigns/resume", right=Right.CAMPAIGN_APPROVE, answer=_resume),
    Page(method="POST", path="/campaigns/end", right=Right.OUTBOX_CONTROL, answer=_end),
)
