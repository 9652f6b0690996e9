"""PostgreSQL's wire in pipeline mode: statements queue up and travel together, and one wait answers them all.

libpq (through psycopg's public `pq` and `adapt` layers) prepares each text once per connection. After an
error the server skips everything up to the next sync, so nothing queued behind a failure can take effect.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

from gateway.model.errors import Conflict, StoreError, StoreUnavailable
from gateway.store.statement import Row

PATIENCE_SECONDS = 60.0
"""Longer than the server's statement_timeout: silence beyond it means the connection is gone."""

Check = Callable[[list[Row]], None]

_OK = {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}
_UNAVAILABLE_CLASSES = {
    "08": "the connection to the database was lost",
    "40": "the database chose another transaction first",
    "53": "the database server is out of a resource",
    "57": "the database server is stopping or cancelled the statement",
    "58": "the database server reports a system error",
}
_UNAVAILABLE = {
    "53100": "the disk is full",
    "25006": "the database is read-only",
    "55P03": "the database is locked by another transaction",
    "57014": "the database took too long",
    "25P03": "the connection to the database was lost",
    "25P04": "the database took too long",
}
_STALE = {"0A000", "26000", "42P05"}  # a plan or statement name from before a migration or a pooler's reset


class Lost(StoreUnavailable):
    """The connection is gone."""

    def __init__(self, why: str = "the connection to the database was lost") -> None:
        super().__init__(why)


def classified(sqlstate: str | None, constraint: str | None = None, table: str | None = None) -> StoreError:
    """The error to raise for an SQLSTATE: names the condition, a table and a constraint, never a value."""
    if not sqlstate:
        return Lost()
    place = ".".join(part for part in (table, constraint) if part)
    if sqlstate == "23505":
        return Conflict(f"a unique key was taken meanwhile: {place}")
    if sqlstate in _STALE:
        return Lost("the database's statements have changed")
    text = _UNAVAILABLE.get(sqlstate) or _UNAVAILABLE_CLASSES.get(sqlstate[:2])
    if text is not None:
        return StoreUnavailable(text)
    return StoreError(f"the database refused a statement: {sqlstate} {place}".rstrip())


class Wire:
    """One connection, always in pipeline mode."""

    def __init__(self, link: psycopg.Connection[Any]) -> None:
        self._link = link
        self._pg = link.pgconn
        self._rows = Transformer(link)
        self._names: dict[str, bytes] = {}
        self._fresh: list[str] = []
        self._made = 0
        self._waiting: deque[Check | None] = deque()
        self._syncs = 0
        self.unchecked = False
        self._poll = select.poll()
        self._poll.register(self._pg.socket, select.POLLIN)
        self._pg.enter_pipeline_mode()

    @property
    def usable(self) -> bool:
        """Whether the connection is alive, as far as we know."""
        return bool(self._pg.status == ConnStatus.OK)

    @property
    def idle(self) -> bool:
        """Whether no transaction is open, as far as we know."""
        return bool(self._pg.transaction_status == TransactionStatus.IDLE)

    def send(self, text: str, params: Row = (), check: Check | None = None) -> None:
        """Queue one statement; `check` sees its rows when they arrive and raises if they are not as they should be."""
        name = self._names.get(text)
        try:
            if name is None:
                name = self._prepare(text)
            values, formats = _encoded(params)
            self._pg.send_query_prepared(name, values, formats, 1)
        except psycopg.Error:
            raise self._lost() from None
        self._waiting.append(check)
        self.unchecked = self.unchecked or check is not None

    def _prepare(self, text: str) -> bytes:
        self._made += 1
        name = b"c%d" % self._made
        self._pg.send_prepare(name, text.encode())
        self._waiting.append(None)
        self._names[text] = name
        self._fresh.append(text)
        return name

    def receive(self) -> pq.abc.PGresult:
        """Wait for everything queued; the last result. Raises what the first failure was."""
        try:
            self._pg.send_flush_request()
            return self._collect()
        except psycopg.Error:
            raise self._lost() from None

    def fetch(self, text: str, params: Row = ()) -> list[Row]:
        """Queue a query and wait for its rows."""
        self.send(text, params)
        return self.rows(self.receive())

    def rows(self, result: pq.abc.PGresult) -> list[Row]:
        """The rows of a result."""
        self._rows.set_pgresult(result)
        return self._rows.load_rows(0, result.ntuples, tuple)

    def finish(self, text: str) -> None:
        """Queue the last statement of a transaction and wait until the server has done it; it must say so."""
        self.send(text)
        try:
            self._send_sync()
            result = self._collect()
            self._read_syncs()
        except psycopg.Error:
            raise self._lost() from None
        if result.command_status != text.encode():  # a failed transaction answers COMMIT with ROLLBACK
            raise StoreError("the database did not commit")

    def abandon(self) -> None:
        """Undo whatever is open and forget what was queued; the connection is closed when even that fails."""
        try:
            self._send_sync()
            self._skip()
            if not self.idle:
                self.send("ROLLBACK")
                self._send_sync()
                self._skip()
        except (psycopg.Error, StoreError):
            self.close()

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    # -- reading

    def _collect(self) -> pq.abc.PGresult:
        result: pq.abc.PGresult | None = None
        while self._waiting:
            result = self._next()
            check = self._waiting.popleft()
            if result.status not in _OK:
                raise self._failed(result)
            if check is not None:
                check(self.rows(result))
        self._fresh.clear()
        self.unchecked = False
        assert result is not None, "something was queued"
        return result

    def _next(self) -> pq.abc.PGresult:
        """The next result; each command's results end with an empty one."""
        pg = self._pg
        while True:
            self._wait()
            result = pg.get_result()
            if result is not None:
                return result

    def _send_sync(self) -> None:
        self._pg.pipeline_sync()
        self._syncs += 1

    def _read_syncs(self) -> None:
        while self._syncs:
            if self._next().status == ExecStatus.PIPELINE_SYNC:
                self._syncs -= 1

    def _skip(self) -> None:
        """Read past everything queued, up to the last sync; what was prepared meanwhile may not exist."""
        self._read_syncs()
        self._waiting.clear()
        self.unchecked = False
        for text in self._fresh:
            self._names.pop(text, None)
        self._fresh.clear()

    def _wait(self) -> None:
        pg = self._pg
        while pg.flush():
            self._poll.modify(pg.socket, select.POLLIN | select.POLLOUT)
            self._pause()
            self._poll.modify(pg.socket, select.POLLIN)
        while pg.is_busy():
            self._pause()

    def _pause(self) -> None:
        events = self._poll.poll(PATIENCE_SECONDS * 1000)
        if not events:
            raise self._lost()
        if events[0][1] & ~select.POLLOUT:
            self._pg.consume_input()

    def _failed(self, result: pq.abc.PGresult) -> StoreError:
        error = classified(*(_field(result, field) for field in _FIELDS))
        if isinstance(error, Lost):
            self.close()
        return error

    def _lost(self) -> Lost:
        self.close()
        return Lost()


_FIELDS = (pq.DiagnosticField.SQLSTATE, pq.DiagnosticField.CONSTRAINT_NAME, pq.DiagnosticField.TABLE_NAME)


def _field(result: pq.abc.PGresult, field: pq.DiagnosticField) -> str | None:
    value = result.error_field(field)
    return None if value is None else value.decode("ascii", "replace")


def _encoded(params: Row) -> tuple[list[bytes | None], list[int]]:
    """Integers and texts as text (the server knows the type), bytes and packed arrays as they are."""
    values: list[bytes | None] = []
    formats: list[int] = []
    for value in params:
        if isinstance(value, bytes):
            values.append(value)
            formats.append(1)
            continue
        formats.append(0)
        if value is None:
            values.append(None)
        elif isinstance(value, int):
            values.append(b"%d" % value)
        else:
            values.append(value.encode())
    return values, formats
