"""PostgreSQL: READ COMMITTED with explicit row locks; a commit that returned is on disk (synchronous_commit)."""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any
from zlib import crc32

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import URL

from gateway.model.errors import StoreError
from gateway.store.packed import Packer, packer
from gateway.store.session import LeaseLost
from gateway.store.statement import (
    DialectName,
    Row,
    Rows,
    Statement,
    delete_text,
    insert_text,
    lookup_text,
    update_text,
)
from gateway.store.wire import Lost, Wire, classified

KEEPALIVE: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms: an unplugged server is noticed before the lease runs out
}
SETTINGS = {
    "application_name": "caregate",
    "TimeZone": "UTC",
    "client_min_messages": "error",
    "lock_timeout": "5s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
    "synchronous_commit": "on",  # off would acknowledge what a crash can take back (law 1)
    "jit": "off",
    # every hot statement goes by key; a plan made while the tables were empty must not scan them when full
    "enable_seqscan": "off",
}

_SPACE = 51822
"""First half of our advisory locks; the second is a writer number, or -1 for all."""
CLAIM_ALL = f"SELECT pg_advisory_xact_lock({_SPACE}, -1)"
_KEEP_OUT = f"SELECT pg_advisory_xact_lock_shared({_SPACE}, $1::int4)"
_CLAIM = f"SELECT pg_advisory_xact_lock({_SPACE}, $1::int4)"
_TRY_CLAIM = f"SELECT pg_try_advisory_xact_lock({_SPACE}, $1::int4)"
_NAMED = 51823
"""First half of the locks of what has a name."""
_ALONE = f"SELECT pg_advisory_xact_lock({_NAMED}, $1::int4)"
_AMONG = f"SELECT pg_advisory_xact_lock_shared({_NAMED}, $1::int4)"
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def translated(error: BaseException) -> StoreError:
    """The error to raise instead of psycopg's, which quotes values."""
    if isinstance(error, psycopg.Error):
        return classified(error.sqlstate, error.diag.constraint_name, error.diag.table_name)
    return StoreError(f"the database refused a statement ({type(error).__name__})")


_NO_DATABASE = re.compile(r'FATAL:\s+database ".*" does not exist')
_REFUSED = re.compile(r'FATAL:\s+(password authentication failed|role ".*" does not exist|no pg_hba\.conf entry)')


def connect(parts: URL) -> psycopg.Connection[Any]:
    """A connection with our settings. StoreUnavailable: no answer; StoreError: the server refuses us."""
    conninfo = parts.set(drivername="postgresql").render_as_string(hide_password=False)
    options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
    place = f"{parts.host or 'local socket'}/{parts.database or ''}"
    try:
        link = psycopg.connect(conninfo, autocommit=True, options=options, **KEEPALIVE)
    except psycopg.OperationalError as error:
        said = str(error)  # libpq tells no SQLSTATE of a connection that failed; its words are looked at, never shown
        if (error.sqlstate or "").startswith("28") or _REFUSED.search(said):
            raise StoreError(f"PostgreSQL at {place} refuses the log-in") from None
        if error.sqlstate == "3D000" or _NO_DATABASE.search(said):
            raise StoreError(f"PostgreSQL at {place}: there is no such database; create it first") from None
        raise Lost(f"no connection to PostgreSQL at {place}") from None
    except psycopg.Error:
        raise StoreError("the database URL cannot be used; write postgresql://user@host/name") from None
    return link


@cache
def _packers(table: Rows, columns: tuple[str, ...]) -> tuple[Packer, ...]:
    return tuple(packer(table.c[name].type) for name in columns)


def _packed(table: sa.Table, columns: tuple[str, ...], rows: Sequence[Row]) -> Row:
    """One array a column."""
    return tuple(pack(values) for pack, values in zip(_packers(table, columns), zip(*rows, strict=True), strict=True))


class PostgresSession:
    """One connection of one thread. Inserts are queued: their conflicts show with the next wait, commit at the latest."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.active = False

    @property
    def usable(self) -> bool:
        """Whether the connection is still open."""
        return self._wire.usable

    def begin(self, *, write: bool) -> None:
        """Queue BEGIN; a reader sees one snapshot (REPEATABLE READ) and may scan."""
        self.active = True
        self._wire.send("BEGIN" if write else _READ)
        if not write:
            self._wire.send("SET LOCAL enable_seqscan = on")

    def commit(self) -> None:
        """COMMIT, after the writer lease was seen to be ours."""
        if self._wire.unchecked:
            self._wire.receive()
        self._wire.finish("COMMIT")
        self.active = False

    def rollback(self) -> None:
        """Undo; also ends a reader."""
        if self.active:
            self._wire.abandon()
            self.active = False

    def all(self, statement: Statement, params: Row) -> list[Row]:
        """The rows of a query."""
        found = statement.on("postgresql")
        return self._wire.fetch(found.text, params if found.arrange is None else found.arrange(params))

    def run(self, statement: Statement, params: Row) -> int:
        """Run a change; returns how many rows it touched."""
        found = statement.on("postgresql")
        return self._change(found.text, params if found.arrange is None else found.arrange(params))

    def _change(self, text: str, params: Row) -> int:
        self._wire.send(text, params)
        return self._wire.receive().command_tuples or 0

    def lookup(
        self, table: Rows, columns: tuple[str, ...], key: str, values: Sequence[Any], *, lock: bool
    ) -> list[Row]:
        """One query over one packed array."""
        (pack,) = _packers(table, (key,))
        return self._wire.fetch(lookup_text("postgresql", table, columns, key, lock=lock), (pack(values),))

    def lock(self, table: sa.Table, key: str, values: Sequence[Any]) -> None:
        """SELECT … FOR UPDATE."""
        self.lookup(table, (key,), key, values, lock=True)

    def insert(self, table: sa.Table, columns: tuple[str, ...], rows: Sequence[Row], *, missing: bool) -> None:
        """INSERT … SELECT FROM unnest(one array a column), queued."""
        self._wire.send(insert_text("postgresql", table, columns, missing=missing), _packed(table, columns, rows))

    def update(self, table: sa.Table, key: tuple[str, ...], columns: tuple[str, ...], rows: Sequence[Row]) -> int:
        """UPDATE … FROM unnest(one array a column)."""
        text = update_text("postgresql", table, key, columns)
        return self._change(text, _packed(table, columns + key, rows))

    def delete(self, table: sa.Table, key: str, values: Sequence[Any]) -> int:
        """One statement over one packed array."""
        (pack,) = _packers(table, (key,))
        return self._change(delete_text("postgresql", table, key), (pack(values),))

    def expect(self, statement: Statement, params: Row, value: int) -> None:
        """Queued; seen with the next wait, before commit at the latest."""

        def check(rows: list[Row]) -> None:
            if not rows or rows[0][0] != value:
                raise LeaseLost

        found = statement.on("postgresql")
        self._wire.send(found.text, params if found.arrange is None else found.arrange(params), check)

    def keep_out(self, writer: int) -> None:
        """A shared advisory lock up to the end of this transaction, taken before the lease row is read."""
        self._wire.send(_KEEP_OUT, (writer,))

    def claim(self, writer: int, *, wait: bool) -> bool:
        """The exclusive advisory lock up to the end of this transaction."""
        rows = self._wire.fetch(_CLAIM if wait else _TRY_CLAIM, (writer,))
        return wait or bool(rows[0][0])

    def among(self, what: str, *, alone: bool) -> None:
        """An advisory lock, exclusive or shared, under a number made of the name: two names with one number wait in vain, no more."""
        self._wire.send(_ALONE if alone else _AMONG, (crc32(what.encode()) - (1 << 31),))

    def close(self) -> None:
        """Close the connection; the server undoes what is open."""
        self.active = False
        with suppress(psycopg.Error):
            self._wire.close()

    def __del__(self) -> None:
        self.close()


class _Threads(threading.local):
    """A thread's sessions; they close themselves when the thread has ended."""

    first: PostgresSession | None = None
    second: PostgresSession | None = None


class PostgresDatabase:
    """One server database; thread-local connections, reconnected when lost."""

    dialect: DialectName = "postgresql"

    def __init__(self, parts: URL) -> None:
        self._parts = parts
        self._threads = _Threads()
        self._all: weakref.WeakSet[PostgresSession] = weakref.WeakSet()
        self._closed = False

    def session(self) -> PostgresSession:
        """The calling thread's session, or a second one while the first is in use (a reader around a unit, or inside).

        A lost connection is replaced here, never inside a unit.
        """
        first = self._threads.first
        if first is None or not first.usable:
            first = self._threads.first = self._open()
        if not first.active:
            return first
        second = self._threads.second
        if second is None or not second.usable:
            second = self._threads.second = self._open()
        return second

    reader = session

    def _open(self) -> PostgresSession:
        if self._closed:
            raise StoreError("the store is closed")
        session = PostgresSession(Wire(connect(self._parts)))
        self._all.add(session)
        return session

    def revision(self) -> str | None:
        """The schema's revision; None when there are no tables yet."""
        with connect(self._parts) as link:
            found = link.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
            if found is None or not found[0]:
                return None
            row = link.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])

    @contextmanager
    def shredding(self) -> Iterator[None]:
        """Afterwards the table of keys is vacuumed, so that no page still holds an old one."""
        yield
        with (
            suppress(psycopg.Error, StoreError),
            connect(self._parts) as link,
        ):  # a reader may hold it; the next run does
            link.execute("VACUUM data_key")

    def close(self) -> None:
        """Close the sessions of all threads."""
        self._closed = True
        for session in list(self._all):
            session.close()
