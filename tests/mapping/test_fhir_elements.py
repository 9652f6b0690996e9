"""What is asked of a server is what the mappings read: whatever else a resource holds changes no reading."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.analyst.mapping_cases import CaseFile
from gateway.analyst.mapping_tests import case_files
from gateway.mapping.feed import Feed
from gateway.mapping.fhir.elements import _first, elements_of
from gateway.mapping.fhir.paths import compile_path
from gateway.mapping.fhir.reader import FhirReader
from gateway.mapping.fhir.validation import mandatory
from gateway.mapping.pack import load_pack
from gateway.model.event import Format, RawMessage, Reading, Release
from gateway.packs import shipped
from gateway.yamlfile import load, validate_node

MAPPINGS = shipped("mappings")
PACK = load_pack([MAPPINGS])
ALWAYS = {"resourceType", "id", "meta", "implicitRules", "modifierExtension"}


def cases() -> Iterator[tuple[Feed, dict[str, Any]]]:
    """Every whole resource of the shipped mapping tests, with its feed."""
    for path in case_files(Path(MAPPINGS)):
        told = validate_node(CaseFile, load(path))
        for case in told.tests:
            try:
                resource = json.loads(case.resource or "")
            except ValueError:
                continue
            if isinstance(resource, dict) and resource.get("type") != "history":
                yield (case.feed or told.feed).feed(), resource


def spared(resource: dict[str, Any], asked: tuple[str, ...]) -> dict[str, Any]:
    """What a server answers to `_elements`: choices by any of their names, primitives with their extensions."""

    def told(key: str) -> bool:
        bare = key.lstrip("_")
        return bare in ALWAYS or any(
            bare == one or (bare.startswith(one) and bare[len(one)].isupper()) for one in asked
        )

    return {key: value for key, value in resource.items() if told(key)}


def meaning(reading: Reading) -> list[object]:
    """What is made of it."""
    return [reading.ack, reading.ignored] + [
        (
            one.kind, one.identifiers, one.occurred, one.recorded, one.occurrence, dict(one.facts), one.cleared,
            dict(one.visit_flags), one.merged_from, one.by_reference, one.person.told,
        )
        for one in reading.events
    ]  # fmt: skip


def test_a_resource_of_nothing_but_what_is_asked_for_reads_the_same() -> None:
    """Every resource of every shipped mapping test, whole and by `_elements`."""
    compared = 0
    for feed, resource in cases():
        asked = elements_of(PACK, feed.release).get(str(resource.get("resourceType")), ())
        less = spared(resource, asked)
        if not asked or less == resource:
            continue
        compared += 1
        reader = FhirReader(PACK, feed)
        whole, part = (
            reader(RawMessage(source=feed.name, format=Format.FHIR, body=json.dumps(one).encode(), received=0))
            for one in (resource, less)
        )
        assert meaning(part) == meaning(whole), resource
    assert compared


@pytest.mark.parametrize("kind", ["Consent", "RelatedPerson"])
def test_what_is_weighed_is_read_as_a_whole(kind: str) -> None:
    """What is not understood there denies, so that it must be seen."""
    assert kind not in elements_of(PACK, Release.R4)


def test_only_what_is_needed_is_asked_for() -> None:
    """Notes, texts and reasons are not; what must be there is."""
    asked = elements_of(PACK, Release.R4)
    assert not {"comment", "description", "reasonCode", "note", "text", "photo", "maritalStatus"} & {
        one for names in asked.values() for one in names
    }
    assert {"participant", "start", "status"} <= set(asked["Appointment"])
    assert {"medication", "subject"} <= mandatory("MedicationRequest", Release.R4)
    assert mandatory("Appointmint", Release.R4) == frozenset()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("name.where(use = 'official').family", {"name"}),
        ("extension('http://lakeside.example/vip').value", {"extension"}),
        ("participant[0].actor.where(%resource.status = 'booked')", {"participant", "status"}),
        ("start | end", {"start", "end"}),
        ("iif(status = 'x', code, {})", {"status", "code"}),
        ("telecom.where($this.system = 'sms')", {"telecom"}),
    ],
)
def test_a_path_begins_with_elements_of_the_resource(path: str, expected: set[str]) -> None:
    """What stands in a condition is of the element, unless it says %resource."""
    assert set(_first(compile_path(path).node, inside=False)) == expected
