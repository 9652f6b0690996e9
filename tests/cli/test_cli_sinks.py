"""`caregate sinks` and what `phi` and the configuration say of a sink, in a site of its own."""

from __future__ import annotations

import json
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


def test_a_sink_that_waits_can_be_tried_at_once(telling):
    """With a reason, which is audited; of one that there is."""
    assert telling("sinks", "again", "back").code == 2
    assert telling("sinks", "again", "bck", "--reason", "mended").code == 2
    assert telling("sinks", "again", "back", "--reason", "the folder is writable now").code == 0


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
        (
            "path: outcomes",
            "path: outcomes, facts: [appointment.status, appointment.strat]",
            "did you mean `appointment.start`",
        ),
        ("path: outcomes", "path: outcomes, facts: patient.given_name", "no sink is given `patient.given_name`"),
        ("path: outcomes", "path: outcomes, facts: event.row_key", "no sink is given `event.row_key`"),
        ("path: outcomes", "path: outcomes, kinds: [events]", "kinds"),
    ],
)
def test_a_wrong_sink_is_told_at_its_line(telling, old, new, told):
    """By `caregate lint`, before anything runs."""
    config = Path("caregate.yaml")
    head, line = config.read_text().rsplit("\n  back:", 1)
    config.write_text(f"{head}\n  back:{line.replace(old, new)}")
    ran = telling("lint")
    assert ran.code != 0
    assert told in ran.out + ran.err


def test_a_wrong_fact_is_told_where_it_stands(telling):
    """File, line and column of the very word."""
    config = Path("caregate.yaml")
    config.write_text(
        config.read_text().replace("path: outcomes", "path: outcomes, facts: [appointment.status, appointment.strat]")
    )
    number, line = next((n, one) for n, one in enumerate(config.read_text().splitlines(), 1) if "strat" in one)
    assert f"caregate.yaml:{number}:{line.index('appointment.strat') + 1}: " in telling("lint").out


def test_facts_that_a_sink_is_given_stand_on_the_page_that_is_signed(telling):
    """Law 5: as a destination of the field they come from, with how much they tell; without the sink they are dropped."""
    telling("phi", "--markdown", "before.md")
    config = Path("caregate.yaml")
    config.write_text(
        config.read_text().replace("path: outcomes", "path: outcomes, facts: [appointment.duration, result.code]")
    )
    telling("phi", "--markdown", "after.md")
    before, after = (Path(name).read_text() for name in ("before.md", "after.md"))
    assert "`appointment.duration` (ordinary), `result.code` (sensitive)" in after
    (line,) = [one for one in after.splitlines() if one.startswith("| `SCH-9` |") and "`appointment.duration`" in one]
    assert "sink back" in line
    assert "sealed" in line
    assert "sink back" not in before
    assert "with appointment.duration, result.code" in telling("phi").out


def test_the_schemas_are_printed_or_written(telling):
    """One for each type, as they are published."""
    from connectors.sinks import events

    published = {one.name: one.read_text() for one in (Path(events.__file__).parent / "schemas").glob("*.json")}
    assert json.loads(telling("sinks", "schemas").out) == {name: json.loads(text) for name, text in published.items()}
    assert telling("sinks", "schemas", "--out", "made").code == 0
    assert {one.name: one.read_text() for one in Path("made").iterdir()} == published
