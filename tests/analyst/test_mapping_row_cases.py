"""Tests of rows beside a mapping of a table: what passes, what no source could tell, and which lines no test read."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.analyst.mapping_coverage import Tried, percent, unread
from gateway.analyst.mapping_tests import Finding, run
from gateway.model.errors import ConfigError
from gateway.packs import shipped

MAPPING = """\
mapping: ours
columns: {id: integer, member: text, word: text, yes: yesno, changed: datetime, mail: text}
key: [id]
identity: [{column: member, authority: CRM}]
event: {column: word, codes: {in: audience.entered, out: audience.left, else: nothing}}
facts: {audience.entered: changed}
contact: {email: mail}
gone: {column: yes, values: [true]}
"""


def laid(folder: Path, tests: str, feed: str = "{mapping: ours, source: shop}") -> list[Path]:
    """The shipped mappings, and a site's one with these tests."""
    (folder / "tables").mkdir(exist_ok=True)
    (folder / "tables" / "ours.yaml").write_text(MAPPING, "utf-8")
    (folder / "tables" / "ours.test.yaml").write_text(f"feed: {feed}\ntests:\n{tests}", "utf-8")
    return [shipped("mappings"), folder]


def last(folder: Path, case: str, feed: str = "{mapping: ours}") -> Finding:
    """Run one test."""
    return run(laid(folder, f"  - {{name: a sentence, {case}}}\n", feed))[-1]


@pytest.mark.parametrize(
    "case",
    [
        "row: {id: 7, member: M1, word: in, changed: 2026-03-02 07:00}, expect: {events: {key: ours|7, start: 2026-03-02 07:00}}",
        "row: {id: 7, member: M1, word: else}, expect: {ignored: the row tells no event of ours}",
        "row: {id: 7, member: '', word: in}, expect: {refused: AE 101 member}",
        "gone: '7', expect: {events: {event: audience.left, key: ours|7}}",
    ],
)
def test_a_row_is_read_as_a_source_of_rows_would_tell_it(tmp_path: Path, case: str) -> None:
    """Cells in their declared types; what is not written is empty."""
    assert last(tmp_path, case).failures == ()


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("row: {id: 7, membre: M1}, expect: {}", "the mapping names no column `membre`; did you mean `member`?"),
        ("row: {id: seven}, expect: {}", "column id: is no integer"),
        ("row: {id: 7}, gone: '7', expect: {}", "a test needs either a `message`, a `resource`, a `row`, or the key"),
        ("expect: {}", "a test needs either a `message`, a `resource`, a `row`, or the key"),
    ],
)
def test_a_row_that_no_source_could_tell_fails(tmp_path: Path, case: str, says: str) -> None:
    """A sentence, never a traceback."""
    (failure,) = last(tmp_path, case).failures
    assert failure.startswith(says)


def test_a_row_needs_the_mapping_it_is_read_by(tmp_path: Path) -> None:
    """Without one it fails; one that is not there is told with its place."""
    (failure,) = last(tmp_path, "row: {id: 7}, expect: {}", feed="{}").failures
    assert failure == "a row needs the `mapping` it is read by: name it under `feed`"
    with pytest.raises(
        ConfigError, match=r"ours\.test\.yaml:1:1: there is no mapping `our` in mappings/tables; did you"
    ):
        last(tmp_path, "row: {id: 7}, expect: {}", feed="{mapping: our}")


def open_lines(folder: Path, *cases: str) -> list[str]:
    """What of the mapping these tests leave unread."""
    tests = "".join(f"  - {{name: a sentence, {case}}}\n" for case in cases)
    folders, tried = laid(folder, tests), list[Tried]()
    assert all(finding.passed for finding in run(folders, tried))
    found = [one for one in unread(folders, tried) if one.file.startswith(str(folder))]
    assert (percent(folders, found) == 100) is (found == [])
    return [f"{one.line}: {one.sentence}" for one in found]


def test_the_lines_no_test_read_are_named(tmp_path: Path) -> None:
    """Whom a row is about, each word, each fact, each contact and what deletes must be expected once."""
    entered = "row: {id: 7, member: M1, word: in, changed: 2026-03-02 07:00, mail: alma@example.org}"
    assert open_lines(tmp_path, f"{entered}, expect: {{events: {{event: audience.entered}}}}") == [
        "3: no test expects `key`: name it in one",
        "4: no test expects `identity`: name it in one",
        "5: no test of a row of `ours` comes to `out`",
        "5: no test of a row of `ours` comes to `else`",
        "6: no test expects `audience.entered`: name it under `facts` of one",
        "7: no test expects `email`: name it under `contact` of one",
        "8: no test expects `gone`: name it in one",
    ]
    whole = "key: ours|7, identifiers: [CRM||M1], facts: {audience.entered: 2026-03-02 07:00}"
    assert not open_lines(
        tmp_path,
        f"{entered}, expect: {{events: {{event: audience.entered, {whole}, telecom: [ours.email home email alma@example.org]}}}}",
        "row: {id: 7, member: M1, word: out, yes: true}, expect: {events: {event: audience.left}}",
        "row: {id: 7, member: M1, word: else}, expect: {ignored: the row tells no event of ours}",
    )
