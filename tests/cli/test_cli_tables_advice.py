"""Over-broad and misplaced tables by hand: nothing of them is taken, and the sentence says what to type next."""

from __future__ import annotations

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
_AT = "2026-03-02T16:00:00Z"
_WHY = ("--reason", "the spring campaign")


def _rows(*numbers):
    head = "patient_id,audience,segment,entered_at,updated_at,email,phone,mobile\n"
    return head + "".join(f'{one},"kidney-care",,{_AT},{_AT},,,\n' for one in numbers)


@pytest.fixture
def cdp(site, feed, write):
    """A site with a person 50001, and a folder of tables."""
    config = Path("caregate.yaml")
    config.write_text(config.read_text().replace("sources:\n", "sources:\n" + _SOURCE, 1))
    Path("drop").mkdir()
    assert site("load", "--source", "ehr", write(feed.registered())).code == 0
    return site


def test_of_a_table_ten_times_its_size_not_one_row_is_taken_until_a_person_believes_it(cdp):
    """SN-03: its rows are counted first; what was said yes to is that file, and no other."""
    Path("drop/a.csv").write_text(_rows(*range(50001, 50031)))
    assert cdp("tables", "pull", "cdp").code == 0
    Path("drop/b.csv").write_text(_rows(*range(50001, 50401)))
    ran = cdp("tables", "pull", "cdp")
    assert ran.code == 1
    assert "`caregate tables believe cdp --reason '…'` if that is right" in ran.err
    assert "`caregate tables give-up cdp --reason '…'` if it is not" in ran.err
    (line,) = cdp("tables", "status", "--json").lines
    assert (line["state"], sum(line["rows"].values())) == ("stopped", 30)
    assert "it waits for a person" in cdp("tables", "pull", "cdp").err
    assert cdp("tables", "believe", "cdp", *_WHY).code == 0
    ran = cdp("tables", "pull", "cdp")
    assert (ran.code, "370 entered" in ran.out) == (0, True), ran.err
    assert Path("drop/done/b.csv").exists()


def test_what_is_believed_of_one_file_is_not_believed_of_another(cdp):
    """The file that was stopped was taken away, and a larger one lies there."""
    Path("drop/a.csv").write_text(_rows(*range(50001, 50031)))
    assert cdp("tables", "pull", "cdp").code == 0
    Path("drop/b.csv").write_text(_rows(*range(50001, 50401)))
    assert cdp("tables", "pull", "cdp").code == 1
    assert cdp("tables", "believe", "cdp", *_WHY).code == 0
    Path("drop/b.csv").write_text(_rows(*range(50001, 50901)))
    assert cdp("tables", "pull", "cdp").code == 1
    told = cdp("tables", "give-up", "cdp", *_WHY).out
    assert "take it away, or it is read again" in told


def test_a_dry_run_of_such_a_table_says_so_and_leaves_nothing_to_believe(cdp):
    """SN-03."""
    Path("drop/a.csv").write_text(_rows(*range(50001, 50031)))
    assert cdp("tables", "pull", "cdp").code == 0
    Path("b.csv").write_text(_rows(*range(50001, 50401)))
    ran = cdp("load", "--source", "cdp", "--dry-run", "b.csv")
    assert (ran.code, "it would wait for a person" in ran.err) == (1, True)
    assert cdp("tables", "believe", "cdp", *_WHY).code == 2


def test_a_baseline_about_nobody_known_says_what_to_load_first(cdp):
    """SN-21: who becomes known after it would be news."""
    Path("drop/a.csv").write_text(_rows(77, 78))
    ran = cdp("tables", "pull", "cdp", "--dry-run")
    assert "not one row is about somebody known: load the feed that tells of these people first" in ran.err
    ran = cdp("tables", "pull", "cdp")
    assert "`caregate tables pull cdp --again --baseline`" in ran.err
    Path("drop/b.csv").write_text(_rows(50001, 78))
    assert "about nobody known" not in cdp("tables", "pull", "cdp").err


def test_a_row_that_does_not_fit_is_told_where_it_lies(cdp):
    """By hand as with a gateway that runs: the others go on."""
    Path("drop/a.csv").write_text(_rows(50001) + f"50002,kidney-care,,soon,{_AT},,,\n")
    ran = cdp("tables", "pull", "cdp")
    assert "cdp: 1 rows do not fit: `caregate quarantine list`" in ran.err
    assert Path("drop/failed/a.csv").exists()


def test_of_several_files_the_one_that_cannot_be_read_is_told_by_its_place(cdp):
    """SN-02; never by its name, which may tell a patient."""
    Path("drop/a.csv").write_text(_rows(50001))
    Path("drop/brook-ada.csv").write_text("patient_id,audience\n1,2\n")
    ran = cdp("tables", "pull", "cdp")
    assert ran.code == 2
    assert "file 2 of 2 that wait, by name; mend it or take it away, and pull again" in ran.err
    assert "brook" not in ran.err
