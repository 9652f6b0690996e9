"""Facts from messages agree with the FHIR bundles that FHIR-Converter's authors expect of the very same messages."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mapping_messages import RECEIVED

from gateway.mapping.feed import Feed
from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import Pack
from gateway.model.event import Format, PatientEvent, RawMessage, Reading
from gateway.model.party import ContactPoint
from gateway.model.when import When

FEED = Feed(name="converter", zone="UTC", default_authority="CONVERTER")

# Where both speak of the same thing and do not say the same: the topic, the messages ("*": nearly all), and why.
DIFFERENCES = {
    ("telephone: expired", "*"): "PID-13[1] ended in 2002: theirs tells it with its period, ours leaves it out (PI-09)",
    (
        "telephone: none",
        "*",
    ): "numbers of four and eight digits: theirs calls them phones, ours never dials them (PI-08)",
    ("e-mail: none", "*"): "89898989 in an e-mail field: theirs calls it an e-mail, ours never writes to it (PI-07)",
    (
        "telephone: another's",
        "ADT-A01-01",
    ): "717171 and two more stand in NK1, of which theirs makes another name of the patient",
    ("encounter.status", "ADT-A04-01"): "who is registered has arrived (V2F); theirs is in-progress",
    (
        "result.status",
        "LAB-ORU-2",
    ): "OBR-25 is empty: unknown in theirs, preliminary in ours (OR-01); neither tells anybody",
}
# Of what these bundles are about, one of the two says nothing.
SILENT = {
    "ADT-A40-02": "a merge: theirs has two Patients without a name, linked; ours merges the second into the first",
    "DFT-P03-01": "charges that do not tell the end of a visit: ignored by ours (DF-01)",
    "ORM-O01-01": "not a pharmacy order: ignored by ours",
}
_PERSONAL = ("name", "birth date", "identifiers")

Said = Iterator[tuple[str, bool]]
"""A topic, and whether both say the same."""


def pairs(testdata: Path) -> Iterator[tuple[str, bytes, list[dict[str, Any]]]]:
    """Each message that has a bundle: its name, its bytes, the resources expected."""
    bundles = testdata.parent / "fhir" / "r4" / "hl7v2-expected-bundle"
    for bundle in sorted(bundles.glob("*-expected.json")):
        stem = bundle.name.removesuffix("-expected.json")
        (path,) = testdata.glob(f"*/{stem}__*.hl7")
        entries = json.loads(bundle.read_text(encoding="utf-8-sig"))["entry"]
        yield stem.partition("__")[2], path.read_bytes(), [entry["resource"] for entry in entries]


def of(resources: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The resources of one type."""
    return [one for one in resources if one["resourceType"] == kind]


def same_moment(ours: object, theirs: str | None) -> bool:
    """The same instant; of a day, the same day."""
    assert isinstance(ours, When)
    assert theirs is not None
    if "T" not in theirs:
        return f"{ours.local():%Y-%m-%d}" == theirs
    return ours.utc == round(datetime.fromisoformat(theirs).timestamp() * 1000)


def person(event: PatientEvent, patient: Mapping[str, Any]) -> Said:
    """Name, birth date, death, numbers."""
    told = event.demographics
    if patient.get("name"):
        names = {(one.get("given", [""])[0], one.get("family")) for one in patient["name"]}
        yield "name", (told.given_name, told.family_name) in names
    if patient.get("birthDate"):
        yield "birth date", told.birth_date == patient["birthDate"]
    dead = "deceasedDateTime" in patient or patient.get("deceasedBoolean") is True
    yield "death", bool(told.deceased) is dead
    known = {one["value"] for one in patient.get("identifier", ())}
    yield "identifiers", {one.value for one in event.identifiers} <= known


def contacts(event: PatientEvent, patient: Mapping[str, Any]) -> Said:
    """Telephones and e-mail addresses, each by its value."""
    ours = {
        point.value: point for _, points in event.demographics.telecom if isinstance(points, tuple) for point in points
    }
    theirs = {one["value"]: one for one in patient.get("telecom", ()) if one.get("value")}
    for value, one in theirs.items():
        point = next((point for own, point in ours.items() if own in (value, f"+1{value}")), None)
        topic = "e-mail" if one.get("system") == "email" else "telephone"
        if one.get("period", {}).get("end", "9999") < "2026":
            yield "telephone: expired", point is not None
        elif point is None:
            yield "telephone: another's", False
        elif point.system.value == "other" and one.get("system") in ("phone", "email"):
            yield f"{topic}: none", False
        else:
            yield topic, _same_use(point, one)
    yield "telecom: nothing of our own", {own.removeprefix("+1") for own in ours} <= set(theirs)


def _same_use(point: ContactPoint, theirs: Mapping[str, Any]) -> bool:
    return point.use.value == theirs.get("use")


def appointment(event: PatientEvent, expected: Mapping[str, Any]) -> Said:
    """When it is, how long and whether it takes place."""
    facts = event.facts
    yield "appointment.start", same_moment(facts["appointment.start"], expected["start"])
    yield "appointment.end", same_moment(facts["appointment.end"], expected["end"])
    yield "appointment.duration", facts["appointment.duration"] == expected["minutesDuration"]
    yield "appointment.status", facts["appointment.status"] == expected["status"]


def visit(event: PatientEvent, expected: Mapping[str, Any]) -> Said:
    """When it began and in which state it is."""
    yield "encounter.status", event.facts["encounter.status"] == expected["status"]
    yield "encounter.start", same_moment(event.facts["encounter.start"], expected["period"]["start"])
    if "encounter.end" in event.facts:
        yield "encounter.end", same_moment(event.facts["encounter.end"], expected["period"]["end"])


def prescription(event: PatientEvent, resources: list[dict[str, Any]]) -> Said:
    """Which medicine, since when."""
    texts = {text for one in of(resources, "Medication") for text in _texts(one["code"])}
    yield "prescription.drug", event.facts["prescription.drug"] in texts
    requests = of(resources, "MedicationRequest")
    written = event.facts["prescription.written"]
    yield "prescription.written", any(same_moment(written, one["authoredOn"]) for one in requests)
    yield "prescription.status", {event.facts["prescription.status"]} == {one["status"] for one in requests}


def _texts(concept: Mapping[str, Any]) -> Iterator[str]:
    yield concept.get("text", "")
    yield from (coding.get("display", "") for coding in concept.get("coding", ()))


def said(reading: Reading, resources: list[dict[str, Any]]) -> Said:
    """Everything of which both speak."""
    (patient,) = of(resources, "Patient")
    event = reading.events[0]
    yield from person(event, patient)
    yield from contacts(event, patient)
    if "appointment.start" in event.facts:
        yield from appointment(event, *of(resources, "Appointment"))
    if "encounter.status" in event.facts:
        yield from visit(event, *of(resources, "Encounter"))
    for one, report in zip(reading.events, of(resources, "DiagnosticReport"), strict=False):
        if "result.status" in one.facts:
            yield "result.status", one.facts["result.status"] == report["status"]
    for one in reading.events:
        if "prescription.drug" in one.facts:
            yield from prescription(one, resources)
    for dose in of(resources, "Immunization"):
        yield "immunization.status", event.facts["immunization.status"] == dose["status"]
        yield "immunization.given", same_moment(event.facts["immunization.given"], dose["occurrenceDateTime"])
    for document in of(resources, "DocumentReference"):
        if "docStatus" in document:
            yield "document.status", event.facts["document.status"] == document["docStatus"]


def test_our_facts_are_those_of_the_expected_bundles(pack: Pack, testdata: Path) -> None:
    """PI-04 to PI-10, SI-23, OR-02, RX-04: same name, birth date, contacts, times, status and medicine; or a listed reason."""
    reader = Hl7v2Reader(pack, FEED)
    agreed, differing, silent = Counter[str](), dict[str, set[str]](), set[str]()
    for name, body, resources in pairs(testdata):
        reading = reader(RawMessage(source="f", format=Format.HL7V2, body=body, received=RECEIVED))
        if not reading.events or not any(one.get("name") for one in of(resources, "Patient")):
            silent.add(name)
            continue
        for topic, same in said(reading, resources):
            if same:
                agreed[topic] += 1
            else:
                differing.setdefault(topic, set()).add(name)
    assert silent == set(SILENT)
    everywhere = {topic for topic, who in DIFFERENCES if who == "*"}
    assert set(differing) == {topic for topic, _ in DIFFERENCES}
    assert {(topic, name) for topic, names in differing.items() if topic not in everywhere for name in names} == {
        told for told in DIFFERENCES if told[1] != "*"
    }
    spoken_of = 17  # messages of which both speak
    assert all(agreed[topic] == spoken_of for topic in _PERSONAL)
    assert agreed["appointment.start"] == agreed["appointment.end"] == agreed["appointment.status"] == 7
    assert min(agreed["telephone"], agreed["prescription.drug"], agreed["prescription.written"]) > 0
    assert agreed["telecom: nothing of our own"] == spoken_of
