"""Files of rows on their way: in order, whole, resumed where they stopped, and filed once all of them is committed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from tables_box import HEADER, Away, Drops, Trial, members

from connectors.sources.drops.lock import Lock
from connectors.sources.tables import pouring
from gateway.model.errors import Busy, CommandError, ConfigError, GuardError, Missing, StoreError, Unusable


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(pouring, "_ROWS", 10)


def _keys(*numbers):
    return [f'["{one}","kidney"]' for one in numbers]


def test_who_is_missing_from_the_second_file_has_left(drops, rows):
    """SN-03: a whole table each time."""
    box = drops().start()
    box.drop("2026-03-02.csv", members(1, 2, 3))
    box.until(lambda: len(rows.ended) == 1)
    box.drop("2026-03-03.csv", members(2, 4))
    box.until((box.path / "done" / "2026-03-03.csv.report.json").exists)
    assert rows.left == _keys(1, 3)
    box.until(lambda: box.intake.times == 2)


def test_files_that_wait_are_taken_in_their_order(drops, rows):
    """The newest state is the last word."""
    box = drops()
    box.drop("b.csv", members(2))
    box.drop("a.csv", members(1))
    box.pull()
    assert sorted(rows.there) == _keys(2)


@pytest.mark.parametrize(
    "entry",
    [
        {"url": "s3://[bucket/part-1.csv"},
        {"url": "part-1.csv", "meta": {"record_count": 1 << 63}},
        {"url": "part-1.csv", "meta": {"record_count": -1}},
    ],
)
def test_a_manifest_that_no_writer_wrote_is_filed_and_what_is_behind_it_read(drops, rows, entry):
    """It must not stop the source for everything that comes after."""
    box = drops(runs=True, manifest="manifest.json")
    box.drop("a/part-1.csv", members(1))
    box.drop("a/manifest.json", json.dumps({"entries": [entry]}))
    box.drop("b/part-1.csv", members(2))
    box.drop("b/manifest.json", json.dumps({"entries": [{"url": "part-1.csv"}]}))
    report = box.watch("a")
    assert report["problems"] == ["its manifest cannot be read"]
    box.watch("b")
    assert list(rows.there) == _keys(2)


def test_folders_within_folders_without_end_are_no_run(drops, rows):
    """A run is a folder or two deep; what is deeper stops nothing."""
    box = drops(runs=True, success="_SUCCESS")
    deep = box.path / "a"
    deep.mkdir()
    (deep / "_SUCCESS").touch()
    for _ in range(1_200):
        deep = deep / "d"
        deep.mkdir()
    box.drop("b/part-1.csv", members(2))
    (box.path / "b" / "_SUCCESS").touch()
    assert box.watch("a")["problems"] == ["it has folders within folders without end"]
    box.watch("b")
    assert list(rows.there) == _keys(2)
    deep = box.path / "failed" / deep.relative_to(box.path)
    while deep.name == "d":  # for whoever cleans up after us
        deep.rmdir()
        deep = deep.parent


def test_of_changes_who_is_missing_is_still_there(drops, rows):
    """SN-10."""
    box = drops(mode="changes")
    box.drop("a.csv", members(1))
    box.drop("b.csv", members(2))
    box.pull()
    assert sorted(rows.there) == _keys(1, 2)


def test_the_first_is_a_baseline_unless_asked(drops, rows):
    """SN-21."""
    box = drops()
    box.drop("a.csv", members(1))
    assert box.pull().baseline
    box.drop("b.csv", members(1, 2))
    assert not box.pull().baseline
    box.drop("c.csv", members(1, 2, 3))
    assert box.pull(baseline=True).baseline


def test_stopped_anywhere_it_goes_on_where_it_was(drops, rows):
    """Law 1: every chunk has its cursor; nothing is taken twice, nothing is lost, the counts add up."""
    for stop in range(5):
        path = drops().drop(f"{stop}.csv", members(*range(45 + stop)))
        rows.taken.clear()
        left = [stop]

        def _dies(what, _count, left=left):
            left[0] -= what == "take"
            if left[0] < 0:
                left[0] = 99
                raise Away("the database is away")

        rows.before = _dies
        with pytest.raises(StoreError):
            drops().pull()
        assert path.exists()
        again = drops().pull()
        assert again.counts == {"rows": 45 + stop}
        assert rows.taken == _keys(*range(45 + stop))
    assert [told for told, _ in rows.ended if told == "finished"] == ["finished"] * 5


def test_what_was_unfit_before_it_was_stopped_is_remembered(drops, rows):
    """SN-03: nobody leaves because of a line that was read before the restart."""
    drops().drop("a.csv", members(1, 2))
    drops().pull()
    box = drops()
    box.drop("b.csv", HEADER + "broken\n" + members(*range(20, 60))[len(HEADER) :])
    calls = []

    def _dies(what, _count):
        calls.append(what)
        if len(calls) == 4:
            raise Away("the database is away")

    rows.before = _dies
    with pytest.raises(StoreError):
        box.pull()
    with pytest.raises(Unusable, match="nobody who is missing has left"):
        drops().pull()
    assert rows.left == []
    assert box.report("b.csv", "failed")["unfit_rows"] == 1


def test_finished_and_stopped_before_it_was_moved_it_is_only_moved(drops, rows):
    """A crash between the last commit and the move: it is not taken again."""
    box = drops()
    path = box.drop("a.csv", members(1, 2))
    told = path.stat()
    box.pull()
    (box.path / "done" / "a.csv").replace(path)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    taken = list(rows.taken)
    with pytest.raises(Missing, match="nothing that is whole"):
        drops().pull()
    assert rows.taken == taken
    assert box.report("a.csv.2")["delivery"] == "repeated"


def test_another_file_in_place_of_one_that_was_begun_is_begun_anew(drops, rows):
    """Its bytes are looked at, so that no row of another file is skipped."""
    box = drops()
    box.drop("a.csv", members(*range(30)))
    calls = []

    def _dies(what, _count):
        calls.append(what)
        if len(calls) == 3:
            raise Away("the database is away")

    rows.before = _dies
    with pytest.raises(StoreError):
        box.pull()
    box.drop("a.csv", members(*range(100, 130)))
    box.pull()
    assert sorted(rows.there) == sorted(_keys(*range(100, 130)))
    assert [told for told, _ in rows.ended] == ["another was begun", "finished"]


def test_a_file_that_changes_while_it_is_read_is_read_again(drops, rows):
    """SN-03: nobody leaves because of half of the old and half of the new."""
    box = drops()
    box.drop("a.csv", members(1, 2))
    box.pull()
    box.drop("b.csv", members(*range(30)))

    def _changes(what, _count):
        rows.before = lambda *_: None
        box.drop("b.csv", members(*range(30), 77))

    rows.before = _changes
    with pytest.raises(Busy):
        box.pull()
    assert rows.left == []
    box.pull()
    assert _keys(77)[0] in rows.there


def test_what_a_guard_stopped_waits_for_a_person_and_stops_what_is_behind_it(drops, rows):
    """SN-03: it is told once, in the log and beside the file, and goes on once somebody says that it is right."""
    box = drops()
    box.drop("a.csv", members(*range(30)))
    box.pull()
    rows.before = lambda what, _: rows.guard("shrunk") if what == "finish" else None
    box.start()
    box.drop("b.csv", members(1))
    box.drop("c.csv", members(1, 2))
    box.until((box.path / "failed" / "b.csv.unread.json").exists)
    time.sleep(0.2)
    assert len(rows.there) == 30
    assert box.source.counts["tables.guarded"] == 1
    assert "far fewer rows" in (box.path / "failed" / "b.csv.unread.json").read_text()
    rows.before = lambda *_: None
    rows.believe()
    box.until((box.path / "done" / "c.csv.report.json").exists)
    assert sorted(rows.there) == _keys(1, 2)
    assert not (box.path / "failed" / "b.csv.unread.json").exists()


def test_what_a_person_gave_up_is_put_aside_and_the_next_is_taken(drops, rows):
    """Else the same file would be stopped for ever."""
    box = drops()
    box.drop("a.csv", members(*range(30)))
    box.pull()
    rows.before = lambda what, _: rows.guard("shrunk") if what == "finish" else None
    box.start()
    box.drop("b.csv", members(1))
    box.until(lambda: box.source.counts.get("tables.guarded") == 1)
    rows.before = lambda *_: None
    rows.give_up(rows._open, "by a person")
    box.drop("c.csv", members(*range(29)))
    box.until((box.path / "done" / "c.csv.report.json").exists)
    assert rows.left == _keys(29)
    assert "gave it up" in box.report("b.csv", "failed")["problems"][0]


def test_by_hand_a_guard_is_told_to_whoever_asks(drops, rows):
    """SN-03."""
    box = drops()
    box.drop("a.csv", members(1))
    rows.before = lambda what, _: rows.guard("grown")
    with pytest.raises(GuardError):
        box.pull()


def test_of_two_gateways_one_reads(drops, rows):
    """The lock is the kernel's."""
    box = drops()
    box.drop("a.csv", members(1))
    with Lock(box.path) as lock:
        assert lock.take()
        with pytest.raises(Busy):
            box.pull()
        with pytest.raises(Busy):
            box.source.pour(box.path / "a.csv", lambda *_: None)
    box.pull()


def test_trouble_of_the_database_leaves_the_file_in_its_place(drops, rows):
    """A-04: it is tried again, less and less often."""
    box = drops()
    rows.before = lambda *_: (_ for _ in ()).throw(Away("the database is away"))
    box.start()
    box.drop("a.csv", members(1))
    box.until(lambda: box.source.counts.get("tables.later", 0) >= 2)
    assert (box.path / "a.csv").exists()
    rows.before = lambda *_: None
    box.until((box.path / "done" / "a.csv").exists)


def test_a_folder_that_is_not_there_is_told_at_the_start(tmp_path, rows):
    """A sentence, and no source that only seems to run."""
    box = Drops(tmp_path / "inbox", rows, {"path": tmp_path / "other"})
    with pytest.raises(CommandError, match="is not there"):
        box.start()


@pytest.mark.parametrize(
    "options",
    [{"success": "_SUCCESS"}, {"runs": True, "marker": ".done"}, {"delimiter": ";;"}, {"delimiter": '"'},
     {"failed": "done"}, {"manifest": "../x", "runs": True}, {"characters": "utf-16"}, {"escape": ","}],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(tmp_path, rows, options):
    """One sentence each."""
    with pytest.raises(ConfigError):
        Drops(tmp_path / "inbox", rows, options)


def test_a_run_is_one_table_in_many_files_and_moves_as_a_whole(drops, rows):
    """As Spark and its like write: `part-0000…`, `_SUCCESS`, folders within; what begins with `_` or `.` is none of ours."""
    box = drops(runs=True, success="_SUCCESS", pattern="*.csv")
    box.drop("run-1/part-0000.csv", members(*range(15)))
    box.drop("run-1/day=2/part-0001.csv", members(*range(15, 40)))
    box.drop("run-1/part-0002.csv", "")
    box.drop("run-1/_committed_1", "{}")
    box.drop("run-1/.part-0000.csv.crc", "x")
    box.drop("run-1/readme.txt", "x")
    with pytest.raises(Missing, match="nothing that is whole"):
        box.pull()
    assert rows.taken == []
    box.drop("run-1/_SUCCESS", "")
    assert box.pull().counts == {"rows": 40}
    assert (box.path / "done" / "run-1" / "day=2" / "part-0001.csv").exists()
    assert not (box.path / "run-1").exists()
    box.drop("run-1/part-0000.csv", members(*range(39)))
    box.drop("run-1/_SUCCESS", "")
    box.pull()
    assert rows.left == _keys(39)
    assert (box.path / "done" / "run-1.2").is_dir()


def test_a_run_goes_on_in_the_part_where_it_stopped(drops, rows):
    """Law 1."""
    box = drops(runs=True)
    for part in range(3):
        box.drop(f"run/part-{part}.csv", members(*range(part * 25, part * 25 + 25)))
    calls = []

    def _dies(what, _count):
        calls.append(what)
        if len(calls) in (6, 9):
            raise Away("the database is away")

    rows.before = _dies
    for _ in range(2):
        with pytest.raises(StoreError):
            drops(runs=True).pull()
    assert drops(runs=True).pull().counts == {"rows": 75}
    assert rows.taken == _keys(*range(75))


def test_a_run_with_a_part_that_is_no_such_table_is_not_begun(drops, rows):
    """SN-02: every part is looked at before a row of any is taken."""
    box = drops(runs=True)
    box.drop("run/part-0.csv", members(1))
    box.drop("run/part-1.csv", "member,points\n2,2\n")
    assert "audience is not there; joined is not there (part 2)" in box.watch("run")["problems"][0]
    assert rows.taken == []


def test_a_run_is_whole_once_all_that_its_manifest_names_is_there(drops, rows):
    """SN-03: sizes and rows too, where they are told; what it does not name is not of the run."""
    box = drops(runs=True, manifest="manifest")
    size = len(members(2))
    entries = [
        {"url": "s3://bucket/run/part%200", "meta": {"record_count": 1}},
        {"url": "part1", "meta": {"content_length": size, "record_count": 1}},
    ]
    box.drop("run/manifest", json.dumps({"entries": entries, "schema": {}}))
    box.drop("run/part 0", members(1))
    box.drop("run/part1", HEADER)
    box.drop("run/stray", members(9))
    with pytest.raises(Missing, match="nothing that is whole"):
        box.pull()
    box.drop("run/part1", members(2))
    told = []
    rows.before = lambda what, count: told.append((what, count))
    box.pull()
    assert rows.taken == _keys(1, 2)
    assert told[0] == ("begin", 2)


def test_a_run_with_other_rows_than_its_manifest_says_takes_nobody_away(drops, rows):
    """SN-03."""
    box = drops(runs=True, manifest="manifest")
    box.drop("a/part", members(1, 2))
    box.drop("a/manifest", json.dumps({"entries": [{"url": "part", "meta": {"record_count": 2}}]}))
    box.pull()
    box.drop("b/part", members(1))
    box.drop("b/manifest", json.dumps({"entries": [{"url": "part", "meta": {"record_count": 2}}]}))
    assert box.watch("b")["problems"] == ["it has 1 rows, and its manifest says 2"]
    assert rows.left == []


def test_a_manifest_that_cannot_be_read_is_put_before_a_person(drops, rows):
    """Not waited for in silence."""
    box = drops(runs=True, manifest="manifest")
    box.drop("a/part", members(1))
    box.drop("a/manifest", "x")
    assert box.watch("a")["problems"] == ["its manifest cannot be read"]


def test_runs_that_were_through_long_ago_are_removed(drops, rows):
    """Patients' data lie open in there."""
    box = drops(runs=True, keep_done="1d")
    box.drop("run/part", members(1))
    box.pull()
    os.utime(box.path / "done" / "run.report.json", (1_700_000_000, 1_700_000_000))
    box.start()
    box.until(lambda: not (box.path / "done" / "run").exists())


def test_a_link_is_none_of_ours(drops, rows, tmp_path):
    """What it leads to is not ours to read."""
    box = drops(runs=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "part").write_text(members(1))
    (box.path / "run").symlink_to(tmp_path / "elsewhere")
    (box.path / "real").mkdir()
    (box.path / "real" / "part").symlink_to(tmp_path / "elsewhere" / "part")
    assert rows.taken == []
    assert box.watch("real")["problems"] == ["there is no file of rows in it"]


def test_a_dry_run_moves_nothing_and_stores_nothing(drops, rows):
    """The place it is given keeps nothing: then nothing is through."""
    box = drops()
    box.drop("a.csv", members(*range(25)))
    box.source.extract_into(Trial(), box.source._into[1])
    assert box.pull().counts == {"rows": 25}
    assert (box.path / "a.csv").exists()
    assert list((box.path / "done").iterdir()) == []


def test_by_hand_a_file_is_read_without_being_moved_and_again(drops, rows, tmp_path):
    """`caregate load`: a dry run beside a gateway that runs; a file that was taken is read again when somebody says so."""
    box = drops()
    path = Path(tmp_path / "by-hand.csv")
    path.write_text(members(*range(25)) + "x\n")
    told = []
    trial = drops()
    trial.source.extract_into(Trial(), box.source._into[1])
    with Lock(box.path) as lock:
        assert lock.take()
        found = trial.source.pour(path, lambda state, read: told.append((state.counts["rows"], read)), dry_run=True)
    assert (found.rows, found.unfit_rows, found.finished) == (26, 1, False)
    assert [(one.line, one.column) for one in found.unfit] == [(27, None)]
    assert told[-1] == (26, path.stat().st_size)
    path.write_text(members(*range(25)))
    assert box.source.pour(path, lambda *_: None, baseline=False).state.baseline is False
    assert box.source.pour(path, lambda *_: None).finished
    assert [told for told, _ in rows.ended] == ["finished", "finished"]
    assert path.exists()
