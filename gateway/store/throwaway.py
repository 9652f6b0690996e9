"""A SQLite database that nobody else opens and that is thrown away: units are undone as ever, and nothing is made durable.

For replays, and for no database whose word anybody takes (law 1). Its one transaction is never committed, so units are
savepoints; audit rows are demanded as everywhere (law 2) and then dropped, for nobody reads them here.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from gateway.store import tables
from gateway.store.sqlite import SqliteSession, connect, translated
from gateway.store.statement import DialectName, Row, Statement

_DROPPED = frozenset({tables.audit.name, tables.audit_patient.name})
_OURS_ALONE = (
    "PRAGMA locking_mode=EXCLUSIVE",
    "PRAGMA journal_mode=MEMORY",
    "PRAGMA synchronous=OFF",
    "PRAGMA cache_size=-262144",  # KiB
    "BEGIN EXCLUSIVE",
)


class ThrowawaySession(SqliteSession):
    """The one session: a unit of work is a savepoint, and so is a look."""

    def __init__(self, link: sqlite3.Connection) -> None:
        super().__init__(link, threading.Lock())
        self._open = 0
        for text in _OURS_ALONE:
            self._do(text)

    def begin(self, *, write: bool) -> None:  # noqa: ARG002 -- what only reads is undone too
        """Open a savepoint."""
        self._do("SAVEPOINT unit")
        self._open += 1

    def commit(self) -> None:
        """Keep what was done since the savepoint."""
        self._do("RELEASE unit")
        self._open -= 1

    def rollback(self) -> None:
        """Undo what was done since the savepoint, if one is open."""
        if self._open:
            self._do("ROLLBACK TO unit")
            self.commit()

    def _do(self, text: str) -> None:
        try:
            self._cursor.execute(text).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from None

    def insert(self, table: sa.Table, columns: tuple[str, ...], rows: Sequence[Row], *, missing: bool) -> None:
        """As ever, but for audit rows."""
        if table.name not in _DROPPED:
            super().insert(table, columns, rows, missing=missing)

    def expect(self, statement: Statement, params: Row, value: int) -> None:
        """Nobody else is there who could have changed it."""


class ThrowawayDatabase:
    """The file at `path`, with the schema of this version, for one thread. Raises StoreUnavailable, StoreError."""

    dialect: DialectName = "sqlite"

    def __init__(self, path: Path) -> None:
        self._session = ThrowawaySession(connect(path))

    def session(self) -> ThrowawaySession:
        """The one session."""
        return self._session

    def reader(self) -> ThrowawaySession:
        """The one session."""
        return self._session

    @contextmanager
    def shredding(self) -> Iterator[None]:
        """Nothing is left to be shredded."""
        yield

    def close(self) -> None:
        """Forget everything that was done."""
        self._session.close()
