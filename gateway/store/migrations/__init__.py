"""The schema only goes forward, in one transaction and audited; a database of another version is not opened."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL

from gateway.model.errors import SchemaError, StoreError
from gateway.ports import Clock, SystemClock

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Every released schema, oldest first; the last is what this version needs. A shipped migration is never edited."""

_LOCK = 0x0CA6E
"""PostgreSQL advisory lock of migrations (two operators may type the same command)."""


def check(url: str) -> None:
    """Make sure the database has exactly this version's schema. SchemaError says what to do; StoreUnavailable."""
    verdict(_revision(url))


def verdict(revision: str | None) -> None:
    """Raise SchemaError unless `revision` (None: no schema at all) is the newest one known here."""
    if revision == REVISIONS[-1]:
        return
    if revision is None:
        raise SchemaError("the database has no tables yet; run `caregate migrate`")
    if revision in REVISIONS:
        raise SchemaError(
            f"the database has schema {revision}, this version needs {REVISIONS[-1]}; run `caregate migrate`"
        )
    raise SchemaError("this database was made by a newer version of caregate; install that version or a newer one")


def _revision(url: str) -> str | None:
    from gateway.store.engine import parsed, sqlite_path

    parts = parsed(url)
    if parts.get_backend_name() == "sqlite":
        return _sqlite_revision(sqlite_path(parts))
    from gateway.store.engine import database_for

    database: Any = database_for(url)
    with closing(database):
        revision: str | None = database.revision()
        return revision


def _sqlite_revision(path: Path) -> str | None:
    from gateway.store.sqlite import connect, translated

    if not path.exists():
        raise SchemaError(f"there is no database at {path} yet; run `caregate migrate`")
    with closing(connect(path, cached=4)) as link:
        try:
            row = link.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # no such table
                return None
            raise translated(error) from None
    return None if row is None else str(row[0])


def migrate(url: str, *, actor: str = "migrate", clock: Clock | None = None) -> str | None:
    """Create the database or bring it forward; returns the new revision, None when nothing was to do.

    Schema change and its audit row (schema.migrated, in `actor`'s name) are one transaction. SchemaError: it
    is newer than this version. StoreUnavailable, StoreError: the database refused.
    """
    from sqlalchemy.exc import DBAPIError

    from gateway.store.engine import parsed

    parts = parsed(url)
    if parts.get_backend_name() != "sqlite":
        _revision(url)  # a server that refuses says here, in our words, what to do
    engine = _engine(parts)
    try:
        with engine.begin() as connection:
            return _forward(connection, actor, clock or SystemClock())
    except DBAPIError as error:
        raise _translated(error) from None
    finally:
        engine.dispose()


def _translated(error: Any) -> StoreError:
    origin = error.orig
    if isinstance(origin, sqlite3.Error):
        from gateway.store.sqlite import translated

        return translated(origin)
    from gateway.store.postgres import translated as translated_postgres

    return translated_postgres(origin)


def _engine(parts: URL) -> Engine:
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    if parts.get_backend_name() != "sqlite":
        return create_engine(parts.set(drivername="postgresql+psycopg"), poolclass=NullPool, hide_parameters=True)
    from gateway.store.engine import sqlite_path
    from gateway.store.sqlite import connect, make_file

    path = sqlite_path(parts)
    make_file(path)
    engine = create_engine(
        "sqlite://", creator=lambda: connect(path, cached=16), poolclass=NullPool, hide_parameters=True
    )
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _forward(connection: Connection, actor: str, clock: Clock) -> str | None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    before = _before(connection)
    if before == REVISIONS[-1]:
        return None
    if before is None:
        _create(connection)
    elif before in REVISIONS:
        upgrade(connection)
    else:
        verdict(before)
    _audit(connection, actor, clock, before)
    return REVISIONS[-1]


def _before(connection: Connection) -> str | None:
    """The revision a database has; None when it has none of our tables."""
    import sqlalchemy as sa

    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def _create(connection: Connection) -> None:
    """All tables at once, as the history would have made them (a test compares): ten times as fast, without Alembic."""
    import sqlalchemy as sa

    from gateway.store import tables

    tables.metadata.create_all(connection, checkfirst=False)
    key = sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc")
    version = sa.Table("alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32)), key)
    version.create(connection, checkfirst=False)
    connection.execute(sa.insert(version).values(version_num=REVISIONS[-1]))


def upgrade(connection: Connection, to: str = "head") -> None:
    """Run the migrations that a database has not seen yet, up to a revision, in the transaction at hand."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _audit(connection: Connection, actor: str, clock: Clock, before: str | None) -> None:
    """One audit row above every id in use, under the writer number that is never leased."""
    import sqlalchemy as sa

    from gateway.store import tables
    from gateway.store.ids import MIGRATION_WRITER, above, compose

    if connection.dialect.name == "postgresql":
        from gateway.store.postgres import CLAIM_ALL

        connection.exec_driver_sql(CLAIM_ALL)
    now = clock.now()
    columns = (tables.audit.c.id, tables.lease.c.floor, tables.block.c.last)
    used = [compose(now, 0), *(connection.scalar(sa.select(sa.func.max(column))) or 0 for column in columns)]
    entries = json.dumps([["schema.migrated", before, REVISIONS[-1]]], separators=(",", ":"))
    row = {"id": above(max(used), MIGRATION_WRITER), "at": now, "actor": actor, "entries": entries}
    connection.execute(sa.insert(tables.audit).values(row))
