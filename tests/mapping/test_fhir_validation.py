"""The structure of a resource is looked at as fhir.resources declares it; what is wrong is told by place and rule."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from gateway.mapping.fhir.primitives import PRIMITIVES
from gateway.mapping.fhir.shapes import MOST_VALUES, MOST_WRONG
from gateway.mapping.fhir.validation import prepare, validate
from gateway.model.event import Release

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "12",
    "meta": {"lastUpdated": "2026-03-02T08:00:00.5Z", "versionId": "3"},
    "text": {"status": "generated", "div": "<div>x</div>"},
    "active": True,
    "name": [{"use": "official", "family": "Brook", "given": ["Ada", None], "_given": [None, {"extension": [{"url": "u"}]}]}],
    "birthDate": "1980-02-03",
    "deceasedBoolean": False,
    "multipleBirthInteger": 2,
    "link": [{"other": {"reference": "Patient/7"}, "type": "seealso"}],
    "contained": [{"resourceType": "Observation", "status": "final", "code": {"text": "x"},
                   "valueQuantity": {"value": Decimal("1.5")}}],
}  # fmt: skip


def faults(resource: dict[str, Any], release: Release = Release.R4) -> list[tuple[int, str]]:
    """Codes and places."""
    return [(fault.code, str(fault.place)) for fault in validate(resource, release)]


def patient(**changes: Any) -> dict[str, Any]:
    """The patient with something else in it."""
    return {**copy.deepcopy(PATIENT), **changes}


@pytest.mark.parametrize("release", Release)
def test_a_sound_resource_has_no_faults(release: Release) -> None:
    """In every release; `link` and the rest are alike in all."""
    assert validate(PATIENT, release) == ()


def test_what_is_not_known_is_left_alone() -> None:
    """S-37: elements of a newer version, of a vendor, of a spelling mistake."""
    assert faults(patient(garbage={"x": [{}]}, _garbage=1, fhir_comments=5, photo=None, identifier=[])) == []


@pytest.mark.parametrize(
    ("change", "code", "place"),
    [
        ({"active": "yes"}, 102, "Patient.active"),
        ({"birthDate": "3 February"}, 102, "Patient.birthDate"),
        ({"id": "a" * 65}, 102, "Patient.id"),
        ({"name": {"family": "Brook"}}, 100, "Patient.name"),
        ({"name": [None]}, 100, "Patient.name[0]"),
        ({"name": [{}] * (MOST_VALUES + 1)}, 100, "Patient.name"),
        ({"name": ["Brook"]}, 100, "Patient.name[0]"),
        ({"name": [{}, {"given": ["Ada", 5]}]}, 102, "Patient.name[1].given[1]"),
        ({"name": [{"_given": [5]}]}, 100, "Patient.name[0]._given[0]"),
        ({"birthDate": ["1980"]}, 100, "Patient.birthDate"),
        ({"meta": "x"}, 100, "Patient.meta"),
        ({"link": [{"type": "seealso"}]}, 101, "Patient.link[0].other"),
        ({"link": [{"other": {}}]}, 101, "Patient.link[0].type"),
        ({"deceasedDateTime": "2026"}, 100, "Patient.deceased"),
        ({"extension": [{"valueString": "x"}]}, 101, "Patient.extension[0].url"),
        ({"modifierExtension": [{"url": "u"}]}, 200, "Patient.modifierExtension[0]"),
        ({"link": [{**PATIENT["link"][0], "modifierExtension": [{"url": "u"}]}]}, 200, "Patient.link[0].modifierExtension[0]"),
        ({"name": [{"family": "Brook", "modifierExtension": [{"url": "u"}]}]}, 200, "Patient.name[0].modifierExtension[0]"),
        ({"implicitRules": "urn:x"}, 200, "Patient.implicitRules"),
        ({"contained": [{"resourceType": "Patient", "implicitRules": "urn:x"}]}, 200, "Patient.contained[0].implicitRules"),
        ({"contained": [{"id": "x"}]}, 101, "Patient.contained[0].resourceType"),
        ({"contained": ["x"]}, 100, "Patient.contained[0]"),
        ({"contained": [{"resourceType": "Ashgrove"}]}, 200, "Patient.contained[0].resourceType"),
        ({"contained": [{"resourceType": "HumanName"}]}, 200, "Patient.contained[0].resourceType"),
        ({"contained": [{"resourceType": "DomainResource"}]}, 200, "Patient.contained[0].resourceType"),
        ({"resourceType": "Ashgrove"}, 200, "Resource.resourceType"),
        ({"resourceType": "String"}, 200, "Resource.resourceType"),
        ({"resourceType": 5}, 101, "Resource.resourceType"),
    ],
)  # fmt: skip
def test_a_fault_names_place_and_rule(change: dict[str, Any], code: int, place: str) -> None:
    """A-27, S-31, S-37: 100 structure, 101 required, 102 value, 200 not known; no value in any rule."""
    (fault,) = validate(patient(**change), Release.R4)
    assert (fault.code, str(fault.place)) == (code, place)
    assert not any(word in fault.rule for word in ("Ashgrove", "Brook", "Ada", "February", "yes"))


def test_the_absence_of_what_is_required_may_be_explained() -> None:
    """R4 extensibility.html#Special-Case: an extension says why."""
    why = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
    observation = {"resourceType": "Observation", "code": {"text": "x"}}
    assert faults(observation) == [(101, "Observation.status")]
    assert faults({**observation, "_status": {}}) == [(101, "Observation.status")]
    assert faults({**observation, "_status": why}) == []
    immunization = {"resourceType": "Immunization", "status": "completed", "vaccineCode": {"text": "x"}, "patient": {}}
    assert faults(immunization) == [(101, "Immunization.occurrence")]
    assert faults({**immunization, "_occurrenceDateTime": why}) == []
    assert faults({**immunization, "occurrenceString": "2026", "occurrenceDateTime": None}) == []
    guide = {"resourceType": "ImplementationGuide", "name": "x", "packageId": "x", "status": "draft", "url": "x"}
    assert faults({**guide, "fhirVersion": []}) == [(101, "ImplementationGuide.fhirVersion")]
    assert faults({**guide, "_fhirVersion": [None, why]}) == []


def test_releases_have_structures_of_their_own() -> None:
    """R4 is read with R4B's classes; R5's Encounter has a list of classes and other names."""
    encounter = {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}}
    assert faults(encounter) == faults(encounter, Release.R4B) == []
    assert faults(encounter, Release.R5) == [(100, "Encounter.class")]
    assert faults({"resourceType": "SubscriptionStatus", "type": "heartbeat", "subscription": {}}, Release.R4B) == []
    assert faults({"resourceType": "SubscriptionStatus"}, Release.STU3) == [(200, "Resource.resourceType")]


def test_no_more_is_told_than_a_sender_reads() -> None:
    """A body of nothing but mistakes costs no more."""
    assert len(validate(patient(name=[5] * 1_000), Release.R4)) == MOST_WRONG
    assert (
        len(validate(patient(name=[{"given": [1] * 9, "family": 1, "use": 1} for _ in range(9)]), Release.R4))
        == MOST_WRONG
    )
    assert len(validate(patient(name=[5] * 19, telecom=[5] * 19, address=[5] * 19), Release.R4)) == MOST_WRONG


def test_types_can_be_compiled_before_the_first_message() -> None:
    """A name that is none is left out."""
    prepare(Release.R4, ["Coverage", "Ashgrove"])
    assert faults({"resourceType": "Coverage"}) == [
        (101, "Coverage.beneficiary"),
        (101, "Coverage.payor"),
        (101, "Coverage.status"),
    ]


# -- simple values (R4 datatypes.html#primitive)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("boolean", [True, False], ["true", 1, None]),
        ("string", ["x", " x\n"], ["", "  ", 5]),
        ("markdown", ["*x*"], ["", 5]),
        ("xhtml", ["<div/>", ""], [5]),
        ("code", ["a", "a b"], ["", " a", "a  b", 5]),
        ("id", ["a-1.B", "x" * 64], ["", "a_b", "x" * 65, 5]),
        ("uri", ["urn:x", "", "relative/1"], ["a b", 5]),
        ("url", ["mllp://h:1", "mailto:a@b.example"], ["a b"]),
        ("canonical", ["http://x|1"], ["a b"]),
        ("oid", ["urn:oid:1.2.3"], ["1.2.3", "urn:oid:3.1", "urn:oid:1.02"]),
        ("uuid", ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:00000000-0000-0000-0000-000000000000"], ["c757873d"]),
        ("date", ["2026", "2026-02", "2026-02-28", "2024-02-29"], ["0000", "2026-13", "2026-02-29", "2026-2-1", "２０２６", 2026]),
        ("dateTime", ["2026", "2026-02-28T23:59:60Z", "2026-02-28T08:00:00.123+14:00"],
         ["2026-02-28T08:00:00", "2026-02-28T08:00Z", "2026-02-28T24:00:00Z", "2026-02-30T08:00:00Z", "2026-02-28 08:00:00Z"]),
        ("instant", ["2026-02-28T08:00:00Z"], ["2026-02-28", "2026-02-28T08:00:00", "2026-02-31T08:00:00Z"]),
        ("time", ["08:00:00", "23:59:60.5"], ["08:00", "24:00:00", 8]),
        ("decimal", [Decimal("1.50"), 1, -1], ["1", True]),
        ("integer", [0, -(2**31), 2**31 - 1], [2**31, "1", True, Decimal("1.0")]),
        ("unsignedInt", [0], [-1]),
        ("positiveInt", [1], [0]),
        ("integer64", ["9223372036854775807"], [5, "x"]),
        ("base64Binary", ["AAAA", "AA==", "AA AA\n"], ["A", "A!AA", "", "é", 5]),
    ],
)  # fmt: skip
def test_a_simple_value_is_of_its_type(kind: str, good: list[Any], bad: list[Any]) -> None:
    """And the rule says what belongs there, not what stood there."""
    assert [value for value in good if PRIMITIVES[kind](value)] == []
    assert [value for value in bad if not PRIMITIVES[kind](value)] == []
    assert all(PRIMITIVES[kind](value)[0].code == 102 for value in bad)


# -- fhir.resources as the judge


@pytest.mark.parametrize(
    "change",
    [
        {}, {"active": {}}, {"birthDate": "1980-02-30"}, {"birthDate": "1980-2"}, {"name": [{"given": "Ada"}]}, {"name": [None]},
        {"name": [{"use": " official"}]}, {"link": [{}]}, {"link": [{"other": {}, "type": "x"}]}, {"deceasedDateTime": "2026"},
        {"deceasedBoolean": None, "deceasedDateTime": "2016-12-31T23:59:60Z"}, {"meta": {"lastUpdated": "2026"}}, {"meta": []},
        {"photo": [{"data": "AAAA"}]}, {"photo": [{"data": "A"}]}, {"multipleBirthInteger": 2**31}, {"text": {"status": "x"}},
        {"extension": [{"url": "u", "valueString": ""}]}, {"extension": [{"url": "u", "valueInteger": 1, "valueCode": "x"}]},
        {"contained": [{"resourceType": "Observation"}]}, {"contained": [{"resourceType": "Ashgrove"}]}, {"name": None},
        {"telecom": [{"rank": 0}]}, {"telecom": [{"period": {"start": "2026-01-01T08:00:00"}}]}, {"id": "a_b"}, {"language": ""},
    ],
    ids=str,
)  # fmt: skip
def test_we_refuse_what_fhir_resources_refuses(change: dict[str, Any]) -> None:
    """Bar the differences that mappings/fhir/README.md lists."""
    resource = patient(**change)
    told = json.loads(json.dumps(resource, default=float))
    try:
        get_fhir_model_class("Patient").model_validate(told)
    except (ValidationError, KeyError):  # KeyError: a contained type that it does not know
        assert faults(resource)
    else:
        assert faults(resource) == []
