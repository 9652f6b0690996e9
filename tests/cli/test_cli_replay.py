"""`caregate replay` from the command line: a draft is tried on what was received, and its report opens the way."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path


def draft():
    shutil.copytree("rules", "draft")
    path = Path("draft/appointment-reminder.yaml")
    path.write_text(path.read_text().replace("by: [7d, 1d]", "by: [7d, 2d]"))


def test_a_draft_is_tried_and_its_report_lets_it_come_into_force(site, write, feed):
    """Two processes, one report; without it nothing is put in force, with another draft neither."""
    config = Path("caregate.yaml")
    config.write_text(config.read_text() + "\nreport: required\n")
    assert site("load", write(feed.registered(), feed.booked(days=20))).code == 0
    draft()
    ran = site("replay", "--since", "1d", "--rules", "draft", "--out", "changes.csv", "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert (told["messages"], told["counts"]) == (2, {"gain": 1, "lose": 1})
    with Path("changes.csv").open() as file:
        assert {(row["what"], row["step"]) for row in csv.DictReader(file)} == {("gain", "2d"), ("lose", "1d")}
    assert "of other rules" in site("rules", "activate", "--report", told["digest"]).err
    assert site("rules", "activate", "--rules", "draft", "--report", told["digest"]).code == 0
    assert "no longer in force" in site("rules", "activate", "--rules", "draft", "--report", told["digest"]).err


def test_a_person_reads_what_would_change(site, write, feed):
    """And which digest to name; nobody's name is in it (PH-10)."""
    assert site("load", write(feed.registered(given="Zephyrine"), feed.booked(days=20, given="Zephyrine"))).code == 0
    draft()
    Path("changes.jsonl").touch(mode=0o644)
    ran = site("replay", "--since", "1d", "--rules", "draft", "--out", "changes.jsonl")
    assert "gain: 1 messages" in ran.out, ran.err
    assert "report " in ran.out
    told = (ran.out + Path("changes.jsonl").read_text()).lower()
    assert "zephyrine" not in told
    assert "brook" not in told
    assert Path("changes.jsonl").stat().st_mode & 0o777 == 0o600  # tokens, and what each is told


def test_what_cannot_be_asked_is_said(site):
    """One sentence each."""
    assert "--out ends in" in site("replay", "--out", "x.txt").err
    assert "a time is like" in site("replay", "--since", "yesterday").err
    assert "before --until" in site("replay", "--since", "1d", "--until", "2d").err
    assert "no rule set is in force yet" in site("replay").err
