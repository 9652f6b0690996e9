"""Whoever a whole table no longer names has left: their rows end in order of key, a page at a time, whatever was cut short (SN-03)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.model.event import Outcome, RawMessage
from gateway.model.facts import ROW_KEY
from gateway.pipeline.batch import Batch
from gateway.pipeline.extracting import known, moving
from gateway.pipeline.extracting.extracts import LEFT, counted
from gateway.pipeline.extracting.known import Known
from gateway.pipeline.packing import unpack
from gateway.pipeline.preparing import Prepared
from gateway.pipeline.site import SourceEntry
from gateway.ports import ExtractState
from gateway.store import tables
from gateway.store.datakeys import open_keys
from gateway.store.keyring import unseal
from gateway.store.uow import Reader, UnitOfWork


@dataclass(slots=True)
class Leaving:
    """One page of rows that are missing: `keys` in the database, and what is offered of those that told something."""

    source: SourceEntry
    extract: ExtractState
    keys: list[bytes]
    messages: list[RawMessage]
    owners: list[bytes]  # by message the key of its row
    moved: ExtractState
    last: bytes
    alone: bool = False

    def beside(self, batch: Batch, prepared: Sequence[Prepared], _outcomes: Sequence[Outcome]) -> None:
        """What `Receiver.receive` writes in its unit."""
        self.alone = len(prepared) < len(self.messages)
        if not self.alone:
            self.settle(batch.uow)
            return
        by_message = {id(message): key for message, key in zip(self.messages, self.owners, strict=True)}
        known.forget(batch.uow, [by_message[id(one.message)] for one in prepared])

    def settle(self, uow: UnitOfWork) -> None:
        """Forget the rows and count them."""
        known.forget(uow, self.keys)
        moving.move(uow, self.source, self.extract, self.moved)


def page(
    unit: Reader, rows: Known, source: SourceEntry, extract: ExtractState, after: bytes, limit: int
) -> Leaving | None:
    """The next that are missing, in order of key; None: nobody is."""
    found = known.missing(unit, source.id, extract.id, after, limit)
    if not found:
        return None
    told = dict(_told(unit, [about for _, about in found if about is not None]))
    named = [(key, told[about]) for key, about in found if about is not None and about in told]
    return Leaving(
        source,
        extract,
        [key for key, _ in found],
        [rows.gone(name, unit.now) for _, name in named],
        [key for key, _ in named],
        counted(extract, {LEFT: len(found)}),
        found[-1][0],
    )


def _told(unit: Reader, occurrences: Sequence[int]) -> Iterator[tuple[int, str]]:
    """By occurrence its row's own key; none for whom was erased, nor for what is over and forgotten."""
    rows = unit.lookup(tables.occurrence, ("id", "patient", "sealed_facts"), "id", occurrences)
    keys: dict[int, int] = dict(
        unit.lookup(tables.patient, ("token", "key"), "token", sorted({row[1] for row in rows}))
    )
    plain = open_keys(unit, sorted(set(keys.values())))
    for identity, patient, sealed in rows:
        key = plain[keys[patient]]
        facts = unpack(unseal(key, bytes(sealed), b"occurrence.sealed_facts:%d" % identity)) if key and sealed else {}
        if isinstance(name := facts.get(ROW_KEY), str):
            yield identity, name
