"""Where a source of rows puts them (`ports.Rows`): what was answered is on disk, and what was not is told again without harm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway import telemetry
from gateway.model.errors import GuardError, StoreUnavailable
from gateway.model.event import Outcome, RawMessage, Reading, Result
from gateway.pipeline import brakes
from gateway.pipeline.extracting import extracts, known, leaving, moving
from gateway.pipeline.extracting.extracts import ENTERED, FINISHED, KNOWN, OPEN, ROWS, Extract
from gateway.pipeline.extracting.guards import Guards
from gateway.pipeline.extracting.known import Known
from gateway.pipeline.extracting.people import People
from gateway.pipeline.extracting.taking import Taking
from gateway.pipeline.receive import Receiver
from gateway.pipeline.site import SourceEntry
from gateway.ports import ExtractMode, ExtractState, Row
from gateway.store.engine import Store
from gateway.store.uow import UnitOfWork

_ACTOR = "extract"
PAGE = 500
"""Rows of one unit, where whoever was missing leaves."""


class RowBook:
    """A `ports.Rows` of one source. `read`: the reader of its rows under the rules in force, `meaning`: the digest of what it reads.

    `again`: everything is read from the beginning, and taken though it says nothing new.
    """

    keeps = True

    def __init__(
        self,
        store: Store,
        source: SourceEntry,
        receiver: Receiver,
        read: Callable[[RawMessage], Reading],
        guards: Guards,
        *,
        meaning: Callable[[], str] = str,
        again: bool = False,
    ) -> None:
        self._store, self._source, self._guards = store, source, guards
        self._meaning, self._again = meaning, again
        self._receiver = receiver
        people = People(read)
        self._known = Known(store.keyring, source, people.states, people.dated)

    def cursor(self) -> str | None:
        """As the port says."""
        if self._again:
            return None
        with self._store.read() as unit:
            last = extracts.finished(unit, self._source.id)
        return None if last is None else last.cursor

    def open(self) -> ExtractState | None:
        """As the port says; not of a backup that took the place of a lost database. Raises GuardError while it waits for a person."""
        with self._store.read() as unit:
            going = extracts.going(unit, self._source.id)
            restored = brakes.restored(unit)
        if going is None:
            return None
        going.guarded()
        return going.told if going.started > restored and (going.again or not self._again) else None

    def begin(
        self, mode: ExtractMode, *, cursor: str = "", expected: int | None = None, baseline: bool | None = None
    ) -> ExtractState:
        """As the port says. What a guard stops here is kept, so that a person can say that it is right."""
        with self._store.begin(_ACTOR) as uow:
            if (before := extracts.going(uow, self._source.id)) is not None:
                before.guarded()
                moving.give_up(uow, self._source, before, "another was begun")
            made = self._begin(uow, mode, cursor, expected, baseline)
            stopped = self._expected(made, expected)
            if stopped is not None:
                moving.stop(uow, self._source, made, stopped.guard)
            uow.commit()
        if stopped is not None:
            self._tell(stopped)
            raise stopped
        return made.told

    def _begin(
        self, uow: UnitOfWork, mode: ExtractMode, cursor: str, expected: int | None, baseline: bool | None
    ) -> Extract:
        """Beside it stands how many rows to expect: those of the last snapshot; of changes, how many there may be at all."""
        last = extracts.finished(uow, self._source.id)
        whole = extracts.snapshot(uow, self._source.id) if mode is ExtractMode.SNAPSHOT else None
        first = extracts.first(uow, self._source.id) if baseline is None else baseline
        before = None if whole is None else whole.counts.get(ROWS, 0)
        return moving.begin(
            uow,
            self._source,
            mode,
            cursor=cursor,
            expected=expected,
            baseline=first,
            before=before,
            meaning=self._meaning() if last is None or self._again else last.meaning,
            again=self._again,
        )

    def _expected(self, made: Extract, expected: int | None) -> GuardError | None:
        if expected is None:
            return None
        try:
            self._guards.sized(expected, made.before, whole=made.mode is ExtractMode.SNAPSHOT, believed=frozenset())
        except GuardError as error:
            return error
        return None

    def take(self, extract: ExtractState, chunk: Sequence[Row], cursor: str) -> ExtractState:
        """As the port says."""
        stored = self._standing(extract)
        if stored.told != extract:
            if stored.state == OPEN and stored.cursor == cursor:
                return stored.told  # it was committed, and nobody heard of it
            raise _elsewhere()
        try:
            return self._take(stored, chunk, cursor)
        except GuardError as error:
            self._stop(stored, error)
            raise

    def _take(self, stored: Extract, chunk: Sequence[Row], cursor: str) -> ExtractState:
        with self._store.read() as unit:
            whole = stored.id if stored.mode is ExtractMode.SNAPSHOT else None
            found = self._known.sort(unit, chunk, unit.now, again=stored.again, whole=whole)
        taking = Taking(self._source, self._guards, stored.believed, stored.told, cursor, len(chunk), found)
        self._sized(stored, taking)
        if not found.offered:
            self._in_one(taking.settle)
        else:
            self._offer([one.message for one in found.offered], stored.baseline, taking)
            if taking.alone:
                self._in_one(taking.settle)
        telemetry.count_rows(self._source.name, taking.became)
        return taking.moved

    def _sized(self, stored: Extract, taking: Taking) -> None:
        """Before any of a chunk is taken: of a snapshot all rows count, of changes those never seen before."""
        counts = stored.counts
        if stored.mode is ExtractMode.SNAPSHOT:
            rows = counts.get(ROWS, 0) + taking.rows
        else:
            rows = counts.get(ENTERED, 0) + sum(not one.known for one in taking.sorted.offered)
        self._guards.sized(rows, stored.before, whole=False, believed=stored.believed)

    def finish(self, extract: ExtractState, *, rows: int | None = None) -> ExtractState:
        """As the port says."""
        stored = self._standing(extract)
        if stored.state == FINISHED and stored.told == extract:
            return extract
        if stored.told != extract or stored.state != OPEN:
            raise _elsewhere()
        if stored.mode is ExtractMode.SNAPSHOT:
            try:
                self._whole(stored, rows)
            except GuardError as error:
                self._stop(stored, error)
                raise
            extract = self._leave(extract)
        with self._store.begin(_ACTOR) as uow:
            moving.finish(uow, self._source, extract)
            uow.commit()
        telemetry.log().info("extract.finished", source=self._source.name, count=extract.counts.get(ROWS, 0))
        return extract

    def _whole(self, stored: Extract, rows: int | None) -> None:
        """Raises GuardError when a table cannot have become what was read of it."""
        brought = stored.counts.get(ROWS, 0)
        self._guards.sized(max(brought, rows or 0), stored.before, whole=False, believed=stored.believed)
        self._guards.sized(brought, stored.before, whole=True, believed=stored.believed)
        with self._store.read() as unit:
            missed = known.missed(unit, self._source.id, stored.id)
        self._guards.leaving(missed, stored.counts.get(KNOWN, 0), believed=stored.believed)

    def _leave(self, extract: ExtractState) -> ExtractState:
        after = b""
        while True:
            with self._store.read() as unit:
                page = leaving.page(unit, self._known, self._source, extract, after, PAGE)
            if page is None:
                return extract
            if page.messages:
                self._offer(page.messages, extract.baseline, page)
            if not page.messages or page.alone:
                self._in_one(page.settle)
            extract, after = page.moved, page.last

    def give_up(self, extract: ExtractState, reason: str) -> None:
        """As the port says; nothing when it is over already."""
        with self._store.begin(_ACTOR) as uow:
            stored = extracts.of_id(uow, extract.id)
            if stored is not None and stored.state in (OPEN, extracts.STOPPED):
                moving.give_up(uow, self._source, stored, reason)
                uow.commit()

    def _standing(self, extract: ExtractState) -> Extract:
        with self._store.read() as unit:
            stored = extracts.of_id(unit, extract.id)
        if stored is None:
            raise _elsewhere()
        stored.guarded()
        return stored

    def _offer(self, messages: Sequence[RawMessage], baseline: bool, page: Taking | leaving.Leaving) -> list[Outcome]:
        """Raises StoreUnavailable when one could not be stored: the cursor stays, and all of them are told again."""
        outcomes = self._receiver.receive(messages, baseline=baseline, beside=page.beside)
        failed = sum(one.result is Result.FAILED for one in outcomes)
        if failed:
            raise StoreUnavailable(f"{failed} rows of a table could not be stored; they are read again")
        return outcomes

    def _in_one(self, write: Callable[[UnitOfWork], None]) -> None:
        with self._store.begin(_ACTOR) as uow:
            write(uow)
            uow.commit()

    def _stop(self, stored: Extract, error: GuardError) -> None:
        with self._store.begin(_ACTOR) as uow:
            moving.stop(uow, self._source, stored, error.guard)
            uow.commit()
        self._tell(error)

    def _tell(self, error: GuardError) -> None:
        telemetry.log().error("extract.stopped", source=self._source.name, reason=error.guard)


def _elsewhere() -> StoreUnavailable:
    return StoreUnavailable("the extract is over or went on elsewhere; open it again")
