"""Opt-outs on their way to others who must honour them too, with the legal clock; no address is shown."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, select

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.when import Millis
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.optouts import FAILED, OPEN, SETTLED
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader

_r = tables.revocation.c
_SHOWN = select(_r.id, _r.consent, _r.target, _r.state, _r.legal_by, _r.tries, _r.next_at, _r.acknowledged)
_NEWEST = Statement("revocation.newest", _SHOWN.order_by(_r.id.desc()).limit(bindparam("n")), params=("n",))
_FAILED = Statement(
    "revocation.newest-failed",
    _SHOWN.where(_r.state == FAILED).order_by(_r.id.desc()).limit(bindparam("n")),
    params=("n",),
)
_FAILING = Statement(
    "revocation.failing",
    select(func.count()).where((_r.state == FAILED) | ((_r.state == OPEN) & (_r.legal_by <= bindparam("now")))),
    params=("now",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationLine:
    """One opt-out and one other who must honour it. `consent`: the ledger's entry; times are Millis UTC."""

    id: int
    consent: int
    target: str
    state: str
    legal_by: Millis
    tries: int
    next_at: Millis
    acknowledged: Millis | None


def revocations(gateway: Inspectable, *, failed: bool = False, limit: int = 200) -> list[RevocationLine]:
    """The newest, newest first; only those that wait for a person, if asked."""
    with gateway.store.read() as unit:
        rows = unit.all(_FAILED if failed else _NEWEST, (limit,))
    names = ("id", "consent", "target", "state", "legal_by", "tries", "next_at", "acknowledged")
    return [RevocationLine(**dict(zip(names, row, strict=True))) for row in rows]


def revocation_settle(gateway: Inspectable, revocation: int, *, reason: str, account: str) -> None:
    """Somebody told them by hand, or saw that nobody need be told. Raises CommandError: there is none that failed."""
    with gateway.store.begin(account) as uow:
        rows = uow.lookup(tables.revocation, ("consent", "target", "state"), "id", [revocation], lock=True)
        if not rows or rows[0][2] != FAILED:
            raise CommandError(f"there is no opt-out {revocation} that others could not be told of")
        ((consent, target, _),) = rows
        uow.update(tables.revocation, ("id",), ("state", "acknowledged"), [(SETTLED, uow.now, revocation)])
        uow.audit([(Action.REVOCATION_SETTLED, consent, target, reason)])
        uow.commit()


def failing(unit: Reader) -> int:
    """How many a person must see to: given up, or not acknowledged when the law wanted it honoured."""
    return int(unit.all(_FAILING, (unit.now,))[0][0])
