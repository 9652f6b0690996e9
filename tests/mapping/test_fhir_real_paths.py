"""Paths as mappings use them, on other people's resources: ours and fhirpathpy's answers are the same."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from fhirpathpy import compile as compile_oracle
from fhirpathpy.models import models
from mapping_messages import ROOT

from gateway.fhirjson import parse
from gateway.mapping.fhir.paths import compile_path
from gateway.mapping.fhir.validation import validate
from gateway.model.event import Release

pytestmark = pytest.mark.slow
NOT_IN_ORACLE = ("hasValue(", "resolve(", "getReferenceKey(", "extension(")  # `extension`: it gives the first only

PATHS = {
    "Patient": [
        "name.where(use = 'official' or use.empty()).family", "name.where(period.end.empty()).given.first()", "active != false",
        "telecom.where(system = 'phone' and use = 'mobile').value", "telecom.where(rank = 1 or rank.empty()).first().value",
        "deceased.ofType(dateTime) | deceased.ofType(boolean)", "deceased.exists() and deceased != false", "birthDate",
        "link.where(type = 'replaced-by').other.reference", "communication.where(preferred = true).language.coding.code",
        "address.where(use = 'home').postalCode", "identifier.where(type.coding.code = 'MR').value", "meta.security.code",
        "identifier.select(system & '|' & value)", "name.given.join(' ')", "contact.relationship.coding.code contains 'N'",
    ],
    "Appointment": [
        "participant.where(actor.reference.startsWith('Patient/')).actor.reference", "status in ('booked' | 'arrived')", "start",
        "participant.actor.where(reference.contains('Location')).display", "serviceType.coding.code | serviceType.concept.coding.code",
        "minutesDuration > 15", "coalesce(start, requestedPeriod.start)", "participant.all(status = 'accepted')",
    ],
    "Encounter": [
        "class.code", "status = 'finished'", "period.end.exists()", "hospitalization.dischargeDisposition.coding.code",
        "iif(period.end.exists(), period.end, period.start)", "location.last().location.display", "identifier[0].value",
        "type.coding.where(system = 'http://snomed.info/sct').code", "serviceProvider.reference.replace('Organization/', '')",
    ],
    "Observation": [
        "status in ('final' | 'amended' | 'corrected')", "value.ofType(Quantity).value > 5", "value.ofType(CodeableConcept).coding.code",
        "code.coding.where(system = 'http://loinc.org').code", "interpretation.coding.code contains 'H'", "effective.ofType(dateTime)",
        "component.where(code.coding.code = '8480-6').value.ofType(Quantity).value", "subject.reference.substring(8)", "value.exists()",
    ],
    "DiagnosticReport": ["status", "code.coding.code | code.text", "result.count()", "issued > @2012", "presentedForm.exists()"],
    "MedicationRequest": [
        "medication.ofType(CodeableConcept).text", "dispenseRequest.numberOfRepeatsAllowed = 0", "intent = 'order' and status = 'active'",
        "dispenseRequest.expectedSupplyDuration.value", "dosageInstruction.first().timing.repeat.frequency",
    ],
    "MedicationDispense": ["daysSupply.value", "whenHandedOver.empty().not()", "medication.exists()"],
    "Immunization": ["vaccineCode.coding.code", "occurrence", "protocolApplied.doseNumber", "status = 'not-done' implies statusReason.exists()"],
    "Consent": ["status", "scope.coding.code", "provision.type", "dateTime.upper()", "provision.period.end"],
    "RelatedPerson": ["relationship.coding.code", "patient.reference", "period.end < @2100-01-01", "active"],
    "QuestionnaireResponse": ["questionnaire", "item.linkId", "item.answer.value.count() > 0", "status != 'in-progress'"],
    "Coverage": ["period.end", "payor.reference | payor.display", "beneficiary.reference"],
    "ServiceRequest": ["occurrence.ofType(dateTime) | occurrence.ofType(Period).start", "doNotPerform.not()", "priority = 'stat'"],
    "CarePlan": ["activity.detail.status", "period.end", "activity.detail.scheduled.ofType(Period).start", "category.coding.code"],
    "Condition": ["onset.ofType(dateTime)", "clinicalStatus.coding.code = 'active'", "abatement.exists()", "code.text.lower()"],
    "Communication": ["payload.content.ofType(string)", "status", "sent", "topic.coding.code", "medium.coding.code | category.text"],
}  # fmt: skip


def resources(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Other people's resources of a type, with the release they are in; sound ones. Skips when there are none at hand."""
    folder = Path(os.environ.get("CAREGATE_TESTDATA", ROOT.parent / "shared" / "testdata")) / "fhir"
    if not folder.is_dir():
        pytest.skip(f"no FHIR test data at {folder}: set CAREGATE_TESTDATA")
    for release in ("r4", "r4b", "r5"):
        for path in sorted((folder / release / kind).glob("*.json")):
            resource = parse(path.read_bytes())
            if not validate(resource, Release(release.upper())):  # of two types of one choice, who knows which is meant
                yield release[:2], resource


@cache
def oracle(path: str, release: str) -> Any:
    """The path compiled by fhirpathpy, with the types of a release."""
    return compile_oracle(path, models[release])


def plain(value: Any) -> Any:
    """As JSON, numbers as floats."""
    if isinstance(value, str) or hasattr(value, "asStr"):
        return str(value)
    return json.loads(json.dumps(value, default=float)) if not isinstance(value, int | Decimal) else float(value)


def compare(path: str, kind: str) -> int:
    """On every resource of the type; how often fhirpathpy answers anything."""
    answers = 0
    for release, resource in resources(kind):
        told = json.loads(json.dumps(resource, default=float))
        try:
            theirs = oracle(path, release)(copy.deepcopy(told), {"resource": copy.deepcopy(told)})
        except Exception:
            continue
        assert [plain(one) for one in compile_path(path)(resource)] == [plain(one) for one in theirs], path
        answers += theirs not in ([], [False])
    return answers


@pytest.mark.parametrize("kind", PATHS)
def test_on_real_resources_both_answer_alike(kind: str) -> None:
    """FHIRPath 2.0, on R4, R4B and R5; and every type has some path that tells something."""
    assert sum(compare(path, kind) for path in PATHS[kind]) > 0


def shipped() -> Iterator[tuple[str, str]]:
    """The paths of our mappings, each with the type of resource it is for."""
    for file in sorted((ROOT / "mappings" / "fhir").glob("*.yaml")):
        if not file.name.endswith(".test.yaml"):
            for told in yaml.safe_load_all(file.read_text("utf-8")):
                for path in _paths(told):
                    yield str(told.get("resource", "")), path


def _paths(node: Any) -> Iterator[str]:
    """Whatever stands under `path` or `paths`."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node if isinstance(node, list) else ()):
        if key in ("path", "paths"):
            yield from value if isinstance(value, list) else [value]
        else:
            yield from _paths(value)


@pytest.mark.parametrize(
    ("kind", "path"), sorted({one for one in shipped() if not any(name in one[1] for name in NOT_IN_ORACLE)})
)
def test_every_shipped_path_is_answered_alike(kind: str, path: str) -> None:
    """Bar the functions that fhirpathpy has not."""
    compare(path, kind)
