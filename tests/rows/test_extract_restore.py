"""A backup in the place of a lost database: tables are read again from an older place, and nobody is planned twice for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from extract_site import Audience, members, row

from gateway.pipeline import restoring
from gateway.ports import ExtractMode, SetClock
from gateway.store import backup
from gateway.store.engine import Store

HOUR = 3_600_000


@pytest.fixture
def store_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """An embedded database, which has backups of its own."""
    shutil.copy(_sqlite_template, tmp_path / "caregate.db")
    return f"sqlite:///{tmp_path}/caregate.db"


@pytest.fixture
def restored(open_store: Callable[..., Store], tmp_path: Path, clock: SetClock) -> Callable[[Audience], Audience]:
    """The database is lost, and the backup of a moment ago takes its place."""

    def restore(audience: Audience) -> Audience:
        audience.store.close()
        for one in tmp_path.glob("caregate.db*"):
            one.unlink()
        made, folder = tmp_path / "made.db", tmp_path / "backup"
        clock.set(clock.now() + HOUR)
        backup.place(folder, folder / backup.KEYS, made, now=clock.now())
        backup.finish(made, tmp_path / "caregate.db")
        store = open_store()
        restoring.begin(store, None, digest="", since=clock.now(), accept_loss=True, account="os:test")
        clock.set(clock.now() + HOUR)
        return Audience(store, tmp_path / "rules")

    return restore


@pytest.fixture
def audience(store: Store, tmp_path: Path) -> Audience:
    """A and B, who were planned for, of four patients; in the backup the next extract is half read."""
    made = Audience(store, tmp_path / "rules")
    made.knows("A", "B", "C", "D")
    made.pulls({})
    made.pulls(members("A", "B"))
    begun = made.book.begin(ExtractMode.SNAPSHOT)
    made.book.take(begun, [row(key, one) for key, one in members("A").items()], "1")
    backup.make(store, tmp_path / "backup")
    return made


def test_after_a_restore_rows_are_told_again_and_nobody_is_planned_twice(
    audience: Audience, restored: Callable[[Audience], Audience]
) -> None:
    """Whoever came after the backup may have been written to: they are known, and nothing is planned for them."""
    audience.pulls(members("A", "B", "C"))
    assert audience.requests() == {"active": 3}
    audience = restored(audience)
    assert (audience.book.cursor(), audience.book.open()) == ("2", None)
    state = audience.pulls(members("A", "B", "C"))
    assert state.baseline
    assert (state.counts["unchanged"], state.counts["taken"], audience.requests()) == (2, 1, {"active": 2})
    after = audience.pulls(members("A", "B", "C", "D"))
    assert not after.baseline
    assert audience.requests() == {"active": 3}


def test_after_a_restore_who_left_meanwhile_leaves_again(
    audience: Audience, restored: Callable[[Audience], Audience]
) -> None:
    """A baseline plans nothing, and takes back what is over."""
    audience.pulls(members("A"))
    audience = restored(audience)
    assert audience.requests() == {"active": 2}
    assert audience.pulls(members("A")).counts["left"] == 1
    assert audience.requests() == {"active": 1, "revoked cancelled": 1}
