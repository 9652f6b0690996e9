"""What an extract would bring is counted and nothing is written: a `ports.Rows` to look before one leaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.model.event import RawMessage, Reading
from gateway.pipeline.extracting import extracts
from gateway.pipeline.extracting.extracts import BEFORE, ENTERED, KNOWN, LEFT, ROWS, counted
from gateway.pipeline.extracting.guards import Guards
from gateway.pipeline.extracting.known import GONE, WORDS, Known, Sorted
from gateway.pipeline.extracting.people import People
from gateway.pipeline.site import SourceEntry
from gateway.ports import ExtractMode, ExtractState, Row
from gateway.store.engine import Store


class TrialBook:
    """Counts as `RowBook` would, of a source that begins anew; its guards speak too.

    That of shared addresses knows only those of one chunk: enough for a column that holds one value for everyone.
    """

    keeps = False

    def __init__(
        self,
        store: Store,
        source: SourceEntry,
        read: Callable[[RawMessage], Reading],
        guards: Guards,
        *,
        again: bool = False,
    ) -> None:
        self._again = again
        self._store, self._source, self._guards = store, source, guards
        self._people = People(read)
        self._known = Known(store.keyring, source, self._people.states, self._people.dated)
        self._before: int | None = None
        self._seen = 0

    def cursor(self) -> str | None:
        """Where the last extract that was finished ended; nowhere, where everything is read again."""
        if self._again:
            return None
        with self._store.read() as unit:
            last = extracts.finished(unit, self._source.id)
        return None if last is None else last.cursor

    def open(self) -> None:
        """Nothing is gone on with."""

    def begin(
        self, mode: ExtractMode, *, cursor: str = "", expected: int | None = None, baseline: bool | None = None
    ) -> ExtractState:
        """As the port says, of nothing that is kept. Raises GuardError."""
        with self._store.read() as unit:
            first = extracts.first(unit, self._source.id)
            last = extracts.snapshot(unit, self._source.id) if mode is ExtractMode.SNAPSHOT else None
            known = extracts.known(unit, self._source.id)
        before = None if last is None else last.counts.get(ROWS, 0)
        self._before = before if mode is ExtractMode.SNAPSHOT else known
        if expected is not None:
            self._size(expected, whole=mode is ExtractMode.SNAPSHOT)
        counts = {KNOWN: known, **({} if before is None else {BEFORE: before})}
        return ExtractState(
            id=0, mode=mode, baseline=first if baseline is None else baseline, cursor=cursor, counts=counts
        )

    def take(self, extract: ExtractState, chunk: Sequence[Row], cursor: str) -> ExtractState:
        """What each row would come to. Raises GuardError."""
        with self._store.read() as unit:
            found = self._known.sort(unit, chunk, unit.now, again=self._again)
            told = [one.message for one in found.offered if not one.gone]
            states, sharing = self._people.seen(unit, told)
            found.counts.update(WORDS[state] for state in states)
        self._guards.alike(sharing, believed=frozenset())
        self._seen += len(found.same) + sum(one.known for one in found.offered)
        more = {**found.counts, ROWS: len(chunk), ENTERED: _entered(found)}
        moved = counted(extract, more, cursor)
        whole = extract.mode is ExtractMode.SNAPSHOT
        self._size(moved.counts.get(ROWS if whole else ENTERED, 0), whole=False)
        return moved

    def finish(self, extract: ExtractState, *, rows: int | None = None) -> ExtractState:  # noqa: ARG002
        """Who would leave. Raises GuardError."""
        if extract.mode is not ExtractMode.SNAPSHOT:
            return extract
        known = extract.counts.get(KNOWN, 0)
        self._size(extract.counts.get(ROWS, 0), whole=True)
        left = max(known - self._seen, 0)
        self._guards.leaving(left + extract.counts.get(GONE, 0), known, believed=frozenset())
        return counted(extract, {LEFT: left})

    def give_up(self, extract: ExtractState, reason: str) -> None:
        """There is nothing to end."""

    def _size(self, rows: int, *, whole: bool) -> None:
        self._guards.sized(rows, self._before, whole=whole, believed=frozenset())


def _entered(found: Sorted) -> int:
    return sum(not one.known for one in found.offered)
