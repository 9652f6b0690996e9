"""Parquet files somebody made to harm us: they cost a row, or are refused, and nobody leaves because of them."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

import pytest
from tables_box import SHAPE, members

from connectors.sources.tables.options import TablesOptions
from connectors.sources.tables.parquetrows import ParquetReading
from gateway.model.errors import Unusable
from gateway.ports import ExtractMode

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

PLAIN = replace(SHAPE, columns={"member": "text", "audience": "text", "joined": "datetime"})
STAMP = pyarrow.timestamp("us", tz="UTC")


def _table(members_, joined=None, *, type_=STAMP):
    joined = joined or [0] * len(members_)
    return pyarrow.table(
        {"member": members_, "audience": ["kidney"] * len(members_), "joined": pyarrow.array(joined, type_)}
    )


@pytest.fixture
def box(drops):
    """A folder of Parquet files."""
    return drops(files="parquet", shape=PLAIN)


def _put(box, table, name="a.parquet", **how):
    box.path.mkdir(exist_ok=True)
    parquet.write_table(table, box.path / name, **how)
    return box.path / name


@pytest.mark.parametrize(
    ("type_", "far"), [(STAMP, 2**61), (pyarrow.date32(), 2**31 - 1), (pyarrow.timestamp("ms"), 2**60)]
)
def test_a_day_that_no_calendar_has_costs_its_row(drops, rows, type_, far):
    """The year 20000 is a value like another: it must neither end the file nor the source that reads it."""
    day = {"joined": "date"} if type_ == pyarrow.date32() else {}
    box = drops(files="parquet", shape=replace(PLAIN, columns={**PLAIN.columns, **day}, at=None))
    _put(box, _table(["1", "2", "3"], [0, far, 0], type_=type_))
    assert box.watch("a.parquet")["unfit"] == [
        {"file": "a.parquet", "line": 2, "column": "joined", "problem": "the column does not hold what it is declared to hold"}
    ]  # fmt: skip
    assert len(rows.there) == 2


def test_text_that_is_no_text_costs_its_row(box, rows):
    """Bytes that are no UTF-8 under a column that says it is text."""
    bytes_ = pyarrow.array([b"1", b"\xff\xfe", b"3"], pyarrow.binary()).view(pyarrow.string())
    _put(box, _table(bytes_))
    assert [one["line"] for one in box.watch("a.parquet")["unfit"]] == [2]
    assert len(rows.there) == 2


@pytest.mark.parametrize("zone", ["Nowhere/Bogus", "+99:99", "../../etc/passwd"])
def test_a_zone_that_nobody_knows_refuses_the_file(box, zone):
    """Its name is the file's own: it is neither believed, looked up in a folder, nor told."""
    _put(box, _table(["1"], type_=pyarrow.timestamp("us", tz=zone)))
    problems = box.watch("a.parquet")["problems"]
    assert problems == [
        "the file is not what mapping members reads: joined is a time in a zone nobody knows and cannot be datetime"
    ]


def test_a_footer_that_counts_other_rows_takes_nobody_away(box, rows):
    """SN-03: a part of which fewer rows are told than it has, or a whole that is told to be smaller, is no mass exit."""
    table = _table([str(number) for number in range(300)])
    _put(box, table)
    box.pull()
    whole = _put(box, table, "b.parquet", row_group_size=100).read_bytes()
    refused = 0
    for place in _places(whole, 300) + _places(whole, 100):
        raw = bytearray(whole)
        raw[place : place + 2] = _number(90)
        (box.path / "b.parquet").write_bytes(raw)
        try:
            box.pull()
        except Unusable:
            refused += 1
        assert (rows.left, len(rows.there)) == ([], 300)
    assert refused >= 4


def _number(count):
    """As Thrift's compact protocol writes one between 64 and 8191."""
    return bytes([(count * 2) & 0x7F | 0x80, (count * 2) >> 7])


def _places(whole, count):
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    return [footer + found.start() for found in re.finditer(re.escape(_number(count)), whole[footer:])]


def test_a_word_that_a_thousand_rows_share_is_in_memory_once(tmp_path):
    """A file of 1 KB may say a word of a megabyte a thousand times; copied for each row, that is a gigabyte."""
    word = "x" * 1_000_000
    dictionary = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 1_000, pyarrow.int32()), [word])
    parquet.write_table(_table(dictionary), tmp_path / "a.parquet", compression="zstd", store_schema=False)
    assert (tmp_path / "a.parquet").stat().st_size < 8_192
    with _reading(tmp_path / "a.parquet") as reading:
        assert len({id(told.values[0]) for told in reading.rows(None)}) == 1


def _reading(path, **more):
    return ParquetReading(
        path, PLAIN, TablesOptions(path=path.parent, files="parquet", mode=ExtractMode.SNAPSHOT, **more)
    )


def test_the_longer_its_rows_the_fewer_are_read_at_a_time(tmp_path, monkeypatch):
    """Bytes are bounded, not rows."""
    words = [f"{number}{'x' * 400_000}" for number in range(100)]
    parquet.write_table(_table(words), tmp_path / "a.parquet", use_dictionary=False, compression="zstd")
    seen = []
    values = ParquetReading._values
    monkeypatch.setattr(
        ParquetReading, "_values", lambda self, batch: seen.append(batch.num_rows) or values(self, batch)
    )
    with _reading(tmp_path / "a.parquet") as reading:
        assert sum(1 for _ in reading.rows(None)) == 100
    assert max(seen) <= (16 << 20) // 400_000


def test_more_than_is_accepted_is_refused_before_a_row_is_read(box):
    """As for what a .gz unpacks to; rows of nothing count too, for millions of them take a few bytes."""
    small = {"max_file": "64KiB"}
    path = _put(box, _table(["x" * 200_000]), compression="zstd")
    assert path.stat().st_size < 65_536
    with pytest.raises(Unusable, match="longer than this source accepts"):
        _reading(path, **small)
    nothing = _table(pyarrow.nulls(100_000, pyarrow.string()), [None] * 100_000)
    path = _put(box, nothing, compression="zstd")
    assert path.stat().st_size < 65_536
    with pytest.raises(Unusable, match="longer than this source accepts"):
        _reading(path, **small)


def test_what_is_no_parquet_at_all_is_said_so(box):
    """A CSV file under that name."""
    box.drop("a.parquet", members(1))
    assert box.watch("a.parquet")["problems"] == ["it is damaged, or no Parquet file"]


def test_times_as_files_write_them_are_read_as_ever(box, rows):
    """A zone there is, and none."""
    when = dt.datetime(2026, 3, 2, 16, tzinfo=dt.UTC)
    _put(box, _table(["1"], [when], type_=pyarrow.timestamp("ns", tz="America/Chicago")))
    box.pull()
    assert b"2026-03-02T16:00:00Z" in next(iter(rows.there.values()))
