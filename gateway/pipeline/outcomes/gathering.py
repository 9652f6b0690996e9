"""A batch for one sink: audit rows from where it stands, in their order and only below the watermark, and how far that reached."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec

from gateway.model.outcome import SinkRow
from gateway.pipeline.outcomes import optouts
from gateway.pipeline.outcomes.finding import found
from gateway.pipeline.outcomes.telling import Telling
from gateway.pipeline.rules import Active
from gateway.pipeline.site import SinkEntry, Site
from gateway.store import seal
from gateway.store.engine import Store
from gateway.store.uow import Reader

SCANNED = 500
"""Audit rows of one batch: what one unit looks up, and what a sink that is away costs to read again."""
_entries = msgspec.json.Decoder(list[list[Any]]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Rows to tell. `position`: up to which audit row they are all there is; `more`: whether anything lies behind it."""

    rows: tuple[SinkRow, ...]
    position: int
    more: bool


def gather(store: Store, site: Site, sink: SinkEntry, rules: Active, *, after: int, below: int) -> Gathered:
    """What the audit rows above `after` and below the watermark `below` come to. Raises StoreError."""
    with store.begin("outcomes") as uow:  # nothing is written: only a unit of work opens what is sealed
        audited = uow.all(seal.ROWS, (after, below, SCANNED))
        things = [one for id_, at, _, _, _, blob in audited for one in found(id_, at, _entries(blob))]
        telling = Telling(uow, site, sink, rules)
        told = chain(telling.rows(things), optouts.stands(telling, things), optouts.said(telling, things))
        ordered = sorted(told, key=lambda one: (one[0], one[1].id))
        rows = {one.id: one for _, one in ordered if sink.tells(one.kind)}
    more = len(audited) == SCANNED
    return Gathered(rows=tuple(rows.values()), position=audited[-1][0] if more else max(after, below - 1), more=more)


def unseen_since(unit: Reader, position: int) -> int | None:
    """When the oldest thing was audited that a sink at this place has not looked at (Millis UTC); None: it has seen all."""
    rows = unit.all(seal.ROWS, (position, 1 << 62, 1))
    return int(rows[0][1]) if rows else None
