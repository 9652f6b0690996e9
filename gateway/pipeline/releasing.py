"""What was held for its feed's sake is judged again by every gate; what a message ended meanwhile stays ended."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, null, update

from gateway.model.audit import Action
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.model.when import DAY, Millis
from gateway.store import tables
from gateway.store.statement import Statement, by_itself
from gateway.store.uow import UnitOfWork

LATE: Millis = DAY
"""What fell due longer ago is not sent when a feed is released or speaks again: a heap of late reminders helps nobody."""
_r = tables.request.c
# On PostgreSQL a message may have ended it since it was read: only what still waits is let go.
_RELEASE, _GIVE_UP = (
    Statement(
        f"request.{name}",
        update(tables.request)
        .where(
            _r.id == bindparam("which"),
            by_itself(_r.state) == "on-hold",
            by_itself(_r.reason) == bindparam("held_for"),
        )
        .values(state=state, reason=reason, ring_at=bindparam("ring")),
        params=("ring", "which", "held_for"),
    )
    for name, state, reason in (
        ("let-go", RequestStatus.ACTIVE.value, null()),
        ("let-go-late", RequestStatus.REVOKED.value, Reason.OFFSET_PAST.value),
    )
)

Waiting = tuple[int, int, Millis]
"""A request on hold: its id, its patient, when it is due."""


def let_go(uow: UnitOfWork, waiting: Sequence[Waiting], held_for: Reason, *why: str) -> tuple[int, int]:
    """Have what still waits for this reason judged again, and end what is LATE; how many of each, audited if any.

    Without any there is nothing to commit. `why`: a person's reason, told in each entry.
    """
    entries: list[tuple[object, ...]] = []
    patients: set[int] = set()
    ended = 0
    # the patients before their requests, as receive and deliver lock them
    uow.lookup(tables.patient, ("token",), "token", sorted({patient for _, patient, _ in waiting}), lock=True)
    for request, patient, due in waiting:
        late = due < uow.now - LATE
        # rung at its due time, past or not: so what waited leaves in the order in which it fell due
        if not uow.run(_GIVE_UP if late else _RELEASE, (due, request, held_for.value)):
            continue
        ended += late
        patients.add(patient)
        entries.append(
            (Action.REQUEST_WITHDRAWN, request, Reason.OFFSET_PAST, *why)
            if late
            else (Action.REQUEST_RELEASED, request, held_for, *why)
        )
    if entries:
        uow.audit(entries, patients=sorted(patients))
    return len(entries) - ended, ended
