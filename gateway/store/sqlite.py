"""SQLite: one writer at a time, and a commit that returned survives power loss (WAL with synchronous=FULL)."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.model.errors import Conflict, StoreError, StoreUnavailable
from gateway.store.session import LeaseLost
from gateway.store.statement import (
    CHUNK,
    TOGETHER,
    DialectName,
    Row,
    Rows,
    Statement,
    delete_text,
    insert_text,
    lookup_text,
    update_text,
)

BUSY_SECONDS = 10.0
"""How long a unit waits for another process's write lock before it gives up (StoreUnavailable)."""

PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # NORMAL may lose an acknowledged message at power loss (law 1)
    "PRAGMA fullfsync=ON",  # macOS: fsync alone stops at the drive's cache
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA temp_store=MEMORY",  # nothing sealed or keyed spills into a temporary file
    "PRAGMA wal_autocheckpoint=0",  # a committing unit never pays for a checkpoint: `checkpoint.py` does
)

_UNIQUE = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID}
_TRANSIENT = {
    sqlite3.SQLITE_BUSY: "the database is locked by another process",
    sqlite3.SQLITE_LOCKED: "the database is locked by another process",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk reports an input/output error",
    sqlite3.SQLITE_READONLY: "the database is read-only",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened",
    sqlite3.SQLITE_PROTOCOL: "the database is locked by another process",
    sqlite3.SQLITE_NOMEM: "the database is out of memory",
}
_RUINED = {
    sqlite3.SQLITE_NOTADB: "the database file is no SQLite database: check `database` in caregate.yaml, or restore the file from its backup",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged: stop the gateway, keep a copy of it, and restore the backup",
}
_COLUMN = re.compile(r"\b[a-z_]+\.[a-z_]+\b")


def translated(error: sqlite3.Error) -> StoreError:
    """The error to raise instead: names the condition and at most a column, never a value."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return StoreError(f"the database refused a statement ({type(error).__name__})")
    place = ", ".join(_COLUMN.findall(str(error)))
    if code in _UNIQUE:
        return Conflict(f"a unique key was taken meanwhile: {place}")
    if (code & 0xFF) in _TRANSIENT:
        return StoreUnavailable(_TRANSIENT[code & 0xFF])
    if (code & 0xFF) in _RUINED:
        return StoreError(_RUINED[code & 0xFF])
    return StoreError(f"the database refused a statement: {error.sqlite_errorname} {place}".rstrip())


def connect(path: Path, *, cached: int = 512) -> sqlite3.Connection:
    """A connection in autocommit (transactions are begun by hand). StoreUnavailable when it cannot be opened."""
    try:
        link = sqlite3.connect(
            f"file:{_quoted(path)}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,  # close() may come from another thread; use does not
            cached_statements=cached,
        )
    except sqlite3.Error as error:
        raise translated(error) from None
    try:
        for pragma in PRAGMAS:
            link.execute(pragma)
    except sqlite3.Error as error:
        link.close()
        raise translated(error) from None
    return link


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path))


def make_file(path: Path) -> None:
    """Create an empty database file that only its owner can read; the WAL inherits the mode. Raises StoreUnavailable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError:
        raise StoreUnavailable(f"the database file {path} cannot be created") from None
    restrict(path)


def restrict(path: Path) -> None:
    """Take the file away from group and others, where the file system allows it."""
    with suppress(OSError):  # a read-only medium: reading still works, writing says so itself
        path.chmod(0o600)


class SqliteSession:
    """One connection of one thread; writers share the process-wide lock, so that they never meet as SQLITE_BUSY."""

    def __init__(self, link: sqlite3.Connection, writer: threading.Lock) -> None:
        self._link = link
        self._cursor = link.cursor()
        self._writer = writer
        self._writing = False

    def begin(self, *, write: bool) -> None:
        """BEGIN IMMEDIATE behind the writer lock, or BEGIN for a snapshot."""
        if write and not self._writer.acquire(timeout=BUSY_SECONDS):
            raise StoreUnavailable("the database is locked by another unit of work")
        self._writing = write
        try:
            self._cursor.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        except sqlite3.Error as error:
            self._release()
            raise translated(error) from None

    def commit(self) -> None:
        """COMMIT: the WAL is synced when this returns."""
        try:
            self._cursor.execute("COMMIT")
        except sqlite3.Error as error:
            self.rollback()
            raise translated(error) from None
        self._release()

    def rollback(self) -> None:
        """Undo; SQLite itself may have done so already (disk full)."""
        try:
            if self._link.in_transaction:
                self._cursor.execute("ROLLBACK")
        except sqlite3.Error:
            self._link.close()  # closing undoes; the next unit of this thread opens a fresh one
        finally:
            self._release()

    def _release(self) -> None:
        if self._writing:
            self._writing = False
            self._writer.release()

    @property
    def usable(self) -> bool:
        """Whether the connection is still open."""
        try:
            return self._link.in_transaction is not None
        except sqlite3.ProgrammingError:
            return False

    def all(self, statement: Statement, params: Row) -> list[Row]:
        """The rows of a query."""
        found = statement.on("sqlite")
        try:
            rows: list[Row] = self._cursor.execute(
                found.text, params if found.arrange is None else found.arrange(params)
            ).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from None
        return rows

    def run(self, statement: Statement, params: Row) -> int:
        """Run a change; returns how many rows it touched."""
        found = statement.on("sqlite")
        try:
            self._cursor.execute(found.text, params if found.arrange is None else found.arrange(params))
        except sqlite3.Error as error:
            raise translated(error) from None
        return self._cursor.rowcount

    def lookup(
        self,
        table: Rows,
        columns: tuple[str, ...],
        key: str,
        values: Sequence[Any],
        *,
        lock: bool,  # noqa: ARG002 -- the write lock is wider
    ) -> list[Row]:
        """One statement a chunk, widths being powers of two; fewer steps also mean fewer turns for the interpreter lock."""
        execute = self._cursor.execute
        rows: list[Row] = []
        try:
            if len(values) == 1:  # as nearly always, at sending
                return execute(lookup_text("sqlite", table, columns, key, width=1), values).fetchall()
            wanted = list(dict.fromkeys(values))
            for at in range(0, len(wanted), CHUNK):
                chunk = wanted[at : at + CHUNK]
                width = 1 << (len(chunk) - 1).bit_length()
                chunk += chunk[-1:] * (width - len(chunk))
                rows += execute(lookup_text("sqlite", table, columns, key, width=width), chunk).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from None
        return rows

    def lock(self, table: sa.Table, key: str, values: Sequence[Any]) -> None:
        """The write lock is wider."""

    def insert(self, table: sa.Table, columns: tuple[str, ...], rows: Sequence[Row], *, missing: bool) -> None:
        """One statement for so many rows; fewer steps also mean fewer turns for the interpreter lock."""
        execute, whole = self._cursor.execute, len(rows) - len(rows) % TOGETHER
        try:
            for at in range(0, whole, TOGETHER):
                text = insert_text("sqlite", table, columns, missing=missing, height=TOGETHER)
                execute(text, [*chain.from_iterable(rows[at : at + TOGETHER])])
            if whole < len(rows):
                self._cursor.executemany(insert_text("sqlite", table, columns, missing=missing), rows[whole:])
        except sqlite3.Error as error:
            raise translated(error) from None

    def update(self, table: sa.Table, key: tuple[str, ...], columns: tuple[str, ...], rows: Sequence[Row]) -> int:
        """Executemany over one prepared statement."""
        try:
            self._cursor.executemany(update_text("sqlite", table, key, columns), rows)
        except sqlite3.Error as error:
            raise translated(error) from None
        return self._cursor.rowcount

    def delete(self, table: sa.Table, key: str, values: Sequence[Any]) -> int:
        """Executemany over one prepared statement."""
        try:
            self._cursor.executemany(delete_text("sqlite", table, key), [(value,) for value in values])
        except sqlite3.Error as error:
            raise translated(error) from None
        return self._cursor.rowcount

    def expect(self, statement: Statement, params: Row, value: int) -> None:
        """Checked at once: under the write lock nothing changes any more."""
        rows = self.all(statement, params)
        if not rows or rows[0][0] != value:
            raise LeaseLost

    def keep_out(self, writer: int) -> None:
        """The write lock is enough: nobody else writes before this transaction ends."""

    def claim(self, writer: int, *, wait: bool) -> bool:  # noqa: ARG002
        """The write lock is enough: nobody else writes before this transaction ends."""
        return True

    def among(self, what: str, *, alone: bool) -> None:
        """The write lock is enough: nobody else writes before this transaction ends."""

    def shred(self, on: bool) -> None:
        """Whether overwritten bytes are zeroed in the file (PRAGMA secure_delete) and the WAL is emptied afterwards."""
        try:
            self._cursor.execute(f"PRAGMA secure_delete={'ON' if on else 'OFF'}").fetchall()
            if not on:
                self._cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise translated(error) from None

    def close(self) -> None:
        """Close the connection; an open transaction is undone by that."""
        with suppress(sqlite3.Error):
            self._link.close()
        self._release()

    def __del__(self) -> None:
        self.close()


class _Threads(threading.local):
    """A thread's sessions; they close themselves when the thread has ended."""

    writing: SqliteSession | None = None
    reading: SqliteSession | None = None


class SqliteDatabase:
    """One file; thread-local connections; the process-wide writer lock."""

    dialect: DialectName = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer = threading.Lock()
        self._threads = _Threads()
        self._all: weakref.WeakSet[SqliteSession] = weakref.WeakSet()
        self._closed = False

    def session(self) -> SqliteSession:
        """The calling thread's writing session."""
        found = self._threads.writing
        if found is None or not found.usable:
            found = self._threads.writing = self._open()
        return found

    def reader(self) -> SqliteSession:
        """The calling thread's reading session: a long look does not share a connection with a unit of work."""
        found = self._threads.reading
        if found is None or not found.usable:
            found = self._threads.reading = self._open()
        return found

    def _open(self) -> SqliteSession:
        if self._closed:
            raise StoreError("the store is closed")
        session = SqliteSession(connect(self.path), self.writer)
        self._all.add(session)
        return session

    @contextmanager
    def shredding(self) -> Iterator[None]:
        """PRAGMA secure_delete for this thread's writing session, and an emptied WAL at the end."""
        self.session().shred(True)
        try:
            yield
        finally:
            self.session().shred(False)

    def close(self) -> None:
        """Close the sessions of all threads."""
        self._closed = True
        for session in tuple(self._all):
            session.close()
