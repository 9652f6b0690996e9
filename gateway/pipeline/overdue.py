"""Parts whose message never became whole do not wait for ever: they go into quarantine, and somebody is told (B-07)."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from gateway import telemetry
from gateway.model.when import Millis
from gateway.pipeline.cursors import JOIN, locked
from gateway.pipeline.joining import OVERDUE, give_up
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement

_BATCH = 500
_f = tables.fragment.c
WAITING = Statement(
    "fragment.waiting",
    select(_f.source, _f.raw)
    .where(_f.ended.is_(None), _f.at < bindparam("before"))
    .order_by(_f.at)
    .limit(bindparam("limit")),
    params=("before", "limit"),
)


def give_up_overdue(store: Store, within: Millis) -> int:
    """Quarantine the parts that no other part has joined for `within` millis; returns how many. Raises StoreError."""
    done = 0
    while True:
        with store.read() as unit:
            found = unit.all(WAITING, (unit.now - within, _BATCH))
        if not found:
            return done
        with store.begin("join") as uow:
            ours = {source for source, _ in found}
            locked(uow, {(source, JOIN) for source in ours})
            late: dict[int, list[int]] = {}
            for source, raw in uow.all(WAITING, (uow.now - within, _BATCH)):  # as they stand now, with nobody joining
                if source in ours:  # else its parts became late since, and somebody may be joining them
                    late.setdefault(source, []).append(raw)
            for parts in late.values():
                give_up(uow, parts, OVERDUE)
            names: dict[int, str] = dict(uow.lookup(tables.source, ("id", "name"), "id", sorted(late)))
            if late:
                uow.commit()
        for source, parts in late.items():
            telemetry.log().error("join.overdue", source=names.get(source, "unknown"), count=len(parts))
            done += len(parts)
