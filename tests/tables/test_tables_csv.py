"""Rows of CSV files: as the file is declared, exact, and what does not fit is kept apart without stopping the others."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest
from tables_box import HEADER, SHAPE, members

from gateway.model.errors import GuardError, Unreadable, Unusable
from gateway.rowjson import parse


def _told(rows):
    return {key: dict(parse(body).row) for key, body in rows.there.items()}


def test_a_file_of_members_is_taken_and_filed(drops, rows):
    """SN-02: declared columns in their types; the row's key is its columns."""
    box = drops()
    box.drop("members.csv", members(1, 2))
    assert box.pull().counts == {"rows": 2}
    assert _told(rows)['["1","kidney"]'] == {
        "member": "1",
        "audience": "kidney",
        "joined": "2026-03-02T16:00:00Z",
        "points": 1,
    }
    assert box.report("members.csv")["rows"] == 2
    assert (box.path / "done" / "members.csv").exists()
    assert not (box.path / "members.csv").exists()


def test_a_byte_order_mark_line_ends_of_windows_and_quotes_over_lines_are_read(drops, rows):
    """RFC 4180: as spreadsheets write it."""
    box = drops()
    text = '\ufeff"member","audience","joined","points"\r\n1,"says ""hi"",\r\nand more",2026-03-02 16:00:00,\r\n'
    box.drop("m.csv", text)
    box.pull()
    assert [one["audience"] for one in _told(rows).values()] == ['says "hi",\r\nand more']


def test_columns_that_nobody_declared_and_their_order_do_not_matter(drops, rows):
    """SN-02: unknown extra columns are ignored, whatever they hold and however often they are there."""
    box = drops()
    box.drop("m.csv", "note,POINTS,joined,audience,note,Member\nx,7,,kidney,y,1\n")
    box.pull()
    assert _told(rows) == {'["1","kidney"]': {"member": "1", "audience": "kidney", "joined": None, "points": 7}}


def test_a_declared_column_that_is_missing_stops_it_with_its_name(drops, rows):
    """SN-02: no partial take; one sentence that names each."""
    box = drops()
    box.drop("m.csv", "member,joined,points\n1,,\n")
    report = box.watch("m.csv")
    assert report["problems"] == ["the file has not the columns that mapping members reads: audience is not there"]
    assert rows.taken == []
    assert rows.ended == []


def test_a_declared_column_that_is_there_twice_is_refused(drops, rows):
    """SN-02: nobody guesses which."""
    box = drops()
    box.drop("m.csv", "member,audience,audience,joined,points\n1,a,b,,\n")
    assert "audience is there 2 times" in box.watch("m.csv")["problems"][0]
    assert rows.taken == []


def test_a_column_that_may_be_missing_is_nothing(drops, rows):
    """SN-02: as declared, never by itself."""
    box = drops(may_lack="points")
    box.drop("m.csv", "member,audience,joined\n1,kidney,\n")
    box.pull()
    assert _told(rows)['["1","kidney"]']["points"] is None


def test_a_key_can_never_be_missing(drops, rows):
    """Without it no row is told from another."""
    box = drops(may_lack=["member", "audience"])
    box.drop("m.csv", "joined,points\n,\n")
    with pytest.raises(Unusable, match="member is not there; audience is not there"):
        box.pull()
    assert rows.taken == []
    assert (box.path / "m.csv").exists()


def test_a_cell_of_another_type_keeps_its_row_apart_and_the_others_go_on(drops, rows):
    """Rejected rows have line, column and reason, never the value; the row is there all the same, so nobody leaves."""
    box = drops()
    box.drop("a.csv", members(1, 2, 3))
    box.pull()
    box.drop(
        "b.csv", HEADER + "1,kidney,2026-03-02T16:00:00Z,1\n2,kidney,2026-03-02T16:00:00Z,canary\n3,kidney,soon,3\n"
    )
    box.pull()
    report = box.report("b.csv", "failed")
    assert [(one["line"], one["column"]) for one in report["unfit"]] == [(3, "points"), (4, "joined")]
    assert {one["problem"] for one in report["unfit"]} == {"the column does not hold what it is declared to hold"}
    assert "canary" not in json.dumps(report)
    assert rows.left == []
    assert len(rows.unfit) == 2
    with pytest.raises(Unreadable) as refused:
        parse(rows.unfit[0])
    assert str(refused.value.fault.place) == "points"
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("2,kidney,,,,", "the line has not the columns that its file has"),
        ("2,kidney", "the line has not the columns that its file has"),
        ('2,"kid"ney,,', "the line has not the columns that its file has"),
        (",,,", "the row does not tell its key"),
        ("2,kidn\udce9y,,", "the line is not in the characters that its file is declared to be in"),
        ("2," + "k" * 1_100_000 + ",,", "the row is longer than a row may be"),
    ],
)
def test_of_a_snapshot_with_a_line_that_could_be_anybody_nobody_leaves(drops, rows, line, why):
    """SN-03: who is missing may be who cannot be read; the others are taken, and the file is put before a person."""
    box = drops()
    box.drop("a.csv", members(1, 2, 3))
    box.pull()
    box.drop("b.csv", (members(1) + line + "\n" + members(4)[len(HEADER) :]).encode(errors="surrogateescape"))
    report = box.watch("b.csv")
    assert [(one["line"], one["problem"]) for one in report["unfit"]] == [(3, why)]
    assert sorted(rows.there) == [f'["{one}","kidney"]' for one in (1, 2, 3, 4)]
    assert rows.left == []
    assert "nobody who is missing has left" in report["problems"][0]


def test_a_key_of_another_type_could_be_anybody(drops, rows):
    """SN-03: told by its column, and nobody leaves."""
    shape = replace(SHAPE, columns={**SHAPE.columns, "member": "integer"})
    drops(shape=shape).drop("a.csv", members(1, 2))
    drops(shape=shape).pull()
    box = drops(shape=shape)
    box.drop("b.csv", members(1) + "2x,kidney,soon,\n")
    report = box.watch("b.csv")
    assert [(one["line"], one["column"]) for one in report["unfit"]] == [(3, "member")]
    assert "nobody who is missing has left" in report["problems"][0]
    assert rows.left == []


def test_of_changes_a_line_that_is_none_stops_nothing(drops, rows):
    """What is missing says nothing there."""
    box = drops(mode="changes")
    box.drop("a.csv", members(1) + "2\n" + members(3)[len(HEADER) :])
    box.pull()
    assert [told for told, _ in rows.ended] == ["finished"]
    assert box.report("a.csv", "failed")["unfit_rows"] == 1


def test_the_same_broken_line_tomorrow_is_the_same_row(drops, rows):
    """It lies in quarantine once, wherever in the file it stands."""
    box = drops(mode="changes")
    box.drop("a.csv", members(1) + "x\n")
    box.pull()
    box.drop("b.csv", members(1, 2, 3) + "x\n")
    box.pull()
    assert rows.unfit[0] == rows.unfit[1]
    assert len({key for key in rows.taken if key.startswith("unfit:")}) == 1


def test_a_quote_that_is_never_closed_ends_the_file(drops, rows):
    """What lies behind it may be within it: nobody can tell rows from a cell there, and nothing of it is kept in memory."""
    box = drops(mode="changes")
    lines = members(*range(1_000_000, 1_003_000)).splitlines(keepends=True)
    box.drop("a.csv", "".join([*lines[:2], '1,"kidney,,\n', *lines[2:]]))
    report = box.watch("a.csv")
    assert report["problems"] == ["a quote is never closed, so that what lies behind it cannot be told apart"]
    assert [(one["line"], one["problem"]) for one in report["unfit"]] == [(3, "the row is longer than a row may be")]
    assert len(rows.there) == 1
    assert len(rows.unfit[0]) < 70_000


_ROW = "9,kidney,2026-03-02T16:00:00Z,9\n"


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param("\n" * 1_001 + _ROW, id="lines"),
        pytest.param("x" * 200_000 + "\n" + _ROW, id="a cell of Python's own bound"),
        pytest.param("x" * 1_200_000 + "\n" + _ROW, id="a line"),
        pytest.param('""' + "x" * 1_200_000 + '""\n' + '""' + _ROW, id="a line with doubled quotes"),
        pytest.param(("x" * 70 + "\n") * 20_000 + _ROW + '"",""\n' + _ROW, id="a record"),
    ],
)
def test_what_stands_within_a_cell_is_never_a_row(drops, rows, cell):
    """Whoever may write a name or a note could else join an audience, or have somebody else join one."""
    box = drops(mode="changes")
    box.drop("a.csv", members(1) + f'2,"{cell}",2026-03-02T16:00:00Z,2\n' + members(3)[len(HEADER) :])
    box.watch("a.csv")
    assert '["9","kidney"]' not in rows.taken
    assert [key for key in rows.there if len(key) < 100] == ['["1","kidney"]', '["3","kidney"]']


@pytest.mark.parametrize(
    ("columns", "keyless"), [(("2", "kidney", "\x01" * 300_000), False), (("\x01" * 300_000, "kidney", ""), True)]
)
def test_a_row_that_grows_as_it_is_written_down_is_too_long(drops, rows, columns, keyless):
    """A line of 300 KB is six times that as JSON: what is kept of it is bounded all the same."""
    shape = replace(SHAPE, columns={"member": "text", "audience": "text", "note": "text"}, at=None)
    box = drops(mode="changes", shape=shape)
    box.drop("a.csv", "member,audience,note\n1,kidney,x\n" + ",".join(columns) + "\n")
    assert box.watch("a.csv")["unfit"] == [
        {"file": "a.csv", "line": 3, "column": None, "problem": "the row is longer than a row may be"}
    ]
    assert max(map(len, rows.unfit)) < 500_000
    assert rows.taken[1].startswith("unfit:") is keyless
    assert len(rows.there) == 1


def test_where_quotes_are_escaped_a_record_too_long_ends_the_file(drops, rows):
    """Whether one of them is open could not be told."""
    box = drops(mode="changes", escape="\\")
    box.drop("a.csv", members(1) + '2,"' + "\n" * 1_001 + _ROW + '",,2\n' + members(3)[len(HEADER) :])
    assert box.watch("a.csv")["problems"]
    assert list(rows.there) == ['["1","kidney"]']


def test_delimiter_escape_characters_and_words_for_nothing_are_as_declared(drops, rows):
    """Never guessed from the first lines."""
    box = drops(delimiter="tab", escape="\\", characters="windows-1252", nothing=["NULL", "\\N"])
    text = 'member\taudience\tjoined\tpoints\n1\t"Ren\\"\xe9"\tNULL\tNULL\n'
    box.drop("m.tsv", text.encode("windows-1252"))
    box.pull()
    assert [(one["audience"], one["joined"], one["points"]) for one in _told(rows).values()] == [('Ren"é', None, None)]


def test_a_packed_file_is_read_as_it_is_unpacked(drops, rows):
    """As platforms deliver it."""
    box = drops(pattern="*.csv.gz")
    box.drop("m.csv.gz", gzip.compress(members(*range(5_000)).encode()))
    box.pull()
    assert len(rows.there) == 5_000


def test_a_packed_file_that_is_cut_takes_nobody_away(drops, rows):
    """SN-03: a half-loaded table is no mass exit; what of it could be read is taken, and its last half line is nothing."""
    box = drops()
    box.drop("a.csv.gz", gzip.compress(members(*range(4_000)).encode()))
    box.pull()
    packed = gzip.compress(members(*range(4_000)).encode())
    box.drop("b.csv.gz", packed[: len(packed) // 2])
    assert box.watch("b.csv.gz")["problems"] == ["it is damaged: what it packs cannot be unpacked to its end"]
    assert len(rows.there) == 4_000
    assert rows.left == []
    assert rows.unfit == []


def test_half_a_record_before_damage_is_nothing(drops, rows):
    """Its quote would have been closed in what is lost: it is no row, and no misfit either."""
    box = drops(mode="changes")
    text = members(*range(3_000)) + '1,"' + "".join(f"{one * one}\n" for one in range(900))
    packed = gzip.compress(text.encode())
    box.drop("a.csv.gz", packed[:-8])
    report = box.watch("a.csv.gz")
    assert report["problems"] == ["it is damaged: what it packs cannot be unpacked to its end"]
    assert (report["rows"], report["unfit_rows"]) == (3_000, 0)


def test_what_unpacks_to_more_than_is_accepted_is_not_taken_to_its_end(drops, rows):
    """A small file may be a large one; nobody leaves because of it."""
    box = drops(max_file="64KiB")
    box.drop("a.csv.gz", gzip.compress(members(*range(100_000, 110_000)).encode()))
    report = box.watch("a.csv.gz")
    assert report["problems"] == ["it is longer than this source accepts"]
    assert 0 < report["rows"] * len("100000,kidney,2026-03-02T16:00:00Z,100000\n") <= 65_536


def test_a_file_without_a_header_says_so(drops, rows):
    """SN-02."""
    box = drops()
    box.drop("m.csv", "")
    assert box.watch("m.csv")["problems"] == ["it has no header"]


def test_a_row_that_says_that_it_is_gone_is_gone(drops, rows):
    """By the mapping's own column, without regard to case."""
    columns = {**SHAPE.columns, "deleted": "text"}
    box = drops(mode="changes", shape=replace(SHAPE, columns=columns, gone=("deleted", frozenset({"yes"}))))
    head = HEADER.strip() + ",deleted\n"
    box.drop("a.csv", head + "1,kidney,,,no\n2,kidney,,,\n")
    box.pull()
    box.drop("b.csv", head + "1,kidney,,,YES\n")
    box.pull()
    assert list(rows.there) == ['["2","kidney"]']


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_it_is_told_beforehand_how_many_rows_it_has(drops, rows, name):
    """SN-03: the guard is asked before the first row; a line end within quotes begins none, an empty line is none."""
    told = []
    rows.before = lambda what, count: told.append((what, count))
    content = members(1, 2) + '3,"kid\nney",2026-03-02T16:00:00Z,3\n\n'
    box = drops()
    box.drop(name, gzip.compress(content.encode()) if name.endswith("gz") else content)
    box.pull()
    assert told[0] == ("begin", 3)


def test_of_a_file_that_is_damaged_nobody_says_how_many_rows_it_has(drops, rows):
    """What packs fewer rows than it should is not half a table: it is no table."""
    told = []
    rows.before = lambda what, count: told.append((what, count))
    box = drops()
    box.drop("a.csv.gz", gzip.compress(members(*range(5_000)).encode())[:-20])
    with pytest.raises(Unusable):
        box.pull()
    assert told[0] == ("begin", 0)


def test_a_file_that_a_guard_stopped_before_its_first_row_is_known_again(drops, rows):
    """SN-03: so that what a person believes of it is believed of nothing else."""
    box = drops()
    box.drop("a.csv", members(1))
    rows.before = lambda what, _: rows.guard("shared-address") if what == "take" else None
    with pytest.raises(GuardError):
        box.pull()
    rows.believe()
    rows.before = lambda *_: None
    box.pull()
    assert [why for why, _ in rows.ended] == ["finished"]
