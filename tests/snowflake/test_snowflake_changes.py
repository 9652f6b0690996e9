"""Changes as Snowflake tracks them: the emulator has neither streams nor CHANGES (FK-03), its door tells the difference of two states as they would."""

from __future__ import annotations

import json

import pytest
from snowflake_rows import RowsMemory
from snowflake_there import Audience, extracting

from connectors.sources.snowflake.extracting import Extracting
from gateway.model.errors import Denied, Unusable


def quiet(_: object) -> None:
    """Progress nobody looks at."""


def streaming(audience: Audience, rows: RowsMemory, **more: object) -> Extracting:
    """By a stream in the schema of the table, which is ours here."""
    return extracting(audience.there, audience.name, rows, mode="stream", own=f"CDP.{audience.schema}", **more)


def test_a_stream_begins_with_all_there_is(audience: Audience, rows: RowsMemory):
    """SN-21: the stream is made first, then everything is read as the baseline: nothing lies between the two."""
    audience.put(("a", "x", "2026-03-01 08:00:00"))
    streaming(audience, rows).once(quiet)
    assert ("begin", "snapshot", 1, True) in rows.told()
    asked = [one for one in audience.there.statements() if audience.schema in one]
    made = next(place for place, one in enumerate(asked) if one.startswith("CREATE OR REPLACE STREAM"))
    assert any("QUALIFY" in one for one in asked[made:])
    assert not any("QUALIFY" in one for one in asked[:made])


def test_a_dry_run_takes_nothing_from_a_stream(audience: Audience, rows: RowsMemory):
    """SN-17: all there is tells the same beside what is known; nothing is made, put aside or emptied, first or later."""
    audience.put(("a", "x", "2026-03-01 08:00:00"))
    one = streaming(audience, rows)
    rows.keeps = False
    one.once(quiet)
    rows.keeps = True
    one.once(quiet)
    audience.put(("b", "x", "2026-03-02 08:00:00"))
    rows.keeps, before = False, len(audience.there.statements())
    dry = RowsMemory()
    dry.keeps = False
    streaming(audience, dry).once(quiet)
    asked = [sql for sql in audience.there.statements()[before:] if audience.schema in sql]
    assert asked
    assert all(sql.startswith(("SELECT", "DESC")) for sql in asked)
    assert len(dry.kept) == 2
    rows.keeps = True
    rows.told()
    one.once(quiet)
    assert rows.told() == [("begin", "changes", 1, False), ("new", '["b","x"]'), ("finish", None)]


def test_a_stream_tells_who_came_who_changed_and_who_left(audience: Audience, rows: RowsMemory):
    """SN-17, SN-18: the DELETE half of an update is no exit; a deletion is one."""
    one = streaming(audience, rows)
    audience.put(
        ("a", "x", "2026-03-01 08:00:00"), ("b", "x", "2026-03-01 08:00:00"), ("c", "x", "2026-03-01 08:00:00")
    )
    one.once(quiet)
    rows.told()
    audience.run("UPDATE {} SET SEEN = '2026-03-02 08:00:00' WHERE USER_ID = 'a'")
    audience.run("DELETE FROM {} WHERE USER_ID = 'b'")
    audience.put(("d", "x", "2026-03-02 08:00:00"))
    one.once(quiet)
    assert rows.told() == [
        ("begin", "changes", 3, False),
        ("changed", '["a","x"]'),
        ("gone", '["b","x"]'),
        ("new", '["d","x"]'),
        ("finish", None),
    ]
    one.once(quiet)
    assert rows.told() == [("begin", "changes", 0, False), ("finish", None)]


def test_a_row_that_was_taken_out_and_put_back_never_left(audience: Audience, rows: RowsMemory):
    """SN-18: a load by DELETE and INSERT; also where of two rows with one key one is left."""
    one = streaming(audience, rows)
    audience.put(
        ("a", "x", "2026-03-01 08:00:00"), ("b", "x", "2026-03-01 08:00:00"), ("b", "x", "2026-03-01 09:00:00")
    )
    one.once(quiet)
    rows.told()
    audience.run("DELETE FROM {} WHERE USER_ID = 'a'")
    audience.put(("a", "x", "2026-03-02 08:00:00"))
    audience.run("DELETE FROM {} WHERE USER_ID = 'b' AND SEEN = '2026-03-01 08:00:00'")
    one.once(quiet)
    assert [entry for entry in rows.told() if entry[0] in ("gone", "changed", "new")] == [("changed", '["a","x"]')]


def test_of_two_versions_in_one_window_the_newer_counts(audience: Audience, rows: RowsMemory):
    """SN-11, SN-18: whatever order they were put in."""
    one = streaming(audience, rows)
    one.once(quiet)
    audience.put(("a", "x", "2026-03-02 08:00:00"), ("a", "x", "2026-03-01 08:00:00"))
    one.once(quiet)
    assert b"2026-03-02" in rows.kept['["a","x"]'][1]


def test_a_row_whose_key_was_changed_left_under_the_old_one(audience: Audience, rows: RowsMemory):
    """SN-18, SN-04: nobody bears that key any more."""
    one = streaming(audience, rows)
    audience.put(("old", "x", "2026-03-01 08:00:00"))
    one.once(quiet)
    rows.told()
    audience.run("UPDATE {} SET USER_ID = 'new'")
    one.once(quiet)
    assert [entry for entry in rows.told() if entry[0] in ("gone", "new")] == [
        ("new", '["new","x"]'),
        ("gone", '["old","x"]'),
    ]


@pytest.mark.parametrize("after", [0, 1])
def test_what_a_stream_gave_and_nobody_committed_waits(audience: Audience, rows: RowsMemory, after: int):
    """SN-17: taking over moves the stream; what was taken over is read again until it is finished here."""
    one = streaming(audience, rows, chunk=1)
    one.once(quiet)
    audience.put(("a", "x", "2026-03-01 08:00:00"), ("b", "x", "2026-03-01 08:00:00"))
    rows.stop_after = after
    with pytest.raises(KeyboardInterrupt):
        one.once(quiet)
    rows.stop_after = None
    audience.put(("c", "x", "2026-03-01 08:00:00"))
    one.once(quiet)
    assert sorted(rows.kept) == ['["a","x"]', '["b","x"]']
    one.once(quiet)
    assert sorted(rows.kept) == ['["a","x"]', '["b","x"]', '["c","x"]']


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("091901", "Stream CAREGATE_CDP_STREAM is stale, its offset is outside of the retention"),
        ("001003", "SQL compilation error: Base table 'X' dropped, cannot read from stream"),
        ("000707", "Time travel data is not available for table"),
    ],
)
def test_a_stream_that_lost_its_place_is_made_anew_and_all_is_read_as_a_baseline(
    audience: Audience, rows: RowsMemory, code: str, text: str
):
    """SN-16, SN-19: who came and left meanwhile is known, and nothing is planned for it."""
    one = streaming(audience, rows)
    audience.put(("a", "x", "2026-03-01 08:00:00"))
    one.once(quiet)
    rows.told()
    audience.run("DELETE FROM {}")
    audience.put(("b", "x", "2026-03-01 08:00:00"))
    audience.there.refuse({"where": "query", "sql": "INSERT INTO", "code": code, "text": text, "times": 1})
    one.once(quiet)
    assert rows.told()[-4:] == [
        ("begin", "snapshot", 1, True),
        ("new", '["b","x"]'),
        ("left", '["a","x"]'),
        ("finish", 1),
    ]
    assert one._tally.counts["snowflake.stream-lost"] == 1
    audience.put(("c", "x", "2026-03-01 08:00:00"))
    one.once(quiet)
    assert ("new", '["c","x"]') in rows.told()


def test_a_new_beginning_that_was_interrupted_begins_anew(audience: Audience, rows: RowsMemory):
    """SN-19: the stream that was made meanwhile knows nothing of what was missed."""
    one = streaming(audience, rows)
    one.once(quiet)
    audience.put(("a", "x", "2026-03-01 08:00:00"))
    lost = {"where": "query", "code": "091901", "text": "the stream is stale", "times": 1}
    audience.there.refuse({**lost, "sql": "INSERT INTO"}, {**lost, "sql": "QUALIFY", "code": "000630"})
    with pytest.raises(Exception, match="statement_timeout"):
        one.once(quiet)
    rows.told()
    one.once(quiet)
    assert ("begin", "snapshot", 1, True) in rows.told()
    assert list(rows.kept) == ['["a","x"]']


def test_a_mapping_that_reads_another_column_begins_anew_over_what_waits(audience: Audience, rows: RowsMemory):
    """SN-02: what waits was taken over without it."""
    from snowflake_there import SHAPE

    from gateway.ports import TableShape

    one = streaming(audience, rows)
    one.once(quiet)
    audience.put(("a", "x", "2026-03-01 08:00:00"))
    rows.stop_after = 0
    with pytest.raises(KeyboardInterrupt):
        one.once(quiet)
    rows.stop_after = None
    shape = TableShape(mapping="audience", columns={**SHAPE.columns, "secret": "text"}, key=SHAPE.key, at="seen")
    own = f"CDP.{audience.schema}"
    extracting(audience.there, audience.name, rows, shape, mode="stream", own=own).once(quiet)
    assert b'"secret":"x"' in rows.kept['["a","x"]'][1]


def test_a_schema_that_is_not_ours_is_said_to_be_so(audience: Audience, rows: RowsMemory):
    """SN-01, SN-35: the role may not make a stream there."""
    denied = {"where": "query", "sql": "CREATE OR REPLACE STREAM", "times": 1}
    audience.there.refuse({**denied, "code": "003001"})
    with pytest.raises(Denied, match="privilege"):
        streaming(audience, rows).once(quiet)
    audience.there.refuse({**denied, "code": "002003"})
    with pytest.raises(Unusable, match="`own` is not there"):
        streaming(audience, rows).once(quiet)


def test_the_changes_clause_needs_nothing_of_ours(audience: Audience, rows: RowsMemory):
    """SN-14: from the end of the last window, told by Snowflake's clock before anything was read, to the end of this one."""
    one = extracting(audience.there, audience.name, rows, mode="changes")
    audience.put(("a", "x", "2026-03-01 08:00:00"), ("b", "x", "2026-03-01 08:00:00"))
    name = ".".join(f'"{part}"' for part in audience.name.split("."))
    base = name[:-1] + '$BASE"'
    one.once(quiet)
    assert ("begin", "snapshot", 2, True) in rows.told()
    first = json.loads(rows.cursor() or "")["to"]
    audience.there.run(f"CREATE OR REPLACE TABLE {base} AS SELECT * FROM {name}")
    audience.run("UPDATE {} SET SEEN = '2026-03-02 08:00:00' WHERE USER_ID = 'a'")
    audience.run("DELETE FROM {} WHERE USER_ID = 'b'")
    one.once(quiet)
    assert rows.told() == [
        ("begin", "changes", 2, False),
        ("changed", '["a","x"]'),
        ("gone", '["b","x"]'),
        ("finish", None),
    ]
    asked = audience.there.seen()["statements"][-1]
    assert [value["value"] for value in asked["binds"].values()] == [first, json.loads(rows.cursor() or "")["to"]]


def test_changes_outside_time_travel_are_read_whole_as_a_baseline(audience: Audience, rows: RowsMemory):
    """SN-16: and an untracked table is said to be one (SN-15)."""
    one = extracting(audience.there, audience.name, rows, mode="changes")
    one.once(quiet)
    rows.told()
    audience.put(("a", "x", "2026-03-01 08:00:00"))
    lost = {"where": "query", "sql": "CHANGES", "times": 1}
    audience.there.refuse({**lost, "code": "000707"})
    one.once(quiet)
    assert ("begin", "snapshot", 1, True) in rows.told()
    assert one._tally.counts["snowflake.changes-lost"] == 1
    audience.there.refuse({**lost, "code": "002032", "text": "Change tracking is not enabled on table 'X'"})
    with pytest.raises(Unusable, match="CHANGE_TRACKING"):
        one.once(quiet)
