"""Every audience, contact or event table of eleven platforms is read by a mapping of under thirty lines (issue 7, point 5)."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from cdp_tables import NO_PEOPLE, TABLES, Table

from gateway import rowjson
from gateway.mapping.feed import Feed
from gateway.mapping.pack import Pack, load_pack
from gateway.mapping.tables.family import RowFamily
from gateway.mapping.tables.reader import TableReader
from gateway.model.event import AckCode, Format, RawMessage, Reading
from gateway.packs import shipped
from gateway.rowcells import cell

_RECEIVED = 1_800_000_000_000
_MOST_LINES = 30
EXAMPLES = sorted((shipped("mappings") / "tables" / "examples").glob("*.yaml"))
_EXAMPLE_OF = {
    "hubspot-list-members": "dbt_hubspot__contact_list_member_data",
    "klaviyo-people": "dbt_klaviyo__person",
    "marketing-cloud-list": "dbt_salesforce_marketing_cloud__list_subscriber_data",
    "marketo-email-clicks": "dbt_marketo__marketo_activity_click_email_data",
    "segment-pages": "segment__example_segment_pages",
}


@pytest.fixture(scope="module")
def exports() -> dict[str, Path]:
    """The tables by name, where they are."""
    folder = Path(os.environ.get("CAREGATE_TESTDATA", shipped("mappings").parents[1] / "shared" / "testdata")) / "cdp"
    if not folder.is_dir():
        pytest.skip(f"no tables at {folder}: set CAREGATE_TESTDATA")
    return {path.stem.partition("_")[2]: path for path in folder.glob("*/*.csv")}


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """The shipped code tables, with a mapping for each table, and the examples."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "tables").mkdir()
    for table in TABLES:
        (folder / "tables" / f"{table.mapping}.yaml").write_text(table.text(), "utf-8")
    for example in EXAMPLES:
        (folder / "tables" / example.name).write_bytes(example.read_bytes())
    return load_pack([shipped("mappings"), folder])


def _rows(path: Path, family: RowFamily) -> Iterator[bytes]:
    """The rows as a source of files tells them; a cell that is not of its type is a mistake of ours here."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            row = {name: cell(type_, line[name]) for name, type_ in family.columns.items()}
            yield rowjson.told(rowjson.key_of([row[name] for name in family.key]), row)


def _readings(pack: Pack, mapping: str, path: Path) -> list[Reading]:
    read = TableReader(pack, Feed(name="cdp", zone="America/Chicago", mapping=mapping))
    bodies = _rows(path, pack.rows[mapping])
    return [read(RawMessage(source="cdp", format=Format.TABLE, body=one, received=_RECEIVED)) for one in bodies]


def _named(exports: dict[str, Path], name: str) -> Path:
    found = [path for stem, path in exports.items() if stem.endswith(name)]
    assert len(found) == 1, name
    return found[0]


@pytest.mark.parametrize("table", TABLES, ids=[table.file for table in TABLES])
def test_every_row_of_a_table_of_people_has_a_stated_outcome(
    pack: Pack, exports: dict[str, Path], table: Table
) -> None:
    """SN-02, SN-05: each row is an event of somebody, or says in which column it names nobody."""
    readings = _readings(pack, table.mapping, _named(exports, table.file))
    came = Counter(bool(reading.events) for reading in readings)
    assert table.text().count("\n") < _MOST_LINES
    for reading in readings:
        assert len(reading.events) == (reading.ack is AckCode.AA)
        if reading.ack is not AckCode.AA:
            assert [str(fault.place) for fault in reading.faults if fault.severity == "E"] == [table.who]
    if table.by_address:
        assert came[False]
    elif readings:
        assert came[True]


def test_no_table_was_forgotten(exports: dict[str, Path]) -> None:
    """What is neither mapped nor said to be about no people is a table that nobody looked at."""
    mapped = {_named(exports, table.file).stem for table in TABLES}
    others = {path.stem for path in exports.values()} - mapped
    assert sorted(one for one in others if not any(fnmatch(one, f"*_{like}") for like in NO_PEOPLE)) == []
    assert [like for like in NO_PEOPLE if not any(fnmatch(one, f"*_{like}") for one in others)] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_the_examples_read_the_tables_they_are_about(pack: Pack, exports: dict[str, Path], example: Path) -> None:
    """Five of them are shown in mappings/tables/examples, each of under thirty lines."""
    readings = _readings(pack, example.stem, _named(exports, _EXAMPLE_OF[example.stem]))
    assert example.read_text("utf-8").count("\n") < _MOST_LINES
    assert readings
    assert all(reading.events for reading in readings if not reading.ignored)
    assert len(EXAMPLES) == len(_EXAMPLE_OF)
