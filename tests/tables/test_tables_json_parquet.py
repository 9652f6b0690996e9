"""Rows of NDJSON and Parquet: exact numbers, declared types, and columns that are looked at before a row is taken."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from tables_box import SHAPE, Away

from connectors.sources.tables import pouring
from gateway.rowjson import parse

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def _told(rows):
    return {key: dict(parse(body).row) for key, body in rows.there.items()}


def _lines(*objects):
    return "".join(json.dumps(one) + "\n" for one in objects)


def _member(number, **more):
    return {"member": str(number), "audience": "kidney", "joined": "2026-03-02T16:00:00Z", "points": number, **more}


def test_objects_a_line_are_rows(drops, rows):
    """Blank lines and a byte order mark are none; members of members are columns too."""
    shape = replace(SHAPE, columns={**SHAPE.columns, "traits.mrn": "text"})
    box = drops(files="ndjson", shape=shape)
    box.drop("a.ndjson", "\ufeff" + _lines(_member(1, traits={"mrn": "7"})) + "\n" + _lines(_member(2)))
    box.pull()
    assert {key: one["traits.mrn"] for key, one in _told(rows).items()} == {
        '["1","kidney"]': "7",
        '["2","kidney"]': None,
    }


def test_numbers_stay_exact(drops, rows):
    """No float in between: a number with a fraction is no whole number, and a long one keeps its digits."""
    shape = replace(SHAPE, columns={"member": "text", "audience": "text", "points": "decimal"}, at=None)
    box = drops(files="ndjson", shape=shape)
    box.drop(
        "a.ndjson",
        '{"member": 12345678901234567890123, "audience": "a", "points": 0.10000000000000000001}\n'
        '{"member": 2, "audience": ["a", 1.50], "points": 3}\n',
    )
    box.pull()
    assert [tuple(one.values()) for one in _told(rows).values()] == [
        ("12345678901234567890123", "a", "0.10000000000000000001"),
        ("2", '["a",1.50]', "3"),
    ]


def test_lines_are_counted_beforehand(drops, rows):
    """SN-03: the guard is asked before the first row."""
    told = []
    rows.before = lambda what, count: told.append((what, count))
    box = drops(files="ndjson")
    line = '{"member": "%s", "audience": "kidney", "joined": "2026-03-02T16:00:00Z", "points": 1}\n'
    box.drop("a.json", line % 1 + "\n" + line % 2)
    box.pull()
    assert told[0] == ("begin", 2)


def test_a_column_that_no_line_tells_stops_it(drops, rows):
    """SN-02: of a file without a header the first thousand lines are its header."""
    box = drops(files="ndjson")
    box.drop("a.ndjson", _lines({"member": "1", "audience": "x", "joined": None}))
    assert "points is not there" in box.watch("a.ndjson")["problems"][0]
    assert rows.taken == []


@pytest.mark.parametrize(
    "line", ["[1]", '{"member": ', "nonsense", '{"a": NaN}', "[" * 100_000, '{"a": 1e99999999999}']
)
def test_a_line_that_is_no_object_is_kept_apart(drops, rows, line):
    """The others go on."""
    box = drops(files="ndjson", mode="changes")
    box.drop("a.ndjson", _lines(_member(1)) + line + "\n" + _lines(_member(2)))
    box.pull()
    report = box.report("a.ndjson", "failed")
    assert [one["line"] for one in report["unfit"]] == [2]
    assert len(rows.there) == 2


def test_an_empty_file_is_an_empty_table(drops, rows):
    """Whether that may be is the guard's to say, at the end of the extract."""
    box = drops(files="ndjson")
    box.drop("a.ndjson", "")
    box.pull()
    assert [told for told, _ in rows.ended] == ["finished"]


def _table(path, count=3, *, group=1_000, **columns):
    stamps = [dt.datetime(2026, 3, 2, 16, 0, 0, 123456, tzinfo=dt.UTC)] * count
    made = {
        "member": pyarrow.array([str(one) for one in range(count)]).dictionary_encode(),
        "audience": pyarrow.array(["kidney"] * count, pyarrow.large_string()),
        "joined": pyarrow.array(stamps, pyarrow.timestamp("ns", "America/Chicago")),
        "points": pyarrow.array([Decimal(one) for one in range(count)], pyarrow.decimal128(38, 0)),
        "ignored": pyarrow.array([[one] for one in range(count)]),
        **columns,
    }
    parquet.write_table(pyarrow.table({k: v for k, v in made.items() if v is not None}), path, row_group_size=group)
    return path


def test_a_parquet_file_is_read_in_its_types(drops, rows):
    """SN-13: a time with a zone is told in UTC; columns that nobody declared are never read."""
    box = drops(files="parquet")
    _table(box.path / "a.parquet")
    box.pull()
    assert _told(rows)['["2","kidney"]'] == {
        "member": "2",
        "audience": "kidney",
        "joined": "2026-03-02T16:00:00.123456Z",
        "points": 2,
    }


def test_a_parquet_file_of_many_row_groups_and_batches_is_read_whole(drops, rows):
    """A batch in memory at a time."""
    box = drops(files="parquet")
    _table(box.path / "a.parquet", 5_003, group=1_700)
    assert box.pull().counts == {"rows": 5_003}
    assert len(rows.there) == 5_003


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_a_parquet_file_goes_on_in_the_row_where_it_stopped(drops, rows, monkeypatch, stop):
    """Law 1: within a batch, and within a row group."""
    monkeypatch.setattr(pouring, "_ROWS", 1_300)
    box = drops(files="parquet")
    _table(box.path / "a.parquet", 5_003, group=2_700)
    calls = []

    def _dies(what, _count):
        calls.append(what)
        if len(calls) == 1 + stop:
            raise Away("the database is away")

    rows.before = _dies
    with pytest.raises(Away):
        box.pull()
    assert drops(files="parquet").pull().counts == {"rows": 5_003}
    assert rows.taken == [f'["{one}","kidney"]' for one in range(5_003)]


def test_it_says_beforehand_how_many_rows_it_has(drops, rows):
    """SN-03: the guard is asked before the first row."""
    told = []
    rows.before = lambda what, count: told.append((what, count))
    box = drops(files="parquet")
    _table(box.path / "a.parquet", 7)
    box.pull()
    assert told[0] == ("begin", 7)


def test_a_parquet_type_that_cannot_be_ours_stops_it(drops, rows):
    """SN-02: a float as text is another number in every reader, and a list is no text."""
    box = drops(files="parquet")
    _table(box.path / "a.parquet", 1, member=pyarrow.array([1.5]), audience=pyarrow.array([["x"]]))
    problem = box.watch("a.parquet")["problems"][0]
    assert "member is float and cannot be text" in problem
    assert "audience is nested or bytes and cannot be text" in problem
    assert rows.taken == []


def test_a_parquet_file_without_a_declared_column_stops_it(drops, rows):
    """SN-02."""
    box = drops(files="parquet")
    _table(box.path / "a.parquet", 1, points=None)
    assert "points is not there" in box.watch("a.parquet")["problems"][0]


@pytest.mark.parametrize("cut", [0, 4, 200, -1])
def test_a_parquet_file_that_is_cut_is_none(drops, rows, cut):
    """Its columns are told at its end: nothing of it is taken."""
    box = drops(files="parquet")
    whole = _table(box.path / "a.parquet", 50).read_bytes()
    box.drop("a.parquet", whole[:cut])
    assert box.watch("a.parquet")["problems"] == ["it is damaged, or no Parquet file"]
    assert rows.taken == []


def test_a_parquet_file_that_is_damaged_within_takes_nobody_away(drops, rows):
    """SN-03."""
    box = drops(files="parquet")
    _table(box.path / "a.parquet", 4_000, group=1_000)
    box.pull()
    whole = bytearray(_table(box.path / "b.parquet", 4_000, group=1_000).read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 400] = b"\xff" * 400
    box.drop("b.parquet", bytes(whole))
    assert box.watch("b.parquet")["problems"] == ["it is damaged, or no Parquet file"]
    assert len(rows.there) == 4_000
    assert rows.left == []
