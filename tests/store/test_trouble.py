"""When the database cannot: nothing is half done, the error says whether a retry helps, and life goes on after it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.model.errors import Conflict, StoreError, StoreUnavailable
from gateway.ports import SetClock
from gateway.store import postgres, sqlite, tables
from gateway.store.checkpoint import Checkpointer
from gateway.store.engine import Store
from gateway.store.keyring import Keyring
from gateway.store.migrations import migrate
from gateway.store.statement import Statement
from gateway.store.wire import Lost, classified
from tests.conftest import INSTANT
from tests.store.conftest import add_source, sources

PID = Statement("pid", sa.select(sa.func.pg_backend_pid()))


@pytest.fixture
def sqlite_store(tmp_path: Path, keyring: Keyring, clock: SetClock):  # type: ignore[no-untyped-def]
    """A store on SQLite."""
    url = f"sqlite:///{tmp_path}/own.db"
    migrate(url, clock=clock)
    store = Store.open(url, keyring, clock, holder="test")
    yield store
    store.close()


@pytest.fixture
def postgres_store(postgres_url: str, keyring: Keyring, clock: SetClock):  # type: ignore[no-untyped-def]
    """A store on PostgreSQL."""
    migrate(postgres_url, clock=clock)
    store = Store.open(postgres_url, keyring, clock, holder="test")
    yield store
    store.close()


def link_of(store: Store) -> sqlite3.Connection:
    """The thread's own SQLite connection."""
    link: sqlite3.Connection = store.database.session()._link  # type: ignore[attr-defined]
    return link


def test_a_full_disk_undoes_the_unit_and_is_retryable(sqlite_store: Store) -> None:
    """SQLITE_FULL; once there is room again the same thread goes on."""
    link = link_of(sqlite_store)
    (pages,) = link.execute("PRAGMA page_count").fetchone()
    link.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreUnavailable, match="disk is full"), sqlite_store.begin("test") as unit:
        unit.insert(tables.source, ("id", "name"), [(unit.new_id(), "canary" * 999 + str(at)) for at in range(99)])
        unit.audit([("x",)])
        unit.commit()
    link.execute("PRAGMA max_page_count=1000000")
    assert sources(sqlite_store) == 0
    add_source(sqlite_store, "adt")
    assert sources(sqlite_store) == 1


def test_a_disk_that_fills_up_at_commit_undoes_the_unit(sqlite_store: Store) -> None:
    """The last moment is not too late."""
    link = link_of(sqlite_store)
    (pages,) = link.execute("PRAGMA page_count").fetchone()
    with pytest.raises(StoreUnavailable, match="disk is full"), sqlite_store.begin("test") as unit:
        unit.insert(tables.source, ("id", "name"), [(unit.new_id(), "adt")])
        unit.audit([("x" * 9_999,)] * 99)  # written at commit
        link.execute(f"PRAGMA max_page_count={pages}")
        unit.commit()
    link.execute("PRAGMA max_page_count=1000000")
    assert sources(sqlite_store) == 0


def test_a_read_only_database_can_be_read_and_says_so_when_written(sqlite_store: Store, postgres_store: Store) -> None:
    """A failed-over replica, a remounted disk."""
    link_of(sqlite_store).execute("PRAGMA query_only=ON")
    name = postgres_store.read().session._wire._link.info.dbname  # type: ignore[attr-defined]
    add_source(postgres_store, "siu")
    execute(postgres_store, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    postgres_store.database.session().close()
    for store, known in ((sqlite_store, 0), (postgres_store, 1)):
        with pytest.raises(StoreUnavailable, match="read-only"):
            add_source(store, "adt")
        assert sources(store) == known


def execute(store: Store, text: str) -> None:
    """A statement of the database's owner, over a connection of its own."""
    with postgres.connect(store.database._parts) as link:  # type: ignore[attr-defined]
        link.execute(text.encode())


def test_a_lock_held_by_another_process_is_waited_for_only_so_long(
    tmp_path: Path, keyring: Keyring, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite: BEGIN IMMEDIATE gives up; nothing is written."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    url = f"sqlite:///{tmp_path}/own.db"
    migrate(url, clock=clock)
    store = Store.open(url, keyring, clock, holder="test")
    other = sqlite3.connect(tmp_path / "own.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked by another process"):
        add_source(store, "adt")
    other.execute("ROLLBACK")
    other.close()
    add_source(store, "adt")
    store.close()


def test_a_unit_of_another_thread_is_waited_for_only_so_long(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer lock of the process has the same patience."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    told: list[str] = []

    def late() -> None:
        try:
            add_source(sqlite_store, "siu")
        except StoreUnavailable as error:
            told.append(str(error))

    with sqlite_store.begin("test"):
        thread = threading.Thread(target=late)
        thread.start()
        thread.join()
    assert told == ["the database is locked by another unit of work"]


def test_a_row_locked_by_another_transaction_is_waited_for_only_so_long(
    postgres_url: str, keyring: Keyring, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL: lock_timeout."""
    monkeypatch.setitem(postgres.SETTINGS, "lock_timeout", "100ms")
    migrate(postgres_url, clock=clock)
    store = Store.open(postgres_url, keyring, clock, holder="test")
    number = add_source(store, "adt")
    with postgres.connect(store.database._parts) as other:  # type: ignore[attr-defined]
        other.autocommit = False
        other.execute("SELECT 1 FROM source FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="locked by another transaction"), store.begin("test") as unit:
            unit.lookup(tables.source, ("id",), "id", [number], lock=True)
        other.rollback()
    add_source(store, "siu")
    store.close()


def test_a_lost_connection_undoes_the_unit_and_the_next_one_reconnects(postgres_store: Store) -> None:
    """In the middle of a unit, and between two."""
    with pytest.raises(StoreUnavailable), postgres_store.begin("test") as unit:
        unit.insert(tables.source, ("id", "name"), [(unit.new_id(), "adt")])
        unit.audit([("x",)])
        (pid,) = unit.one(PID) or (0,)
        execute(postgres_store, f"SELECT pg_terminate_backend({pid})")
        time.sleep(0.1)
        unit.commit()
    assert sources(postgres_store) == 0
    with postgres_store.read() as reader:
        (pid,) = reader.one(PID) or (0,)
    execute(postgres_store, f"SELECT pg_terminate_backend({pid})")
    time.sleep(0.1)
    with pytest.raises(StoreUnavailable):
        add_source(postgres_store, "adt")
    add_source(postgres_store, "adt")
    assert sources(postgres_store) == 1


def test_a_failed_statement_leaves_the_connection_usable(postgres_store: Store) -> None:
    """Also what was prepared behind the failure is prepared again."""
    held = Statement("held", sa.select(tables.source.c.held).where(tables.source.c.name == sa.bindparam("n")), ("n",))
    add_source(postgres_store, "adt")
    with pytest.raises(Conflict), postgres_store.begin("test") as unit:
        unit.insert(tables.source, ("id", "name"), [(unit.new_id(), "adt")])
        unit.one(held, ("adt",))
    with postgres_store.begin("test") as unit:
        assert unit.one(held, ("adt",)) == (0,)
        assert unit.lookup(tables.source, ("held",), "name", ["adt"]) == [(0,)]


@pytest.mark.parametrize(
    ("sqlstate", "kind", "text"),
    [
        ("53100", StoreUnavailable, "disk is full"),
        ("25006", StoreUnavailable, "read-only"),
        ("40001", StoreUnavailable, "another transaction"),
        ("40P01", StoreUnavailable, "another transaction"),
        ("57014", StoreUnavailable, "too long"),
        ("57P01", StoreUnavailable, "stopping"),
        ("58030", StoreUnavailable, "system error"),
        ("08006", StoreUnavailable, "lost"),
        (None, Lost, "lost"),
        ("0A000", Lost, "statements have changed"),
        ("23505", Conflict, "raw.raw_pkey"),
        ("23502", StoreError, "23502 raw.raw_pkey"),
    ],
)
def test_postgresql_conditions_are_told_apart(sqlstate: str | None, kind: type[StoreError], text: str) -> None:
    """SQLSTATE classes (PostgreSQL, appendix A): which of them a retry may help."""
    error = classified(sqlstate, "raw_pkey", "raw")
    assert type(error) is kind
    assert text in str(error)


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (sqlite3.SQLITE_FULL, StoreUnavailable, "disk is full"),
        (sqlite3.SQLITE_IOERR_WRITE, StoreUnavailable, "input/output"),
        (sqlite3.SQLITE_READONLY_DBMOVED, StoreUnavailable, "read-only"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreUnavailable, "locked"),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, Conflict, "raw.id"),
        (sqlite3.SQLITE_CONSTRAINT_NOTNULL, StoreError, "raw.id"),
        (None, StoreError, "OperationalError"),
    ],
)
def test_sqlite_conditions_are_told_apart(code: int | None, kind: type[StoreError], text: str) -> None:
    """Result codes (sqlite.org/rescode.html): which of them a retry may help; values are not quoted."""
    error = sqlite3.OperationalError("something failed: raw.id near CANARY")
    if code is not None:
        error.sqlite_errorcode = code
        error.sqlite_errorname = "SQLITE_SOMETHING"
    made = sqlite.translated(error)
    assert type(made) is kind
    assert text in str(made)
    assert "CANARY" not in str(made)


def test_the_wal_stays_within_its_bound(tmp_path: Path, clock: SetClock, keyring: Keyring) -> None:
    """However much is written, also while nobody looks."""
    url = f"sqlite:///{tmp_path}/own.db"
    migrate(url, clock=clock)
    store = Store.open(url, keyring, clock, holder="test")
    bounded = Checkpointer(store.database, bound=200_000, pause=0.01)  # type: ignore[arg-type]
    for at in range(60):
        add_source(store, "x" * 20_000 + str(at))
    wal = tmp_path / "own.db-wal"
    deadline = time.monotonic() + 10
    while wal.stat().st_size > 200_000 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert wal.stat().st_size <= 200_000
    assert sources(store) == 60
    bounded.stop()
    store.close()


def test_a_commit_survives_the_process(tmp_path: Path, clock: SetClock, keyring: Keyring) -> None:
    """Law 1: killed right after the commit, without closing anything, the row is there."""
    import subprocess
    import sys

    url = f"sqlite:///{tmp_path}/own.db"
    migrate(url, clock=clock)
    child = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from gateway.ports import SetClock\n"
        "from gateway.store import tables\n"
        "from gateway.store.engine import Store\n"
        "from gateway.store.keyring import Keyring\n"
        f"store = Store.open(sys.argv[1], Keyring.load(Path(sys.argv[2])), SetClock({INSTANT}), holder='child')\n"
        "with store.begin('child') as unit:\n"
        "    unit.insert(tables.source, ('id', 'name'), [(unit.new_id(), 'adt')])\n"
        "    unit.audit([('x',)])\n"
        "    unit.commit()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", child, url, str(keyring.path)], check=False)
    assert done.returncode == -9
    store = Store.open(url, keyring, clock, holder="test")
    assert sources(store) == 1
    store.close()


def test_sessions_close_with_their_threads(open_store: Callable[..., Store]) -> None:
    """A thread that ended leaves no connection behind; a closed store opens no new one."""
    store = open_store()
    before = len(store.database._all)  # type: ignore[attr-defined]
    thread = threading.Thread(target=lambda: sources(store))
    thread.start()
    thread.join()
    assert len(store.database._all) == before  # type: ignore[attr-defined]
    store.close()
    told: list[str] = []

    def late() -> None:
        try:
            sources(store)
        except StoreError as error:
            told.append(str(error))

    thread = threading.Thread(target=late)
    thread.start()
    thread.join()
    assert told == ["the store is closed"]
