"""How the whole gateway stands, on one screen: what waits, what needs a person, what is broken; closed words and counts."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, select

from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.model.when import MINUTE, Millis
from gateway.pipeline import brakes, conditions, pacing
from gateway.pipeline.alerting import standing
from gateway.pipeline.campaigns.looking import CampaignLine, campaigns
from gateway.pipeline.extracting import extracts
from gateway.pipeline.inspect.feeds import FeedLine, feeds
from gateway.pipeline.inspect.fetches import failed
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.revocations import failing
from gateway.pipeline.inspect.writebacks import unwritten
from gateway.pipeline.watching import OPEN
from gateway.store import seal, tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader

AHEAD_DAYS = 30
"""So long before its last day an agreement wants somebody."""
LATE: Millis = 10 * MINUTE
"""What is due is decided within seconds where somebody works; after so long nobody does."""
_r, _s = tables.request.c, tables.source.c
OUTBOX = Statement(
    "request.outbox",
    select(_r.state, _r.reason, func.count(), func.min(_r.due))
    .where(_r.state.in_(["active", "on-hold"]))
    .group_by(_r.state, _r.reason),
)
# rung again and again, and never decided: the ring moves, the due time does not, unless a gate said why
OLDEST = Statement(
    "request.oldest-due",
    select(_r.priority, func.min(_r.due))
    .where(_r.state == "active", _r.reason.is_(None), _r.due <= bindparam("now"))
    .group_by(_r.priority),
    params=("now",),
)
WATCHED = Statement("source.watched", select(func.max(_s.watched)))
# Holds that end by themselves need nobody.
_BY_ITSELF = frozenset({Reason.SOURCE_HELD.value, Reason.FEED_SILENT.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Requests that may still be sent: `state` active or on-hold, `reason` why they wait, empty when only for their time."""

    state: str
    reason: str
    count: int
    first_due: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLine:
    """An alert that stands."""

    kind: str
    source: str
    host: str
    since: Millis
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """How it stands at `at`. Times are Millis UTC.

    `overdue_since`: when the oldest undecided send fell due. `watched`: when a process that works looked last.
    `sealed_until`: when the last audit block was made; `unsealed_since`: the oldest row that is in none.
    `fetches`: resources that could not be read from their server. `revocations`: opt-outs that others could not be told of; `agreements`: channels whose business-associate agreement
    is missing, over or over soon. `silent`: rules of which no channel is configured, so that nothing of them is sent. `campaigns`: how each stands. `attention`: what needs a person; `broken`: what does not work; both in closed words.
    """

    at: Millis
    feeds: tuple[FeedLine, ...]
    outbox: tuple[Waiting, ...]
    overdue_since: Millis | None
    quarantine_open: int
    holds: int
    sealed_until: Millis | None
    unsealed_since: Millis | None
    watched: Millis | None
    alerts: tuple[AlertLine, ...]
    fetches: int
    revocations: int
    agreements: tuple[str, ...]
    silent: tuple[str, ...]
    campaigns: tuple[CampaignLine, ...]
    attention: tuple[str, ...]
    broken: tuple[str, ...]


def status(gateway: Inspectable) -> StatusReport:
    """How it stands now. Raises StoreError when the database does not answer."""
    lines = tuple(feeds(gateway))
    with gateway.store.read() as unit:
        outbox = tuple(
            Waiting(state=state, reason=reason or "", count=count, first_due=due)
            for state, reason, count, due in sorted(unit.all(OUTBOX), key=lambda row: (row[0], row[1] or ""))
        )
        oldest = _oldest(unit)
        stopped = bool(brakes.on(unit))
        quarantined = int(unit.all(OPEN)[0][0])
        head, unsealed = seal.head(unit), conditions.unsealed_since(unit)
        watched = unit.all(WATCHED)[0][0]
        alerts = _alerts(unit)
        untold, unfetched = failing(unit), sum(one.count for one in failed(unit, {}))
        refused = unwritten(unit, gateway.site.sources)
        unbelieved = extracts.stopped(unit)
        now, lines_of = unit.now, tuple(campaigns(unit, gateway.rules.current()))
    ending = _agreements(gateway, now)
    holds = sum(one.count for one in outbox if one.state == RequestStatus.ON_HOLD and one.reason not in _BY_ITSELF)
    return StatusReport(
        at=now,
        feeds=lines,
        outbox=outbox,
        overdue_since=oldest,
        quarantine_open=quarantined,
        holds=holds,
        sealed_until=head.at if head else None,
        unsealed_since=unsealed,
        watched=watched,
        alerts=alerts,
        fetches=unfetched,
        revocations=untold,
        agreements=ending,
        silent=silent(gateway),
        campaigns=lines_of,
        attention=(
            *_attention(lines, quarantined, holds, alerts, stopped=stopped),
            *(("fetches",) if unfetched else ()),
            *(("revocations",) if untold else ()),
            *(("extracts",) if unbelieved else ()),
            *(("writebacks",) if refused else ()),
            *(("agreements",) if ending else ()),
            *(("campaigns",) if any(one.needs for one in lines_of) else ()),
        ),
        broken=_broken(now, oldest, unsealed, watched),
    )


def silent(gateway: Inspectable) -> tuple[str, ...]:
    """The active rules none of whose channels is configured, each with those it asks for: "result-available (portal)"."""
    rules = gateway.rules.current().ruleset.rules
    return tuple(
        f"{name} ({', '.join(rule.channels)})"
        for name, rule in sorted(rules.items())
        if gateway.channels.keys().isdisjoint(rule.channels)
    )


def _oldest(unit: Reader) -> Millis | None:
    """When the oldest undecided send fell due; what waits for its place with a provider is not overdue."""
    paced = frozenset(lane for lanes in pacing.behind(unit).values() for lane in lanes)
    return min((due for lane, due in unit.all(OLDEST, (unit.now,)) if lane not in paced), default=None)


def _agreements(gateway: Inspectable, now: Millis) -> tuple[str, ...]:
    """Channels of whose agreement a person should know, a month before it ends (45 CFR 164.308(b))."""
    found = {kind: gateway.site.agreements.get(kind) for kind in gateway.channels}
    wanting = (
        kind for kind, one in found.items() if one is None or not one.in_force(now) or one.ends_within(now, AHEAD_DAYS)
    )
    return tuple(sorted(wanting))


def _alerts(unit: Reader) -> tuple[AlertLine, ...]:
    found = [one for one in standing(unit).values() if one.resolved is None]
    return tuple(
        AlertLine(kind=one.kind.value, source=one.source, host=one.host, since=one.since, count=one.count)
        for one in sorted(found, key=lambda one: one.key)
    )


def _attention(
    lines: tuple[FeedLine, ...], quarantined: int, holds: int, alerts: tuple[AlertLine, ...], *, stopped: bool
) -> tuple[str, ...]:
    told = {
        "stopped": stopped,
        "feeds-silent": any(one.silent_since is not None for one in lines),
        "quarantine": quarantined > 0,
        "holds": holds > 0,
        "alerts": bool(alerts),
    }
    return tuple(word for word, so in told.items() if so)


def _broken(now: Millis, oldest: Millis | None, unsealed: Millis | None, watched: Millis | None) -> tuple[str, ...]:
    told = {
        "sends-overdue": oldest is not None and now - oldest > LATE,
        "audit-unsealed": unsealed is not None and now - unsealed > conditions.SEALED_WITHIN,
        "nobody-works": watched is not None and now - watched > LATE,
    }
    return tuple(word for word, so in told.items() if so)
