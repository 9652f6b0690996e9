"""What a person decides of a campaign: exactly the dry run they saw, of what is in force now; all that waits is then asked again (`ringing`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.rule import Rule
from gateway.pipeline.campaigns.standing import CampaignState, InForce, digest_of, held
from gateway.pipeline.rules import Active
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import UnitOfWork

if TYPE_CHECKING:
    from gateway.pipeline.inspect.parts import Inspectable

_c, _h = tables.campaign.c, tables.campaign_hour.c
_COLUMNS = ("state", "decided", "decided_by", "why", "asked")
NEWEST = Statement(
    "campaign.newest",
    select(_c.id, _c.digest, _c.state, _c.people)
    .where(_c.rule == bindparam("rule"))
    .order_by(_c.id.desc())
    .limit(bindparam("limit")),
    params=("rule", "limit"),
)
_REPLACE = Statement(
    "campaign.replace",
    update(tables.campaign)
    .where(
        _c.rule == bindparam("of_rule"), _c.id < bindparam("which"), _c.state.in_(("forecast", "approved", "stopped"))
    )
    .values(state=CampaignState.REPLACED.value, asked=None),
    params=("of_rule", "which"),
)
_UNPROMISE = Statement(
    "campaign_hour.unpromise",
    update(tables.campaign_hour).where(_h.rule == bindparam("of_rule"), _h.promised > 0).values(promised=0),
    params=("of_rule",),
    exempt=True,
)


def rule_of(rules: Active, name: str) -> Rule:
    """The rule with a campaign of this name, as it is in force. Raises CommandError."""
    rule = rules.ruleset.named(name)
    if rule is None or rule.campaign is None:
        known = ", ".join(one.name for one in rules.ruleset.campaigns) or "none"
        raise CommandError(
            f"no rule {name} with a `campaign` is in force; those that are: {known}; what is written in the rule folder "
            "comes into force with `caregate rules activate`"
        )
    return rule


def approve(
    gateway: Inspectable, name: str, *, people: int, by: str, why: str, account: str, run: int | None = None
) -> None:
    """Let a campaign leave, as its newest dry run showed it.

    `people`: as the dry run said, so that whoever approves has read it. `run`: the id of the one that was read, for
    another may have been made since, of another rule. `by`: who decides. Raises CommandError where that is not what is in
    force, StoreError.
    """
    rules = gateway.rules.renew()
    rule = rule_of(rules, name)
    with gateway.store.begin(account) as uow:
        gateway.rules.confirm(uow, rules)
        before, found = held(uow, name), _newest(uow, name)
        if run is not None and found is not None and found[0] != run:
            raise CommandError("another dry run was made since that one: read it before you approve it")
        if found is None or found[2] != CampaignState.FORECAST:
            raise CommandError(f"nothing new to approve: make a dry run first, `caregate campaign plan {name}`")
        _check(rules, rule, found, people)
        begun = None if before is None or before.state == CampaignState.OVER else before.begun
        _decide(uow, found[0], CampaignState.APPROVED, by, why)
        uow.update(tables.campaign, ("id",), ("begun",), [(begun, found[0])])
        uow.run(_REPLACE, (name, found[0]))
        uow.run(_UNPROMISE, (name,))
        uow.audit([(Action.CAMPAIGN_APPROVED, found[0], name, people, by, why)], ruleset=rules.id)
        uow.commit()


def _newest(uow: UnitOfWork, name: str) -> tuple[Any, ...] | None:
    """The newest dry run, and nobody else decides on it before the unit ends."""
    seen, found = None, uow.one(NEWEST, (name, 1))
    while found is not None and found[0] != seen:
        uow.lock(tables.campaign, "id", [found[0]])
        seen, found = found[0], uow.one(NEWEST, (name, 1))
    return found


def _check(rules: Active, rule: Rule, found: tuple[Any, ...], people: int) -> None:
    _, digest, _, counted = found
    if bytes(digest) != digest_of(rules, rule.name):
        raise CommandError(
            f"{rule.name}, its lists or its templates have changed since the dry run: `caregate campaign plan {rule.name}`"
        )
    if counted != people:
        raise CommandError(f"the dry run counted {counted} people, not {people}: read it again before you approve it")
    most = None if rule.campaign is None else rule.campaign.audience
    if most is not None and counted > most:
        raise CommandError(
            f"the dry run counted {counted} people, and the rule says that more than {most} are a mistake (`audience`)"
        )


def stop(store: Store, name: str, *, by: str, why: str, account: str) -> None:
    """Let nothing more of a campaign leave; what waits, waits. Raises CommandError when it does not run, StoreError."""
    _turn(store, name, {CampaignState.APPROVED: CampaignState.STOPPED}, Action.CAMPAIGN_STOPPED, by, why, account)


def resume(store: Store, name: str, *, by: str, why: str, account: str) -> None:
    """Let a stopped campaign go on, and count anew what would stop it. Raises CommandError when it is not stopped, StoreError."""
    _turn(store, name, {CampaignState.STOPPED: CampaignState.APPROVED}, Action.CAMPAIGN_RESUMED, by, why, account)


def end(store: Store, name: str, *, by: str, why: str, account: str) -> None:
    """End a campaign for good: what waits is withdrawn as it is asked again. Raises CommandError when it is not in force, StoreError."""
    over = {CampaignState.APPROVED: CampaignState.OVER, CampaignState.STOPPED: CampaignState.OVER}
    _turn(store, name, over, Action.CAMPAIGN_ENDED, by, why, account)


def _turn(
    store: Store, name: str, to: dict[CampaignState, CampaignState], action: Action, by: str, why: str, account: str
) -> None:
    with store.begin(account) as uow:
        force = held(uow, name)
        turned = None if force is None else to.get(CampaignState(force.state))
        if force is None or turned is None:
            state = "not approved" if force is None else force.state
            raise CommandError(f"the campaign of {name} is {state}; `caregate campaign show {name}` tells more")
        turn(uow, name, force, turned, action, by=by, why=why)
        if turned is not CampaignState.STOPPED:
            uow.run(_UNPROMISE, (name,))
        uow.commit()


def turn(uow: UnitOfWork, name: str, force: InForce, to: CampaignState, action: Action, *, by: str, why: str) -> None:
    """Put the row in force, which is `held`, into another state, audited, within a unit of work."""
    _decide(uow, force.id, to, by, why)
    uow.audit([(action, force.id, name, by, why)])


def _decide(uow: UnitOfWork, identity: int, state: CampaignState, by: str, why: str) -> None:
    """`asked`: nobody of those who wait was, of what is stopped nobody is."""
    asked = None if state is CampaignState.STOPPED else 0
    uow.update(tables.campaign, ("id",), _COLUMNS, [(state.value, uow.now, by, why, asked, identity)])
    if state is CampaignState.APPROVED:
        uow.update(tables.campaign, ("id",), ("sent",), [(0, identity)])
