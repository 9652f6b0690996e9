"""One FHIR resource is read: named by type, id and version, refused by place and rule, or ignored for a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fhir_resources import BASE, FEED, RECEIVED, appointment, bundle, patient, raw

from gateway.mapping.feed import Feed
from gateway.mapping.fhir.reader import OURS, FhirReader
from gateway.mapping.pack import Pack, load_pack
from gateway.model.event import AckCode, EventKind, Format, Reading
from gateway.model.party import CLEARED


@pytest.fixture(scope="module")
def reader(pack: Pack) -> FhirReader:
    """A reader of our feed, with everything compiled."""
    made = FhirReader(pack, FEED)
    made.compile()
    return made


def refusal(reading: Reading) -> tuple[AckCode, int, str]:
    """Acknowledgement, code and place of the first fault."""
    fault = reading.faults[0]
    return reading.ack, fault.code, str(fault.place)


def test_a_version_has_one_name_by_whatever_way_it_comes(reader: FhirReader) -> None:
    """S-18, S-21: type, id and version; recorded when its server says so."""
    reading = reader(raw(appointment()))
    assert (reading.type, reading.control_id) == ("Appointment", "Appointment/a1/_history/1")
    assert reading.control_key == reading.control_id
    assert reading.events[0].recorded == 1_772_463_600_000
    assert reading.processing_id == "P"


def test_without_a_version_its_time_and_then_its_bytes_name_it(reader: FhirReader) -> None:
    """Q-09."""
    timed = reader(raw(appointment(meta={"lastUpdated": "2026-03-02T15:00:00Z"})))
    bare = [reader(raw(appointment(meta={}, start=f"2026-03-20T14:{minute}:00Z"))) for minute in (30, 31)]
    assert timed.control_id == "Appointment/a1/_history/2026-03-02T15:00:00Z"
    assert bare[0].control_id != bare[1].control_id
    assert bare[0].events[0].recorded == RECEIVED


def test_a_body_that_is_no_json_is_refused_and_has_no_name(reader: FhirReader) -> None:
    """M-02."""
    reading = reader(raw(b"{"))
    assert (reading.ack, reading.control_key, reading.events) == (AckCode.AE, None, ())


def test_a_structure_that_is_none_is_refused_by_place_and_the_resource_is_named(reader: FhirReader) -> None:
    """M-01, E-08: no value in the rule."""
    reading = reader(raw(appointment(start=[1])))
    assert refusal(reading)[2] == "Appointment.start"
    assert reading.control_id == "Appointment/a1/_history/1"


def test_rules_of_its_own_are_not_followed(reader: FhirReader) -> None:
    """ImplicitRules is a modifier element (R4 resource.html)."""
    assert refusal(reader(raw(appointment(implicitRules="https://example.org/rules")))) == (
        AckCode.AE,
        200,
        "Appointment.implicitRules",
    )


@pytest.mark.parametrize(
    "told",
    [
        {"resourceType": "Bundle", "type": "searchset"},
        {"resourceType": "Bundle", "type": "history", "entry": [{}]},
        {"resourceType": "Bundle", "type": "history", "entry": ["x"]},
        {"resourceType": "Bundle", "type": "history", "entry": [{"request": {"method": "DELETE", "url": "x"}}]},
        {"resourceType": "Bundle", "type": "history", "entry": [{"request": {"method": "PUT", "url": "Patient/1"}}]},
    ],
)
def test_a_bundle_that_is_no_delete_is_refused(reader: FhirReader, told: dict[str, Any]) -> None:
    """Connectors take Bundles apart; what is left is one DELETE (Q-06)."""
    assert refusal(reader(raw(told))) == (AckCode.AE, 200, "Bundle")


def test_a_delete_is_named_by_its_version_or_its_time(reader: FhirReader) -> None:
    """Q-06: whoever tells the delete, it is one."""
    told = bundle("Appointment/a1", etag='W/"7"')
    assert reader(raw(told)).control_id == "Appointment/a1/_history/7"
    plain = {
        "resourceType": "Bundle",
        "type": "history",
        "entry": [{"request": {"method": "DELETE", "url": f"{BASE}/Appointment/a1"}}],
    }
    assert reader(raw(plain)).events[0].recorded == RECEIVED
    exported = {**plain, "timestamp": "2026-01-02T03:04:05Z"}  # K-08: made again since, it is not deleted (S-21)
    assert reader(raw(exported)).events[0].recorded == 1_767_323_045_000
    assert reader(raw(told)).events[0].kind is EventKind.APPOINTMENT_DELETED


def test_a_type_that_nothing_maps_is_ignored_or_refused(reader: FhirReader, pack: Pack) -> None:
    """A-06."""
    told = {"resourceType": "Schedule", "id": "s", "actor": [{"reference": "Location/2"}]}
    assert reader(raw(told)).ignored == "Schedule is not mapped"
    assert reader(raw(bundle("Schedule/s"))).ignored == "Schedule is not mapped"
    strict = FhirReader(pack, Feed(name="f", zone="UTC", format=Format.FHIR, strict_types=True))
    assert refusal(strict(raw(told))) == (AckCode.AR, 200, "Schedule")


def test_what_we_wrote_ourselves_is_ignored(reader: FhirReader) -> None:
    """W-01: an opt-out that we recorded there is no news from there."""
    told = {"resourceType": "Communication", "status": "completed", "identifier": [{"system": OURS, "value": "1"}]}
    assert reader(raw(told)).ignored == "written by this gateway"
    assert reader(raw(appointment(identifier=[{"system": "urn:x", "value": "1"}]))).events


def test_only_wanted_facts_are_read(pack: Pack) -> None:
    """Law 5: structural ones become columns, nothing else is kept."""
    event = FhirReader(pack, FEED, facts=frozenset({"appointment.start"}))(raw(appointment(minutesDuration=30))).events[
        0
    ]
    assert event.facts.keys() == {"appointment.start"}
    assert event.occurrence is not None
    assert event.occurrence.end is not None


def test_the_same_person_told_twice_has_the_same_key_and_another_has_not(reader: FhirReader) -> None:
    """X-06: versions and narratives are nothing about the person."""

    def key(**more: Any) -> bytes:
        return reader(raw(patient(**more))).events[0].person.key

    assert key() == key(meta={"versionId": "9"}, text={"status": "generated", "div": "<div>x</div>"})
    assert key() != key(birthDate="1981-01-01")
    assert reader(raw(patient())).events[0].person.flags_key == b""


def test_a_resource_that_refers_to_a_person_tells_nothing_of_them(reader: FhirReader) -> None:
    """What is known of them is neither compared nor changed."""
    event = reader(raw(appointment())).events[0]
    assert (event.person.key, event.person.flags_key, event.person.passing) == (b"", b"", False)
    assert event.demographics.given_name is None


def test_a_person_without_telephone_has_none_any_more(reader: FhirReader) -> None:
    """A whole resource tells all there is; SUBSETTED does not (K-10)."""
    whole = reader(raw(patient())).events[0].demographics
    part = reader(raw(patient(meta={"tag": [{"code": "SUBSETTED"}]}))).events[0].demographics
    assert (whole.telecom, part.telecom) == ((("Patient.telecom", CLEARED),), ())
    assert (whole.country, part.country) == (CLEARED, None)


def test_a_site_changes_one_entry_and_keeps_the_rest(tmp_path: Path, pack: Pack) -> None:
    """X-08: and for one source alone."""
    (tmp_path / "fhir").mkdir()
    (tmp_path / "fhir" / "ours.yaml").write_text(
        "mapping: fhir-appointments\nsources: [clinic]\nwhen:\n  booked: {ignored: the clinic books elsewhere}\n"
        "facts:\n  appointment.duration:\n",
        encoding="utf-8",
    )
    both = load_pack([Path(__file__).parents[2] / "mappings", tmp_path])
    clinic = FhirReader(both.of("clinic"), FEED)
    assert clinic(raw(appointment())).ignored == "the clinic books elsewhere"
    assert FhirReader(both.of("other"), FEED)(raw(appointment())).events
    assert both.digest == pack.digest
    assert both.kinds() >= {"order.placed", "appointment.booked"}
    assert "primary-care" in both.words()["encounter.service"]
