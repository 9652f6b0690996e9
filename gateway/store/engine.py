"""The one database behind one door: every change goes through `begin()`, every look through `read()`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from gateway.model.errors import StoreError, StoreUnavailable
from gateway.model.when import Millis
from gateway.ports import Clock
from gateway.store import keycheck, migrations
from gateway.store.ids import IdSource, Writer
from gateway.store.keyring import Keyring
from gateway.store.session import Database, Session
from gateway.store.statement import DialectName
from gateway.store.uow import Reader, UnitOfWork

T = TypeVar("T")


class Store:
    """An open database with its keyring, clock and writer lease. Thread-safe; a unit belongs to one thread."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock, *, holder: str) -> None:
        self.database = database
        self.dialect: DialectName = database.dialect
        self.keyring = keyring
        self.clock = clock
        self.holder = holder
        self.ids = IdSource(clock, holder)
        self.feed_keys: dict[str, Any] = {}  # today's raw keys, kept by `datakeys`
        self._inside = threading.local()
        self._leasing = threading.Lock()
        self._closers: list[Callable[[], None]] = []

    @classmethod
    def open(cls, url: str, keyring: Keyring, clock: Clock, *, holder: str) -> Store:
        """Open an existing database as `holder` (a name for people: host and process).

        SchemaError: not created yet, older or newer than this version; the text says what to do.
        KeyringError: the key file is not the one that sealed this database. StoreUnavailable: no connection.
        """
        migrations.check(url)
        return cls.on(database_for(url), keyring, clock, holder=holder)

    @classmethod
    def on(cls, database: Database, keyring: Keyring, clock: Clock, *, holder: str) -> Store:
        """The same on a database that has this version's schema. KeyringError, StoreUnavailable as `open`."""
        store = cls(database, keyring, clock, holder=holder)
        try:
            store.lease()
            keycheck.bind(store)
        except BaseException:
            store.close()
            raise
        store._start_threads()
        return store

    def _start_threads(self) -> None:
        from gateway.store.checkpoint import Checkpointer
        from gateway.store.sqlite import SqliteDatabase

        if isinstance(self.database, SqliteDatabase):
            self._closers.append(Checkpointer(self.database).stop)

    def begin(self, actor: str) -> UnitOfWork:
        """A unit of work in `actor`'s name, for a `with` block; undone unless its commit() is called."""
        return UnitOfWork(self, self.database.session(), actor)

    def read(self) -> Reader:
        """A read-only snapshot, for a `with` block."""
        return Reader(self, self.database.reader())

    def lease(self) -> None:
        """Take a writer lease in a transaction of its own, with the keys in their present state.

        StoreUnavailable: none is free. KeyringError: the key file does not fit, or was rotated elsewhere.
        """
        with self._leasing:
            if self.ids.writer is None:
                self._foresee()
                now = self.clock.now()
                self.ids.become(*self._transact(lambda session: self._take(session, now)), now)

    def _foresee(self) -> None:
        """After a rotation elsewhere a root must be asked, over a network maybe: before the transaction, not inside it."""
        if self.keyring.root is not None:
            with self.read() as reader:
                keycheck.follow(reader.session, self.keyring)

    def _take(self, session: Session, now: Millis) -> tuple[Writer, int]:
        """First the lease, which waits for a rotation to end, then the keys as that left them."""
        taken = self.ids.take(session, now)
        keycheck.follow(session, self.keyring)
        return taken

    def _transact(self, change: Callable[[Session], T]) -> T:
        session = self.database.session()
        try:
            session.begin(write=True)
            result = change(session)
            session.commit()
        except BaseException:
            session.rollback()
            raise
        return result

    def occupy(self) -> None:
        """Mark this thread as inside a unit of work; StoreError when it already is (no nested transactions)."""
        if getattr(self._inside, "unit", False):
            raise StoreError("a unit of work is already open in this thread; they do not nest")
        self._inside.unit = True

    def vacate(self) -> None:
        """Mark this thread as outside any unit of work."""
        self._inside.unit = False

    def close(self) -> None:
        """Give the writer number back, stop the threads, close the connections of all threads."""
        for stop in self._closers:
            stop()
        self._closers.clear()
        if self.ids.writer is not None:
            with suppress(StoreError):  # the lease then runs out by itself
                self._transact(self.ids.release)
            self.ids.writer = None
        self.database.close()


def parsed(url: str) -> URL:
    """The parts of a database URL; StoreError (without the URL: it may hold a password) when it has none."""
    try:
        return make_url(url)
    except ArgumentError:
        raise StoreError("the database URL cannot be read; write sqlite:///path or postgresql://host/name") from None


def sqlite_path(url: URL) -> Path:
    """The file of a SQLite URL; StoreError for an in-memory one, which could not keep an acknowledged message."""
    if not url.database or url.database == ":memory:":
        raise StoreError("SQLite needs a file: write sqlite:///path")
    return Path(url.database)


def database_for(url: str) -> Database:
    """The driver a URL asks for. StoreError: an unknown kind; StoreUnavailable: the driver is not installed."""
    parts = parsed(url)
    if parts.get_backend_name() == "sqlite":
        from gateway.store.sqlite import SqliteDatabase, restrict

        path = sqlite_path(parts)
        restrict(path)
        return SqliteDatabase(path)
    if parts.get_backend_name() != "postgresql":
        raise StoreError("the database must be sqlite:///path or postgresql://host/name")
    try:
        from gateway.store.postgres import PostgresDatabase
    except ImportError:
        raise StoreUnavailable("PostgreSQL needs the extra: install caregate[postgres]") from None
    return PostgresDatabase(parts)
