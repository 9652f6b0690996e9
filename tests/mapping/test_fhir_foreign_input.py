"""Whatever a resource holds, it becomes events, a reason or faults: nothing a sender writes raises, and no value is told of."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fhir_resources import BASE, FEED, raw
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.analyst.mapping_cases import CaseFile
from gateway.analyst.mapping_tests import case_files
from gateway.mapping.feed import Feed
from gateway.mapping.fhir.reader import FhirReader
from gateway.mapping.pack import Pack, load_pack
from gateway.model.event import Format, Reading, Release
from gateway.packs import shipped
from gateway.yamlfile import load, validate_node

JUNK: tuple[Any, ...] = (None, "", "x", "2026-02-30", 0, -1, 1.5, True, [], {}, [{}], [None], {"a": 1}, "CANARY" * 90)
_RELEASES = {"r4": Release.R4, "r4b": Release.R4B, "r5": Release.R5}


@cache
def readers() -> tuple[FhirReader, ...]:
    """One for each release."""
    pack = load_pack((shipped("mappings"),))
    return tuple(
        FhirReader(pack, Feed(name="f", zone="UTC", format=Format.FHIR, base=BASE, release=one)) for one in Release
    )


@cache
def resources() -> tuple[dict[str, Any], ...]:
    """Those of the tests beside the mappings."""
    files = [path for path in case_files(shipped("mappings")) if path.parent.name == "fhir"]
    cases = [case for path in files for case in validate_node(CaseFile, load(path)).tests]
    return tuple(json.loads(case.resource or "{}") for case in cases)


def places(told: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a resource."""
    items = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def is_fit(reading: Reading) -> None:
    """One of three, and nothing of what was sent in the words about it."""
    told = [bool(reading.events), reading.ignored is not None, any(one.severity == "E" for one in reading.noticed)]
    assert sum(told) == 1, reading
    assert all("CANARY" not in fault.rule and "CANARY" not in str(fault.place) for fault in reading.faults)
    for event in reading.events:
        assert event.identifiers or event.occurrence


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_resource_with_anything_in_any_place_is_read_or_refused(data: st.DataObject) -> None:
    """S-37, E-08."""
    told = copy.deepcopy(data.draw(st.sampled_from(resources())))
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(list(places(told)) or [("resourceType",)]))
        inner = told
        for key in way:
            inner = inner[key]
        inner[last] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
    for reader in readers():
        is_fit(reader(raw(told)))


@pytest.mark.parametrize("release", sorted(_RELEASES))
def test_everybody_elses_resources_are_read(testdata: Path, pack: Pack, release: str) -> None:
    """Each becomes events, a reason or a fault with its place; told twice, it is the same."""
    reader = FhirReader(
        pack,
        Feed(name="f", zone="UTC", format=Format.FHIR, base=BASE, release=_RELEASES[release], systems=FEED.systems),
    )
    files = sorted((testdata.parent / "fhir" / release).glob("*/*.json"))
    assert files
    for path in files:
        body = path.read_bytes()
        first, second = reader(raw(body)), reader(raw(body))
        is_fit(first)
        assert [event.person.key for event in first.events] == [event.person.key for event in second.events]
        assert first.control_key == second.control_key
