"""Sources held, released and excused by hand: audited with account and reason, and nothing is bypassed by it."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.verdict import Reason
from gateway.model.when import DAY, Millis
from gateway.pipeline.inspect.feeds import source_of
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.releasing import let_go
from gateway.store import tables
from gateway.store.statement import Statement

LONGEST: Millis = 14 * DAY
"""Nobody excuses a silence for longer: what is forgotten must not stay excused."""
_BATCH = 500
_o, _r = tables.occurrence.c, tables.request.c
HELD_BACK = Statement(
    "request.held-back",
    select(_r.id, _r.patient, _r.due)
    .select_from(tables.request.join(tables.occurrence, _o.id == _r.occurrence))
    .where(_r.state == "on-hold", _r.reason == "source-held", _o.source == bindparam("of_source"))
    .limit(bindparam("limit")),
    params=("of_source", "limit"),
)


def hold_source(gateway: Inspectable, name: str, *, reason: str, account: str) -> None:
    """Let a source plan everything and release nothing until told. Raises CommandError."""
    _set(gateway, name, held=True, reason=reason, account=account)


def release_source(gateway: Inspectable, name: str, *, reason: str, account: str) -> int:
    """Let a source's sends leave; returns how many that were held for it are judged again. Raises CommandError.

    What fell due more than a day before is withdrawn as `offset-past`: a heap of late reminders helps nobody.
    """
    return _set(gateway, name, held=False, reason=reason, account=account)


def excuse_source(gateway: Inspectable, name: str, *, span: Millis, reason: str, account: str) -> Millis:
    """Expect a source to be silent for `span` from now: it is not called silent, and holds nothing; returns until when.

    A holiday, an announced downtime. A span of 0 takes an excuse back. Raises CommandError.
    """
    if not 0 <= span <= LONGEST:
        raise CommandError("a silence is excused for at most 14 days; `caregate feeds excuse` can be said again")
    source = source_of(gateway, name).id
    with gateway.store.begin(account) as uow:
        until = uow.now + span
        uow.update(tables.source, ("id",), ("excused_until",), [(until if span else None, source)])
        uow.audit([(Action.FEED_EXCUSED, name, until, reason)])
        uow.commit()
    return until


def _set(gateway: Inspectable, name: str, *, held: bool, reason: str, account: str) -> int:
    source = source_of(gateway, name).id
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
        released, ended = let_go(uow, waiting, Reason.SOURCE_HELD)
        if released or ended:
            uow.commit()
    return released
