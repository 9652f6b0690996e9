"""Other people's exports are read as they are: every row that Python's own reader finds, and none besides."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from connectors.sources.tables.csvrows import CsvReading
from connectors.sources.tables.options import TablesOptions
from connectors.sources.tables.parquetrows import ParquetReading
from gateway.model.errors import Unusable
from gateway.ports import TableShape

_EXPORTS = Path(os.environ.get("CAREGATE_TESTDATA", "../shared/testdata")) / "cdp"
_NO_HEADER = "testCSVcolon"  # it is written with semicolons: as commas it is refused, not guessed at
_FILES = sorted(path for path in _EXPORTS.rglob("*.csv") if _NO_HEADER not in path.name)


def _options(kind: str) -> TablesOptions:
    return TablesOptions.model_validate({"path": "/", "files": kind, "mode": "snapshot"})


@pytest.mark.skipif(not _FILES, reason="the exports are not here (CAREGATE_TESTDATA)")
@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.stem[-40:])
def test_an_export_is_read_whole(path):
    """SN-02: by its declared columns, each row with its line."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        head, *wanted = [row for row in csv.reader(file) if row]
    names = [one.strip() for one in head]
    if len({one.casefold() for one in names}) < len(names):
        pytest.skip("its header tells a column twice")
    with CsvReading(
        path, TableShape(mapping="x", columns=dict.fromkeys(names, "text"), key=(names[0],)), _options("csv")
    ) as reading:
        found = list(reading.rows(None))
    fitting = [row for row in wanted if len(row) == len(names)]
    assert [told.values for told in found if told.values is not None] == fitting
    assert len(found) == len(wanted)


def test_a_parquet_file_of_every_type_is_read_by_the_columns_that_can_be_ours():
    """SN-02: and one that cannot is told by its name."""
    found = sorted(_EXPORTS.rglob("*.parquet"))
    if not found:
        pytest.skip("the exports are not here (CAREGATE_TESTDATA)")
    parquet = pytest.importorskip("pyarrow.parquet")
    schema = parquet.read_schema(found[0])
    read: list[str] = []
    refused: list[bool] = []
    for name in schema.names:
        shape = TableShape(mapping="x", columns={name: "text"}, key=(name,))
        try:
            reading = ParquetReading(found[0], shape, _options("parquet"))
        except Unusable as error:
            refused.append(str(error).startswith(f"the file is not what mapping x reads: {name} is "))
            continue
        with reading:
            rows = [reading.layout.row(told.values) for told in reading.rows(None)]
            assert len(rows) == reading.expected
            read.append(name)
    assert read
    assert all(refused)
