"""All that waits for a campaign is asked again after a person decided: a little at a time, from where whoever began it was stopped."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import bindparam, select, text, update

from gateway.model.errors import Conflict
from gateway.model.verdict import Reason
from gateway.pipeline.alone import alone
from gateway.pipeline.regular import Regular
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader

BATCH = 500
EVERY = 2.0  # seconds
_c, _r = tables.campaign.c, tables.request.c
OPEN = text("request.state IN ('active', 'on-hold')")
"""Written out, not bound: only so does the index of what is open serve."""
_ASKING = Statement("campaign.asking", select(_c.id, _c.rule, _c.asked).where(_c.asked.is_not(None)).order_by(_c.id))
_ASKED = Statement(
    "campaign.asked",
    update(tables.campaign)
    .where(_c.id == bindparam("which"), _c.asked == bindparam("seen"))
    .values(asked=bindparam("reached")),
    params=("reached", "which", "seen"),
    exempt=True,
)
WAITING = Statement(
    "request.of-campaign",
    select(_r.id)
    .where(
        _r.id > bindparam("after"),
        _r.rule == bindparam("rule"),
        OPEN,
        _r.state == "active",
        _r.reason.in_([Reason.CAMPAIGN_NOT_APPROVED, Reason.CAMPAIGN_STOPPED, Reason.CAMPAIGN_VOLUME]),
    )
    .order_by(_r.id)
    .limit(bindparam("limit")),
    params=("after", "rule", "limit"),
)
_RING = Statement(
    "request.ring-when-due",
    update(tables.request).where(_r.id == bindparam("which"), _r.state == "active").values(ring_at=_r.due),
    params=("which",),
    exempt=True,
)


class Ringing(Regular):
    """A round every so often; of several processes one asks."""

    def __init__(self, store: Store) -> None:
        super().__init__("campaigns", every=EVERY)
        self._store = store

    def once(self) -> int:
        """Ask all that is to be asked; how many. Raises StoreError."""
        with self._store.read() as unit:
            if not _asking(unit):
                return 0
        with alone(self._store, "campaign", "campaign:asking") as held:
            return 0 if held is None else ask_again(self._store, stopping=self.stopping.is_set)


def ask_again(store: Store, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Have all that waits rung in the order in which it fell due; how many. Raises StoreError, Conflict where another asks."""
    with store.read() as unit:
        found = _asking(unit)
    return sum(_ask(store, *one, stopping) for one in found)


def _asking(unit: Reader) -> list[tuple[int, str, int]]:
    """Campaigns of which not all was asked since a person decided: id, rule, up to which request it was."""
    return [(which, rule, seen) for which, rule, seen in unit.all(_ASKING)]


def _ask(store: Store, which: int, rule: str, after: int, stopping: Callable[[], bool]) -> int:
    asked = 0
    last: int | None = after
    while last is not None and not stopping():
        with store.begin("campaign") as uow:
            found = [row[0] for row in uow.all(WAITING, (last, rule, BATCH))]
            for one in found:
                uow.run(_RING, (one,))
            reached = found[-1] if len(found) == BATCH else None
            if uow.run(_ASKED, (reached, which, last)) != 1:  # last, as everywhere: see the README of this folder
                raise Conflict("the campaign was decided on, or is asked, elsewhere")
            uow.commit()
        asked, last = asked + len(found), reached
    return asked
