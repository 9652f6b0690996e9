"""The ledger of what is wrong: a condition stands from when it was found until it is found no more, and both are audited."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select, update

from gateway.model.alert import AlertKind, Condition
from gateway.model.audit import Action
from gateway.model.when import Millis
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

_ACTOR = "alerts"
_COLUMNS = ("kind", "source", "host", "since", "count", "resolved")
_a = tables.alert.c

ALL = Statement("alert.all", select(*(_a[name] for name in _COLUMNS)))
_SET = Statement(
    "alert.set",
    update(tables.alert)
    .where(
        _a.kind == bindparam("of_kind"),
        _a.source == bindparam("of_source"),
        _a.host == bindparam("of_host"),
    )
    .values(since=bindparam("began"), count=bindparam("many"), resolved=bindparam("over")),
    params=("began", "many", "over", "of_kind", "of_source", "of_host"),
)

Key = tuple[str, str, str]
"""Kind, source, host."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A line of the ledger. `resolved`: when it was over, None while it lasts."""

    kind: AlertKind
    source: str
    host: str
    since: Millis
    count: int
    resolved: Millis | None

    @property
    def key(self) -> Key:
        """What it is found by."""
        return (self.kind.value, self.source, self.host)

    @property
    def condition(self) -> Condition:
        """What is, or was, wrong."""
        return Condition(kind=self.kind, source=self.source, since=self.since, count=self.count, host=self.host)


def standing(unit: Reader) -> dict[Key, Standing]:
    """Every line of the ledger, resolved ones too, whose kind this version knows."""
    known = frozenset(AlertKind)
    rows = [Standing(AlertKind(kind), *rest) for kind, *rest in unit.all(ALL) if kind in known]
    return {one.key: one for one in rows}


def settle(store: Store, found: Collection[Condition], mine: Callable[[Standing], bool]) -> None:
    """Bring the ledger in line with what is wrong now. Raises StoreError.

    `found`: everything wrong that the caller can see; what stood, is `mine` to see and is not found, is over. A
    condition that lasts keeps the time it began.
    """
    with store.read() as unit:
        known = standing(unit)
    here: dict[Key, Condition] = {_key(one): one for one in found}
    fresh = [one for key, one in here.items() if key not in known or known[key].resolved is not None]
    grown = [one for key, one in here.items() if one not in fresh and _other(known[key].count, one.count)]
    over = [one for key, one in known.items() if one.resolved is None and key not in here and mine(one)]
    if not (fresh or grown or over):
        return
    with store.begin(_ACTOR) as uow:
        for one in fresh:
            _put(uow, one, one.since, None, new=_key(one) not in known)
        for one in grown:
            _put(uow, one, known[_key(one)].since, None)
        for gone in over:
            _put(uow, gone.condition, gone.since, uow.now)
        _audit(uow, [*fresh, *grown], over)
        uow.commit()


def _other(before: int, now: int) -> bool:
    """Whether a count became another one, not just a little more or less."""
    return now >= 2 * before + 1 or 2 * now < before


def _key(one: Condition) -> Key:
    return (one.kind.value, one.source, one.host)


def _put(uow: UnitOfWork, one: Condition, since: Millis, resolved: Millis | None, *, new: bool = False) -> None:
    if new:  # two gateways may find it at once
        uow.insert_missing(tables.alert, _COLUMNS, [(*_key(one), since, one.count, resolved)])
    else:
        uow.run(_SET, (since, one.count, resolved, *_key(one)))


def _audit(uow: UnitOfWork, raised: Sequence[Condition], over: Sequence[Standing]) -> None:
    entries: list[tuple[object, ...]] = [(Action.ALERT_RAISED, *_key(one), one.since, one.count) for one in raised]
    uow.audit([*entries, *((Action.ALERT_RESOLVED, *one.key, one.since) for one in over)])
