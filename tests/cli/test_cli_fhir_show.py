"""`caregate fhir show`: what the mapping makes of resources at hand, with no database, server or secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

_VISIT = {
    "resourceType": "Appointment",
    "id": "a1",
    "meta": {"versionId": "1", "lastUpdated": "2026-03-02T14:00:00Z"},
    "status": "booked",
    "start": "2026-04-01T15:00:00Z",
    "comment": "bring the letter",
    "serviceType": [{"coding": [{"code": "PCP"}]}],
    "participant": [
        {"actor": {"reference": "Patient/12"}, "status": "accepted"},
        {"actor": {"reference": "Location/7"}, "status": "accepted"},
    ],
}
_ADA = {
    "resourceType": "Patient",
    "id": "12",
    "identifier": [{"system": "urn:lakeside:mrn", "value": "50001"}, {"system": "urn:lakeside:old", "value": "7"}],
    "name": [{"family": "Brook", "given": ["Ada"]}],
    "telecom": [{"system": "email", "value": "ada@mail.example"}],
    "communication": [{"language": {"coding": [{"code": "not a language"}]}}],
}
_SOURCE = """sources:
  clinic:
    kind: fhir
    organization: lakeside
    base: https://fhir.lakeside.example/r4
    systems: {'urn:lakeside:mrn': LAKESIDE|MR}
    keys: [{secret: file:secrets/none-yet}]
"""


@pytest.fixture
def fhir_site(site):
    """A site with a FHIR server whose secret nobody has made yet, beside its feed of HL7 v2."""
    path = Path("caregate.yaml")
    path.write_text(path.read_text(encoding="utf-8").replace("sources:\n", _SOURCE, 1), encoding="utf-8")
    Path("visit.json").write_text(json.dumps(_VISIT), encoding="utf-8")
    Path("all.ndjson").write_text(
        "\n".join(
            json.dumps(one) for one in (_ADA, _VISIT, {"resourceType": "Basic", "id": "b1", "code": {"text": "x"}})
        ),
        encoding="utf-8",
    )
    return site


def test_each_value_is_shown_with_the_path_that_told_it(fhir_site):
    """And what is unknown with where it belongs; the source that speaks FHIR is found by itself."""
    ran = fhir_site("fhir", "show", "visit.json", "--reveal")
    assert ran.code == 0
    assert "visit.json:1  Appointment/a1  appointment.booked" in ran.out
    assert "appointment.start\t2026-04-01 10:00 America/Chicago\tAppointment.start" in ran.out
    assert "identifiers\thttps://fhir.lakeside.example/r4|FHIR|12\tAppointment.participant.where(" in ran.out
    assert "unknown code: Appointment.participant.actor: Location/7: appointment.location" in ran.out
    assert "not read, hence dropped: comment" in ran.out
    assert not list(Path.cwd().glob("*.db"))


def test_a_pipe_gets_no_values_unless_they_are_asked_for(fhir_site):
    """Values are PHI; names, paths and faults are not."""
    ran = fhir_site("fhir", "show", "all.ndjson", "--json")
    ada, visit, other = ran.lines
    assert "Ada" not in ran.out + ran.err
    assert "Location/7" not in ran.out + ran.err
    assert "--reveal" in ran.err
    assert (ada["resource"], ada["events"]) == ("Patient/12", ["patient.updated"])
    assert {"name": "given_name", "value": "•••", "places": ["Patient.name"], "used": True} in ada["taken"]
    assert [one["system"] for one in ada["unknown_systems"]] == ["urn:lakeside:old"]
    assert [one["place"] for one in ada["faults"]] == ["Patient.communication"]
    assert [one["fact"] for one in visit["unknown_codes"]] == ["appointment.location"]
    assert other["outcome"] == "ignored: Basic is not mapped"
    assert "Ada" in fhir_site("fhir", "show", "all.ndjson", "--reveal", "--index", "1").out


def test_a_resource_that_would_be_refused_is_exit_code_1_with_its_place(fhir_site):
    """As are bytes that are none; a file with nothing in it is a mistake of the command (2)."""
    Path("bad.json").write_text('{"resourceType": "Appointment", "id": "x", "status": 3}', encoding="utf-8")
    ran = fhir_site("fhir", "show", "bad.json")
    assert (ran.code, "refused: AE" in ran.out, "102 Appointment.status" in ran.out) == (1, True, True)
    Path("nothing.json").write_text("", encoding="utf-8")
    assert fhir_site("fhir", "show", "nothing.json").code == 2
    assert "there is no resource 9" in fhir_site("fhir", "show", "visit.json", "--index", "9").err
    assert "there is no source ehr of fhir" in fhir_site("fhir", "show", "visit.json", "--source", "ehr").err


def test_an_export_is_summed_up_in_counts(fhir_site):
    """What comes, what it becomes, which codes and systems nobody knows: one line each."""
    found = {(one["type"], one["what"]): one for one in fhir_site("fhir", "show", ".", "--summary", "--json").lines}
    assert found["Appointment", "read as"]["count"] == 2
    assert found["Appointment", "unknown code"]["count"] == 2
    assert found["Patient", "unknown system"]["which"].startswith("Patient.identifier: urn:lakeside:old")
    assert found["Appointment", "not read"]["which"] == "comment"
    assert "Basic\tread as\tignored: Basic is not mapped\t1" in fhir_site("fhir", "show", "all.ndjson", "--summary").out


def test_without_a_site_the_shipped_mappings_show_it(caregate, tmp_path):
    """A delete is shown as what it means."""
    gone = {
        "resourceType": "Bundle",
        "type": "history",
        "entry": [{"request": {"method": "DELETE", "url": "Appointment/a1"}}],
    }
    (tmp_path / "gone.json").write_text(json.dumps(gone), encoding="utf-8")
    ran = caregate("fhir", "show", "gone.json")
    assert (ran.code, "appointment.deleted" in ran.out) == (0, True)


def test_a_place_nobody_knows_is_listed_among_the_codes_sends_wait_for(fhir_site):
    """PV-08, for FHIR: and the person is found by a number that was told without a type."""
    coming = (datetime.now(UTC) + timedelta(days=10)).isoformat(timespec="seconds")
    Path("coming.ndjson").write_text(
        "\n".join(json.dumps(one) for one in (_ADA, {**_VISIT, "start": coming, "meta": {}})), encoding="utf-8"
    )
    Path("secrets").mkdir(mode=0o700)
    Path("secrets/none-yet").write_text("a-secret-of-one-purpose", encoding="utf-8")
    assert fhir_site("load", "--source", "clinic", "coming.ndjson").code == 0
    ran = fhir_site("holds", "codes", "--reason", "x")
    assert "Location/7\tappointment.location\tAppointment.participant.actor\t2" in ran.out
    assert "table:" not in ran.err  # a location is no table of the overlay
    assert fhir_site("trace", "--patient", "-", "--reason", "x", stdin="7^^^urn:lakeside:old^").code == 0
    assert fhir_site("trace", "--patient", "-", "--reason", "x", stdin="7^^^urn:lakeside:old").code == 2


def test_rules_that_no_channel_can_send_are_named(site):
    """A new site has no portal: its rules about results are silent, and the operator is told."""
    told = site("status")
    assert "nothing is sent by result-available (portal), result-corrected (portal)" in told.out
    assert (told.code, site("status", "--json").lines[0]["silent"][0]) == (0, "result-available (portal)")
