"""Whoever kills a backup or a restore anywhere loses nothing: what is there is whole, and saying it again finishes it."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from backup_child import be
from crash_mail import PostOffice
from crash_parts import House, forked
from crash_tools import caregate, sentence_of

from gateway.model.when import DAY
from gateway.store.backup import read
from gateway.store.keyring import Keyring
from gateway.store.migrations import migrate

pytestmark = pytest.mark.slow
MOST = 60


@pytest.fixture
def site(tmp_path: Path, post_office: PostOffice) -> Path:
    """A site with some visits, and signed heads on another disk so to speak; its gateway is not running."""
    url = f"sqlite:///{tmp_path}/caregate.db"
    migrate(url)
    house = House(tmp_path, url, post_office, more="audit: {heads: elsewhere.heads}")
    try:
        child = house.starts()
        for number in range(5):
            assert house.sends(house.booking(f"P{number}", "2026-03-20 09:30"), child) == "AA"
        child.terminate()
        assert child.gone() == 0, child.log()
    finally:
        house.close()
    return tmp_path


def _killed(site: Path, step: int, *words: str) -> int:
    """The exit code of the command, killed at a step."""
    code = forked(be, step, site, site / "told", *words)
    assert code in (0, -signal.SIGKILL), (site / "told").read_text()
    return code


def _rows(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as link:
        assert link.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
        return int(link.execute("SELECT count(*) FROM raw").fetchone()[0])


def test_a_backup_killed_anywhere_is_whole_or_is_none(site: Path) -> None:
    """At every step; the database goes on, and the next backup clears up."""
    keyring = Keyring.load(site / "keys.json")
    steps = 0
    for step in range(1, MOST):
        shutil.rmtree(site / "b", ignore_errors=True)
        if _killed(site, step, "backup", str(site / "b")) == 0:
            break
        steps += 1
        if (site / "b").exists():
            read(site / "b", keyring)
        assert _rows(site / "caregate.db") == 5
    assert 5 <= steps < MOST - 1
    read(site / "b", keyring)
    assert not (site / "b.part").exists()


def test_a_restore_killed_anywhere_is_whole_or_not_begun(site: Path) -> None:
    """At every step; there is no database, or one in which everything is stopped; saying it again finishes it."""
    assert caregate("backup", "b", site=site).returncode == 0
    for one in site.glob("caregate.db*"):
        one.unlink()
    heads = (site / "elsewhere.heads").read_bytes()
    steps = 0
    for step in range(1, MOST):
        code = _killed(site, step, "restore", "b", "--accept-loss")
        if (site / "caregate.db").exists():
            assert _rows(site / "caregate.db") == 5
            _is_stopped(site)
            if code == 0:
                break
            for one in site.glob("caregate.db*"):  # renamed and then killed: it is whole; begin anew for the next step
                one.unlink()
        steps += 1
        (site / "elsewhere.heads").write_bytes(heads)
    assert 5 <= steps < MOST - 1
    assert not list(site.glob("caregate.db.restoring*"))
    assert caregate("audit", "verify", site=site).returncode == 0
    done = caregate("restore", "--release", "--reason", "drill", site=site)
    assert done.returncode == 0, done.stderr
    assert "judged again" in done.stdout
    assert "no restore has stopped" in sentence_of(caregate("restore", "--release", "--reason", "drill", site=site))


def _is_stopped(site: Path) -> None:
    done = caregate("worklist", "--kind", "stopped", site=site)
    assert "restore --release" in done.stdout, done.stderr


def test_a_restored_site_runs_and_sends_nothing_until_it_is_let_go(
    site: Path, post_office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole drill with a real gateway and a real relay."""
    monkeypatch.setattr("crash_parts.Keyring.create", Keyring.load)  # the site has its keys already
    assert caregate("backup", "b", site=site).returncode == 0
    for one in site.glob("caregate.db*"):
        one.unlink()
    assert caregate("restore", "b", site=site).returncode == 0
    house = House(site, f"sqlite:///{site}/caregate.db", post_office, more="audit: {heads: elsewhere.heads}")
    try:
        child = house.starts()
        later = house.now + 12 * DAY
        house.goes_to(later, child)
        assert post_office.taken == []
        assert caregate("restore", "--release", "--reason", "drill", site=site).returncode == 0
        child.terminate()
        assert child.gone() == 0, child.log()
    finally:
        house.close()
