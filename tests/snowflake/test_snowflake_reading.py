"""Rows read from an emulator of Snowflake by the real connector over the network: columns, exactness, snapshots, watermarks."""

from __future__ import annotations

import itertools
import json

import pyarrow as pa
import pytest
from snowflake_rows import RowsMemory
from snowflake_there import SHAPE, Audience, There, extracting

from gateway.model.errors import Busy, GuardError, Missing, Unreadable, Unusable
from gateway.ports import TableShape
from gateway.rowjson import parse


def quiet(_: object) -> None:
    """Progress nobody looks at."""


def test_a_snapshot_brings_every_row_and_tells_who_left(audience: Audience, rows: RowsMemory):
    """SN-03, SN-21: the first is the baseline; a row that is missing in the next has left."""
    audience.put(("a", "hearing", "2026-03-01 10:00:00"), ("b", "hearing", "2026-03-01 11:00:00"))
    one = extracting(audience.there, audience.name, rows)
    one.once(quiet)
    assert rows.told() == [
        ("begin", "snapshot", 2, True),
        ("new", '["a","hearing"]'),
        ("new", '["b","hearing"]'),
        ("finish", 2),
    ]
    audience.run("DELETE FROM {} WHERE USER_ID = 'a'")
    audience.put(("c", "hearing", "2026-03-01 12:00:00"))
    one.once(quiet)
    assert rows.told() == [
        ("begin", "snapshot", 2, False),
        ("new", '["c","hearing"]'),
        ("left", '["a","hearing"]'),
        ("finish", 2),
    ]


def test_only_columns_that_are_declared_are_ever_named(audience: Audience, rows: RowsMemory):
    """SN-38, 45 CFR 164.502(b): by name, quoted; what no mapping declares is not read."""
    audience.put(("a", "hearing", "2026-03-01 10:00:00"))
    extracting(audience.there, audience.name, rows).once(quiet)
    asked = [one for one in audience.there.seen()["statements"] if audience.schema in one["sql"]]
    read = [one["sql"] for one in asked if one["sql"].startswith("SELECT") and not one["describe"]]
    assert read
    assert all("SECRET" not in sql and "*" not in sql for sql in read)
    assert '"USER_ID"' in read[-1]
    assert parse(rows.kept['["a","hearing"]'][1]).row == {
        "user_id": "a",
        "audience": "hearing",
        "member": True,
        "seen": "2026-03-01T10:00:00",
    }


def test_a_name_that_would_be_sql_is_only_a_name(snowflake: There, rows: RowsMemory):
    """SN-38: a column or table may be called anything."""
    snowflake.run(
        "CREATE SCHEMA IF NOT EXISTS CDP.ODD",
        'CREATE TABLE CDP.ODD."a""; DROP TABLE x; --" ("id""; --" VARCHAR, "Id Of" VARCHAR)',
        """INSERT INTO CDP.ODD."a""; DROP TABLE x; --" VALUES ('k', 'v')""",
    )
    shape = TableShape(mapping="odd", columns={'id"; --': "text", "id of": "text"}, key=('id"; --',))
    extracting(snowflake, 'CDP.ODD."a""; DROP TABLE x; --"', rows, shape).once(quiet)
    assert parse(rows.kept["k"][1]).row == {'id"; --': "k", "id of": "v"}


def test_numbers_stay_what_they_are(snowflake: There, rows: RowsMemory):
    """SN-33: an id of 18 digits is no float, and a price keeps its cents."""
    snowflake.run(
        "CREATE OR REPLACE TABLE CDP.PUBLIC.NUMBERS (ID NUMBER(38,0), PRICE NUMBER(20,4), HOW_MANY INT, DAY DATE, STAMP TIMESTAMP_LTZ)",
        "INSERT INTO CDP.PUBLIC.NUMBERS SELECT 999999999999999983, 12.3400, 7, '2026-03-01', '2026-03-01 10:00:00'",
    )
    columns = {"id": "text", "price": "decimal", "how_many": "integer", "day": "date", "stamp": "datetime"}
    shape = TableShape(mapping="numbers", columns=columns, key=("id",), at="stamp")
    extracting(snowflake, "cdp.public.numbers", rows, shape).once(quiet)
    assert parse(rows.kept["999999999999999983"][1]).row == {
        "id": "999999999999999983",
        "price": "12.34",
        "how_many": 7,
        "day": "2026-03-01",
        "stamp": "2026-03-01T10:00:00Z",
    }


def test_without_pyarrow_rows_come_one_by_one_and_are_the_same(
    audience: Audience, rows: RowsMemory, monkeypatch: pytest.MonkeyPatch
):
    """SN-33: the connector gives both."""
    audience.put(*((f"u{number}", "x", "2026-03-01 10:00:00") for number in range(5)))
    extracting(audience.there, audience.name, rows).once(quiet)
    plain = RowsMemory()
    monkeypatch.setattr("connectors.sources.snowflake.session._arrow_is_there", lambda: False)
    extracting(audience.there, audience.name, plain, chunk=2).once(quiet)
    assert plain.kept == rows.kept
    assert plain.chunks == [2, 2, 1]


def test_an_answer_that_ends_early_is_no_end(audience: Audience, rows: RowsMemory, monkeypatch: pytest.MonkeyPatch):
    """SN-03: half a table is no table; nobody leaves for it."""
    audience.put(("a", "x", "2026-03-01 10:00:00"), ("b", "x", "2026-03-01 10:00:00"))
    one = extracting(audience.there, audience.name, rows)
    one.once(quiet)
    rows.told()
    monkeypatch.setattr("connectors.sources.snowflake.session._Rows._arrow", lambda *_: iter(()))
    with pytest.raises(Busy, match="before its last row"):
        one.once(quiet)
    assert [what for what, *_ in rows.told()] == ["begin"]


def test_an_answer_without_end_ends(audience: Audience, rows: RowsMemory, monkeypatch: pytest.MonkeyPatch):
    """It told how many rows it has; what comes beyond is not taken, and nobody leaves."""
    audience.put(("a", "x", "2026-03-01 10:00:00"), ("b", "x", "2026-03-01 10:00:00"))
    told = itertools.count()

    def batches(*_: object):
        for number in itertools.takewhile(lambda number: number < 100, told):
            yield [(str(number), "x", True, None)]

    monkeypatch.setattr("connectors.sources.snowflake.session._Rows._arrow", batches)
    with pytest.raises(Busy, match="more rows than it told"):
        extracting(audience.there, audience.name, rows).once(quiet)
    assert next(told) == 3
    assert [what for what, *_ in rows.told()] == ["begin", "new", "new"]


def test_a_time_that_no_calendar_has_costs_its_row(
    audience: Audience, rows: RowsMemory, monkeypatch: pytest.MonkeyPatch
):
    """The emulator has none; its neighbours are taken."""
    audience.put(("a", "x", "2026-03-01 10:00:00"), ("b", "x", "2026-03-01 10:00:00"))
    stamps = pa.array([2**61, 0], pa.timestamp("us"))
    table = pa.table({"c0": ["a", "b"], "c1": ["x", "x"], "c2": [True, True], "c3": stamps})
    monkeypatch.setattr(
        "snowflake.connector.cursor.SnowflakeCursor.fetch_arrow_batches", lambda *_, **__: iter([table]), raising=False
    )
    extracting(audience.there, audience.name, rows).once(quiet)
    assert sorted(rows.kept) == ['["a","x"]', '["b","x"]']
    with pytest.raises(Unreadable):
        parse(rows.kept['["a","x"]'][1])


def test_of_two_rows_with_one_key_the_newer_counts(audience: Audience, rows: RowsMemory):
    """SN-11: a table that is only ever added to has a row of each version; read twice it says the same."""
    audience.put(("a", "hearing", "2026-03-01 10:00:00"), ("a", "hearing", "2026-03-02 10:00:00"))
    for mode in ("snapshot", "watermark"):
        one = extracting(audience.there, audience.name, rows, mode=mode)
        one.once(quiet)
        assert parse(rows.kept['["a","hearing"]'][1]).row["seen"] == "2026-03-02T10:00:00"
        rows.told()
        one.once(quiet)
        assert [what for what, *_ in rows.told() if what in ("new", "changed", "left")] == []


def test_a_column_that_went_away_stops_the_extract_before_a_row_is_read(audience: Audience, rows: RowsMemory):
    """SN-02: each is named, those in excess do not matter."""
    audience.put(("a", "hearing", "2026-03-01 10:00:00"))
    audience.run("ALTER TABLE {} DROP COLUMN MEMBER")
    shape = TableShape(mapping="audience", columns={**SHAPE.columns, "seen": "yesno"}, key=SHAPE.key)
    with pytest.raises(Unusable, match=r"member is not there; seen is TIMESTAMP_NTZ and cannot be yesno"):
        extracting(audience.there, audience.name, rows, shape).once(quiet)
    assert rows.told() == []


def test_a_table_that_is_not_there_is_said_to_be_missing(audience: Audience, rows: RowsMemory):
    """SN-01: there, or not for this role, is all Snowflake says."""
    with pytest.raises(Missing):
        extracting(audience.there, f"CDP.{audience.schema}.NONE", rows).once(quiet)


def test_what_the_guard_will_not_believe_is_not_read(audience: Audience, rows: RowsMemory):
    """SN-03: the number of rows is told before the first of them."""
    audience.put(("a", "hearing", "2026-03-01 10:00:00"))
    rows.guarded = True
    with pytest.raises(GuardError):
        extracting(audience.there, audience.name, rows).once(quiet)
    assert rows.kept == {}


def test_rows_come_in_chunks_and_a_stop_comes_between_them(audience: Audience, rows: RowsMemory):
    """F-16, SN-11: what was committed stays, and an interrupted snapshot is read anew, with the same answer for what is known."""
    audience.put(*((f"u{number:02}", "hearing", "2026-03-01 10:00:00") for number in range(10)))
    one = extracting(audience.there, audience.name, rows, chunk=3)
    rows.stop_after = 6
    with pytest.raises(KeyboardInterrupt):
        one.once(quiet)
    assert rows.chunks == [3, 3]
    assert len(rows.kept) == 6
    rows.stop_after = None
    steps: list[int] = []
    done = one.once(lambda state: steps.append(sum(state.counts.values())))
    assert done.baseline
    assert done.counts == {"same": 6, "new": 4}
    assert steps[:2] == [3, 6]
    assert len(rows.kept) == 10


def test_what_was_asked_of_an_interrupted_snapshot_holds_when_it_is_read_anew(audience: Audience, rows: RowsMemory):
    """SN-21: somebody asked that the first one is no baseline."""
    audience.put(("a", "x", "2026-03-01 10:00:00"))
    one = extracting(audience.there, audience.name, rows)
    rows.stop_after = 0
    with pytest.raises(KeyboardInterrupt):
        one.once(quiet, baseline=False)
    rows.stop_after = None
    assert one.once(quiet).baseline is False


def test_a_watermark_reads_what_is_new_and_what_came_late(audience: Audience, rows: RowsMemory):
    """SN-11: `>=` less the overlap, the mark committed with the rows; what is older than the overlap is not read again."""
    one = extracting(audience.there, audience.name, rows, mode="watermark", overlap="1h")
    audience.put(("a", "x", "2026-03-01 08:00:00"), ("b", "x", "2026-03-01 10:00:00"))
    one.once(quiet)
    assert json.loads(rows.cursor() or "") == {"mode": "watermark", "at": "2026-03-01T10:00:00+00:00"}
    rows.told()
    audience.put(
        ("late", "x", "2026-03-01 09:30:00"),
        ("too late", "x", "2026-03-01 08:30:00"),
        ("c", "x", "2026-03-01 11:00:00"),
    )
    one.once(quiet)
    assert rows.told() == [
        ("begin", "changes", 3, False),
        ("new", '["late","x"]'),
        ("new", '["c","x"]'),
        ("finish", 3),
    ]
    bound = audience.there.seen()["statements"][-1]["binds"]
    assert [one["value"] for one in bound.values()] == ["2026-03-01T09:00:00"]


def test_an_interrupted_watermark_goes_on_at_the_last_row_that_was_committed(audience: Audience, rows: RowsMemory):
    """SN-11: of equal times none is passed over, and nothing before them is read again."""
    times = ["10:00:00", "10:00:01", "10:00:02", "10:00:02", "10:00:03"]
    audience.put(*((f"u{number}", "x", f"2026-03-01 {at}") for number, at in enumerate(times)))
    one = extracting(audience.there, audience.name, rows, mode="watermark", chunk=1)
    rows.stop_after = 3
    with pytest.raises(KeyboardInterrupt):
        one.once(quiet)
    rows.stop_after = None
    done = one.once(quiet)
    assert done.counts == {"new": 5, "same": 1}
    assert len([one for one in rows.told() if one[0] == "begin"]) == 1
    assert json.loads(done.cursor)["at"] == "2026-03-01T10:00:03+00:00"


def test_a_row_from_the_future_does_not_carry_the_mark_away(audience: Audience, rows: RowsMemory):
    """SN-12: a clock of the client's that runs ahead hides nobody."""
    one = extracting(audience.there, audience.name, rows, mode="watermark", overlap="0s")
    audience.put(("ahead", "x", "2999-01-01 00:00:00"))
    one.once(quiet)
    mark = json.loads(rows.cursor() or "")["at"]
    assert mark < "2990"
    rows.told()
    audience.run("INSERT INTO {} SELECT 'now', 'x', true, CURRENT_TIMESTAMP()::TIMESTAMP_NTZ, 'x'")
    one.once(quiet)
    assert ("new", '["now","x"]') in rows.told()


def test_rows_without_a_time_stop_a_watermark(audience: Audience, rows: RowsMemory):
    """SN-12: it would never find them."""
    audience.run("INSERT INTO {} VALUES ('a', 'x', true, NULL, 'x')")
    with pytest.raises(Unusable, match="1 rows have no seen"):
        extracting(audience.there, audience.name, rows, mode="watermark").once(quiet)


def test_a_watermark_needs_a_column_with_an_order_in_time(audience: Audience, rows: RowsMemory):
    """SN-12: text sorts as text."""
    shape = TableShape(mapping="audience", columns=SHAPE.columns, key=SHAPE.key, at=None)
    with pytest.raises(Unusable, match="needs a mapping with `at`"):
        extracting(audience.there, audience.name, rows, shape, mode="watermark").once(quiet)


def test_a_row_that_says_it_is_deleted_is_gone(audience: Audience, rows: RowsMemory):
    """SN-02: the flag is the mapping's."""
    audience.put(("a", "x", "2026-03-01 08:00:00"))
    shape = TableShape(
        mapping="audience", columns=SHAPE.columns, key=SHAPE.key, at="seen", gone=("member", frozenset({"false"}))
    )
    one = extracting(audience.there, audience.name, rows, shape, mode="watermark")
    one.once(quiet)
    rows.told()
    audience.run("UPDATE {} SET MEMBER = false, SEEN = '2026-03-01 09:00:00'")
    one.once(quiet)
    assert ("gone", '["a","x"]') in rows.told()


def test_a_word_for_gone_is_the_mapping_s_whatever_its_case(snowflake: There, rows: RowsMemory):
    """SN-02: YES in a column of text is `yes`, as the mapping and files have it."""
    snowflake.run(
        "CREATE OR REPLACE TABLE CDP.PUBLIC.FLAGGED (ID VARCHAR, DELETED VARCHAR)",
        "INSERT INTO CDP.PUBLIC.FLAGGED VALUES ('a', 'YES'), ('b', 'no'), ('c', NULL)",
    )
    columns = {"id": "text", "deleted": "text"}
    shape = TableShape(mapping="flagged", columns=columns, key=("id",), gone=("deleted", frozenset({"yes"})))
    extracting(snowflake, "cdp.public.flagged", rows, shape).once(quiet)
    assert sorted(rows.kept) == ["b", "c"]


def test_a_cell_of_another_type_keeps_its_row_apart_and_the_others_go_on(snowflake: There, rows: RowsMemory):
    """SN-02: as of files, the reader refuses it by its column; raw text is never taken for what was declared."""
    snowflake.run(
        "CREATE OR REPLACE TABLE CDP.PUBLIC.STRANGE (ID VARCHAR, DAY VARCHAR)",
        "INSERT INTO CDP.PUBLIC.STRANGE VALUES ('a', '2026-03-01'), ('b', 'next week')",
    )
    shape = TableShape(mapping="strange", columns={"id": "text", "day": "date"}, key=("id",))
    one = extracting(snowflake, "cdp.public.strange", rows, shape)
    one.once(quiet)
    assert parse(rows.kept["a"][1]).row == {"id": "a", "day": "2026-03-01"}
    with pytest.raises(Unreadable) as refused:
        parse(rows.kept["b"][1])
    assert str(refused.value.fault.place) == "day"
    rows.told()
    one.once(quiet)
    assert rows.told() == [("begin", "snapshot", 2, False), ("finish", 2)]


def test_of_a_snapshot_with_a_row_without_a_key_nobody_leaves(snowflake: There, rows: RowsMemory):
    """SN-03: it may be anybody's; the others are taken."""
    snowflake.run(
        "CREATE OR REPLACE TABLE CDP.PUBLIC.KEYLESS (ID VARCHAR)", "INSERT INTO CDP.PUBLIC.KEYLESS VALUES ('a'), ('b')"
    )
    shape = TableShape(mapping="keyless", columns={"id": "text"}, key=("id",))
    one = extracting(snowflake, "cdp.public.keyless", rows, shape)
    one.once(quiet)
    snowflake.run(
        "UPDATE CDP.PUBLIC.KEYLESS SET ID = NULL WHERE ID = 'b'", "INSERT INTO CDP.PUBLIC.KEYLESS VALUES ('c')"
    )
    with pytest.raises(Busy, match="1 rows do not tell their key"):
        one.once(quiet)
    assert {"a", "b", "c"} < set(rows.kept)
    assert rows.told()[-1] == ("give-up", "rows do not tell their key")


def test_an_empty_table_is_read_to_its_end(audience: Audience, rows: RowsMemory):
    """SN-21: also nothing is a baseline; the mark is where it was."""
    for mode in ("snapshot", "watermark"):
        extracting(audience.there, audience.name, rows, mode=mode).once(quiet)
        assert rows.told()[-1] == ("finish", 0)
    assert json.loads(rows.cursor() or "") == {"mode": "watermark"}


def test_a_session_that_ends_is_opened_once_more(audience: Audience, rows: RowsMemory):
    """SN-35: 390114; a second time it is trouble."""
    audience.put(("a", "x", "2026-03-01 08:00:00"))
    audience.there.refuse({"where": "query", "sql": "QUALIFY", "code": "390114", "times": 1})
    extracting(audience.there, audience.name, rows).once(quiet)
    assert len(rows.kept) == 1
    audience.there.refuse({"where": "query", "sql": "QUALIFY", "code": "390114", "times": 9})
    with pytest.raises(Busy):
        extracting(audience.there, audience.name, rows).once(quiet)
