"""Many requests held, released or withdrawn by hand: in batches, each audited with account and reason, and restartable.

What a message or a worker did to one meanwhile stands; said again, a command goes on where it was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from sqlalchemy import bindparam, update

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.pipeline.inspect.choosing import WAITING, Choice, Narrowed, narrowed
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.releasing import Waiting, let_go
from gateway.store import tables
from gateway.store.statement import Statement, by_itself
from gateway.store.uow import UnitOfWork

BATCH = 500
"""Requests of one unit of work: on SQLite nobody receives while one runs."""
Told = Callable[[int], None]
_r = tables.request.c
_ACTIVE, _HELD = (RequestStatus.ACTIVE.value,), (RequestStatus.ON_HOLD.value,)
# On PostgreSQL a message may have ended it since it was read: only what still waits is touched.
_HOLD, _WITHDRAW = (
    Statement(
        f"request.{name}",
        update(tables.request)
        .where(_r.id == bindparam("which"), by_itself(_r.state).in_(states))
        .values(state=state.value, reason=reason.value),
        params=("which",),
    )
    for name, states, state, reason in (
        ("hold-by-hand", _ACTIVE, RequestStatus.ON_HOLD, Reason.HELD_BY_HAND),
        ("withdraw-by-hand", WAITING, RequestStatus.REVOKED, Reason.WITHDRAWN_BY_HAND),
    )
)


def count(gateway: Inspectable, choice: Choice, act: str) -> int:
    """How many `hold`, `release` or `withdraw` would touch now. Raises CommandError."""
    only = _of(gateway, choice, act)
    with gateway.store.read() as unit:
        return int(unit.all(only.count(), only.given)[0][0])


def hold_requests(
    gateway: Inspectable, choice: Choice, *, reason: str, account: str, told: Told = lambda _count: None
) -> int:
    """Let what is chosen and planned wait for a person; how many do. What is due anew of it waits too. CommandError."""
    entry = (Action.REQUEST_HELD, Reason.HELD_BY_HAND)
    return _change(gateway, _of(gateway, choice, "hold"), _HOLD, entry, reason, account, told)


def withdraw_requests(
    gateway: Inspectable, choice: Choice, *, reason: str, account: str, told: Told = lambda _count: None
) -> int:
    """Never send what is chosen and waits; how many. Raises CommandError."""
    entry = (Action.REQUEST_WITHDRAWN, Reason.WITHDRAWN_BY_HAND)
    return _change(gateway, _of(gateway, choice, "withdraw"), _WITHDRAW, entry, reason, account, told)


def release_requests(
    gateway: Inspectable, choice: Choice, *, reason: str, account: str, told: Told = lambda _count: None
) -> tuple[int, int]:
    """Have what is chosen and held judged again by every gate: how many are, how many were withdrawn as too late.

    Of many at once, only what was held by hand, unless the choice names another reason: of an unknown outcome, say,
    somebody must know that it did not arrive. Raises CommandError.
    """
    only = _of(gateway, choice, "release")
    held_for = Reason(only.held_for or Reason.HELD_BY_HAND)
    released = ended = 0
    for batch in _batches(gateway, only):
        with gateway.store.begin(account) as uow:
            some, late = let_go(uow, batch, held_for, reason)
            if some or late:
                uow.commit()
        released, ended = released + some, ended + late
        told(released + ended)
    return released, ended


def _of(gateway: Inspectable, choice: Choice, act: str) -> Narrowed:
    if choice.facility is not None and choice.day is None:
        raise CommandError("a facility is held, released and withdrawn by the day: say --date too")
    states = {"hold": _ACTIVE, "release": _HELD, "withdraw": WAITING}[act]
    if act == "release" and choice.held_for is None:
        choice = replace(choice, held_for=Reason.HELD_BY_HAND.value)
    return narrowed(gateway.site, choice, states=states)


def _batches(gateway: Inspectable, only: Narrowed) -> Iterator[list[Waiting]]:
    """(request, patient, due) of what is chosen, looked up without the write lock."""
    after = -1
    while True:
        with gateway.store.read() as unit:
            rows = [
                (int(i), int(patient), int(due))
                for i, patient, due in unit.all(only.page(), (*only.given, after, BATCH))
            ]
        if not rows:
            return
        yield rows
        after = rows[-1][0]


def _change(
    gateway: Inspectable,
    only: Narrowed,
    change: Statement,
    entry: tuple[Action, Reason],
    why: str,
    account: str,
    told: Told,
) -> int:
    done = 0
    for batch in _batches(gateway, only):
        with gateway.store.begin(account) as uow:
            changed = _change_some(uow, batch, change, entry, why)
            if changed:
                uow.commit()
        done += changed
        told(done)
    return done


def _change_some(
    uow: UnitOfWork, batch: Sequence[Waiting], change: Statement, entry: tuple[Action, Reason], why: str
) -> int:
    # the patients before their requests, as receive and deliver lock them
    uow.lookup(tables.patient, ("token",), "token", sorted({patient for _, patient, _ in batch}), lock=True)
    action, reason = entry
    changed = 0
    for request, patient, _ in batch:
        if uow.run(change, (request,)):
            uow.audit([(action, request, reason, why)], request=request, patients=[patient])
            changed += 1
    return changed
