"""Stored messages read from the gateway's database and received again by `receive` itself, each at its own time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from gateway.mapping.feed import Feed
from gateway.model.event import Outcome, RawMessage, Reading
from gateway.model.when import Millis
from gateway.pipeline.applying import Applier
from gateway.pipeline.batch import Batch
from gateway.pipeline.joining import read_again
from gateway.pipeline.preparing import Prepared
from gateway.pipeline.receive import Receiver
from gateway.pipeline.rules import Active
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.ids import compose
from gateway.store.statement import Statement
from gateway.store.uow import Reader

_PAGE = 500
_BASELINE = '"baseline":true'  # in the audit row of the receipt, as `receive` writes it

_raw = tables.raw.c
_STORED = Statement(
    "replay.raw",
    select(_raw.id, _raw.source, _raw.received)
    .where(_raw.id > bindparam("after"), _raw.id < bindparam("before"))
    .order_by(_raw.id)
    .limit(bindparam("n")),
    params=("after", "before", "n"),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as it was kept. `baseline`: it was loaded on go-live day, and planned nothing."""

    message: RawMessage
    baseline: bool


class Messages:
    """What was received in a window, in that order. `feeds`: by the id of their source; `purged`: messages without bytes."""

    def __init__(self, real: Store, feeds: Mapping[int, Feed]) -> None:
        self._real = real
        self._feeds = feeds
        self.purged = 0

    def between(self, since: Millis, until: Millis) -> Iterator[Stored]:
        """Read in pages. Raises StoreError, KeyringError."""
        after, before = compose(since, 0) - 1, compose(until, 0)
        while True:
            with self._real.read() as unit:
                found = unit.all(_STORED, (after, before, _PAGE))
                page = self._opened(unit, found)
            yield from page
            if len(found) < _PAGE:
                return
            after = found[-1][0]

    def _opened(self, unit: Reader, rows: Sequence[tuple[int, int, Millis]]) -> list[Stored]:
        ids = [row[0] for row in rows]
        bodies = read_again(unit, ids)
        loaded = {
            raw for raw, entries in unit.lookup(tables.audit, ("id", "entries"), "id", ids) if _BASELINE in entries
        }
        known = [row for row in rows if row[0] in bodies and row[1] in self._feeds]
        self.purged += len(rows) - len(known)
        return [
            Stored(
                RawMessage(
                    source=self._feeds[source].name, format=self._feeds[source].format, body=bodies[raw][0],
                    received=received, charset=bodies[raw][1],
                ),
                raw in loaded,
            )
            for raw, source, received in known
        ]  # fmt: skip


class _Kept(Batch):
    """Of messages that are kept already only those are kept again whose other parts will ask for them."""

    def keep_raw(self, one: Prepared, raw: int, ack: str, result: str) -> None:
        """Store a part of a message."""
        if one.reading.fragment is not None:
            super().keep_raw(one, raw, ack, result)


class Again(Receiver):
    """Receives as the gateway does, but each message at its own time, however many share a unit of work.

    What was kept had come in turn and was no repeat: neither is judged again.
    """

    _batch = _Kept

    def take(self, batch: Sequence[Stored]) -> list[Outcome]:
        """Receive the first of these, and those after it that come before anything they planned rings, or they held ends.

        All are of one `baseline`. Returns the outcomes of those that were received, at least one.
        """
        rules, baseline = self._rules.current(), batch[0].baseline
        prepared = [self._prepare(one.message, rules) for one in batch]
        outcomes = self._commit(prepared, rules, baseline)
        return outcomes or [self._alone(batch[0].message, baseline)]

    def _prepare(
        self, message: RawMessage, rules: Active, *, whole: bool = False, known: Reading | None = None
    ) -> Prepared:
        prepared = super()._prepare(message, rules, whole=whole, known=known)
        prepared.control = ()
        return prepared

    def _apply_all(self, batch: Batch, applier: Applier, prepared: Sequence[Prepared]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        hold_expires = self._rules.current().ruleset.policy.hold_expires
        for one in prepared:
            soonest = batch.soonest(hold_expires) if outcomes else None
            if soonest is not None and soonest <= one.message.received:
                break
            batch.uow.now = one.message.received
            outcomes.append(self._decide(batch, applier, one))
        return outcomes
