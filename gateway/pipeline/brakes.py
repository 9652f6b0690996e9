"""The hand on the tap: what a person stopped does not leave, on any worker, until a person lets it go again.

Every clearance reads the brakes under a lock that lifting them waits for, so that nothing is held for a brake that is
gone. They are read once more right before the network: what was cleared already stays here too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, func, select, text, tuple_, update

from gateway.model.audit import Action
from gateway.model.consent import ChannelKind
from gateway.model.errors import CommandError
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline.releasing import Waiting, let_go
from gateway.pipeline.rows import OccurrenceRow
from gateway.pipeline.site import Site
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

RESTORED = "restored"
"""Why everything stands still after a restore; `caregate restore --release` alone lifts that."""
_BATCH = 200
_COLUMNS = ("id", "scope", "value", "day_from", "day_until", "why", "by", "at")
_b, _r, _o = tables.brake.c, tables.request.c, tables.occurrence.c

_SET = select(*(_b[name] for name in _COLUMNS)).where(_b.lifted.is_(None), _b.id > 0).order_by(_b.id)
ON = Statement("brake.on", _SET)
# whoever lifts one waits for those who decide by it
SHARED = Statement("brake.shared", _SET.with_for_update(read=True))
_RESTORED_AT = Statement("brake.restored-at", select(func.max(_b.at)).where(_b.why == RESTORED))
LIFT = Statement(
    "brake.lift",
    update(tables.brake)
    .where(_b.id == bindparam("which"), _b.lifted.is_(None))
    .values(lifted=bindparam("now"), lifted_by=bindparam("account")),
    params=("now", "account", "which"),
)
# written out, not bound, and nothing said of the state: only so does the little index serve
_WAITS = text("request.reason = 'stopped'")
STOPPED = Statement(
    "request.stopped",
    select(_r.id, _r.patient, _r.due, _r.priority, _r.rule, _o.facility, _o.start_utc)
    .select_from(tables.request.outerjoin(tables.occurrence, _o.id == _r.occurrence))
    .where(
        _WAITS,
        tuple_(_r.priority, _r.due, _r.id) > tuple_(bindparam("lane"), bindparam("since"), bindparam("after")),
    )
    .order_by(_r.priority, _r.due, _r.id)
    .limit(bindparam("limit")),
    params=("lane", "since", "after", "limit"),
)


class Scope(StrEnum):
    """What a brake is set on."""

    EVERYTHING = "everything"
    CHANNEL = "channel"
    RULE = "rule"
    FACILITY = "facility"  # what is about a visit there on one day


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What is to be stopped. `value`: the channel, rule or facility; `day`: from and until, Millis UTC, of a facility."""

    scope: Scope
    value: str | None = None
    day: tuple[Millis, Millis] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """One brake that is set."""

    id: int
    scope: str
    value: str | None
    day_from: Millis | None
    day_until: Millis | None
    why: str
    by: str
    at: Millis

    def stops(self, about: About, channel: ChannelKind | None) -> bool:
        """Whether it stops a send about this by that channel (None: whichever)."""
        match self.scope:
            case Scope.CHANNEL:
                return channel is not None and self.value == channel
            case Scope.RULE:
                return self.value == about.rule
            case Scope.FACILITY:
                return self.value in about.places and self._on_day(about.start_utc)
        return True  # everything, and whatever a newer version may mean (law 6)

    def _on_day(self, start: Millis | None) -> bool:
        return start is not None and (self.day_from or 0) <= start < (self.day_until or start + 1)

    @property
    def stop(self) -> Stop:
        """What it stops."""
        day = None if self.day_from is None or self.day_until is None else (self.day_from, self.day_until)
        return Stop(scope=Scope(self.scope), value=self.value, day=day)


@dataclass(frozen=True, slots=True)
class About:
    """What a send is about, as far as a brake asks. `facility`: a path as `Site.facility` makes it."""

    rule: str | None
    facility: str | None
    start_utc: Millis | None

    @classmethod
    def of(cls, site: Site, rule: str, occurrence: OccurrenceRow) -> About:
        """Of a rule's send about an occurrence."""
        return cls(rule, site.facility(occurrence.facility), occurrence.start_utc)

    @property
    def places(self) -> Sequence[str]:
        """The facility and whatever it is a part of."""
        return (self.facility or "").split("/")


def on(unit: Reader) -> list[Brake]:
    """Every brake that is set; in a unit of work none of them is lifted before its end."""
    if not isinstance(unit, UnitOfWork):
        return [_brake(row) for row in unit.all(ON)]
    known: list[Brake] | None = unit.memo.get(SHARED)
    if known is None:
        known = unit.memo[SHARED] = [_brake(row) for row in unit.all(SHARED)]
    return known


def _brake(row: Sequence[Any]) -> Brake:
    return Brake(**dict(zip(_COLUMNS, row, strict=True)))


def stops(brakes: Sequence[Brake], about: About, channel: ChannelKind | None) -> bool:
    """Whether any of them stops it."""
    return any(one.stops(about, channel) for one in brakes)


def standing(
    unit: Reader, *, channel: ChannelKind | None, rule: str | None, facility: str | None, start_utc: Millis | None
) -> Reason | None:
    """STOPPED while a brake that is set now stops such a send, else None.

    `facility`: as `Site.facility` gives it; `start_utc`: of the visit it is about, Millis. Raises StoreError.
    """
    return Reason.STOPPED if stops(on(unit), About(rule, facility, start_utc), channel) else None


def restored(unit: Reader) -> Millis:
    """When this database last took the place of a lost one; 0: never. What is older may have left without a trace here."""
    memo = unit.memo if isinstance(unit, UnitOfWork) else {}
    if _RESTORED_AT not in memo:
        found = unit.one(_RESTORED_AT)
        memo[_RESTORED_AT] = 0 if found is None or found[0] is None else found[0]
    at: Millis = memo[_RESTORED_AT]
    return at


def stop(store: Store, what: Stop, *, why: str, account: str) -> Brake:
    """Set a brake, unless the very same is set already; audited. It holds on every worker from the commit on."""
    with store.begin(account) as uow:
        brake = put(uow, what, why=why)
        uow.commit()
    return brake


def put(uow: UnitOfWork, what: Stop, *, why: str) -> Brake:
    """As `stop`, within a unit of work."""
    known = next((one for one in on(uow) if one.stop == what), None)
    if known is not None and known.why == why:
        # said again: told in the audit, and nothing else changes
        uow.audit([(Action.OUTBOX_STOPPED, known.id, what.scope, what.value, *(what.day or ()), why)])
        return known
    row = (uow.new_id(), what.scope.value, what.value, *(what.day or (None, None)), why, uow.actor, uow.now)
    uow.insert(tables.brake, _COLUMNS, [row])
    uow.audit([(Action.OUTBOX_STOPPED, row[0], what.scope, what.value, *(what.day or ()), why)])
    return _brake(row)


def lift(store: Store, wanted: Callable[[Brake], bool], *, why: str, account: str) -> list[Brake]:
    """Lift the brakes that are `wanted`; those that were. What waited for them goes with `release_stopped`. Audited."""
    with store.begin(account) as uow:
        found = [one for one in map(_brake, uow.all(ON)) if wanted(one)]
        lifted = [one for one in found if uow.run(LIFT, (uow.now, account, one.id))]
        if lifted:
            uow.audit([(Action.OUTBOX_RESUMED, one.id, one.scope, one.value, why) for one in lifted])
            uow.commit()
    return lifted


def resume(store: Store, site: Site, what: Stop, *, why: str, account: str) -> tuple[int, int]:
    """Lift what stops this and have what waited judged again: how many are, how many were withdrawn as too late.

    Can be stopped and said again: what still waits for no brake is let go too. Raises CommandError when a restore set it.
    """
    with store.read() as unit:
        if any(one.stop == what and one.why == RESTORED for one in on(unit)):
            raise CommandError(
                "a restore stopped everything: see what is left to do, then `caregate restore --release`"
            )
    lift(store, lambda one: one.stop == what and one.why != RESTORED, why=why, account=account)
    return release_stopped(store, site, account=account)


def release_stopped(
    store: Store, site: Site, *, account: str = "dispatch", told: Callable[[int], None] = lambda _count: None
) -> tuple[int, int]:
    """Have what was stopped and is stopped no more judged again, by lane and due; what is long past ends.

    What waits for a channel is judged again too, and held again while that is stopped. Returns how many of each.
    """
    at, released, ended = (-1, 0, 0), 0, 0
    while (batch := _let_some_go(store, site, at, account)) is not None:
        at, released, ended = batch[0], released + batch[1], ended + batch[2]
        told(released + ended)
    return released, ended


def _let_some_go(
    store: Store, site: Site, at: tuple[int, Millis, int], account: str
) -> tuple[tuple[int, Millis, int], int, int] | None:
    """The next of them; None when there are no more, or everything is stopped still."""
    with store.read() as unit:
        still = on(unit)
        rows = unit.all(STOPPED, (*at, _BATCH))
    if not rows or any(one.scope == Scope.EVERYTHING for one in still):
        return None
    free: list[Waiting] = [
        (request, patient, due)
        for request, patient, due, _, rule, facility, start in rows
        if not stops(still, About(rule, site.facility(facility), start), None)
    ]
    last, told = rows[-1], (0, 0)
    if free:
        with store.begin(account) as uow:
            told = let_go(uow, free, Reason.STOPPED)
            if any(told):
                uow.commit()
    return (last[3], last[2], last[0]), *told


__all__ = [
    "RESTORED",
    "About",
    "Brake",
    "Scope",
    "Stop",
    "lift",
    "on",
    "put",
    "release_stopped",
    "restored",
    "resume",
    "standing",
    "stop",
    "stops",
]
