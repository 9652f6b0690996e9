"""NDJSON as a server exports it, in the shapes and proportions of Synthea's: made up here, the same for the same number."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

_LOINC = (("8302-2", "Body Height", "cm"), ("29463-7", "Body Weight", "kg"), ("4548-4", "Hemoglobin A1c", "%"))
_DRUGS = (("314076", "lisinopril 10 MG Oral Tablet"), ("860975", "metformin hydrochloride 500 MG Oral Tablet"))
_PER_PERSON = 32  # resources: one Patient and what is below
_SCHEME = "http://terminology.hl7.org/CodeSystem"


def lines(resources: int, *, start: int = 0) -> Iterator[bytes]:
    """So many lines, people first among what is theirs; `start`: the number of the first person."""
    person, made = start, 0
    while made < resources:
        for one in _person(person):
            if made == resources:
                return
            yield json.dumps(one, separators=(",", ":")).encode() + b"\n"
            made += 1
        person += 1


def _person(number: int) -> Iterator[dict[str, Any]]:
    dice = random.Random(number)
    who = {"reference": f"Patient/p{number}"}
    yield _patient(number, dice)
    for visit in range(4):
        at = f"20{dice.randint(12, 25)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}"
        encounter = {"reference": f"Encounter/e{number}-{visit}"}
        yield _encounter(number, visit, who, at)
        for turn in range(3):
            yield _observation(f"o{number}-{visit}-{turn}", _LOINC[turn], who, encounter, at, dice)
        yield _condition(f"c{number}-{visit}", who, encounter, at)
        if visit % 2:
            yield _prescription(f"m{number}-{visit}", _DRUGS[visit // 2], who, encounter, at)
            yield _shot(f"i{number}-{visit}", who, encounter, at)
        else:
            yield _report(f"d{number}-{visit}", who, encounter, at, [f"o{number}-{visit}-{turn}" for turn in range(3)])
            yield _procedure(f"r{number}-{visit}", who, encounter, at)
    for claim in range(3):
        yield _claim(f"k{number}-{claim}", who)


def _meta(at: str) -> dict[str, Any]:
    return {"versionId": "1", "lastUpdated": f"{at}T10:00:00.000Z", "profile": ["http://hl7.org/fhir/us/core/x"]}


def _coded(system: str, code: str, text: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": text}], "text": text}


def _patient(number: int, dice: random.Random) -> dict[str, Any]:
    race = {"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3"}}
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "meta": _meta("2026-01-01"),
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Made up</div>'},
        "extension": [{"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "extension": [race]}],
        "identifier": [
            {
                "system": "https://lakeside.example/mrn",
                "value": f"S{number}",
                "type": _coded(f"{_SCHEME}/v2-0203", "MR", "MRN"),
            },
            {"system": "http://hl7.org/fhir/sid/us-ssn", "value": f"999-{number % 90 + 10}-{number % 9000 + 1000}"},
        ],
        "name": [
            {"use": "official", "family": f"Family{number % 997}", "given": [f"Given{number % 499}"], "prefix": ["Ms."]}
        ],
        "telecom": [{"system": "phone", "value": f"555-{number % 900 + 100}-{number % 9000 + 1000}", "use": "home"}],
        "gender": "female" if number % 2 else "male",
        "birthDate": f"19{dice.randint(30, 99)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}",
        "address": [
            {
                "line": [f"{number} Canal St"],
                "city": "Northfield",
                "state": "MN",
                "postalCode": "55057",
                "country": "US",
            }
        ],
        "maritalStatus": _coded(f"{_SCHEME}/v3-MaritalStatus", "M", "Married"),
        "multipleBirthBoolean": False,
        "communication": [{"language": _coded("urn:ietf:bcp:47", "en-US", "English")}],
    }


def _encounter(number: int, visit: int, who: dict[str, Any], at: str) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": f"e{number}-{visit}",
        "meta": _meta(at),
        "identifier": [{"use": "official", "system": "https://lakeside.example/visit", "value": f"V{number}-{visit}"}],
        "status": "finished",
        "class": {"system": f"{_SCHEME}/v3-ActCode", "code": "AMB"},
        "type": [_coded("http://snomed.info/sct", "162673000", "General examination of patient (procedure)")],
        "subject": who,
        "participant": [{"individual": {"reference": "Practitioner/1", "display": "Dr. Quill"}}],
        "period": {"start": f"{at}T10:00:00-06:00", "end": f"{at}T10:30:00-06:00"},
        "serviceProvider": {"reference": "Organization/1", "display": "Lakeside"},
    }


def _observation(
    name: str, what: tuple[str, str, str], who: dict[str, Any], encounter: dict[str, Any], at: str, dice: random.Random
) -> dict[str, Any]:
    code, text, unit = what
    return {
        "resourceType": "Observation",
        "id": name,
        "meta": _meta(at),
        "status": "final",
        "category": [_coded(f"{_SCHEME}/observation-category", "vital-signs", "Vital signs")],
        "code": _coded("http://loinc.org", code, text),
        "subject": who,
        "encounter": encounter,
        "effectiveDateTime": f"{at}T10:00:00-06:00",
        "issued": f"{at}T10:00:00.000-06:00",
        "valueQuantity": {
            "value": dice.randint(10, 200) + 0.5,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
    }


def _condition(name: str, who: dict[str, Any], encounter: dict[str, Any], at: str) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": name,
        "meta": _meta(at),
        "clinicalStatus": _coded(f"{_SCHEME}/condition-clinical", "active", "Active"),
        "verificationStatus": _coded(f"{_SCHEME}/condition-ver-status", "confirmed", "Confirmed"),
        "category": [_coded(f"{_SCHEME}/condition-category", "encounter-diagnosis", "Encounter Diagnosis")],
        "code": _coded("http://snomed.info/sct", "59621000", "Essential hypertension (disorder)"),
        "subject": who,
        "encounter": encounter,
        "onsetDateTime": f"{at}T10:00:00-06:00",
        "recordedDate": f"{at}T10:00:00-06:00",
    }


def _prescription(
    name: str, drug: tuple[str, str], who: dict[str, Any], encounter: dict[str, Any], at: str
) -> dict[str, Any]:
    timing = {"repeat": {"frequency": 1, "period": 1.0, "periodUnit": "d"}}
    dose = {"type": _coded(f"{_SCHEME}/dose-rate-type", "ordered", "Ordered"), "doseQuantity": {"value": 1.0}}
    return {
        "resourceType": "MedicationRequest",
        "id": name,
        "meta": _meta(at),
        "status": "stopped",
        "intent": "order",
        "medicationCodeableConcept": _coded("http://www.nlm.nih.gov/research/umls/rxnorm", *drug),
        "subject": who,
        "encounter": encounter,
        "authoredOn": f"{at}T10:00:00-06:00",
        "requester": {"reference": "Practitioner/1", "display": "Dr. Quill"},
        "dosageInstruction": [{"sequence": 1, "timing": timing, "asNeededBoolean": False, "doseAndRate": [dose]}],
    }


def _shot(name: str, who: dict[str, Any], encounter: dict[str, Any], at: str) -> dict[str, Any]:
    return {
        "resourceType": "Immunization",
        "id": name,
        "meta": _meta(at),
        "status": "completed",
        "vaccineCode": _coded("http://hl7.org/fhir/sid/cvx", "140", "Influenza, seasonal, injectable"),
        "patient": who,
        "encounter": encounter,
        "occurrenceDateTime": f"{at}T10:00:00-06:00",
        "primarySource": True,
    }


def _report(name: str, who: dict[str, Any], encounter: dict[str, Any], at: str, results: list[str]) -> dict[str, Any]:
    return {
        "resourceType": "DiagnosticReport",
        "id": name,
        "meta": _meta(at),
        "status": "final",
        "category": [_coded(f"{_SCHEME}/v2-0074", "LAB", "Laboratory")],
        "code": _coded("http://loinc.org", "51990-0", "Basic metabolic panel"),
        "subject": who,
        "encounter": encounter,
        "effectiveDateTime": f"{at}T10:00:00-06:00",
        "issued": f"{at}T10:00:00.000-06:00",
        "performer": [{"reference": "Organization/1", "display": "Lakeside"}],
        "result": [{"reference": f"Observation/{one}", "display": "Part"} for one in results],
    }


def _procedure(name: str, who: dict[str, Any], encounter: dict[str, Any], at: str) -> dict[str, Any]:
    return {
        "resourceType": "Procedure",
        "id": name,
        "meta": _meta(at),
        "status": "completed",
        "code": _coded("http://snomed.info/sct", "430193006", "Medication Reconciliation (procedure)"),
        "subject": who,
        "encounter": encounter,
        "performedPeriod": {"start": f"{at}T10:00:00-06:00", "end": f"{at}T10:15:00-06:00"},
    }


def _claim(name: str, who: dict[str, Any]) -> dict[str, Any]:
    items = [
        {"sequence": one, "productOrService": _coded("http://snomed.info/sct", "162673000", "General examination")}
        for one in range(1, 4)
    ]
    return {
        "resourceType": "Claim",
        "id": name,
        "meta": _meta("2026-01-01"),
        "status": "active",
        "type": _coded(f"{_SCHEME}/claim-type", "institutional", "Institutional"),
        "use": "claim",
        "patient": who,
        "created": "2026-01-01T10:00:00-06:00",
        "provider": {"reference": "Organization/1", "display": "Lakeside"},
        "priority": _coded(f"{_SCHEME}/processpriority", "normal", "Normal"),
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "Medicare"}}],
        "item": items,
        "total": {"value": 129.16, "currency": "USD"},
    }
