"""FHIR on the command line: files of any shape are loaded, and a server's export is taken in."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from gateway.app import exporting as exporting_module
from gateway.model.errors import Busy
from gateway.ports import Exported, ExportPlan, ExportStep

AT = "2026-03-02T14:00:00.000Z"
_PATIENT = {
    "resourceType": "Patient",
    "id": "1",
    "meta": {"versionId": "1", "lastUpdated": "2026-03-02T14:00:00Z"},
    "identifier": [{"system": "urn:oid:1.2.3", "value": "50001"}],
    "name": [{"family": "Delgado", "given": ["Ana"]}],
    "gender": "female",
    "birthDate": "1958-03-14",
}
_VISIT = {
    "resourceType": "Encounter",
    "id": "9",
    "meta": {"versionId": "1", "lastUpdated": "2026-03-02T14:00:00Z"},
    "status": "in-progress",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
    "subject": {"reference": "Patient/1"},
}


@pytest.fixture
def fhir_site(site, tmp_path):
    """A site with a folder of FHIR."""
    path = Path("caregate.yaml")
    (tmp_path / "inbox").mkdir()
    told = f"  epic:\n    kind: folder\n    format: fhir\n    organization: lakeside\n    path: {tmp_path / 'inbox'}\n"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("sources:\n", f"sources:\n{told}", 1), encoding="utf-8")
    return site


def test_a_file_of_resources_is_loaded_and_a_bad_line_stops_none(fhir_site, tmp_path):
    """K-06. Patients come first whatever their file is called after."""
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "Encounter.ndjson").write_text(json.dumps(_VISIT) + "\n{nonsense\n", encoding="utf-8")
    (folder / "Patient.ndjson").write_text(json.dumps(_PATIENT) + "\n", encoding="utf-8")
    told = fhir_site("load", "--json", "--source", "epic", folder)
    *lines, last = told.lines
    assert [(Path(one["file"]).name, one["index"], one["outcome"]) for one in lines] == [
        ("Patient.ndjson", 1, "accepted"),
        ("Encounter.ndjson", 1, "accepted"),
        ("Encounter.ndjson", 2, "quarantined"),
    ]
    assert (told.code, last["summary"]["messages"]) == (1, 3)
    assert lines[0]["control_id"] == "Patient/1/_history/1"
    again = fhir_site("load", "--json", "--source", "epic", "--baseline", folder / "Patient.ndjson")
    assert (again.code, again.lines[0]["outcome"]) == (0, "duplicate")


class _Server:
    """A source whose server exports what a test says."""

    name = "epic"
    failing = False

    def __init__(self, advanced: bool = True) -> None:
        self.asked: list[dict[str, object]] = []
        self._advanced = advanced

    def remember(self, notes, fetches):
        assert notes.get("export:job") is None

    async def start(self, intake): ...

    async def stop(self): ...

    def exporting(self, intake, step):
        step(ExportStep(stage="asked"))
        return nullcontext(self)

    def plan(self, *, since, whole, baseline):
        return ExportPlan(path="$export", types=("Patient",), since=since, baseline=True, under_way=False)

    def once(self, **told):
        self.asked.append(told)
        if self.failing:
            raise Busy("the server answered 503")
        return Exported(
            at=AT,
            since=None,
            baseline=True,
            files=2,
            counts={"accepted": 3},
            issues={} if self._advanced else {"error": 1},
            mismatches=0,
            advanced=self._advanced,
        )


@pytest.fixture
def server(monkeypatch):
    """What the source of the site is, in place of its folder."""
    found = _Server()
    monkeypatch.setattr(exporting_module, "made", lambda *_: found)
    return found


def test_an_export_says_what_it_came_to(fhir_site, server):
    """K-04, K-16. As of the server's time, as a baseline."""
    told = fhir_site("fhir", "export", "epic", "--since", "2026-03-01T10:00-06:00", "--no-baseline")
    assert (told.code, told.err) == (0, "")
    assert told.out == f"2 files as of {AT}, all there is, as a baseline\n  3 accepted\n"
    assert server.asked == [{"since": "2026-03-01T16:00:00.000Z", "whole": False, "baseline": False}]
    (line,) = fhir_site("fhir", "export", "epic", "--json").lines
    assert line["export"]["counts"] == {"accepted": 3}


def test_errors_of_the_server_make_the_export_fail(fhir_site, server):
    """K-07."""
    server._advanced = False
    told = fhir_site("fhir", "export", "epic")
    assert told.code == 1
    assert (
        "  the server tells of 1 of severity error\n  the next export asks from where the last whole one ended\n"
        in told.out
    )


def test_a_dry_run_asks_nothing(fhir_site, server):
    """What would be asked for."""
    told = fhir_site("fhir", "export", "epic", "--dry-run")
    assert told.out == "would ask for $export: Patient, all there is\nstores state and plans nothing\n"
    assert fhir_site("fhir", "export", "epic", "--dry-run", "--json").lines[0]["plan"]["path"] == "$export"
    assert not server.asked


def test_what_cannot_be_asked_is_one_sentence(fhir_site, server):
    """K-02. The same command goes on with what was begun (K-17)."""
    server.failing = True
    assert "503; the same command goes on from here" in fhir_site("fhir", "export", "epic").err
    assert "choose one" in fhir_site("fhir", "export", "epic", "--all", "--since", AT).err
    assert "its offset" in fhir_site("fhir", "export", "epic", "--since", "yesterday").err
    assert "there is no source lab" in fhir_site("fhir", "export", "lab").err


def test_a_source_without_a_server_has_no_export(fhir_site):
    """A folder has files, not a server."""
    assert "has no server that could export" in fhir_site("fhir", "export", "epic").err
