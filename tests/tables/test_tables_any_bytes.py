"""What must hold of any bytes in a file of rows: each line is a row or told as none, and reading on is reading from the start."""

from __future__ import annotations

import csv
import gzip
import io
import random
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tables_box import HEADER, SHAPE

from connectors.sources.tables.csvrows import CsvReading
from connectors.sources.tables.ndjsonrows import NdjsonReading
from connectors.sources.tables.options import TablesOptions
from connectors.sources.tables.parquetrows import ParquetReading
from connectors.sources.tables.reading import Reading
from gateway.model.errors import Unreadable, Unusable
from gateway.rowjson import parse

_QUIET = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_BITS = [
    b'"',
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b'""',
    b"1",
    b"kidney",
    b"2026-03-02",
    b"\\",
    b"\0",
    b"\xff",
    b"\xc3\xa9",
    b"x" * 300,
]
_bits = st.lists(st.sampled_from(_BITS) | st.binary(max_size=8), max_size=60).map(b"".join)
_json = st.lists(
    st.sampled_from([b"{", b"}", b"[", b'"member"', b":", b",", b"1e400", b"-0", b"\n", b'"\\ud800"', b"null", b"\xff"])
    | st.sampled_from([b'{"member":"1","audience":"a","joined":null,"points":1}\n']),
    max_size=40,
).map(b"".join)


def _options(kind: str) -> TablesOptions:
    return TablesOptions.model_validate({"path": "/", "files": kind, "mode": "snapshot"})


def _every(reading: Reading, at: tuple[int, int] | None = None) -> list:
    """Each row with where it ends; a body is one that our reader takes, or refuses with a reason."""
    found = []
    for told in reading.rows(at):
        if told.values is not None:
            row, _ = reading.layout.row(told.values)
            if row.body:
                with suppress(Unreadable):
                    assert parse(row.body).key == row.key
        found.append((told.line, told.after, told.values, told.why))
    return found


def _holds(make, path: Path) -> None:
    try:
        with make() as reading:
            whole = _every(reading)
    except Unusable:
        return
    for cut in {0, len(whole) // 2, len(whole) - 1} & set(range(len(whole))):
        with make() as again:
            assert _every(again, whole[cut][1]) == whole[cut + 1 :]


@_QUIET
@given(_bits)
@example(b'"')
@example(b'1,kidney,,"\n1,kidney,,\n')
def test_any_bytes_under_a_header_are_rows_or_told_as_none(tmp_path, content):
    """Law 1: nothing raises, and what is behind any row is the same when it is read from there."""
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER.encode() + content)
    _holds(lambda: CsvReading(path, SHAPE, _options("csv")), path)


@_QUIET
@given(_json)
def test_any_bytes_are_objects_or_told_as_none(tmp_path, content):
    """The same of NDJSON."""
    path = tmp_path / "a.ndjson"
    path.write_bytes(content)
    _holds(lambda: NdjsonReading(path, SHAPE, _options("ndjson")), path)


_cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@_QUIET
@given(
    st.lists(st.tuples(_cells, _cells, _cells, _cells), max_size=20),
    st.booleans(),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_what_a_writer_of_csv_wrote_is_read_as_it_was(tmp_path, rows, packed, quoting):
    """RFC 4180: whatever the cells hold, line ends and quotes among them."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator="\r\n")
    writer.writerow(HEADER.strip().split(","))
    writer.writerows(rows)
    path = tmp_path / ("a.csv.gz" if packed else "a.csv")
    raw = text.getvalue().encode()
    path.write_bytes(gzip.compress(raw) if packed else raw)
    with CsvReading(path, SHAPE, _options("csv")) as reading:
        assert [told.values for told in reading.rows(None)] == [list(one) for one in rows]


@pytest.mark.parametrize("seed", range(30))
def test_a_packed_file_with_any_damage_ends_in_bounds(tmp_path, seed):
    """What comes before the damage is as it was."""
    chance = random.Random(seed)
    lines = "".join(f"{one},kidney,,{chance.random()}\n" for one in range(3_000))
    raw = bytearray(gzip.compress((HEADER + lines).encode()))
    for _ in range(chance.randrange(1, 4)):
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    path = tmp_path / "a.csv.gz"
    path.write_bytes(bytes(raw[: chance.choice([len(raw), len(raw) // 2])]))
    with suppress(Unusable), CsvReading(path, SHAPE, _options("csv")) as reading:
        found = [told.values for told in reading.rows(None)]
        assert reading.damage is not None or len(found) == 3_000


@pytest.mark.parametrize("seed", range(60))
def test_a_parquet_file_with_any_damage_is_told(tmp_path, seed):
    """It is read, or it is damaged; nothing else is raised."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    columns = {"member": [str(one) for one in range(500)], "audience": ["a"] * 500, "points": list(range(500))}
    columns["joined"] = ["2026-03-02T16:00:00Z"] * 500
    parquet.write_table(pyarrow.table(columns), path, row_group_size=100)
    raw = bytearray(path.read_bytes())
    chance = random.Random(seed)
    for _ in range(chance.randrange(1, 6)):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    path.write_bytes(bytes(raw))
    with suppress(Unusable), ParquetReading(path, SHAPE, _options("parquet")) as reading:
        found = _every(reading)
        assert reading.damage is not None or len(found) == reading.expected
