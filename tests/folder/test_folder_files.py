"""Files dropped into a folder: each is taken whole and once, and lies afterwards where its fate can be seen."""

from __future__ import annotations

import gzip
import os
import time

import pytest
from folder_box import admission, batch


def test_a_dropped_file_is_moved_away_after_its_messages_are_stored(dropbox, intake):
    """A-01 for files: the move is the acknowledgement."""
    box = dropbox()
    intake.gate.clear()
    box.drop("day.hl7", admission(1) + admission(2))
    box.until(lambda: intake.taken > 0)
    assert (box.path / "day.hl7").exists()
    intake.gate.set()
    told = box.filed("day.hl7")
    assert intake.stored == [admission(1), admission(2)]
    assert (told["messages"], told["outcomes"], told["refused"]) == (2, {"accepted": 2}, [])
    assert not (box.path / "day.hl7").exists()
    assert (box.path / "done" / "day.hl7").read_bytes() == admission(1) + admission(2)


def test_one_bad_message_stops_none_of_its_file_and_the_report_names_it_without_its_values(dropbox, intake):
    """B-04."""
    box = dropbox()
    bad = admission(2, name="CANARY^PATIENT").replace(b"ADT^A04^ADT_A01", b"ZZZ^Z01")
    box.drop("mixed.hl7", admission(1) + bad + admission(3))
    told = box.filed("mixed.hl7", "failed")
    assert intake.stored == [admission(1), admission(3)]
    (refused,) = told["refused"]
    assert (refused["index"], refused["control_id"], refused["outcome"], refused["ack"]) == (
        2,
        "M0002",
        "rejected",
        "AR",
    )
    assert refused["faults"] == [{"code": 200, "place": "MSH^1^9", "rule": "unknown to the standard", "severity": "E"}]
    assert "CANARY" not in (box.path / "failed" / "mixed.hl7.report.json").read_text()


def test_a_batch_whose_count_is_wrong_is_stored_and_put_before_a_person(dropbox, intake):
    """B-02: neither dropped nor passed over in silence."""
    box = dropbox()
    box.drop("short.hl7", batch(admission(1), admission(2), count="3"))
    told = box.filed("short.hl7", "failed")
    assert told["problems"] == ["BTS-1 says 3 messages, found 2"]
    assert len(intake.stored) == 2


def test_the_same_batch_twice_is_recognised_and_stores_nothing_new(dropbox, intake):
    """B-05, D-02: by its bytes, under any name."""
    box = dropbox()
    box.drop("monday.hl7", batch(admission(1)))
    assert box.filed("monday.hl7")["delivery"] == "new"
    box.drop("tuesday.hl7", batch(admission(1)))
    told = box.filed("tuesday.hl7")
    assert (told["delivery"], told["outcomes"]) == ("repeated", {"duplicate": 1})
    assert told["batch"] == ["LAB", "HOSP", "B1"]
    assert intake.stored == [admission(1)]


def test_a_batch_that_was_delivered_before_a_restart_is_recognised_after_it(make_dropbox):
    """B-05: the reports remember."""
    first = make_dropbox().start()
    first.drop("monday.hl7", batch(admission(1)))
    first.filed("monday.hl7")
    first.stop()
    second = make_dropbox().start()
    second.drop("tuesday.hl7", batch(admission(1)))
    assert second.filed("tuesday.hl7")["delivery"] == "repeated"


def test_a_batch_control_id_that_comes_again_with_other_messages_is_told_and_taken(dropbox, intake):
    """B-05, as D-03: senders restart their counters."""
    box = dropbox()
    box.drop("1.hl7", batch(admission(1)))
    box.filed("1.hl7")
    box.drop("2.hl7", batch(admission(2)))
    assert box.filed("2.hl7")["delivery"] == "reused"
    assert intake.stored == [admission(1), admission(2)]


def test_a_file_that_is_still_written_is_left_alone_until_it_rests(dropbox, intake):
    """Half a file is not a file."""
    box = dropbox(settle="250ms")
    path = box.path / "slow.hl7"
    with path.open("wb") as stream:
        for number in range(1, 6):
            stream.write(admission(number))
            stream.flush()
            time.sleep(0.08)
            assert path.exists()
    assert box.filed("slow.hl7")["messages"] == 5
    assert len(intake.offered) == 5


def test_a_file_waits_for_its_marker_and_the_marker_goes_with_it(dropbox, intake):
    """Two conventions: lab.hl7.done, and lab.done."""
    box = dropbox(marker=".done")
    (box.path / "a.hl7").write_bytes(admission(1))
    (box.path / "b.hl7").write_bytes(admission(2))
    time.sleep(0.2)
    assert intake.offered == []
    (box.path / "a.hl7.done").touch()
    (box.path / "b.done").touch()
    box.filed("a.hl7")
    box.filed("b.hl7")
    box.until(lambda: not [one for one in box.path.iterdir() if one.name.endswith(".done")])


def test_a_marker_that_a_crash_left_behind_does_not_bless_the_next_file_of_that_name(make_dropbox, intake):
    """It is removed at the start."""
    box = make_dropbox(marker=".ok")
    (box.path / "a.hl7.ok").touch()
    box.start()
    box.until(lambda: not (box.path / "a.hl7.ok").exists())
    (box.path / "a.hl7").write_bytes(admission(1))
    time.sleep(0.2)
    assert intake.offered == []


def test_unfinished_uploads_hidden_files_folders_and_links_are_left_alone(make_dropbox, intake, tmp_path):
    """What they lead to is not ours to read or to move."""
    box = make_dropbox(settle="0")
    secret = tmp_path / "elsewhere"
    secret.write_bytes(admission(9))
    for name in ("a.hl7.part", "b.tmp", ".hidden"):
        (box.path / name).write_bytes(admission(1))
    (box.path / "link.hl7").symlink_to(secret)
    (box.path / "folder.hl7").mkdir()
    os.mkfifo(box.path / "pipe.hl7")
    box.start()
    box.drop("real.hl7", admission(2))
    box.filed("real.hl7")
    assert intake.offered == [admission(2)]
    assert box.source.counts["folder.link-ignored"] == 1
    assert secret.exists()


def test_only_files_of_the_pattern_are_taken(dropbox, intake):
    """A folder may serve others too."""
    box = dropbox(pattern="*.hl7", settle="0")
    box.drop("a.csv", admission(1))
    box.drop("b.hl7", admission(2))
    box.filed("b.hl7")
    assert intake.offered == [admission(2)]


@pytest.mark.parametrize(("order", "wanted"), [("name", [1, 2, 3]), ("mtime", [3, 1, 2])])
def test_files_that_wait_are_taken_in_the_configured_order(make_dropbox, intake, order, wanted):
    """By name, or by the time of their last change."""
    box = make_dropbox(order=order)
    for number, age in ((1, 20), (2, 10), (3, 30)):
        path = box.drop(f"{number}.hl7", admission(number))
        os.utime(path, (time.time() - age, time.time() - age))
    box.start()
    for number in wanted:
        box.filed(f"{number}.hl7")
    assert intake.offered == [admission(number) for number in wanted]


def test_a_name_that_is_taken_is_never_overwritten(dropbox):
    """The second file of a name gets a number, and so does its report."""
    box = dropbox()
    for number in (1, 2, 3):
        box.drop("day.hl7", admission(number))
        box.until(lambda: not (box.path / "day.hl7").exists())
    box.filed("day.hl7.3")
    assert box.names("done") == ["day.hl7", "day.hl7.2", "day.hl7.3"]
    assert (box.path / "done" / "day.hl7").read_bytes() == admission(1)
    assert box.report("day.hl7.2")["messages"] == 1


def test_a_very_long_name_is_cut_so_that_its_report_fits(dropbox):
    """NAME_MAX is 255."""
    box = dropbox()
    name = "x" * 250
    (box.path / name).write_bytes(admission(1))
    assert box.filed("x" * 200)["file"] == name


def test_a_packed_file_is_unpacked(dropbox, intake):
    """Hospitals do; the same batch plain and packed is the same batch (B-05)."""
    box = dropbox()
    box.drop("a.hl7.gz", gzip.compress(batch(admission(1), admission(2))))
    assert box.filed("a.hl7.gz")["messages"] == 2
    box.drop("a.hl7", batch(admission(1), admission(2)))
    assert box.filed("a.hl7")["delivery"] == "repeated"


def test_a_packed_file_that_is_damaged_gives_what_is_whole_and_says_so(dropbox, intake):
    """The last, half message is nothing."""
    box = dropbox()
    noise = os.urandom(60_000).hex().encode()
    second = admission(2) + b"OBX|1|TX|||" + noise + b"\r"
    box.drop("cut.hl7.gz", gzip.compress(admission(1) + second)[:-40_000])
    told = box.filed("cut.hl7.gz", "failed")
    assert told["problems"] == ["it is damaged: what it packs cannot be unpacked to its end"]
    assert intake.offered == [admission(1)]


def test_a_packed_file_that_grows_without_end_is_stopped(dropbox, intake):
    """A small file may unpack to any size."""
    box = dropbox(max_file="1MiB")
    box.drop("bomb.hl7.gz", gzip.compress(b"x" * (64 << 20)))
    told = box.filed("bomb.hl7.gz", "failed")
    assert told["problems"] == ["it is longer than this folder accepts"]
    assert intake.offered == []


def test_a_file_that_is_too_long_is_not_begun(dropbox, intake):
    """By its size, before anything is read."""
    box = dropbox(max_file="2KiB")
    box.drop("long.hl7", admission(1) * 100)
    assert box.filed("long.hl7", "failed")["problems"] == ["it is longer than this folder accepts"]
    assert intake.offered == []


def test_a_message_that_is_too_long_is_told_and_the_others_are_taken(dropbox, intake):
    """F-11 for files."""
    box = dropbox(max_message="1KiB")
    box.drop("a.hl7", admission(1) + admission(2) + b"OBX|" + b"x" * 2_000 + b"\r" + admission(3))
    told = box.filed("a.hl7", "failed")
    assert [(one["index"], one["problem"]) for one in told["refused"]] == [(2, "message-too-long")]
    assert intake.stored == [admission(1), admission(3)]


def test_half_an_mllp_frame_in_a_file_is_told(dropbox, intake):
    """F-06: it would have been sent again."""
    box = dropbox()
    box.drop("dump.hl7", b"\x0b" + admission(1) + b"\x1c\r\x0b" + admission(2)[:50])
    told = box.filed("dump.hl7", "failed")
    assert told["refused"][0]["problem"] == "frame-not-ended"
    assert "MLLP frame" in told["refused"][0]["faults"][0]["rule"]


@pytest.mark.parametrize("content", [b"", b"\r\n \n"])
def test_a_file_with_nothing_in_it_is_put_before_a_person(dropbox, content):
    """An upload that broke looks so; an empty batch does not."""
    box = dropbox()
    box.drop("empty.hl7", content)
    assert box.filed("empty.hl7", "failed")["problems"] == ["there is no message in it"]
    box.drop("quiet.hl7", batch())
    assert box.filed("quiet.hl7")["messages"] == 0


def test_a_reply_file_acknowledges_the_batch(dropbox):
    """B-03: BHS-12 is the request's BHS-11, only the refused are in it where that is the agreement."""
    box = dropbox(batch_ack="errors")
    bad = admission(2).replace(b"ADT^A04^ADT_A01", b"ZZZ^Z01")
    box.drop("a.hl7", batch(admission(1), bad, control="B77"))
    box.filed("a.hl7", "failed")
    reply = (box.path / "replies" / "a.hl7.ack").read_bytes().decode().split("\r")
    assert [line[:3] for line in reply] == ["FHS", "BHS", "MSH", "MSA", "ERR", "BTS", "FTS", ""]
    assert reply[1].split("|")[11] == "B77"
    assert reply[3].startswith("MSA|AR|M0002")
    assert reply[5] == "BTS|1|2 messages, 1 accepted, 1 not accepted"
    box.drop("b.hl7.gz", gzip.compress(batch(admission(3), count="2") + os.urandom(9_000).hex().encode())[:-4_000])
    box.filed("b.hl7.gz", "failed")
    reply = (box.path / "replies" / "b.hl7.gz.ack").read_bytes().decode().split("\r")
    assert reply[-3].endswith("BTS-1 says 2 messages, found 1")


def test_files_that_are_through_are_forgotten_after_their_time(make_dropbox):
    """Patients' data lie open in `done`; what failed waits for its person."""
    box = make_dropbox(keep_done="1h").start()
    box.drop("a.hl7", admission(1))
    box.filed("a.hl7")
    box.drop("b.hl7", b"")
    box.filed("b.hl7", "failed")
    box.stop()
    later = make_dropbox(keep_done="1h")
    later.clock.set(int((time.time() + 3_700) * 1000))
    later.start()
    later.until(lambda: box.names("done") == [])
    assert not list((box.path / "done").glob("*.json"))
    assert box.names("failed") == ["b.hl7"]
