"""`caregate lint` prints for people, programs and code hosts; `caregate test` says which conditions no test decided."""

import re
from pathlib import Path

import pytest

RULE = Path("rules/appointment-reminder.yaml")
TESTS = Path("rules/appointment-reminder.test.yaml")


@pytest.fixture
def mistaken(site):
    """A site whose rule asks about a fact that there is not."""
    RULE.write_text(RULE.read_text().replace("appointment.status", "appointment.statsu"))
    return site


def test_github_shows_a_finding_beside_its_line(mistaken):
    """By the path from where the command runs, nothing else on standard output."""
    ran = mistaken("lint", "--format", "github")
    assert ran.code == 1
    (line,) = ran.out.splitlines()
    assert line.startswith("::error file=rules/appointment-reminder.yaml,line=8,col=5,title=CG001::unknown fact")


def test_a_sarif_log_is_written_also_when_nothing_is_to_mend(site):
    """A host waits for the file; exit code 0."""
    ran = site("lint", "--format", "sarif")
    assert ran.code == 0
    assert ran.lines[0]["runs"][0]["results"] == []


def test_a_sarif_log_holds_what_is_to_mend(mistaken):
    """With the place."""
    ran = mistaken("lint", "--format", "sarif")
    assert ran.code == 1
    (result,) = ran.lines[0]["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "rules/appointment-reminder.yaml"
    assert place["region"] == {"startLine": 8, "startColumn": 5}


def test_json_is_a_format_too_and_not_two_at_once(mistaken):
    """--json is what programs have always said."""
    assert mistaken("lint", "--json").lines == mistaken("lint", "--format", "json").lines
    ran = mistaken("lint", "--json", "--format", "github")
    assert (ran.code, ran.out) == (2, "")
    assert "contradict each other" in ran.err


def test_an_event_named_as_hl7_does_is_told_by_its_name_here(site):
    """The mappings of the site know what it becomes."""
    RULE.write_text(RULE.read_text().replace("[appointment.booked, appointment.rescheduled]", "S12"))
    assert "unknown event `S12`; that message becomes `appointment.booked` here" in site("lint").out


def test_a_condition_no_test_decides_is_named_and_may_be_refused(site):
    """`--coverage` tells, `--require-coverage` refuses; what is shipped is at a hundred."""
    assert site("test", "--require-coverage", "100").code == 0
    text = RULE.read_text()
    RULE.write_text(text.replace("  unless:\n", "    appointment.duration: {at_most: 900}\n  unless:\n"))
    TESTS.write_text(TESTS.read_text().replace("  facts:\n", "  facts:\n    appointment.duration: 30\n", 1))
    told = site("test", "--coverage")
    assert told.code == 0
    assert "appointment-reminder.yaml:9:5: no test decides `appointment.duration`" in told.out
    assert "mappings: 100 % of their lines read by a test\n" in told.out
    refused = site("test", "--require-coverage", "100")
    assert refused.code == 1
    assert "appointment-reminder.yaml:9:5: no test decides `appointment.duration`" in refused.out
    assert ", 100 % required" in refused.out
    assert site("test", "--require-coverage", "50").code == 0
    assert any("sentence" in one for one in site("test", "--coverage", "--json").lines)
    assert site("test", "--require-coverage", "100", "--json").code == 1


def test_a_line_of_an_overlay_that_no_test_reads_may_be_refused(site):
    """Mappings are held to the same: what a site adds, it tests."""
    overlay = Path("mappings/hl7v2/encounters.yaml")
    overlay.parent.mkdir(exist_ok=True)
    overlay.write_text("mapping: encounters\nmessages:\n  ADT^A54: {event: encounter.updated}\n")
    assert site("test", "--coverage").code == 0
    refused = site("test", "--require-coverage", "100")
    assert refused.code == 1
    assert "encounters.yaml:3:3: no test reads a `ADT^A54`" in refused.out
    assert re.search(r"mappings: 99\.\d % of their lines read by a test, 100 % required", refused.out)
    assert site("test", "--require-coverage", "100", "--json").code == 1


def test_the_first_difference_of_a_test_is_told(site):
    """In words; how many more there are is enough to know."""
    TESTS.write_text(TESTS.read_text().replace("09:30, by: email}", "09:45, by: email}"))
    ran = site("test")
    assert ran.code == 1
    assert "step 7d: expected at 2026-03-13 09:45, but it sends at 2026-03-13 09:30 (and 1 more)" in ran.out
