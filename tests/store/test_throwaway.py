"""A throw-away database undoes what was not committed, as every other, and writes nothing for others to see."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.model.errors import Conflict, UnauditedError
from gateway.ports import SetClock
from gateway.store import migrations, tables
from gateway.store.engine import Store
from gateway.store.keyring import Keyring
from gateway.store.throwaway import ThrowawayDatabase

_COLUMNS = ("id", "name", "held", "last_received")


@pytest.fixture
def path(tmp_path: Path, clock: SetClock) -> Path:
    """An empty database."""
    found = tmp_path / "away.db"
    migrations.migrate(f"sqlite:///{found}", clock=clock)
    return found


@pytest.fixture
def away(path: Path, keyring: Keyring, clock: SetClock) -> Iterator[Store]:
    """A store on it."""
    with closing(Store.on(ThrowawayDatabase(path), keyring, clock, holder="test")) as store:
        yield store


def add(store: Store, identity: int, *, audited: bool = True, commits: bool = True) -> None:
    with store.begin("test") as unit:
        unit.insert(tables.source, _COLUMNS, [(identity, f"feed {identity}", 0, None)])
        if audited:
            unit.audit([("told",)])
        if commits:
            unit.commit()


def names(store: Store) -> list[str]:
    with store.read() as unit:
        return sorted(row[0] for row in unit.lookup(tables.source, ("name",), "id", [1, 2, 3]))


def test_what_was_not_committed_is_undone(away: Store) -> None:
    """The units before it stay."""
    add(away, 1)
    add(away, 2, commits=False)
    assert names(away) == ["feed 1"]


def test_a_unit_that_failed_leaves_the_others(away: Store) -> None:
    """A key that is taken, and an audit row that is missing (law 2): the database goes on."""
    add(away, 1)
    with pytest.raises(Conflict):
        add(away, 1)
    with pytest.raises(UnauditedError):
        add(away, 2, audited=False)
    add(away, 3)
    assert names(away) == ["feed 1", "feed 3"]


def test_nothing_of_it_is_there_afterwards(away: Store, path: Path) -> None:
    """Closing forgets."""
    add(away, 1)
    away.close()
    with closing(sqlite3.connect(path)) as link:
        assert link.execute("SELECT count(*) FROM source").fetchone() == (0,)
