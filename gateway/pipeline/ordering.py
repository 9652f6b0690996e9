"""What one patient gets leaves in the order in which it fell due, one at a time, however many workers there are."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from gateway.model.request import RequestKind
from gateway.model.when import MINUTE, SECOND, Millis
from gateway.pipeline.rows import RequestRow
from gateway.store import tables
from gateway.store.statement import Statement, by_itself
from gateway.store.uow import UnitOfWork

_SOON: Millis = SECOND
_RUNG: Millis = MINUTE  # what was rung rings again after this long: until then it is on its way
_r = tables.request.c
OTHERS = Statement(
    "request.others-of-patient",
    select(_r.id, _r.priority, _r.due, _r.reason, _r.ring_at, _r.lease_until).where(
        _r.patient == bindparam("whose"),
        by_itself(_r.state) == "active",
        _r.due <= bindparam("now"),
        _r.kind == RequestKind.RULE.value,
    ),
    params=("whose", "now"),
)


def come_again(uow: UnitOfWork, row: RequestRow) -> Millis | None:
    """When to look again because another send of the patient goes first; None: this one's turn.

    Another goes first that is on its way right now, or fell due earlier and is as urgent or more. What a gate told to
    wait for its own time (quiet hours, a cap) keeps nobody; codes and confirmations, which somebody waits for, keep
    nobody and wait for nobody. The caller holds the patient's lock.
    """
    if row.kind != RequestKind.RULE:
        return None
    waits = [
        _free(uow.now, ring_at, lease)
        for identity, lane, due, reason, ring_at, lease in uow.all(OTHERS, (row.patient, uow.now))
        if identity != row.id
        and (
            _leased(lease, uow.now)
            or (lane <= row.priority and (due, identity) < (row.due, row.id) and _its_turn(reason, ring_at, uow.now))
        )
    ]
    return max(waits) if waits else None


def next_of(uow: UnitOfWork, row: RequestRow) -> list[int]:
    """Whose turn it is with this patient once `row` waits no more: at most one, to be rung."""
    found = [
        (lane, due, identity)
        for identity, lane, due, reason, ring_at, lease in uow.all(OTHERS, (row.patient, uow.now))
        if identity != row.id and not _leased(lease, uow.now) and _its_turn(reason, ring_at, uow.now)
    ]
    return [min(found)[2]] if found and row.kind == RequestKind.RULE else []


def _leased(lease: Millis | None, now: Millis) -> bool:
    return lease is not None and lease > now


def _its_turn(reason: str | None, ring_at: Millis, now: Millis) -> bool:
    """Whether it is to be decided now, or waits for its place with the provider only (no gate spoke)."""
    return reason is None or ring_at <= now + _RUNG


def _free(now: Millis, ring_at: Millis, lease: Millis | None) -> Millis:
    """Soon after it is decided: where it waits for a place with its provider, after that; else in a moment."""
    waiting = not _leased(lease, now) and ring_at > now + _RUNG
    return (ring_at if waiting else now) + _SOON
