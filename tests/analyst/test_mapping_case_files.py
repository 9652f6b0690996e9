"""The runner of the tests beside mappings: what passes, what fails and how it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.analyst.mapping_tests import Finding, body_of, run
from gateway.model.errors import ConfigError
from gateway.packs import shipped

_MESSAGE = """
      MSH|^~\\&|ADT|LAKESIDE|GATE|HUB|20260302090000||ADT^A31^ADT_A05|P1|P|2.5.1
      PID|1||1234^^^LAKESIDE^MR||Ashgrove^Alma||19800315|||||||||||||||||||||||N
"""


def outcome(folder: Path, expect: str, feed: str = "{}") -> Finding:
    """Run one test with this expectation (YAML flow text) in an overlay folder."""
    (folder / "hl7v2").mkdir(exist_ok=True)
    text = f"feed: {feed}\ntests:\n  - name: a sentence\n    message: |{_MESSAGE}    expect: {expect}\n"
    (folder / "hl7v2" / "site.test.yaml").write_text(text)
    return run([shipped("mappings"), folder])[-1]


@pytest.mark.parametrize(
    "expect",
    [
        "{events: {event: patient.updated, key: none, status: none, start: none, production: 'yes'}}",
        "{events: [{person: {given_name: Alma, birth_date: 1980-03-15, deceased: none}}]}",
        "{events: {occurred: 2026-03-02 09:00, recorded: 2026-03-02 09:00, telecom: [], facts: {}, absent: [encounter.class]}}",
        "{events: {identifiers: [LAKESIDE|MR|1234], merged_from: [], flags: {}, visit_flags: {}}, warnings: []}",
    ],
)
def test_an_expectation_that_is_met_passes(tmp_path: Path, expect: str) -> None:
    """What is not written is not compared."""
    finding = outcome(tmp_path, expect)
    assert finding.passed, finding.failures
    assert (finding.name, finding.line) == ("a sentence", 3)


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        ("{events: {event: patient.added}}", "event: expected patient.added, got patient.updated"),
        ("{events: {key: visit|1}}", "key: expected visit|1, got none"),
        ("{events: {person: {given_name: Bob}}}", "given_name: expected Bob, got Alma"),
        ("{events: {facts: {encounter.class: inpatient}}}", "encounter.class: expected inpatient, got nothing"),
        ("{events: {cleared: [encounter.end]}}", "cleared: expected ['encounter.end'], got []"),
        ("{events: []}", "expected 0 event(s), got 1"),
        ("{ignored: because}", "ignored: expected because, got nothing"),
        ("{refused: AE 101 PID^1^3}", "refused: expected AE 101 PID^1^3, got nothing"),
        ("{warnings: [102 PID^1^7]}", "warnings: expected ['102 PID^1^7'], got []"),
    ],
)
def test_an_expectation_that_is_not_met_says_what_came_instead(tmp_path: Path, expect: str, says: str) -> None:
    """A failure is a sentence with both sides."""
    assert outcome(tmp_path, expect).failures == (says,)


def test_a_fact_that_must_not_be_there_fails_when_it_is(tmp_path: Path) -> None:
    """Silence can be asserted."""
    (tmp_path / "hl7v2").mkdir()
    (tmp_path / "hl7v2" / "site.test.yaml").write_text(
        "tests:\n  - name: x\n    message: |\n      MSH|^~\\&|A|B|C|D|20260302090000||ADT^A01|1|P|2.5\n"
        "      PID|1||9^^^A^MR\n      PV1|1|I|||||||||||||||||V1\n"
        "    expect: {events: {absent: [encounter.class]}}\n"
    )
    (finding,) = run([shipped("mappings"), tmp_path])[-1:]
    assert finding.failures == ("encounter.class: expected nothing, got inpatient",)


def test_a_test_may_have_a_feed_of_its_own(tmp_path: Path) -> None:
    """The keys are those of `sources:` in the configuration."""
    feed = "{zone: UTC, authority: X, region: GB, strict: 'yes', not_vip: [A], test_identifiers: ['1234'], organization: o}"
    assert outcome(tmp_path, "{events: {production: 'no', occurred: 2026-03-02 09:00}}", feed).passed


def test_tests_that_cannot_be_read_are_a_configuration_error(tmp_path: Path) -> None:
    """With file and line, all of them at once."""
    with pytest.raises(ConfigError, match=r"site.test.yaml:\d+:\d+: "):
        outcome(tmp_path, "{events: {colour: red}}")


def test_a_message_is_written_a_segment_a_line() -> None:
    """Blank lines and blanks at line ends do not count."""
    assert body_of("  MSH|a  \n\n  PID|b\n") == b"MSH|a\rPID|b\r"


def test_one_folder_is_enough() -> None:
    """The shipped tests pass alone."""
    assert all(finding.passed for finding in run(shipped("mappings")))
