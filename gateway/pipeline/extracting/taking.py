"""A chunk is offered with what its rows come to and the cursor beside it: one transaction, or each row for itself and no cursor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.model.event import Outcome
from gateway.pipeline.batch import Batch
from gateway.pipeline.extracting import known, moving
from gateway.pipeline.extracting.extracts import ENDED, ENTERED, KNOWN, ROWS, counted
from gateway.pipeline.extracting.guards import EXITS, Guards
from gateway.pipeline.extracting.known import WORDS, Mark, RowState, Sorted, state_of
from gateway.pipeline.occurrences import is_end
from gateway.pipeline.preparing import Prepared, PreparedEvent
from gateway.pipeline.site import SourceEntry
from gateway.ports import ExtractMode, ExtractState
from gateway.store.uow import UnitOfWork


@dataclass(slots=True)
class Taking:
    """One chunk of an extract, sorted. `moved`: the extract behind it, once its unit has committed."""

    source: SourceEntry
    guards: Guards
    believed: frozenset[str]
    extract: ExtractState
    cursor: str
    rows: int
    sorted: Sorted
    moved: ExtractState = field(init=False)
    alone: bool = False
    """Whether the rows were committed one by one, without the cursor."""

    def beside(self, batch: Batch, prepared: Sequence[Prepared], outcomes: Sequence[Outcome]) -> None:
        """What `Receiver.receive` writes in its unit."""
        by_message = {id(one.message): one for one in self.sorted.offered}
        marks = [by_message[id(one.message)] for one in prepared]
        for mark, one, outcome in zip(marks, prepared, outcomes, strict=True):
            _judge(mark, batch, one, outcome)
        self.alone = len(marks) < len(self.sorted.offered)
        known.write(batch.uow, self.source, self.extract.id, marks)
        self.guards.alike(batch.directory.most_sharing(), believed=self.believed)
        if not self.alone:
            self.settle(batch.uow)

    @property
    def became(self) -> Counter[str]:
        """What became of the rows, each counted once."""
        counts = self.sorted.counts.copy()
        counts.update(WORDS[one.state] for one in self.sorted.offered if not one.gone)
        return +counts

    def settle(self, uow: UnitOfWork) -> None:
        """The rows that say nothing new, the counts and the cursor. Raises GuardError: too many have ended."""
        counts = self.became
        counts[ROWS] = self.rows
        counts[ENTERED] = sum(not one.known for one in self.sorted.offered)
        counts[ENDED] = sum(one.ended for one in self.sorted.offered)
        moved = counted(self.extract, counts, self.cursor)
        standing = self.extract.counts.get(KNOWN, 0)
        self.guards.leaving(moved.counts.get(ENDED, 0), standing, believed=self.believed | _unless(standing))
        if self.extract.mode is ExtractMode.SNAPSHOT:
            known.seen(uow, self.extract.id, self.sorted.same)
        known.forget(uow, self.sorted.lost)
        moving.move(uow, self.source, self.extract, moved)
        self.moved = moved


def _judge(mark: Mark, batch: Batch, one: Prepared, outcome: Outcome) -> None:
    """Note what a row came to, and whether what it told before has ended by it."""
    mark.state = state_of(outcome)
    mark.patient = _whose(batch, one.events) if mark.state is RowState.TAKEN else None
    if mark.state is RowState.TAKEN and any(is_end(event.event.kind) for event in one.events):
        mark.state = RowState.OVER
    row = batch.occurrence(one.events[0].keys) if one.events else None
    mark.occurrence = mark.about if row is None else row.id
    mark.ended = mark.before is not RowState.OVER and (mark.gone or (mark.known and mark.state is RowState.OVER))


def _whose(batch: Batch, events: Sequence[PreparedEvent]) -> int | None:
    """The one known person that the row's numbers name."""
    patient = batch.directory.resolve(events[0].ids)[0] if events else None
    return None if patient is None else patient.token


def _unless(standing: int) -> frozenset[str]:
    """Of a table of which nothing was known nobody leaves."""
    return frozenset() if standing else frozenset({EXITS})
