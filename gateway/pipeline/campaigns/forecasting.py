"""The dry run of a campaign: every gate is asked about every message as if it were approved; nothing leaves, nothing is kept in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import bindparam, distinct, func, select, text

from gateway.model.audit import Action
from gateway.model.consent import ChannelKind
from gateway.model.errors import CommandError
from gateway.pipeline.campaigns.deciding import rule_of
from gateway.pipeline.campaigns.ringing import OPEN
from gateway.pipeline.campaigns.standing import COUNTED, CampaignState, digest_of
from gateway.pipeline.forecast import Ahead
from gateway.pipeline.rows import RequestRow
from gateway.pipeline.rules import Active
from gateway.policy.campaigns import days_needed, open_hours
from gateway.store import tables
from gateway.store.statement import Statement

if TYPE_CHECKING:
    from gateway.pipeline.inspect.parts import Inspectable

_BATCH = 200
_r = tables.request.c
_COLUMNS = ("id", "rule", "digest", "state", "people", "forecast", "at", "by")
_encode = msgspec.json.Encoder(order="sorted").encode
_OF_RULE = _r.rule == bindparam("rule")
WALK = Statement(
    "request.of-rule",
    select(*(_r[name] for name in RequestRow.COLUMNS))
    .where(_r.id > bindparam("after"), _OF_RULE, OPEN)
    .order_by(_r.id)
    .limit(bindparam("limit")),
    params=("after", "rule", "limit"),
)
PEOPLE = Statement(
    "request.people-of-rule",
    select(func.count(), func.count(distinct(_r.patient))).where(_OF_RULE, OPEN),
    params=("rule",),
)
# nothing said of the state, which all of them share: only so does their index serve
HELD_OUT = Statement(
    "request.held-out",
    select(func.count(distinct(_r.patient))).where(_OF_RULE, text("request.reason = 'holdout'")),
    params=("rule",),
)


@dataclass(slots=True, kw_only=True)
class Forecast:
    """What would become of a campaign's messages, each at its due time, were it approved now.

    `people` whom something is planned for; `holdout` whom it never writes to; `judged` of all `messages`: fewer where a
    sample was asked for, and the counts below are of those. `days` it takes at its bounds outside quiet hours, 0 without any.
    """

    rule: str
    people: int = 0
    holdout: int = 0
    messages: int = 0
    judged: int = 0
    sends: int = 0
    days: int = 0
    by_channel: Counter[str] = field(default_factory=Counter)
    by_variant: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    withdrawn: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: str, reason: str, channel: ChannelKind | None, variant: str) -> None:
        """Count one message."""
        self.judged += 1
        if outcome == "send":
            self.sends += 1
            self.by_channel["" if channel is None else channel.value] += 1
            if variant:
                self.by_variant[variant] += 1
            return
        {"wait": self.waits, "refuse": self.refused, "withdraw": self.withdrawn}[outcome][reason] += 1


def plan(
    gateway: Inspectable,
    name: str,
    *,
    by: str,
    account: str,
    sample: int | None = None,
    told: Callable[[int, int], None] = lambda _done, _all: None,
) -> Forecast:
    """Forecast a campaign and keep the result, to be approved; a `sample` is only told. `told`: how far of how many it is.

    Raises CommandError for a rule without a campaign, Superseded when other rules come into force meanwhile, StoreError.
    """
    rules = gateway.rules.renew()
    campaign = rule_of(rules, name).campaign
    digest = digest_of(rules, name)
    with gateway.store.read() as unit:
        messages, people = unit.all(PEOPLE, (name,))[0]
    if not messages:
        raise CommandError(
            f"nothing of {name} is planned: there is nobody to write to; for what was known before this rule was in force, or "
            "was a baseline: `caregate plan --open` (--dry-run first)"
        )
    found = Forecast(rule=name, messages=messages, people=people)
    every = 1 if sample is None else max(1, messages // sample)
    _walk(gateway, rules, found, every, told)
    assert campaign is not None, "rule_of found it"
    hours = open_hours(rules.ruleset.policy, map(ChannelKind, filter(None, found.by_channel)))
    found.days = days_needed(campaign, found.sends * every, hours=hours)
    with gateway.store.begin(account) as uow:
        gateway.rules.confirm(uow, rules)
        uow.among(COUNTED + name, alone=True)
        found.holdout = uow.all(HELD_OUT, (name,))[0][0]
        if sample is not None:
            return found
        found.messages, found.people = uow.all(PEOPLE, (name,))[0]
        row = (uow.new_id(), name, digest, CampaignState.FORECAST.value, found.people, _told(found), uow.now, by)
        uow.insert(tables.campaign, _COLUMNS, [row])
        uow.audit([(Action.CAMPAIGN_FORECAST, row[0], name, found.people, found.sends, by)], ruleset=rules.id)
        uow.commit()
    return found


def _walk(gateway: Inspectable, rules: Active, found: Forecast, every: int, told: Callable[[int, int], None]) -> None:
    """Every message by its id, a few at a time; those planned meanwhile too."""
    after, seen = 0, 0
    while True:
        with gateway.store.begin("campaign") as uow:  # never committed
            rows = [RequestRow(*row) for row in uow.all(WALK, (after, found.rule, _BATCH))]
            asked = [row for at, row in enumerate(rows, start=seen) if at % every == 0]
            ahead = Ahead(uow, gateway.site, gateway.channels, rules, approved=True)
            for outcome in ahead.outcomes(asked):
                found.add(*outcome)
        if not rows:
            return
        after, seen = rows[-1].id, seen + len(rows)
        told(seen, found.messages)


def _told(found: Forecast) -> str:
    return _encode(found).decode()
