"""Feeds as people see them: when they last spoke, whether they are held, and what would leave if they were not."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, bindparam, func, or_, select

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.verdict import Reason
from gateway.model.when import DAY, Millis
from gateway.pipeline.inspect.parts import Inspectable
from gateway.store import tables
from gateway.store.statement import Statement

LATE: Millis = DAY
_BATCH = 500
_o, _r, _raw = tables.occurrence.c, tables.request.c, tables.raw.c

WOULD = Statement(
    "request.would-send",
    select(_r.rule, _r.step, func.count(), func.min(_r.due), func.max(_r.due))
    .select_from(tables.request.join(tables.occurrence, _o.id == _r.occurrence))
    .where(
        or_(_r.state == "active", and_(_r.state == "on-hold", _r.reason == "source-held")),
        _o.source == bindparam("of_source"),
    )
    .group_by(_r.rule, _r.step)
    .order_by(_r.rule, _r.step),
    params=("of_source",),
)
LAST = Statement(
    "raw.last",
    select(func.max(_raw.received), func.count()).where(_raw.source == bindparam("of_source")),
    params=("of_source",),
)
HELD_BACK = Statement(
    "request.held-back",
    select(_r.id, _r.patient, _r.due)
    .select_from(tables.request.join(tables.occurrence, _o.id == _r.occurrence))
    .where(_r.state == "on-hold", _r.reason == "source-held", _o.source == bindparam("of_source"))
    .limit(bindparam("limit")),
    params=("of_source", "limit"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLine:
    """One source. `messages`: stored within the replay window."""

    name: str
    held: bool
    last_received: Millis | None
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldSend:
    """How many sends of one rule and step wait behind a source, and between which due times."""

    rule: str
    step: str
    count: int
    first_due: Millis
    last_due: Millis


def feeds(gateway: Inspectable) -> list[FeedLine]:
    """Every configured source."""
    lines: list[FeedLine] = []
    with gateway.store.read() as unit:
        for name, entry in sorted(gateway.site.sources.items()):
            held = unit.lookup(tables.source, ("held",), "id", [entry.id])
            last, count = unit.all(LAST, (entry.id,))[0]
            lines.append(FeedLine(name=name, held=bool(held and held[0][0]), last_received=last, messages=count))
    return lines


def would_send(gateway: Inspectable, name: str) -> list[WouldSend]:
    """The would-send report of a source: what is planned and waits, by rule and step. Raises CommandError."""
    source = _source(gateway, name)
    with gateway.store.read() as unit:
        rows = unit.all(WOULD, (source,))
    return [WouldSend(rule=r, step=s, count=n, first_due=a, last_due=b) for r, s, n, a, b in rows]


def hold_source(gateway: Inspectable, name: str, *, reason: str, account: str) -> None:
    """Let a source plan everything and release nothing until told. Raises CommandError."""
    _set(gateway, name, held=True, reason=reason, account=account)


def release_source(gateway: Inspectable, name: str, *, reason: str, account: str) -> int:
    """Let a source's sends leave; returns how many that were held for it are judged again. Raises CommandError.

    What fell due more than LATE before is withdrawn as `offset-past`: a heap of late reminders helps nobody.
    """
    return _set(gateway, name, held=False, reason=reason, account=account)


def _set(gateway: Inspectable, name: str, *, held: bool, reason: str, account: str) -> int:
    source = _source(gateway, name)
    with gateway.store.begin(account) as uow:
        uow.update(tables.source, ("id",), ("held",), [(int(held), source)])
        uow.audit([(Action.SOURCE_HELD if held else Action.SOURCE_RELEASED, name, reason)])
        uow.commit()
    released = 0
    while not held and (batch := _release_some(gateway, source, account)) is not None:
        released += batch
    return released


def _release_some(gateway: Inspectable, source: int, account: str) -> int | None:
    """Up to _BATCH held requests of a released source; None when there are no more. May be stopped and run again."""
    with gateway.store.begin(account) as uow:
        waiting = uow.all(HELD_BACK, (source, _BATCH))
        if not waiting:
            return None
        late = [one for one in waiting if one[2] < uow.now - LATE]
        fresh = [one for one in waiting if one[2] >= uow.now - LATE]
        columns = ("state", "reason", "ring_at")
        values: list[tuple[object, ...]] = [("active", None, max(due, uow.now), request) for request, _, due in fresh]
        values += [("revoked", Reason.OFFSET_PAST, due, request) for request, _, due in late]
        uow.update(tables.request, ("id",), columns, values)
        entries: list[tuple[object, ...]] = [
            (Action.REQUEST_RELEASED, request, Reason.SOURCE_HELD) for request, _, _ in fresh
        ]
        entries += [(Action.REQUEST_WITHDRAWN, request, Reason.OFFSET_PAST) for request, _, _ in late]
        uow.audit(entries, patients=sorted({patient for _, patient, _ in waiting}))
        uow.commit()
    return len(fresh)


def _source(gateway: Inspectable, name: str) -> int:
    entry = gateway.site.sources.get(name)
    if entry is None:
        known = ", ".join(sorted(gateway.site.sources)) or "none"
        raise CommandError(f"there is no source `{name}`; configured: {known}")
    return entry.id
