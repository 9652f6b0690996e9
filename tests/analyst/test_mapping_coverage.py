"""Which lines of a mapping no test read: told with their place, for a folder and for an overlay."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.analyst.mapping_coverage import Tried, percent, unread
from gateway.analyst.mapping_tests import run
from gateway.packs import shipped

OVERLAY = """\
mapping: appointments
facts:
  appointment.practitioner: {path: AIP-3.2}
  appointment.duration:
"""
TESTS = """\
tests:
  - name: a booked visit
    message: |
      MSH|^~\\&|S|F|R|F|20260302100000||SIU^S12^SIU_S12|1|P|2.5.1
      SCH|P1|F1|||R|||||^^^20260320093000
      PID|1||7^^^MRN^MR||Probe^Petra
      RGS|1
      AIP|1|||1
    expect:
      events: {event: appointment.booked, facts: {FACT}}
"""
WORDS = """\
mapping: results
messages:
  ORU^R01: &told
    when:
      final: {event: result.available, status: final}
      otherwise: {ignored: not final}
  ORU^R32: *told
"""
RESULTS = """\
tests:
  - name: a final result
    message: |
      MSH|^~\\&|S|F|R|F|20260302100000||ORU^R01^ORU_R01|1|P|2.5.1
      PID|1||7^^^MRN^MR
      OBR|1|P7|F7|24323-8|||||||||||||||||||||F
      OBX|1|NM|2345-7||99||||||F
    expect:
      events: {event: result.available}
"""


def overlay(folder: Path, fact: str) -> list[str]:
    (folder / "hl7v2").mkdir(exist_ok=True)
    (folder / "hl7v2" / "appointments.yaml").write_text(OVERLAY, encoding="utf-8")
    text = TESTS.replace("{FACT}", "{" + fact + "}")
    (folder / "hl7v2" / "appointments.test.yaml").write_text(text, encoding="utf-8")
    folders, tried = [shipped("mappings"), folder], list[Tried]()
    run(folders, tried)
    found = [one for one in unread(folders, tried) if one.file.startswith(str(folder))]
    return [str(one).replace(f"{folder}{os.sep}", "") for one in found]


def test_a_fact_no_test_expects_is_told_with_its_line(tmp_path: Path) -> None:
    """What an overlay takes out needs no test."""
    line = "hl7v2/appointments.yaml:3:3: no test expects `appointment.practitioner`: name it under `facts` of one"
    assert overlay(tmp_path, "appointment.status: booked") == [line]


def test_a_fact_counts_when_the_message_told_it(tmp_path: Path) -> None:
    """A test that names what is not there fails, and shows nothing."""
    assert len(overlay(tmp_path, "appointment.practitioner: Nobody")) == 1


def test_the_word_that_decides_counts_where_a_test_comes_to_it(tmp_path: Path) -> None:
    """Each says something else; a line shared by several types is read under any."""
    (tmp_path / "hl7v2").mkdir()
    (tmp_path / "hl7v2" / "results.yaml").write_text(WORDS, encoding="utf-8")
    (tmp_path / "hl7v2" / "results.test.yaml").write_text(RESULTS, encoding="utf-8")
    folders, tried = [shipped("mappings"), tmp_path], list[Tried]()
    assert all(one.passed for one in run(folders, tried))
    told = [str(one).rpartition(os.sep)[2] for one in unread(folders, tried)]
    assert told == [
        "results.yaml:6:7: no test of a `ORU^R01` comes to `otherwise`",
        "results.yaml:7:3: no test reads a `ORU^R32`",
    ]
    assert percent(folders, unread(folders, tried)) < 100


def test_every_line_of_the_shipped_mappings_is_read_by_a_test() -> None:
    """Issue 4: all mappings shipped have tests; `make packs` holds them to it."""
    folders, tried = [shipped("mappings")], list[Tried]()
    assert all(one.passed for one in run(folders, tried))
    found = unread(folders, tried)
    assert [str(one) for one in found] == []
    assert percent(folders, found) == percent([], []) == 100.0
