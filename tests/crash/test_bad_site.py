"""What an operator got wrong is one sentence with exit code 2 and no traceback; nothing was changed by trying."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_mail import free_port
from crash_site import write_site
from crash_tools import caregate, make_read_only, sentence_of, small_disk

from gateway.store.keyring import Keyring
from gateway.store.migrations import migrate

pytestmark = pytest.mark.slow

MESSAGE = (
    "MSH|^~\\&|EHR|LAKESIDE|CAREGATE|LAKESIDE|20260302090000-0600||ADT^A04^ADT_A01|0001|P|2.5.1\r"
    "EVN||20260302090000\rPID|1||123^^^LAKESIDE^MR||DOE^JANE\rPV1|1|O|MAIN|||||||MED|||||||||V1^^^LAKESIDE\r"
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A good site with an embedded database, and a message to load."""
    folder = tmp_path / "site"
    folder.mkdir()
    made_in(folder)
    return folder


def made_in(folder: Path) -> None:
    """A good site."""
    Keyring.create(folder / "keys.json")
    write_site(folder, database="sqlite:///caregate.db", smtp=free_port())
    (folder / "day.hl7").write_text(MESSAGE, newline="")
    migrate(f"sqlite:///{folder / 'caregate.db'}")


def change(path: Path, old: str, new: str) -> None:
    """Replace a part of a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def fill(path: Path) -> None:
    """Write until there is no room."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space"):
        while True:
            os.write(handle, bytes(4096))
    os.close(handle)


def rows(folder: Path, table: str) -> int:
    """How many rows a table of the embedded database has."""
    link = sqlite3.connect(folder / "caregate.db")
    try:
        return int(link.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    finally:
        link.close()


def test_a_good_site_loads_its_message(site: Path) -> None:
    """The measure of all that follows: exit 0, one message accepted."""
    done = caregate("load", "day.hl7", site=site)
    assert done.returncode == 0, done.stderr
    assert rows(site, "raw") == 1


def test_a_typo_in_the_configuration_is_told_with_its_place_and_the_word_that_was_meant(site: Path) -> None:
    """An unknown key is an error with file:line:column and a suggestion; nothing is opened."""
    change(site / "caregate.yaml", "locations:", "loactions:")
    said = sentence_of(caregate("run", site=site))
    line = next(n for n, text in enumerate((site / "caregate.yaml").read_text().splitlines(), 1) if "loactions" in text)
    assert f"caregate.yaml:{line}:1: " in said
    assert "locations" in said.partition("loactions")[2]
    assert not list(site.glob("*-wal"))


def test_a_typo_in_a_connectors_own_setting_is_told_too(site: Path) -> None:
    """The connectors check their part, without its value."""
    change(site / "caregate.yaml", "tls: off", "tsl: off")
    said = sentence_of(caregate("run", site=site))
    assert "tsl" in said
    assert "email" in said


def test_a_rule_that_asks_for_an_unknown_fact_is_told_with_its_place(site: Path) -> None:
    """`run` refuses the whole rule set; `lint` says the same."""
    rule = site / "rules" / "appointment-reminder.yaml"
    change(rule, "appointment.status: booked", "appointment.sttus: booked ")
    line = next(n for n, text in enumerate(rule.read_text().splitlines(), 1) if "sttus" in text)
    said = sentence_of(caregate("run", site=site))
    assert f"appointment-reminder.yaml:{line}:" in said
    assert "appointment.sttus" in said
    assert "appointment.status" in said
    linted = caregate("lint", site=site)
    assert linted.returncode == 1
    assert f"appointment-reminder.yaml:{line}:" in linted.stdout


@pytest.mark.parametrize("which", ["the feed's", "the web's"])
def test_a_port_that_is_taken_is_told_by_name(site: Path, which: str) -> None:
    """`run` ends before it is half there, and says which source or address it is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        if which == "the feed's":
            change(site / "caregate.yaml", "bind: 127.0.0.1, port: 0", f"bind: 127.0.0.1, port: {port}")
        else:
            change(site / "caregate.yaml", "api: {port: 0}", f"api: {{port: {port}}}")
        said = sentence_of(caregate("run", site=site))
    assert str(port) in said
    assert "ehr" in said or which == "the web's"


def test_another_sites_key_file_is_refused(site: Path) -> None:
    """A wrong key would seal what nobody can open: KeyringError before anything is written."""
    assert caregate("load", "day.hl7", site=site).returncode == 0
    audited = rows(site, "audit")
    (site / "keys.json").unlink()
    Keyring.create(site / "keys.json")
    for words in (("run",), ("load", "day.hl7")):
        assert "key" in sentence_of(caregate(*words, site=site))
    assert rows(site, "audit") == audited


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660])
def test_a_key_file_that_others_may_read_is_refused(site: Path, mode: int) -> None:
    """It must be for its owner alone; the sentence says what to type."""
    (site / "keys.json").chmod(mode)
    said = sentence_of(caregate("run", site=site))
    assert "keys.json" in said
    assert "600" in said


def test_a_key_file_that_is_missing_or_torn_is_told(site: Path) -> None:
    """Neither is ever made anew: a lost key file makes its database unreadable."""
    whole = (site / "keys.json").read_bytes()
    (site / "keys.json").write_bytes(whole[: len(whole) // 2])
    assert "keys.json" in sentence_of(caregate("run", site=site))
    (site / "keys.json").unlink()
    assert "keys.json" in sentence_of(caregate("run", site=site))
    assert not (site / "keys.json").exists()


def test_a_database_of_a_newer_version_is_left_alone(site: Path) -> None:
    """Neither opened nor migrated back; the sentence names the way out."""
    link = sqlite3.connect(site / "caregate.db")
    link.execute("UPDATE alembic_version SET version_num = '9999'")
    link.commit()
    link.close()
    before = (site / "caregate.db").read_bytes()
    for words in (("run",), ("load", "day.hl7"), ("migrate",)):
        assert "newer version" in sentence_of(caregate(*words, site=site))
    assert (site / "caregate.db").read_bytes() == before


def test_a_file_that_is_no_database_is_told(site: Path) -> None:
    """Whatever it is, it is not overwritten."""
    (site / "caregate.db").write_bytes(b"dear diary\n" * 1000)
    assert "database" in sentence_of(caregate("run", site=site))
    assert (site / "caregate.db").read_bytes() == b"dear diary\n" * 1000


def test_a_database_server_that_is_not_there_is_told_without_its_password(site: Path) -> None:
    """One sentence within seconds; a URL may hold a password and is not shown."""
    url = f"postgresql://gate:s3cr3t-w0rd@127.0.0.1:{free_port()}/caregate"
    change(site / "caregate.yaml", "sqlite:///caregate.db", "env:DATABASE_URL")
    done = caregate("run", site=site, DATABASE_URL=url)
    assert "PostgreSQL" in sentence_of(done)
    assert "s3cr3t" not in done.stderr + done.stdout


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A good site on a disk of its own."""
    with small_disk(tmp_path / "disk", 4_000) as folder:
        made_in(folder)
        yield folder


def test_a_read_only_disk_is_told(disk: Path) -> None:
    """Nothing can be acknowledged there, so nothing starts."""
    make_read_only(disk)
    for words in (("run",), ("load", "day.hl7")):
        said = sentence_of(caregate(*words, site=disk))
        assert "read-only" in said or "cannot be" in said


def test_a_full_disk_is_told(disk: Path) -> None:
    """`run` and `load` say it; when there is room again the same message is taken."""
    fill(disk / "ballast")
    said = sentence_of(caregate("run", site=disk))
    assert "full" in said or "input/output" in said or "opened" in said
    (disk / "ballast").unlink()
    done = caregate("load", "day.hl7", site=disk)
    assert done.returncode == 0, done.stderr
    assert rows(disk, "raw") == 1
