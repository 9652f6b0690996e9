"""The schema: what migrations make is what the code believes, and no other version is opened."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from gateway.model.errors import SchemaError, StoreError, StoreUnavailable
from gateway.ports import SetClock
from gateway.store import migrations, tables
from gateway.store.engine import Store
from gateway.store.keyring import Keyring
from gateway.store.migrations import REVISIONS, check, migrate, upgrade
from gateway.store.statement import Statement

AUDIT = Statement("audit", sa.select(tables.audit.c.actor, tables.audit.c.entries).order_by(tables.audit.c.id))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables (SQLite: not even a file)."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


def engine_of(url: str) -> sa.Engine:
    """SQLAlchemy's own way in, for looking and for tampering."""
    return sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg") if "postgres" in url else url)


def told_of(index: Any) -> dict[str, Any]:
    """What only one dialect knows of an index: of which rows it is."""
    return index.get("dialect_options", {})  # type: ignore[no-any-return]


def described(url: str) -> dict[str, Any]:
    """All there is to say about a database's tables."""
    engine = engine_of(url)
    seen = sa.inspect(engine)
    told = {}
    for table in seen.get_table_names():
        told[table] = (
            [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in seen.get_columns(table)],
            seen.get_pk_constraint(table)["constrained_columns"],
            sorted((str(u["name"]), u["column_names"]) for u in seen.get_unique_constraints(table)),
            sorted(
                (str(i["name"]), i["column_names"], bool(i["unique"]), sorted(map(str, told_of(i).values())))
                for i in seen.get_indexes(table)
            ),
        )
    if engine.dialect.name == "sqlite":
        with engine.connect() as link:
            told["flags"] = sorted(
                (row.name, row.wr, row.strict) for row in link.execute(sa.text("PRAGMA table_list")) if row.name in told
            )
    engine.dispose()
    return told


def history(url: str) -> None:
    """Have every migration run, one after the other, on a database without tables."""
    engine = engine_of(url)
    with engine.begin() as link:
        upgrade(link)
    engine.dispose()


def test_a_database_made_at_once_is_the_one_that_its_history_makes(empty_url: str, tmp_path: Path) -> None:
    """Columns, types, nullability, defaults, keys, indexes; on SQLite also STRICT and WITHOUT ROWID."""
    history(empty_url)
    migrated = described(empty_url)
    engine = engine_of(empty_url if "postgres" in empty_url else f"sqlite:///{tmp_path}/fresh.db")
    fresh = engine.url.render_as_string(hide_password=False)
    if engine.dialect.name == "postgresql":
        tables.metadata.drop_all(engine)
        with engine.begin() as link:
            link.execute(sa.text("DROP TABLE alembic_version"))
    engine.dispose()
    assert migrate(fresh) == REVISIONS[-1]
    assert described(fresh) == migrated
    assert {*tables.metadata.tables, "alembic_version"} <= set(migrated)


def test_a_database_made_at_once_has_nothing_to_migrate(empty_url: str) -> None:
    """The history knows where it stands: the next migration begins after the last one of today."""
    migrate(empty_url)
    before = described(empty_url)
    history(empty_url)
    assert described(empty_url) == before


def test_an_older_database_is_brought_forward_by_its_history(tmp_path: Path) -> None:
    """And the audit names where it came from (law 2)."""
    url = f"sqlite:///{tmp_path}/old.db"
    engine = engine_of(url)
    with engine.begin() as link:
        upgrade(link, "0003")
    assert migrate(url) == REVISIONS[-1]
    with engine.begin() as link:
        told = link.execute(sa.select(tables.audit.c.entries)).scalars().all()
    engine.dispose()
    assert told == [f'[["schema.migrated","0003","{REVISIONS[-1]}"]]']


def test_every_table_is_strict_on_sqlite(tmp_path: Path) -> None:
    """A text in an integer column is an error there too."""
    migrate(f"sqlite:///{tmp_path}/strict.db")
    flags = described(f"sqlite:///{tmp_path}/strict.db")["flags"]
    assert flags
    assert all(strict for name, _, strict in flags if name != "alembic_version")  # which is Alembic's own


def test_the_released_revisions_are_those_of_the_scripts() -> None:
    """The list is kept by hand, so that opening a database needs no Alembic in memory."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    assert tuple(script.revision for script in reversed(scripts)) == REVISIONS


def test_a_migration_is_audited_and_runs_once(empty_url: str, keyring: Keyring, clock: SetClock) -> None:
    """Law 2: in the name of whoever typed the command, in the same transaction."""
    assert migrate(empty_url, actor="os:alice", clock=clock) == REVISIONS[-1]
    assert migrate(empty_url, actor="os:alice", clock=clock) is None
    store = Store.open(empty_url, keyring, clock, holder="test")
    with store.read() as reader:
        first, *others = reader.all(AUDIT)
    assert first == ("os:alice", f'[["schema.migrated",null,"{REVISIONS[-1]}"]]')
    assert len(others) == 1
    store.close()


def test_a_database_that_does_not_exist_yet_says_what_to_do(empty_url: str, keyring: Keyring, clock: SetClock) -> None:
    """Nothing is created by opening."""
    with pytest.raises(SchemaError, match="run `caregate migrate`"):
        Store.open(empty_url, keyring, clock, holder="test")


def set_revision(url: str, revision: str) -> None:
    """As another version would have left it."""
    engine = engine_of(url)
    with engine.begin() as link:
        link.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    engine.dispose()


def test_a_newer_database_is_neither_opened_nor_migrated(store_url: str, keyring: Keyring, clock: SetClock) -> None:
    """An older program would not know what it breaks."""
    set_revision(store_url, "9999")
    with pytest.raises(SchemaError, match="made by a newer version"):
        Store.open(store_url, keyring, clock, holder="test")
    with pytest.raises(SchemaError, match="made by a newer version"):
        migrate(store_url)


def test_an_older_database_says_what_to_do(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not migrated behind the operator's back."""
    monkeypatch.setattr(migrations, "REVISIONS", ("0000", *REVISIONS))
    set_revision(store_url, "0000")
    with pytest.raises(SchemaError, match=r"has schema 0000.*run `caregate migrate`"):
        check(store_url)


def test_the_database_file_is_for_its_owner_only(tmp_path: Path, keyring: Keyring, clock: SetClock) -> None:
    """0600 for file, WAL and shared memory; a file that was opened up is closed again."""
    path = tmp_path / "new" / "caregate.db"
    migrate(f"sqlite:///{path}")
    path.chmod(0o644)
    store = Store.open(f"sqlite:///{path}", keyring, clock, holder="test")
    modes = {one.name: one.stat().st_mode & 0o777 for one in path.parent.iterdir()}
    assert modes == {"caregate.db": 0o600, "caregate.db-wal": 0o600, "caregate.db-shm": 0o600}
    store.close()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("nonsense secret", "cannot be read"),
        ("mysql://u:secret@h/d", "must be sqlite"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql://u:secret@127.0.0.1:1/d", "no connection"),
        ("postgresql://u:secret@h/d?nonsense=1", "cannot be used|no connection"),
    ],
)
def test_a_bad_database_url_is_refused_without_quoting_it(
    url: str, text: str, keyring: Keyring, clock: SetClock
) -> None:
    """It may hold a password."""
    with pytest.raises((StoreError, StoreUnavailable), match=text) as caught:
        Store.open(url, keyring, clock, holder="test")
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, keyring: Keyring, clock: SetClock) -> None:
    """By condition, not by content."""
    path = tmp_path / "note.txt"
    path.write_text("canary " * 1000)
    with pytest.raises(StoreError, match="is no SQLite database: check `database`"):
        Store.open(f"sqlite:///{path}", keyring, clock, holder="test")
    shutil.rmtree(tmp_path / "nothing", ignore_errors=True)


def test_a_server_without_the_database_says_what_to_do(postgres_server: str) -> None:
    """To `migrate` as to everything else: the sentence is ours, and names the next step."""
    url = sa.make_url(postgres_server).set(database="nobody_made_it").render_as_string(hide_password=False)
    with pytest.raises(StoreError, match="there is no such database; create it first"):
        migrate(url)
