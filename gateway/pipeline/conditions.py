"""What is wrong now, as far as the database can tell: every gateway sees the same, and a restart changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import bindparam, func, select

from gateway.model.alert import AlertKind, Condition
from gateway.model.when import DAY, HOUR, MINUTE, Millis
from gateway.pipeline import fetching
from gateway.pipeline.campaigns.standing import BY_ITSELF, STOPPED
from gateway.pipeline.cursors import REFUSED
from gateway.pipeline.extracting import extracts
from gateway.pipeline.joining import UNJOINED
from gateway.pipeline.outcomes import standing
from gateway.pipeline.queues import queues
from gateway.pipeline.silence import FeedState
from gateway.pipeline.site import Site
from gateway.store import ids, seal, tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader

GROWING = 10
"""So many messages new in quarantine within an hour, and nobody settled them, are no accident."""
SEALED_WITHIN: Millis = 15 * MINUTE
"""Rows older than this are sealed, or sealing does not work."""
KINDS = frozenset(
    {
        AlertKind.FEED_SILENT,
        AlertKind.QUARANTINE_GROWING,
        AlertKind.JOIN_TIMED_OUT,
        AlertKind.SEQUENCE_GAP,
        AlertKind.FETCHING_STUCK,
        AlertKind.EXTRACT_STOPPED,
        AlertKind.CAMPAIGN_STOPPED,
        AlertKind.QUEUE_BEHIND,
        AlertKind.SINK_BEHIND,
        AlertKind.SEALING_FAILED,
    }
)
_q, _raw, _audit, _lease = tables.quarantine.c, tables.raw.c, tables.audit.c, tables.lease.c

FRESH = Statement(
    "quarantine.fresh",
    select(_raw.source, func.min(_q.at), func.count())
    .select_from(tables.quarantine.join(tables.raw, _raw.id == _q.raw))
    .where(_q.state == "open", _q.raw > bindparam("above"), _q.at > bindparam("since"))
    .group_by(_raw.source),
    params=("above", "since"),
)
UNSEALED = Statement(
    "audit.unsealed",
    select(_audit.id, _audit.at).where(_audit.id > bindparam("after")).order_by(_audit.id).limit(bindparam("n")),
    params=("after", "n"),
)
WRITERS = Statement(
    "lease.writers",
    select(_lease.holder).where(_lease.name.like("writer:%"), _lease.until > bindparam("since")),
    params=("since",),
)


def found(unit: Reader, site: Site) -> list[Condition]:
    """Every condition of KINDS that holds now."""
    names = {entry.id: name for name, entry in site.sources.items()}
    return [
        *_silent(unit, names),
        *_of_feeds(AlertKind.QUARANTINE_GROWING, _fresh(unit), names, least=GROWING),
        *_of_feeds(AlertKind.JOIN_TIMED_OUT, unit.all(UNJOINED), names, least=1),
        *_refused(unit, names),
        *_of_feeds(AlertKind.FETCHING_STUCK, fetching.late(unit), names, least=1),
        *_of_feeds(AlertKind.EXTRACT_STOPPED, extracts.stopped(unit), names, least=1),
        *_queues(unit, site),
        *_campaigns(unit),
        *_behind(unit, site),
        *_unsealed(unit),
    ]


def unsealed_since(unit: Reader) -> Millis | None:
    """When the oldest audit row that is not sealed was written; None: all are."""
    head = seal.head(unit)
    row = unit.one(UNSEALED, (head.last if head else -1, 1))
    return None if row is None else int(row[1])


def hosts(unit: Reader) -> frozenset[str]:
    """The machines on which a gateway ran within the last day: leases of writers tell (`host:process`)."""
    return frozenset(str(holder).rpartition(":")[0] for (holder,) in unit.all(WRITERS, (unit.now - DAY,)))


def _silent(unit: Reader, names: dict[int, str]) -> Iterator[Condition]:
    for row in unit.lookup(tables.source, FeedState.COLUMNS, "id", list(names)):
        state = FeedState.of(row)
        if state.silent_since is not None:
            yield Condition(kind=AlertKind.FEED_SILENT, source=names[state.id], since=state.silent_since)


def _fresh(unit: Reader) -> list[tuple[Any, ...]]:
    """What lies open may be years' worth; an id tells its time, and a message is put there long before it is a day old."""
    return unit.all(FRESH, (ids.compose(unit.now - DAY, 0), unit.now - HOUR))


def _of_feeds(
    kind: AlertKind, rows: list[tuple[Any, ...]], names: dict[int, str], *, least: int
) -> Iterator[Condition]:
    for source, since, count in rows:
        if source in names and count >= least:
            yield Condition(kind=kind, source=names[source], since=since, count=count)


def _refused(unit: Reader, names: dict[int, str]) -> Iterator[Condition]:
    """A sender whose numbers do not fit stops there (D-11): for an hour after the last refusal it needs somebody."""
    for source, name, value in unit.lookup(tables.cursor, ("source", "name", "value"), "source", list(names)):
        if name == REFUSED and value and unit.now - int(value) < HOUR:
            yield Condition(kind=AlertKind.SEQUENCE_GAP, source=names[source], since=int(value))


def _queues(unit: Reader, site: Site) -> Iterator[Condition]:
    for identity, queue in queues(unit).items():
        entry = site.source(identity)
        since = queue.behind(unit.now, entry.behind_after) if entry is not None else None
        if entry is not None and since is not None:
            kind, count = AlertKind.QUEUE_BEHIND, queue.waiting or 0
            yield Condition(kind=kind, source=entry.name, since=since, count=count)


def _campaigns(unit: Reader) -> Iterator[Condition]:
    for rule, since, by, _ in unit.all(STOPPED):
        if by == BY_ITSELF:
            yield Condition(kind=AlertKind.CAMPAIGN_STOPPED, source=rule, since=since)


def _behind(unit: Reader, site: Site) -> Iterator[Condition]:
    for name, at in standing.standings(unit, list(site.sinks)).items():
        if at.failing_since is not None and standing.needs_somebody(at, unit.now):
            yield Condition(kind=AlertKind.SINK_BEHIND, source=name, since=at.failing_since, count=at.tries)


def _unsealed(unit: Reader) -> Iterator[Condition]:
    since = unsealed_since(unit)
    if since is not None and unit.now - since > SEALED_WITHIN:
        yield Condition(kind=AlertKind.SEALING_FAILED, source="", since=since)
