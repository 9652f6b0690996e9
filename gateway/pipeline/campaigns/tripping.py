"""Stops a campaign by itself when too much of it comes back, is refused, complained of or answered with STOP (EM-30).

What counts is what it handed over since it was approved or resumed last; a person resumes it, nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import and_, bindparam, distinct, func, or_, select, text

from gateway import telemetry
from gateway.model.audit import Action
from gateway.model.rule import StopWhen
from gateway.model.verdict import Reason
from gateway.pipeline.campaigns.deciding import turn
from gateway.pipeline.campaigns.standing import BY_ITSELF, CampaignState, InForce, held, in_force
from gateway.ruleset.index import RuleSet
from gateway.store import ids, tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader

_c, _r, _t, _d = tables.communication.c, tables.request.c, tables.receipt.c, tables.consent.c
# what failed is little, and stands together in the index of what is open
FAILED = Statement(
    "campaign.failed",
    select(_c.reason, func.count())
    .select_from(tables.communication.join(tables.request, _r.id == _c.request))
    .where(_c.status == "stopped", _c.at >= bindparam("since"), _r.rule == bindparam("rule"))
    .group_by(_c.reason),
    params=("since", "rule"),
)
COMPLAINED = Statement(
    "campaign.complained",
    select(func.count(distinct(_t.communication)))
    .select_from(
        tables.receipt.join(tables.communication, _c.id == _t.communication).join(tables.request, _r.id == _c.request)
    )
    .where(
        text("receipt.status = 'complained'"),  # written out, as in its index
        _t.id >= bindparam("after"),
        _c.at >= bindparam("since"),
        _r.rule == bindparam("rule"),
    ),
    params=("after", "since", "rule"),
)
# a denial by whoever, or by whose address, got something of it before: nobody says of which message STOP speaks
OPTED_OUT = Statement(
    "campaign.opted-out",
    select(func.count(distinct(_c.patient)))
    .select_from(
        tables.consent.join(
            tables.communication,
            and_(
                or_(_c.address == _d.address, and_(_d.address.is_(None), _c.patient == _d.patient)),
                _c.at <= _d.recorded,
            ),
        ).join(tables.request, _r.id == _c.request)
    )
    .where(
        _d.id >= bindparam("after"),
        text("consent.permit = 0"),
        _c.at >= bindparam("since"),
        _r.rule == bindparam("rule"),
    ),
    params=("after", "since", "rule"),
)
_BOUNCED = frozenset({Reason.BOUNCED, Reason.UNDELIVERED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What became of a campaign's messages since it was approved or resumed last."""

    sent: int
    bounced: int
    refused: int
    complained: int
    opted_out: int

    def beyond(self, bounds: StopWhen) -> str | None:
        """Which bound it reached, in words; None: none, or too few have left to tell."""
        if self.sent < bounds.at_least:
            return None
        for name, most in _bounds(bounds).items():
            count: int = getattr(self, name)
            if count and 100 * count >= most * self.sent:
                return f"{count} of {self.sent} {name.replace('_', ' ')}, at most {most:g} % (stop_when)"
        return None


def _bounds(bounds: StopWhen) -> Mapping[str, float]:
    return {
        "complained": bounds.complained,
        "bounced": bounds.bounced,
        "opted_out": bounds.opted_out,
        "refused": bounds.refused,
    }


def health(unit: Reader, rule: str, force: InForce) -> Health:
    """What became of it, by what the row in force says of its beginning."""
    since = force.decided or 0
    after = ids.compose(since, 0)
    failed: dict[str, int] = dict(unit.all(FAILED, (since, rule)))
    return Health(
        sent=force.sent,
        bounced=sum(count for reason, count in failed.items() if reason in _BOUNCED),
        refused=failed.get(Reason.REFUSED, 0),
        complained=unit.all(COMPLAINED, (after, since, rule))[0][0],
        opted_out=unit.all(OPTED_OUT, (after, since, rule))[0][0],
    )


def stop_what_leaves_its_bounds(store: Store, ruleset: RuleSet) -> list[str]:
    """Look at every campaign that runs; those stopped now, by name. Raises StoreError."""
    return [name for name, why in _beyond(store, ruleset) if _stop(store, name, why)]


def _beyond(store: Store, ruleset: RuleSet) -> Iterator[tuple[str, str]]:
    for rule in ruleset.campaigns:
        assert rule.campaign is not None, "those have one"
        with store.read() as unit:
            force = in_force(unit, rule.name)
            if force is None or force.state != CampaignState.APPROVED or force.sent < rule.campaign.stop_when.at_least:
                continue
            why = health(unit, rule.name, force).beyond(rule.campaign.stop_when)
        if why is not None:
            yield rule.name, why


def _stop(store: Store, name: str, why: str) -> bool:
    with store.begin(BY_ITSELF) as uow:
        force = held(uow, name)
        if force is None or force.state != CampaignState.APPROVED:
            return False  # a person was quicker
        turn(uow, name, force, CampaignState.STOPPED, Action.CAMPAIGN_STOPPED, by=BY_ITSELF, why=why)
        uow.commit()
    telemetry.log().warning("campaign.stopped", rule=name, why=why)
    return True
