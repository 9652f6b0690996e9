"""Bad days of a watched folder: nothing is lost, nothing is moved before it is stored, and each trouble is told once."""

from __future__ import annotations

import asyncio
import errno
import gzip
import os
import time
from collections import Counter

import pytest
from folder_box import NOW, admission, batch

from connectors.sources.drops import filing
from connectors.sources.drops.lock import Lock
from connectors.sources.folder import FolderSource, reading, watching
from connectors.sources.folder.reading import Reading
from gateway.model.errors import CommandError, ConfigError
from gateway.ports import SetClock


def _source(path, **options):
    return FolderSource("lab", {"path": path, **options}, SetClock(NOW))


@pytest.mark.usefixtures("hasty")
def test_a_file_waits_while_the_database_is_away_and_those_behind_it_too(dropbox, intake):
    """A-04: it stays in its place, in order, and is told once."""
    intake.failing = lambda _body: True
    box = dropbox(settle="0")
    box.drop("a.hl7", admission(1))
    box.until(lambda: box.source.counts.get("folder.not-stored", 0) == 1)
    box.drop("b.hl7", admission(2))
    time.sleep(0.2)
    assert intake.stored == []
    assert (box.path / "a.hl7").exists()
    assert (box.path / "b.hl7").exists()
    intake.failing = lambda _body: False
    box.filed("b.hl7")
    box.filed("a.hl7")
    assert sorted(intake.stored) == [admission(1), admission(2)]
    assert box.source.counts["folder.not-stored"] <= 2


@pytest.mark.usefixtures("hasty")
def test_a_file_of_which_some_is_not_stored_is_offered_again_for_that_alone(dropbox, intake):
    """A-04: whatever stood beside it; poison is in quarantine (A-08) and no trouble of ours."""
    failing = [b"M0002"]
    intake.failing = lambda body: any(one in body for one in failing)
    box = dropbox(settle="0")
    box.drop("a.hl7", admission(1) + admission(2) + admission(3))
    box.until(lambda: box.source.counts.get("folder.not-stored", 0) == 1)
    assert (box.path / "a.hl7").exists()
    failing.clear()
    box.filed("a.hl7")
    assert admission(2) in intake.stored


def test_a_full_intake_slows_the_folder_down_and_loses_nothing(dropbox, intake):
    """Back-pressure: the file waits as long as it takes."""
    intake.open = False
    box = dropbox()
    box.drop("a.hl7", b"".join(map(admission, range(300))))
    time.sleep(0.3)
    assert intake.offered == []
    intake.open = True
    assert box.filed("a.hl7")["messages"] == 300
    assert intake.stored == list(map(admission, range(300)))


def test_a_file_that_is_half_offered_when_the_gateway_stops_is_read_again_and_stored_once(make_dropbox, intake):
    """F-16, D-02."""
    box = make_dropbox().start()
    intake.gate.clear()
    box.drop("a.hl7", b"".join(map(admission, range(200))))
    box.until(lambda: intake.taken > 50)
    intake.gate.set()
    box.stop()
    assert (box.path / "a.hl7").exists()
    assert 0 < len(intake.stored) < 200
    again = make_dropbox().start()
    told = again.filed("a.hl7")
    assert told["outcomes"]["duplicate"] + told["outcomes"]["accepted"] == 200
    assert Counter(intake.stored) == Counter(map(admission, range(200)))


def test_a_file_that_cannot_be_read_is_told_once_and_the_others_go_on(dropbox, intake, monkeypatch):
    """It stays, a note in `failed` says why, and it is taken when it can be."""
    opened, denied = os.open, [True]

    def guarded(path, flags, *rest, **more):
        if denied[0] and str(path).endswith("locked.hl7"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(reading.os, "open", guarded)
    box = dropbox(settle="0")
    box.drop("locked.hl7", admission(1))
    box.drop("other.hl7", admission(2))
    box.filed("other.hl7")
    time.sleep(0.3)
    assert box.source.counts["folder.file-unreadable"] == 1
    note = box.path / "failed" / "locked.hl7.unread.json"
    assert "Permission denied" in note.read_text()
    denied[0] = False
    box.filed("locked.hl7")
    box.until(lambda: not note.exists())
    assert intake.stored == [admission(2), admission(1)]


def test_a_file_that_cannot_be_moved_is_not_read_again_and_moves_when_there_is_room(dropbox, intake, monkeypatch):
    """A full disk: its messages are stored, its reply waits with it, the others go on."""
    write, full = filing._write, [True]

    def writing(path, content):
        if full[0] and path.name.startswith(".a.hl7"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(filing, "_write", writing)
    box = dropbox(settle="0", batch_ack="all")
    box.drop("a.hl7", admission(1))
    box.until(lambda: box.source.counts.get("folder.not-moved", 0) == 1)
    box.drop("b.hl7", admission(2))
    box.filed("b.hl7")
    time.sleep(0.2)
    assert intake.offered == [admission(1), admission(2)]
    assert box.names("done") == ["b.hl7"]
    full[0] = False
    box.filed("a.hl7")
    assert box.names("replies") == ["a.hl7.ack", "b.hl7.ack"]
    assert box.source.counts["folder.not-moved"] == 1


def test_a_file_that_goes_on_while_it_is_read_is_not_moved_before_it_was_read_whole(dropbox, intake):
    """A writer that paused longer than we wait."""
    box = dropbox(settle="30ms")
    intake.gate.clear()
    path = box.drop("a.hl7", admission(1))
    box.until(lambda: intake.taken == 1)
    with path.open("ab") as stream:
        stream.write(admission(2))
    intake.gate.set()
    told = box.filed("a.hl7")
    assert told["outcomes"] == {"duplicate": 1, "accepted": 1}
    assert box.source.counts["folder.file-changed"] == 1


def test_a_folder_that_goes_away_is_told_once_and_taken_up_again(dropbox, intake):
    """An unmounted file server."""
    box = dropbox(settle="0")
    box.drop("0.hl7", admission(0))
    box.filed("0.hl7")
    away = box.path.with_name("away")
    box.path.rename(away)
    box.until(lambda: box.source.counts.get("folder.unreachable", 0) == 1)
    time.sleep(0.2)
    assert box.source.counts["folder.unreachable"] == 1
    away.rename(box.path)
    box.drop("a.hl7", admission(1))
    box.filed("a.hl7")


def test_of_two_gateways_on_one_folder_one_reads_it_and_its_end_gives_it_to_the_other(make_dropbox, intake):
    """Each file is read by one of them."""
    first, second = make_dropbox().start(), make_dropbox().start()
    first.drop("a.hl7", admission(1))
    first.filed("a.hl7")
    assert len(intake.offered) == 1
    first.stop()
    second.drop("b.hl7", admission(2))
    second.filed("b.hl7")
    assert len(intake.offered) == 2


def test_a_crash_between_the_move_and_its_report_leaves_a_file_with_its_report(make_dropbox, intake):
    """What the next start finds: the new name, the old one still there, the report still hidden."""
    box = make_dropbox()
    done = box.path / "done"
    done.mkdir()
    (box.path / "a.hl7").write_bytes(admission(1))
    os.link(box.path / "a.hl7", done / "a.hl7")
    (done / ".a.hl7.report.json.tmp").write_text('{"file": "a.hl7"}')
    (done / ".b.hl7.report.json.tmp").write_text('{"file": "b.hl7"}')  # this one had not moved yet
    box.start()
    assert (done / "a.hl7.report.json").exists()
    assert not (box.path / "a.hl7").exists()
    box.until(lambda: not list(done.glob(".*.tmp")))
    assert intake.offered == []


def test_a_filesystem_without_links_is_renamed_on_and_still_nothing_is_overwritten(dropbox, monkeypatch):
    """FAT and some file servers."""

    def unknown(*_args, **_more):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(filing.os, "link", unknown)
    box = dropbox()
    for number in (1, 2):
        box.drop("a.hl7", admission(number))
        box.until(lambda: not (box.path / "a.hl7").exists())
    box.filed("a.hl7.2")
    assert (box.path / "done" / "a.hl7").read_bytes() == admission(1)


def test_no_file_name_reaches_the_log(dropbox, capfd):
    """A name may tell a patient; the log and the report share a reference."""
    box = dropbox(settle="0")
    box.drop("CANARY_JANE_1980.hl7", admission(1))
    reference = box.filed("CANARY_JANE_1980.hl7")["reference"]
    box.drop("CANARY_JOHN.hl7", b"")
    box.filed("CANARY_JOHN.hl7", "failed")
    box.stop()
    log = capfd.readouterr().err
    assert reference in log
    assert "CANARY" not in log


def test_a_folder_that_is_not_there_says_what_to_do(tmp_path):
    """Before anything else starts."""
    with pytest.raises(CommandError, match="is not there; make it, or correct its `path`"):
        asyncio.run(_source(tmp_path / "nope").start(None))


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EROFS, "the right to read and write"), (errno.EXDEV, "one filesystem"), (errno.ENOSPC, "make room"), (errno.EIO, "cannot be used")],
)  # fmt: skip
def test_a_folder_that_files_cannot_be_moved_in_says_what_to_do(tmp_path, monkeypatch, number, words):
    """A read-only folder is a start error, not a feed that reads the same file for ever."""

    def refuse(_folder):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(filing, "_probe", refuse)
    with pytest.raises(CommandError, match=words):
        asyncio.run(_source(tmp_path).start(None))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"settle": "soon"}, "settle: write a duration"),
        ({"max_file": "big"}, "max_file: write a size"),
        ({"done": "../elsewhere"}, "done: write the name of a folder"),
        ({"marker": "Xdone"}, "marker: write an ending with its dot"),
        ({"ignore": "tmp"}, "ignore: write an ending"),
        ({"done": "x", "failed": "x"}, "must be three folders"),
        ({"setle": "1s"}, "there is no such setting; known are batch_ack"),
        ({"order": "size"}, "order: "),
    ],
)
def test_a_wrong_setting_is_named_and_not_quoted(tmp_path, options, words):
    """All of them at the start."""
    with pytest.raises(ConfigError, match=words) as told:
        _source(tmp_path, **options)
    if len(options) == 1:
        assert f" {next(iter(options.values()))}" not in str(told.value)


def test_a_fault_of_ours_does_not_end_the_watch(dropbox, monkeypatch, capfd):
    """A feed that ended by itself would be noticed by its silence only."""
    look, faults = watching.look, [ValueError("CANARY")]

    def broken(options):
        if faults:
            raise faults.pop()
        return look(options)

    monkeypatch.setattr(watching, "look", broken)
    box = dropbox(settle="0")
    box.drop("a.hl7", admission(1))
    box.filed("a.hl7")
    log = capfd.readouterr().err
    assert "folder.crashed" in log
    assert "CANARY" not in log


def test_files_that_cannot_be_forgotten_or_remembered_are_told_and_the_feed_goes_on(make_dropbox, monkeypatch):
    """What was done before is no reason to stop."""
    first = make_dropbox().start()
    first.drop("a.hl7", admission(1))
    first.filed("a.hl7")
    first.stop()

    def denied(*_args):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(filing.Filing, "forget", denied)
    monkeypatch.setattr(filing.Filing, "reports", denied)
    second = make_dropbox().start()
    second.drop("b.hl7", admission(2))
    second.filed("b.hl7")
    assert {"folder.not-forgotten", "folder.reports-unread"} <= set(second.source.counts)


def test_a_file_that_turned_into_something_else_is_not_read(tmp_path):
    """Between the look and the reading."""
    os.mkfifo(tmp_path / "pipe.hl7")
    with reading.Reading(tmp_path / "pipe.hl7", limit=1_000, most=1_000) as found:
        assert list(found.parts()) == [reading.Damage("it is not a regular file")]


def test_a_source_that_was_never_started_stops(tmp_path):
    """Nothing to do."""
    asyncio.run(_source(tmp_path).stop())


def test_a_large_batch_passes_in_windows_and_in_order(dropbox, intake):
    """B-01: as many messages as a night has."""
    box = dropbox()
    messages = [admission(number) for number in range(1_000)]
    box.drop("night.hl7", batch(*messages))
    assert box.filed("night.hl7")["messages"] == 1_000
    assert intake.stored == messages


@pytest.mark.parametrize("folder", ["done", "failed"])
def test_files_are_not_moved_through_a_link(tmp_path, folder):
    """Whoever may drop files could send them into the rules, say."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "rules").mkdir()
    (tmp_path / "inbox" / folder).symlink_to(tmp_path / "rules")
    with pytest.raises(CommandError, match="no links"):
        _source(tmp_path / "inbox")._check()
    assert not list((tmp_path / "rules").iterdir())


def test_a_folder_that_becomes_a_link_takes_no_file(dropbox, tmp_path):
    """It is looked at before each move."""
    box = dropbox(settle="0")
    box.drop("0.hl7", admission(0))
    box.filed("0.hl7")
    (tmp_path / "rules").mkdir()
    (box.path / "done").rename(box.path / "was")
    (box.path / "done").symlink_to(tmp_path / "rules")
    box.drop("a.hl7", admission(1))
    box.until(lambda: box.source.counts.get("folder.not-moved", 0) == 1)
    assert not list((tmp_path / "rules").iterdir())
    assert (box.path / "a.hl7").exists()


def test_what_we_write_overwrites_nothing_that_a_link_leads_to(tmp_path):
    """Names of ours can be foreseen."""
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / f".caregate-{os.getpid()}.tmp").symlink_to(precious)
    (tmp_path / ".caregate.lock").symlink_to(tmp_path / "made")
    filing._probe(tmp_path)
    assert precious.read_text() == "kept"
    with pytest.raises(OSError, match="symbolic"):
        Lock(tmp_path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_is_replaced_just_before_its_move_is_read_too(dropbox, intake, monkeypatch, links):
    """Law 1: a sender that always writes the same name loses nothing."""
    real, replaced = filing.os.link, []

    def link(path, target, **more):
        if path.name == "a.hl7" and not replaced:
            replaced.append(path)
            other = path.with_name("a.part")
            other.write_bytes(admission(2))
            other.replace(path)
        if not links:
            raise OSError(errno.EPERM, "Operation not permitted")
        real(path, target, **more)

    monkeypatch.setattr(filing.os, "link", link)
    box = dropbox()
    box.drop("a.hl7", admission(1))
    box.filed("a.hl7")
    assert intake.stored == [admission(1), admission(2)]
    assert (box.path / "done" / "a.hl7").read_bytes() == admission(2)


def test_a_file_that_is_called_as_our_reports_are_is_not_taken_for_one(dropbox, intake):
    """It would have others forgotten before their time, or be overwritten."""
    box = dropbox(settle="0")
    box.drop("a.hl7.report.json", admission(1))
    box.drop("b.hl7.unread.json", admission(2))
    box.filed("a.hl7.report.json.2")
    box.filed("b.hl7.unread.json.2")
    box.drop("a.hl7", admission(3))
    assert box.filed("a.hl7")["messages"] == 1


def test_many_small_packed_members_are_read_as_one(tmp_path):
    """Else a line gathered from them byte by byte would be copied for each of them."""
    path = tmp_path / "a.gz"
    path.write_bytes(b"".join(gzip.compress(b"x") for _ in range(3_000)))
    with Reading(path, limit=1_024, most=1 << 20) as reading:
        assert len(reading._stream.read(2_000)) == 2_000
        assert len(reading._stream.read(2_000)) == 1_000


def test_a_replies_folder_that_is_gone_is_told(dropbox, intake):
    """A file that nobody takes away is not passed over in silence."""
    box = dropbox(settle="0", batch_ack="all")
    box.drop("0.hl7", admission(0))
    box.filed("0.hl7")
    (box.path / "replies" / "0.hl7.ack").unlink()
    (box.path / "replies").rmdir()
    box.drop("a.hl7", admission(1))
    box.until(lambda: box.source.counts.get("folder.file-unreadable", 0) == 1)
    (box.path / "replies").mkdir()
    box.filed("a.hl7")
