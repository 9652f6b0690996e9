"""What left and of which nothing is heard: the next channel once, where its rule says so, and staff for what lies unread.

Silence proves nothing, so the first message stands whatever becomes of the second; every gate is asked again before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import bindparam, select

from gateway.model.audit import Action
from gateway.model.comingback import ReceiptStatus
from gateway.model.request import CommunicationStatus, RequestStatus
from gateway.model.rule import Rule
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline import receipts
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

_c, _r = tables.communication.c, tables.request.c
_BATCH = 200
_REQUEST = ("state", "reason", "expires", "rule")
SILENT = Statement(
    "communication.silent",
    select(_c.id, _c.request).where(_c.silent_at <= bindparam("now")).order_by(_c.silent_at).limit(bindparam("limit")),
    params=("now", "limit"),
)
UNREAD = Statement(
    "communication.unread",
    select(_c.id, _c.request, _c.at, _r.rule)
    .select_from(tables.communication.join(tables.request, _r.id == _c.request))
    .where(
        _c.read_by.is_not(None),
        _c.at >= bindparam("since"),
        _c.read_by <= bindparam("now"),
        _c.status == "completed",
        _r.state.not_in(("revoked", "entered-in-error")),  # what was taken back cannot be picked up
    )
    .order_by(_c.at)
    .limit(bindparam("limit")),
    params=("since", "now", "limit"),
)


def stands(tried: Sequence[tuple[Any, ...]]) -> bool:
    """Whether one of a request's attempts has left, and only silence led beyond it. `tried`: rows that end with the reason."""
    return any(row[-1] == Reason.SILENT for row in tried)


def unread(unit: Reader, keeps: Millis, limit: int) -> list[tuple[int, int, Millis, str]]:
    """(attempt, request, when it was put there, rule) of what was to be picked up by now and still can be; oldest first."""
    return [tuple(row) for row in unit.all(UNREAD, (unit.now - keeps, unit.now, limit))]


def picked_up(uow: UnitOfWork, attempt: int) -> None:
    """It was read: nobody need look after it any more."""
    uow.update(tables.communication, ("id",), ("read_by",), [(None, attempt)])


def sweep(store: Store, rule: Callable[[str], Rule | None], ring: Callable[[Sequence[int]], None]) -> int:
    """Let the next channel follow where nothing was heard in time. Returns how many. Raises StoreError."""
    with store.read() as unit:
        found = unit.all(SILENT, (unit.now, _BATCH))
    due = [request for attempt, request in found if _fall_back(store, attempt, request, rule)]
    if due:
        ring(due)
    return len(due)


def _fall_back(store: Store, attempt: int, request: int, rule: Callable[[str], Rule | None]) -> bool:
    """One attempt, under the locks that settling takes; its time is over whatever comes of it, so it is at most once."""
    with store.begin("dispatch") as uow:
        ((patient,),) = uow.lookup(tables.request, ("patient",), "id", [request])
        uow.lock(tables.patient, "token", [patient])
        (row,) = uow.lookup(tables.request, _REQUEST, "id", [request], lock=True)
        goes_on = _goes_on(uow, attempt, request, tuple(row), rule)
        why = (Reason.SILENT,) if goes_on else ()
        columns = ("silent_at", "reason") if goes_on else ("silent_at",)
        uow.update(tables.communication, ("id",), columns, [(None, *why, attempt)])
        if goes_on:
            again = (RequestStatus.ACTIVE, Reason.SILENT, uow.now, None, request)
            uow.update(tables.request, ("id",), ("state", "reason", "ring_at", "lease_until"), [again])
            uow.audit([(Action.REQUEST_FELL_BACK, request, attempt)], request=request, patients=[patient])
        uow.commit()
    return goes_on


def _goes_on(
    uow: UnitOfWork, attempt: int, request: int, row: tuple[Any, ...], rule: Callable[[str], Rule | None]
) -> bool:
    """Only what left, is not known to have arrived, and still means something; as the rule says now."""
    state, reason, expires, name = row
    said = rule(name)
    tried: dict[int, str] = dict(uow.lookup(tables.communication, ("id", "status"), "request", [request]))
    if said is None or said.silent_after is None or (expires is not None and expires <= uow.now):
        return False
    if any(status in receipts.MAY_HAVE_LEFT for one, status in tried.items() if one != attempt):
        return False
    if tried[attempt] == CommunicationStatus.COMPLETED:
        told = [ReceiptStatus(one) for (one,) in uow.lookup(tables.receipt, ("status",), "communication", [attempt])]
        heard = receipts.weigh(told)[0] is receipts.Evidence.ARRIVED
        return state == RequestStatus.COMPLETED and not heard
    unknown = tried[attempt] == CommunicationStatus.UNKNOWN and said.unknown_is_silence
    return unknown and (state, reason) == (RequestStatus.ON_HOLD, Reason.OUTCOME_UNKNOWN)
