"""One unit of work is one transaction, and what it changes it audits, or it does not commit (laws 1 and 2)."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec
import sqlalchemy as sa

from gateway.model.errors import StoreError, UnauditedError
from gateway.model.when import Millis
from gateway.store import tables
from gateway.store.ids import Writer
from gateway.store.session import LeaseLost, Session
from gateway.store.statement import EXEMPT_TABLES, Row, Rows, Statement, is_exempt

if TYPE_CHECKING:
    from gateway.store.engine import Store

_AUDIT = ("id", "at", "actor", "ruleset", "request", "entries")
_LINK = ("patient", "audit")
_encode = msgspec.json.Encoder().encode


class _Over:
    """What a finished unit talks to: outside its transaction a statement would commit by itself, unaudited."""

    def __getattr__(self, name: str) -> Any:
        raise StoreError("this unit of work is over")


_OVER: Any = _Over()


class Reader:
    """One snapshot of the database, read-only. `now` is the clock, read once (ms UTC)."""

    def __init__(self, store: Store, session: Session) -> None:
        self.store = store
        self.now: Millis = store.clock.now()
        self._session = session

    def __enter__(self) -> Self:
        self._session.begin(write=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.rollback()
        self._session = _OVER

    @property
    def session(self) -> Session:
        """The driver's session, for leases and locks of the store itself."""
        return self._session

    def lookup(
        self, table: Rows, columns: tuple[str, ...], key: str, values: Sequence[Any], *, lock: bool = False
    ) -> list[Row]:
        """Rows whose `key` column is one of `values`, in no order; `lock` locks them in key order (PostgreSQL)."""
        return self._session.lookup(table, columns, key, values, lock=lock) if values else []

    def lock(self, table: sa.Table, key: str, values: Sequence[Any]) -> None:
        """Lock the rows whose `key` column is one of `values`, in key order, up to the end of the unit."""
        self._session.lock(table, key, values)

    def one(self, statement: Statement, params: Row = ()) -> Row | None:
        """The first row of a query, or None."""
        rows = self._session.all(statement, params)
        return rows[0] if rows else None

    def all(self, statement: Statement, params: Row = ()) -> list[Row]:
        """The rows of a query."""
        return self._session.all(statement, params)


class UnitOfWork(Reader):
    """One transaction; undone unless `commit()` was called inside its `with` block.

    `memo` is scratch space that lives as long as the unit. Every method may raise StoreUnavailable (nothing
    was committed, the same unit may be tried again; Conflict when a unique key was taken meanwhile) and
    StoreError. On PostgreSQL an insert's conflict may surface as late as commit.
    """

    def __init__(self, store: Store, session: Session, actor: str) -> None:
        super().__init__(store, session)
        self.actor = actor
        self.memo: dict[object, Any] = {}
        self._ids = store.ids
        self._writer: Writer | None = None
        self._ticket = 0
        self._unaudited: str | None = None
        self._rows: list[Row] = []
        self._links: list[Row] = []
        self._until: Millis | None = None
        self._published = False
        self._done = False

    def __enter__(self) -> Self:
        self.store.occupy()
        try:
            try:
                self._start()
            except LeaseLost:  # found before anything was done: take a new lease and begin again
                self._undo(lost=True)
                self.store.lease()
                self._start()
        except BaseException:
            self._undo()
            self.store.vacate()
            raise
        return self

    def _start(self) -> None:
        """Open the transaction and make sure of the writer lease, renewing it when that is due."""
        writer = self._writer = self._ids.writer
        if writer is None:
            raise LeaseLost
        self._ticket = self._ids.register()
        session, self._done = self._session, False
        session.begin(write=True)
        session.keep_out(writer.number)
        if self._ids.due(self.now):
            self._published = True
            self._until = self._ids.publish(session, writer, self.now)
            if self._until is None:
                raise LeaseLost
        else:
            self._ids.confirm(session, writer)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._done:
            self._undo(lost=isinstance(error, LeaseLost))
        self._session = _OVER
        self.store.vacate()

    def _undo(self, *, lost: bool = False) -> None:
        self._session.rollback()
        self._end(None)
        if lost and self._writer is not None:
            self._ids.lost(self._writer)

    def _end(self, until: Millis | None) -> None:
        self._done = True
        self._ids.forget(self._ticket)
        if self._published:
            self._ids.published(self.now, until)

    @property
    def writer(self) -> Writer:
        """The writer lease this unit runs under."""
        assert self._writer is not None, "it is set as long as the unit is open"
        return self._writer

    @property
    def wrote(self) -> bool:
        """Whether anything was changed or is to be audited: else there is nothing to commit."""
        return self._unaudited is not None or bool(self._rows)

    def new_id(self) -> int:
        """An id above every id this writer made before; belongs to this unit until it ends."""
        return self._ids.next(self.now)

    def run(self, statement: Statement, params: Row = ()) -> int:
        """Run a change; returns how many rows it touched."""
        if statement.audited:
            self._unaudited = statement.writes
        return self._session.run(statement, params)

    def among(self, what: str, *, alone: bool = False) -> None:
        """Keep whoever would be `alone` at `what` waiting until this unit ends; `alone`: keep everybody else at it waiting."""
        self._session.among(what, alone=alone)

    def insert(self, table: sa.Table, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        """Insert rows whose values are in the order of `columns`. Conflict: a unique key exists."""
        self._touch(table, columns, rows, missing=False)

    def insert_missing(self, table: sa.Table, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        """Insert those rows whose unique keys do not exist yet."""
        self._touch(table, columns, rows, missing=True)

    def _touch(self, table: sa.Table, columns: tuple[str, ...], rows: Sequence[Row], *, missing: bool) -> None:
        if rows:
            if table.name not in EXEMPT_TABLES:
                self._unaudited = table.name
            self._session.insert(table, columns, rows, missing=missing)

    def update(self, table: sa.Table, key: tuple[str, ...], columns: tuple[str, ...], rows: Sequence[Row]) -> int:
        """Update by key; each row holds the new values of `columns`, then the key. Returns how many were touched."""
        if not rows:
            return 0
        if not is_exempt(table.name, frozenset(columns)):
            self._unaudited = table.name
        return self._session.update(table, key, columns, rows)

    def delete(self, table: sa.Table, key: str, values: Sequence[Any]) -> int:
        """Delete the rows whose `key` column is one of `values`. Returns how many there were."""
        if not values:
            return 0
        if table.name not in EXEMPT_TABLES:
            self._unaudited = table.name
        return self._session.delete(table, key, values)

    def audit(
        self,
        entries: Sequence[tuple[Any, ...]],
        *,
        id: int | None = None,  # noqa: A002 -- it is the column
        patients: Sequence[int] = (),
        request: int | None = None,
        ruleset: int | None = None,
    ) -> int:
        """Add one audit row holding several entries (tokens, codes, keyed digests; never values); returns its id.

        The row is written at commit (45 CFR 164.312(b); AU-05: no bodies).
        """
        row = self.new_id() if id is None else id
        self._rows.append((row, self.now, self.actor, ruleset, request, _encode(entries).decode()))
        self._links.extend([(patient, row) for patient in dict.fromkeys(patients)])
        return row

    def commit(self) -> None:
        """Make it durable. UnauditedError: something audited was changed without an audit row; it is undone.

        StoreUnavailable: undone too, but for one case no database can exclude: the connection broke while the
        server was committing. So whoever repeats a unit looks first whether it is done already (D-02).
        """
        if self._done:
            raise StoreError("this unit of work is over")
        if self._unaudited is not None and not self._rows:
            self._undo()
            raise UnauditedError(f"table {self._unaudited} was changed without an audit row; nothing was committed")
        try:
            self._write_audit()
            self._session.commit()
        except BaseException as error:
            self._undo(lost=isinstance(error, LeaseLost))
            raise
        self._end(self._until)
        self._session = _OVER

    def _write_audit(self) -> None:
        if self._rows:
            self._session.insert(tables.audit, _AUDIT, self._rows, missing=False)
        if self._links:
            self._session.insert(tables.audit_patient, _LINK, self._links, missing=False)
