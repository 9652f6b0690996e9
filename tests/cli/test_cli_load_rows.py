"""Files of rows by hand, and dropped into a folder: the same extract, of people who are known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_SOURCE = """\
  cdp:
    kind: tables
    organization: lakeside
    authority: LAKESIDE
    mapping: audience-members
    path: drop
    files: csv
    mode: snapshot
    settle: 0s
"""
_HEAD = "patient_id,audience,segment,entered_at,updated_at,email,phone,mobile\n"
_AT = "2026-03-02T16:00:00Z"


def _rows(*numbers, at=_AT):
    return _HEAD + "".join(f"{one},kidney-care,,{at},{at},,,\n" for one in numbers)


@pytest.fixture
def cdp(site, feed, write):
    """A site with a person 50001, and a source of rows."""
    config = Path("caregate.yaml")
    config.write_text(config.read_text().replace("sources:\n", "sources:\n" + _SOURCE, 1))
    Path("drop").mkdir()
    assert site("load", "--source", "ehr", write(feed.registered())).code == 0
    return site


def test_a_dry_run_says_what_would_come_of_a_file_and_stores_nothing(cdp):
    """Nobody is made: who is not known is counted as such."""
    Path("members.csv").write_text(_rows(50001, 77) + "1,2\n")
    ran = cdp("load", "--source", "cdp", "--dry-run", "--json", "members.csv")
    assert ran.code == 1
    assert ran.lines[0] == {
        "file": "members.csv",
        "line": 4,
        "column": None,
        "problem": "the line has not the columns that its file has",
    }
    summary = ran.lines[1]["summary"]
    assert (summary["rows"], summary["unfit_rows"], summary["dry_run"]) == (3, 1, True)
    assert summary["counts"]["no-patient"] == 1
    assert cdp("tables", "status", "--json").lines == []


def test_a_file_is_a_baseline_the_first_time_and_who_is_missing_the_next_time_has_left(cdp):
    """SN-03, SN-21: and a row that does not fit lies in quarantine, told by line and column."""
    Path("a.csv").write_text(_rows(50001, 77))
    ran = cdp("load", "--source", "cdp", "a.csv")
    assert ran.code == 0, ran.err
    assert "2 rows, 0 that do not fit" in ran.out
    assert "(baseline)" in ran.out
    assert Path("a.csv").exists()
    Path("b.csv").write_text(_rows(77) + f"50001,kidney-care,,soon,{_AT},,,\n")
    ran = cdp("load", "--source", "cdp", "b.csv")
    assert ran.code == 1
    assert "b.csv:3  column entered_at  the column does not hold what it is declared to hold" in ran.out
    assert "soon" not in ran.out
    (line,) = cdp("quarantine", "list", "--json").lines
    assert "entered_at" in str(line)
    Path("c.csv").write_text(_rows(77))
    ran = cdp("load", "--source", "cdp", "--json", "c.csv")
    assert ran.code == 0
    assert ran.lines[-1]["summary"]["counts"]["left"] == 1


def test_what_lies_in_the_folder_is_pulled_and_filed(cdp):
    """The command reads as the feed does."""
    Path("drop/a.csv").write_text(_rows(50001))
    ran = cdp("tables", "pull", "cdp", "--dry-run")
    assert ran.code == 0, ran.err
    assert Path("drop/a.csv").exists()
    assert cdp("tables", "pull", "cdp").code == 0
    assert Path("drop/done/a.csv").exists()
    assert cdp("tables", "pull", "cdp").code != 0


def test_strange_characters_in_a_row_stop_nothing(cdp):
    """A key may hold anything a file can hold."""
    Path("a.csv").write_text(_rows("5\x000001", "'; drop", "\u202e1"))
    assert cdp("load", "--source", "cdp", "a.csv").code == 0


def test_several_files_are_no_table(cdp):
    """The second would take away whom the first brought."""
    for name in ("a.csv", "b.csv"):
        Path(name).write_text(_rows(50001))
    ran = cdp("load", "--source", "cdp", "a.csv", "b.csv")
    assert ran.code == 2
    assert "one folder whose files are one table" in ran.err


def test_a_file_without_a_declared_column_is_told_in_a_sentence(cdp):
    """SN-02."""
    Path("a.csv").write_text("patient_id,audience\n1,2\n")
    ran = cdp("load", "--source", "cdp", "a.csv")
    assert ran.code == 2
    assert "a.csv: the file has not the columns that mapping audience-members reads: segment is not there" in ran.err


def test_killed_in_the_middle_it_goes_on_and_its_counts_add_up(cdp):
    """Law 1: kill -9 loses no row, and takes none twice."""
    Path("a.csv").write_text(_rows(*range(12_000)))
    command = [sys.executable, "-m", "gateway.cli", "load", "--source", "cdp", "a.csv"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as loading:
        while not (lines := cdp("tables", "status", "--json").lines) or not lines[0]["counts"].get("rows"):
            assert loading.poll() is None, "it was through too soon to be killed"
        loading.kill()
    (line,) = cdp("tables", "status", "--json").lines
    assert (line["state"], line["baseline"]) == ("open", True)
    ran = cdp("load", "--source", "cdp", "--json", "a.csv")
    assert ran.code == 0
    counts = ran.lines[-1]["summary"]["counts"]
    assert (counts["rows"], counts["entered"], counts["no-patient"]) == (12_000, 12_000, 12_000)
