"""Rights from the command line: files nobody else can read, questions before what cannot be undone, no PHI on a screen."""

from __future__ import annotations

import csv
import json
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.cli import rights

PERSON = "50001^^^LAKESIDE^MR"


@pytest.fixture
def known(site, feed, write):
    """A site that knows Ada, with an appointment ahead."""
    ran = site("load", write(feed.registered(), feed.booked()))
    assert ran.code == 0
    return site


def test_a_copy_is_two_files_for_nobody_else(known):
    """45 CFR 164.524, 164.312(a)(1): mode 0600, once to read and once for programs; nothing about Ada on the screen."""
    ran = known("patient", "export", "-", "--reason", "request 4", "--out", "copy", stdin=PERSON)
    assert ran.code == 0, ran.err
    for name in ("copy.html", "copy.json"):
        assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600
        assert "ada@mail.example" in Path(name).read_text()
    assert "ada" not in (ran.out + ran.err).casefold().replace("caregate", "")
    told = json.loads(Path("copy.json").read_text())
    assert told["about"]["reason"] == "request 4"
    assert told["about"]["by"].startswith("os:")


def test_a_copy_never_replaces_a_file_nor_leaves_half_of_one(known):
    """Neither name may be taken; and where nobody has the identifier, no file is left."""
    Path("copy.json").write_text("mine")
    ran = known("patient", "export", "-", "--reason", "request 4", "--out", "copy.html", stdin=PERSON)
    assert (ran.code, "is there already" in ran.err) == (2, True)
    assert not Path("copy.html").exists()
    assert Path("copy.json").read_text() == "mine"
    ran = known("patient", "export", "-", "--reason", "r", "--out", "other", stdin="9^^^LAKESIDE^MR")
    assert ran.code == 2
    assert not list(Path().glob("other*"))


def test_a_copy_wants_a_reason_and_a_place(known):
    """Why, and a folder that is there."""
    assert known("patient", "export", "-", "--out", "copy", stdin=PERSON).code == 2
    ran = known("patient", "export", "-", "--reason", "r", "--out", "nowhere/copy", stdin=PERSON)
    assert "cannot be written" in ran.err


@pytest.mark.parametrize("command", ["export", "accounting", "erase"])
def test_an_identifier_never_stands_in_the_arguments(known, command):
    """Others can read them; what was typed is not repeated."""
    ran = known("patient", command, PERSON, "--reason", "r", *(["--out", "x"] if command == "export" else []))
    assert ran.code == 2
    assert PERSON not in ran.err


def test_an_accounting_is_printed_without_names(known):
    """45 CFR 164.528: from when evidence begins, what is exempt is counted; programs get one object."""
    ran = known("patient", "accounting", "-", "--since", "6y", stdin=PERSON)
    assert ran.code == 0, ran.err
    assert "evidence here begins" in ran.out
    assert "none that must be accounted for" in ran.out
    assert "0 exempt disclosures" in ran.out
    known("patient", "export", "-", "--reason", "r", "--out", "copy", stdin=PERSON)
    (told,) = known("patient", "accounting", "-", "--all", "--json", stdin=PERSON).lines
    assert told["complete"] is False
    assert [one["exemption"] for one in told["disclosures"]] == ["to-the-individual"]
    shown = known("patient", "accounting", "-", "--all", stdin=PERSON).out
    assert "to-the-individual (45 CFR 164.528(a)(1)(ii))" in shown


def test_an_accounting_reaches_no_further_than_evidence_is_kept(known):
    """Said, not guessed."""
    assert "reaches back no further" in known("patient", "accounting", "-", "--since", "9y", stdin=PERSON).err
    assert "--since must be a duration" in known("patient", "accounting", "-", "--since", "ever", stdin=PERSON).err


def test_erasing_asks_first(known, monkeypatch):
    """The word must be typed; where nobody can be asked, --yes must be said."""
    refused = known("patient", "erase", "-", "--reason", "order 12", stdin=PERSON)
    assert (refused.code, "nothing was erased: say --yes" in refused.err) == (2, True)
    assert "would be erased: patient " in refused.out
    monkeypatch.setattr(sys.modules["gateway.cli.rights"].typer, "prompt", lambda *_, **__: "yes")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    with pytest.raises(Exception, match="nothing was erased"):
        rights._confirmed()
    assert known("patient", "accounting", "-", stdin=PERSON).code == 0


def test_an_erased_person_is_gone_from_every_command(known):
    """Dry run, erase, and what is left: the accounting by identifier and by number, and an intact log."""
    (tried,) = known("patient", "erase", "-", "--reason", "order 12", "--dry-run", "--json", stdin=PERSON).lines
    (done,) = known("patient", "erase", "-", "--reason", "order 12", "--yes", "--json", stdin=PERSON).lines
    assert tried == done
    assert done["erased"]["identifiers"] == 1
    for words in (("export", "-", "--out", "copy"), ("erase", "-", "--yes")):
        gone = known("patient", *words, "--reason", "r", stdin=PERSON)
        assert "nobody here has that identifier" in gone.err
    assert known("patient", "accounting", "-", stdin=PERSON).code == 0
    assert known("patient", "accounting", done["patients"][0]).code == 0
    assert "was erased" in known("patient", "export", done["patients"][0], "--reason", "r", "--out", "copy").err
    assert known("audit", "verify").code == 0


def test_a_breach_is_told_in_words_and_as_lines(known):
    """45 CFR 164.404, 164.408: nothing left from here, so nobody is counted; the CSV has its heading, mode 0600."""
    now = datetime.now(UTC)
    times = ("--from", (now - timedelta(days=1)).isoformat(), "--until", (now + timedelta(days=1)).isoformat())
    ran = known("breach", *times, "--out", "breach.csv")
    assert ran.code == 0, ran.err
    assert "0 messages left with PHI of 0 people" in ran.out
    (heading,) = csv.reader(Path("breach.csv").read_text().splitlines())
    assert {"individual", "address", "protection", "secured"} <= set(heading)
    assert stat.S_IMODE(Path("breach.csv").stat().st_mode) == 0o600
    (told,) = known("breach", *times, "--discovered", now.isoformat(), "--json").lines
    assert told["notify_by"] - told["discovered"] == 60 * 86_400_000
    assert "must be a time with its offset" in known("breach", "--from", "2026-03-02", "--until", "x").err


def test_an_assessment_is_shown_with_its_clocks(capsys):
    """What the privacy officer reads first: people, ways, states, days; and each line of the CSV without a formula."""
    from gateway.pipeline.rights import Assessment, Exposure, Individual

    exposure = Exposure(
        communication=7, individual=8, state="IL", channel="email", address="ab" * 16, at=0, topic="appointments",
        purpose="TREAT", template="t", facility=None, facts=("appointment.start",), protection=None, secured=False,
        label="part-2", certain=True,
    )  # fmt: skip
    told = Assessment(
        since=0, until=1, discovered=0, notify_by=60 * 86_400_000, log_by=0, exposures=(exposure,),
        individuals=(Individual(individual=8, state="IL", messages=1, unsecured=1, deceased=False, erased=False),),
        unsecured=1, by_state={"IL": 1}, by_protection={"not known": 1}, media=("IL",), secretary=True, part_2=1, place_unknown=1,
    )  # fmt: skip
    rights._show_breach(told, Path("breach.csv"))
    shown = capsys.readouterr().out
    for words in ("1 messages left with PHI of 1 people; unsecured: 1", "not known: 1", "residents of IL: 1 (media notice",
                  "no known facility: 1", "Part 2 programs: 1", "individuals by 1970-03-02", "the Secretary by 1970-03-02"):  # fmt: skip
        assert words in shown
    line = next(iter(csv.DictReader(rights._lines(told).splitlines())))
    assert (line["individual"], line["secured"], line["facts"]) == ("8", "no", "appointment.start")
