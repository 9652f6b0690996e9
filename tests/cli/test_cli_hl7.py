"""`caregate hl7`: a file at hand, told field by field, and what of it matters here; nothing kept, nothing logged."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway import cli

HIDDEN = "•••"


@pytest.fixture
def tables(tmp_path_factory, monkeypatch):
    """One cache of tables for this test, away from the account's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "tables"))


@pytest.fixture
def booked(tables, feed, write):
    """A file with a registration, a booking and something broken."""
    return write(feed.registered(given="Ottilie"), feed.booked(given="Ottilie"), feed.broken())


@pytest.fixture
def terminal(monkeypatch):
    """Somebody sits before it."""
    monkeypatch.setattr("gateway.cli.hl7.sys", SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True)))


def fields(ran):
    """Place → object, of the one message shown."""
    (line,) = ran.lines
    return {(one["place"], one["sequence"]): one for one in line["fields"]}


def test_a_message_is_shown_field_by_field_with_what_was_taken(site, booked):
    """Name of the standard, value, what the mapping took, what no rule uses, what is dropped."""
    ran = site("hl7", "show", booked, "--index", 2, "--reveal")
    assert ran.code == 0
    lines = [line.split("\t") for line in ran.out.splitlines()]
    assert lines[0][0].startswith(f"{booked}:2  SIU^S12  2.5.1  appointment.booked")
    assert ["PID 1", "Patient identification", "-", "-"] in lines
    told = {line[0]: line[1:] for line in lines if len(line) == 4}
    assert told["PID-5"] == [
        "Patient name",
        "Brook^Ottilie",
        "patient.given_name = Ottilie; patient.family_name = Brook",
    ]
    assert told["PID-8"] == ["Administrative sex", "F", "dropped"]
    assert told["AIL-3"][2] == "appointment.location = main-street"
    assert told["SCH-9"][2] == "appointment.duration: no rule uses it; dropped"
    assert told["MSH-10"][2] == "duplicates"


def test_values_are_hidden_where_they_would_be_kept(site, booked):
    """A pipe or a file is not a terminal: places, names and what is taken are told, no value is."""
    ran = site("hl7", "show", booked, "--index", 2)
    assert ran.code == 0
    assert "Ottilie" not in ran.out
    assert "50001" not in ran.out
    assert f"patient.given_name = {HIDDEN}" in ran.out
    assert "values are hidden" in ran.err
    assert "SIU^S12" in ran.out
    assert "Ottilie" not in site("hl7", "show", booked, "--json").out


def test_on_a_terminal_values_are_shown_unless_they_are_masked(site, booked, terminal):
    """--mask is for screenshots."""
    assert "Ottilie" in site("hl7", "show", booked, "--index", 2, "--segment", "pid").out
    masked = site("hl7", "show", booked, "--index", 2, "--segment", "pid", "--mask")
    assert "Ottilie" not in masked.out
    assert HIDDEN in masked.out


def test_programs_get_an_object_for_each_message(site, booked):
    """Everything the table says, and which of its fields are dropped."""
    ran = site(
        "hl7", "show", booked, "--index", 2, "--json", "--reveal", "--all", "--segment", "SCH", "--segment", "PID"
    )
    told = fields(ran)
    assert told["PID-5", 1]["took"] == [
        {"name": "patient.given_name", "value": "Ottilie"},
        {"name": "patient.family_name", "value": "Brook"},
    ]
    assert told["PID-5.1", 1]["name"] == "Family name"
    assert told["SCH-9", 1] == {
        "place": "SCH-9",
        "segment": "SCH",
        "sequence": 1,
        "name": "Appointment duration",
        "type": "NM",
        "value": "30",
        "took": [],
        "unused": ["appointment.duration"],
        "dropped": True,
    }
    assert {segment for segment, _ in ((one["segment"], 0) for one in told.values())} == {"SCH", "PID"}
    (line,) = ran.lines
    assert (line["type"], line["version"], line["charset"]) == ("SIU^S12", "2.5.1", "utf-8")
    assert line["events"] == ["appointment.booked"]


def test_a_message_that_would_be_refused_is_shown_with_the_reason(site, booked):
    """E-08: what becomes of it stands in the first line."""
    assert "refused: AE 100 PID^1: the PID segment is missing" in site("hl7", "show", booked, "--index", 3).out


def test_long_values_are_cut_on_a_line_and_whole_on_request(site, tables, feed, write):
    """An embedded document does not fill the screen."""
    path = write(feed.message("MDM^T02^MDM_T02", feed.person(), "TXA|1|DS", f"OBX|1|ED|X||{'A' * 5000}||||||F"))
    assert "(5000 characters)" in site("hl7", "show", path, "--reveal").out
    assert "A" * 5000 in site("hl7", "show", path, "--reveal", "--all").out


def test_standard_input_frames_and_batches_are_files_too(site, tables, feed, write, monkeypatch, capfd):
    """B-01, F-01: the splitter of `load` takes it apart."""
    framed = b"".join(b"\x0b" + one + b"\x1c\r" for one in (feed.registered(), feed.booked()))
    assert [line["type"] for line in site("hl7", "show", write(framed), "--json").lines] == ["ADT^A28", "SIU^S12"]
    batch = b"FHS|^~\\&\rBHS|^~\\&\r" + feed.registered() + b"BTS|1\rFTS|1\r"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(batch)))
    capfd.readouterr()
    assert cli.invoke(["hl7", "show", "-", "--json"]) == 0
    assert '"type": "ADT^A28"' in capfd.readouterr().out
    sys.stdin.detach()


def test_what_cannot_be_read_is_told_without_quoting_it(site, tables, write):
    """Exit code 1 of show, 2 of check; the other messages are told all the same."""
    path = write(b"Ottilie Brook\r", b"MSH|^~\\&|A|B|C|D|20260302||ADT^A31|1|P|2.5.1\rPID|1||1^^^L^MR\r")
    ran = site("hl7", "show", path)
    assert ran.code == 1
    assert f"{path}:1  cannot be read: AR 100 MSH: the message does not begin with MSH" in ran.out
    assert "ADT^A31" in ran.out
    assert site("hl7", "show", path, "--json").lines[0]["unreadable"].startswith("cannot be read")
    ran = site("hl7", "check", path)
    assert ran.code == 2
    assert "1 cannot be read" in ran.out
    assert "Ottilie" not in ran.out + ran.err


def test_half_a_frame_and_a_message_beyond_the_limit_are_told(site, tables, write):
    """F-06: a piece without a body has its reason."""
    ran = site("hl7", "check", write(b"\x0bMSH|^~\\&|A"))
    assert ran.code == 2
    assert "cannot be read: frame-not-ended" in ran.out


def test_a_file_or_a_message_that_is_not_there(site, tables, feed, write):
    """One sentence, exit code 2."""
    assert site("hl7", "show", "nowhere.hl7").code == 2
    ran = site("hl7", "check", write(feed.registered()), "--index", 4)
    assert (ran.code, "has no message 4" in ran.err) == (2, True)
    assert "has no message" in site("hl7", "check", write(b"\r\n")).err


def test_check_says_what_matters_here(site, tables, feed, write):
    """Exit code 1 and the place, the rule and who reads it; what nothing reads does not matter."""
    path = write(feed.booked().replace(b"|A|MAIN|", b"|A|NEW|").replace(b"19580314", b"14.3.58"))
    ran = site("hl7", "check", path)
    assert ran.code == 1
    assert f"{path}:1  AIL^1^3  the code is not known: appointment.location is `unmapped`; matters: it waits" in ran.out
    assert "PID^1^7  the birth date is not a date; matters: read for patient.birth_date" in ran.out
    assert "SCH^1^6  a required field is empty (HL7 2.5.1); does not matter: nothing reads it" in ran.out
    assert "14.3.58" not in ran.out
    assert ran.out.splitlines()[-1].endswith("of them matter here")


def test_nothing_that_matters_is_exit_code_0(site, tables, feed, write):
    """Deviations that nobody reads are told, and that is all."""
    ran = site("hl7", "check", write(feed.booked()), "--json")
    assert ran.code == 0, ran.out
    *found, last = ran.lines
    assert all(one["matters"] is False for one in found)
    assert last == {"summary": {"messages": 1, "deviations": len(found), "mattering": 0, "unreadable": 0}}
    assert set(found[0]) == {"file", "index", "place", "rule", "by", "matters", "why"}


def test_without_a_site_the_shipped_mappings_are_used(caregate, tables, feed, write):
    """The engineer has a file before there is a site; the zone that is assumed is told."""
    path = write(feed.booked())
    ran = caregate("hl7", "show", path)
    assert ran.code == 0
    assert "shipped mappings and rules, times without a zone are read as UTC" in ran.err
    assert caregate("hl7", "check", path).code == 1, "nobody said which authority or where MAIN is"


def test_a_site_with_several_sources_is_asked_which(site, tables, feed, write):
    """The zone and the places are those of one source."""
    path = Path("caregate.yaml")
    text = path.read_text()
    second = "  lab:\n    kind: mllp\n    organization: lakeside\n    bind: 127.0.0.1\n    port: 2576\n    authority: LAB\n\nchannels:"
    path.write_text(text.replace("\nchannels:", second, 1))
    file = write(feed.booked())
    ran = site("hl7", "show", file)
    assert ran.code == 2
    assert "say --source with one of ehr, lab" in ran.err
    assert "there is no source nix" in site("hl7", "show", file, "--source", "nix").err
    assert site("hl7", "show", file, "--source", "lab").code == 0


def test_a_sites_overlay_is_what_is_shown_and_checked(site, tables, feed, write):
    """X-08: a Z segment that the site maps is taken, not dropped."""
    folder = Path("mappings/hl7v2")
    folder.mkdir()
    (folder / "ours.yaml").write_text(
        "mapping: appointments\nfacts:\n  appointment.service: {paths: [ZSV-2, AIS-3], codes: service}\n"
    )
    message = feed.message("SIU^S12", "SCH|P1|F1|||||||||^^^20300101090000-0600", feed.person(), "ZSV|1|CARD")
    ran = site("hl7", "show", write(message), "--reveal", "--json", "--segment", "ZSV")
    assert fields(ran)["ZSV-2", 1]["took"] == [{"name": "appointment.service", "value": "cardiology"}]
    assert site("lint").code == 0
    (folder / "ours.yaml").write_text(
        "mapping: appointments\nfacts:\n  appointment.service: {path: AIS-33, codes: service}\n"
    )
    ran = site("lint")
    assert ran.code == 1
    assert "ours.yaml:3:31: CG080 `AIS-33` is in no version of HL7 v2: AIS has 12 fields" in ran.out


def test_a_file_for_one_source_is_shown_for_that_source_and_linted_for_all(site, tables, feed, write):
    """X-08: `sources:` names sources of the configuration; one that is not there is told with its place, by run too."""
    folder = Path("mappings/codes")
    folder.mkdir()
    table = folder / "ours.yaml"
    table.write_text("table: service\nsources: [ehr]\nwords: {feet: {}}\ncodes: {FM: feet}\n")
    path = write(feed.booked())
    told = fields(site("hl7", "show", path, "--reveal", "--json", "--segment", "AIS"))
    assert told["AIS-3", 1]["took"] == [{"name": "appointment.service", "value": "feet"}]
    assert site("lint").code == 0
    table.write_text(table.read_text().replace("[ehr]", "[eer]"))
    ran = site("lint")
    assert ran.code == 1
    assert "ours.yaml:2:11: CG002 there is no source `eer`; known: ehr" in ran.out
    ran = site("load", path)
    assert ran.code == 2
    assert "there is no source `eer`" in ran.err
