"""A mapping of resources that cannot work is refused with file, line and a sentence, before the first resource is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from fhir_resources import FEED, appointment, bundle, raw

from gateway.mapping.fhir.reader import FhirReader
from gateway.mapping.pack import load_pack
from gateway.model.errors import ConfigError
from gateway.packs import shipped


def laid(tmp_path: Path, text: str, kind: str = "fhir") -> Path:
    """A site's folder with one file."""
    (tmp_path / kind).mkdir(exist_ok=True)
    (tmp_path / kind / "site.yaml").write_text(text, encoding="utf-8")
    return tmp_path


HEAD = "mapping: new\nabout: Appointment\nresource: Slot\n"
WHEN = "when: {otherwise: {ignored: x}}\n"
REST = "patient: {path: subject}\nkey: {path: identifier, compute: own_key}\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("mapping: new\nresource: Slot\n", "does not say what it is `about`"),
        (f"mapping: new\nabout: Appointment\n{WHEN}{REST}", "does not say which `resource` it reads"),
        (f"mapping: new\nabout: Appointment\nresource: slot\n{WHEN}{REST}", "does not say which `resource` it reads"),
        (f"mapping: new\nabout: Appointment\nresource: Encounter\n{WHEN}{REST}", "`Encounter` is already read"),
        (f"{HEAD}{WHEN}key: {{path: identifier, compute: own_key}}\n", "does not say where the `patient` is"),
        (f"{HEAD}{WHEN}{REST.replace('subject', 'subject(')}", "site.yaml:5:1"),
        (f"{HEAD}{WHEN}{REST.replace('path: subject', 'path: subject, codes: state')}", "takes a path to references"),
        (f"{HEAD}{WHEN}patient: {{path: subject}}\n", "needs a `key`"),
        (f"{HEAD}{REST}decide: {{path: status}}\nwhen: {{a: {{ignored: x}}}}\n", "write `otherwise`"),
        (f"{HEAD}{REST}when: {{a: {{ignored: x}}, otherwise: {{ignored: x}}}}\n", "no `decide`"),
        (f"{HEAD}{REST}when: {{otherwise: {{event: encounter.admitted}}}}\n", "is not an event about an Appointment"),
        (f"{HEAD}{REST}when: {{otherwise: {{event: appointment.booked, status: x}}}}\n", "is not a FHIR status"),
        (f"{HEAD}{REST}when: {{otherwise: {{ignored: x, stays: yes}}}}\n", "neither `when` nor `stays`"),
        (f"{HEAD}{REST}when: {{otherwise: {{event: appointment.booked, replaces: yes}}}}\n", "no `replaces`"),
        (f"{HEAD}{WHEN}{REST}facts:\n  appointment.start: {{path: 'start('}}\n", "site.yaml:8:3"),
        (f"{HEAD}{WHEN}{REST}facts:\n  appointment.start: {{path: start, codes: state}}\n", "only a code takes"),
        (f"{HEAD}{WHEN}{REST}facts:\n  appointment.stat: {{path: start}}\n", "there is no fact"),
        (f"{HEAD}{WHEN}{REST}flags:\n  access-restriction: {{path: x}}\n", "already told by mapping"),
    ],
)
def test_what_cannot_work_is_told_where_it_stands(tmp_path: Path, text: str, sentence: str) -> None:
    """Every problem of every file at once."""
    with pytest.raises(ConfigError) as caught:
        load_pack((shipped("mappings"), laid(tmp_path, text)))
    assert sentence in str(caught.value)
    assert "site.yaml:" in str(caught.value)


def test_messages_alone_need_no_resources(tmp_path: Path) -> None:
    """A folder without `fhir/` maps none."""
    laid(
        tmp_path,
        "mapping: p\nabout: Patient\nmessages: {ADT^A28: {event: patient.added}}\n"
        "person:\n  identifiers: {path: PID-3, compute: patient_identifiers}\n"
        "  merged_from: {path: MRG-1, compute: patient_identifiers}\n",
        "hl7v2",
    )
    pack = load_pack((tmp_path,))
    assert FhirReader(pack, FEED)(raw(appointment())).ignored == "Appointment is not mapped"


def test_a_code_that_decides_and_is_in_no_table_is_warned_of(tmp_path: Path) -> None:
    """103, and it means what any other word means."""
    laid(tmp_path, "table: own\nwords: {booked: {}}\ncodes: {ours: booked}\n", "codes")
    laid(tmp_path, "mapping: fhir-appointments\ndecide: {path: status, codes: own}\n")
    reading = FhirReader(load_pack((shipped("mappings"), tmp_path)), FEED)(raw(appointment()))
    assert (reading.ignored, reading.noticed[0].code) == ("a status that no release of FHIR has", 103)


def test_a_delete_that_a_site_ignores_is_ignored(tmp_path: Path) -> None:
    """`deleted` is a word like any other."""
    laid(tmp_path, "mapping: fhir-appointments\nwhen: {deleted: {ignored: we keep what was booked}}\n")
    reader = FhirReader(load_pack((shipped("mappings"), tmp_path)), FEED)
    assert reader(raw(bundle("Appointment/a1"))).ignored == "we keep what was booked"


def test_an_empty_resource_of_a_mapped_type_is_named_by_nothing(tmp_path: Path) -> None:
    """A site may read what no mapping of ours reads."""
    laid(
        tmp_path,
        f"{HEAD}decide: {{path: status}}\nwhen: {{busy: {{event: appointment.booked}}, otherwise: {{ignored: x}}}}\n{REST}",
    )
    told = {"resourceType": "Slot", "id": "s", "status": "busy", "start": "2026-03-20T14:30:00Z", "end": "2026-03-20T15:00:00Z",
            "schedule": {"reference": "Schedule/1"}}  # fmt: skip
    pack = load_pack((shipped("mappings"), tmp_path))
    assert FhirReader(pack, FEED)(raw(told)).ignored == "it is about no patient"
