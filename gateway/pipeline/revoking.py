"""Tells others who must honour an opt-out too, and goes on until each has acknowledged it or a person must see to it.

An opt-out is in force here the moment it is recorded; this only spreads it. Every entry of the ledger counts, whatever
wrote it: the rows are made from the ledger itself, so that no way in can forget them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import bindparam, select, true

from gateway.model.audit import Action
from gateway.model.when import DAY, HOUR, MINUTE, Millis
from gateway.pipeline.alone import Alone, alone
from gateway.pipeline.optouts import ACKNOWLEDGED, FAILED, OPEN, Target
from gateway.pipeline.regular import Regular
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement

HONOURED_WITHIN: Millis = 10 * DAY
"""47 CFR 64.1200(a)(10) gives ten business days; counted here as any ten, which is stricter."""
_SLOWEST: Millis = 6 * HOUR
_BATCH = 50
_LATE = (10 * MINUTE) << 22  # ids tell their time: a unit of work that began earlier may commit with a lower one
_r = tables.revocation.c
_COLUMNS = ("id", "consent", "target", "state", "legal_by", "tries", "next_at", "acknowledged")


@dataclass(frozen=True, slots=True)
class _Due:
    """One push whose turn it is."""

    id: int
    consent: int
    target: str
    legal_by: Millis
    tries: int


class Revoking(Regular):
    """A round every half minute, in a thread of its own: the other side may take long to answer.

    `elsewhere`: names of targets that another thread or process tells; what is to be told to nobody's name fails. None:
    all but ours are.
    """

    def __init__(
        self,
        store: Store,
        targets: Iterable[Target],
        *,
        elsewhere: Collection[str] | None = (),
        every: float = 30.0,
    ) -> None:
        super().__init__("revoking", every=every)
        self._store = store
        self._targets = {one.name: one for one in targets}
        self._lease = "revoking" if elsewhere is not None else f"revoking:{','.join(sorted(self._targets))}"
        self._due = _due(None if elsewhere is not None else sorted(self._targets), sorted(elsewhere or ()))
        self._seen = dict.fromkeys(self._targets, 0)

    def start(self) -> None:
        """Begin, if there is anybody to tell."""
        if self._targets:
            super().start()

    def once(self) -> int:
        """Note what is new in the ledger, then push what is due; how many were acknowledged. Raises StoreError."""
        with alone(self._store, "revoking", self._lease) as held:
            return 0 if held is None else self._round(held)

    def _round(self, held: Alone) -> int:
        for target in self._targets.values():
            while self._note(target) == _BATCH:
                pass
        with self._store.read() as unit:
            due = [_Due(*row) for row in unit.all(self._due, (unit.now, _BATCH))]
        return sum(self._push(one, held) for one in due if not self.stopping.is_set())

    def _note(self, target: Target) -> int:
        """Make the rows of opt-outs that a target was not told of. What commits late is looked for again for a while."""
        name = target.name
        with self._store.begin("revoking") as uow:
            found = target.untold(uow, self._seen[name], _BATCH)
            soonest = uow.now + DAY  # a target that is new is told of what is old, and has a day to answer
            rows = [
                (uow.new_id(), consent, name, OPEN, max(recorded + HONOURED_WITHIN, soonest), 0, uow.now, None)
                for consent, recorded in found
            ]
            if rows:
                uow.insert(tables.revocation, _COLUMNS, rows)
                uow.audit([(Action.REVOCATION_PUSHED, row[1], name, OPEN, row[4]) for row in rows])
                uow.commit()
            elif not self._seen[name]:
                self._seen[name] = 1  # everything there was is noted; from here on only the newest is looked at
            else:
                self._seen[name] = max(self._seen[name], uow.new_id() - _LATE)
        return len(rows)

    def _push(self, one: _Due, held: Alone) -> bool:
        with self._store.begin("revoking") as uow:
            ours = held.renewed(uow)
            uow.commit()
        if not ours:
            return False
        target = self._targets.get(one.target)
        state = FAILED if target is None else target.push(one.consent)
        self._settle(one, state)
        return state == ACKNOWLEDGED

    def _settle(self, one: _Due, state: str) -> None:
        with self._store.begin("revoking") as uow:
            if state == OPEN and uow.now >= one.legal_by:
                state = FAILED  # the law's time is over: a person must see to it
            again = uow.now + min(MINUTE << min(one.tries, 16), _SLOWEST)
            known = uow.now if state == ACKNOWLEDGED else None
            values = (state, one.tries + 1, again, known, one.id)
            uow.update(tables.revocation, ("id",), ("state", "tries", "next_at", "acknowledged"), [values])
            uow.audit([(Action.REVOCATION_PUSHED, one.consent, one.target, state)])
            uow.commit()


def _due(only: list[str] | None, not_these: list[str]) -> Statement:
    """What is to be pushed now: of these targets only, or of all but those."""
    whose = _r.target.in_(only) if only is not None else _r.target.not_in(not_these) if not_these else true()
    return Statement(
        "revocation.due",
        select(_r.id, _r.consent, _r.target, _r.legal_by, _r.tries)
        .where(_r.state == OPEN, _r.next_at <= bindparam("now"), whose)
        .order_by(_r.next_at)
        .limit(bindparam("n")),
        params=("now", "n"),
    )
