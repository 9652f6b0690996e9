"""`caregate sinks` and what `phi` and the configuration say of a sink, in a site of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

AGREED = "{party: CDP Inc, signed: 2025-01-01, expires: 2030-12-31}"


@pytest.fixture
def telling(site):
    """A site that tells what became of its first source in a folder."""
    config = Path("caregate.yaml")
    source = re.search(r"^sources:\n  ([a-z]+):", config.read_text(), re.MULTILINE)[1]
    Path("outcomes").mkdir()
    sinks = f"\nsinks:\n  back: {{kind: parquet, sources: {source}, path: outcomes, agreement: {AGREED}}}\n"
    config.write_text(config.read_text() + sinks)
    return site


def test_the_place_of_every_sink_is_shown_and_can_be_put_back(telling):
    """A dry run needs no reason and moves nothing; the real one is audited with its reason."""
    ran = telling("sinks", "status", "--json")
    assert [(one["name"], one["told"], one["agreed"]) for one in ran.lines] == [("back", 0, True)]
    assert telling("sinks", "rewind", "back", "--to", "now", "--dry-run").out == "0 rows would be told to back\n"
    assert telling("sinks", "rewind", "back", "--to", "beginning").code == 2
    assert telling("sinks", "rewind", "back", "--to", "2026-03-01T00:00Z", "--reason", "their table was lost").code == 0
    assert telling("sinks", "rewind", "back", "--to", "yesterday", "--dry-run").code == 2
    assert telling("sinks", "rewind", "back", "--to", "2026-03-01T00:00", "--dry-run").code == 2


def test_what_must_be_made_is_printed_where_something_must(telling):
    """Files need nothing."""
    ran = telling("sinks", "ddl", "back")
    assert ran.code == 2
    assert "parquet" in ran.err
    assert telling("sinks", "ddl", "backwards").code == 2


def test_whom_the_site_tells_stands_on_the_page_that_is_signed(telling):
    """With the agreement, or that there is none."""
    telling("phi", "--markdown", "page.md")
    assert "CDP Inc, until 2030-12-31" in Path("page.md").read_text()
    config = Path("caregate.yaml")
    config.write_text(config.read_text().replace(f", agreement: {AGREED}", ""))
    assert "none on file" in telling("phi").out


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("sources: ", "sources: other-", "there is no source"),
        ("kind: parquet", "kind: parket", "did you mean `parquet`"),
        ("path: outcomes", "path: outcomes, days: local", "days"),
    ],
)
def test_a_wrong_sink_is_told_at_its_line(telling, old, new, told):
    """By `caregate lint`, before anything runs."""
    config = Path("caregate.yaml")
    head, line = config.read_text().split("\n  back:")
    config.write_text(f"{head}\n  back:{line.replace(old, new)}")
    ran = telling("lint")
    assert ran.code != 0
    assert told in ran.out + ran.err
