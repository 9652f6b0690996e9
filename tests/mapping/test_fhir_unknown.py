"""Codes of a resource that no table knows, as a person asks for them (PV-08)."""

from __future__ import annotations

import pytest

from gateway.mapping.feed import Feed
from gateway.mapping.pack import load_pack
from gateway.packs import shipped

unknown = pytest.importorskip("gateway.mapping.fhir.unknown").unknown
_FEED = Feed(name="ehr", zone="UTC")
_SERVICE = frozenset({"appointment.service"})


def _found(text: str, wanted: frozenset[str] = _SERVICE) -> list[tuple[str, str, str]]:
    return list(unknown(load_pack([shipped("mappings")]), _FEED, text.encode(), wanted))


def test_only_the_path_that_decides_is_asked() -> None:
    """A service that is known decides whatever the specialty says; without one the specialty does."""
    strange = '"specialty": [{"coding": [{"code": "XYZZY"}]}]'
    head = '{"resourceType": "Appointment", "id": "a1", "status": "booked", '
    assert _found(f'{head}"serviceType": [{{"coding": [{{"code": "PCP"}}]}}], {strange}}}') == []
    assert _found(f"{head}{strange}}}") == [("appointment.service", "Appointment.specialty", "XYZZY")]


def test_what_nobody_wants_or_can_read_tells_nothing() -> None:
    """Law 5; and bytes that are no resource."""
    text = '{"resourceType": "Appointment", "id": "a1", "serviceType": [{"coding": [{"code": "XYZZY"}]}]}'
    assert _found(text, frozenset()) == []
    assert _found("no resource") == []
    assert _found('{"resourceType": "Basic", "id": "b1"}') == []
    assert _found('{"resourceType": "Appointment", "id": "a1"}') == [], "nothing is told of the service at all"


_PLACE = frozenset({"appointment.location", "encounter.location"})


def test_a_place_that_no_location_calls_its_own_is_told_by_its_first_name() -> None:
    """What `codes` of a location lacks; a person or a device among the actors is no place."""
    head = '{"resourceType": "Appointment", "id": "a1", "status": "booked"'
    actors = '"participant": [{"actor": {"reference": "Patient/1"}}, {"actor": {"reference": "Location/7", "display": "Ward 3"}}]'
    assert _found(f"{head}, {actors}}}", _PLACE) == [
        ("appointment.location", "Appointment.participant.actor", "Location/7")
    ]
    assert _found(f"{head}}}", _PLACE) == []
    visit = (
        '{"resourceType": "Encounter", "id": "e1", "location": [{"location": {"display": "Ward 3"}}, {"location": {}}]}'
    )
    assert _found(visit, _PLACE) == []
    assert _found(visit.replace(', {"location": {}}', ""), _PLACE) == [
        ("encounter.location", "Encounter.location", "Ward 3")
    ]


def test_a_place_that_is_known_by_any_of_its_names_is_not_told() -> None:
    """As the reader decides: reference, identifier, code or name."""
    feed = Feed(name="ehr", zone="UTC", locations={"Ward 3": "ward"})
    told = b'{"resourceType": "Encounter", "id": "e1", "location": [{"location": {"reference": "Location/7", "display": "Ward 3"}}]}'
    assert list(unknown(load_pack([shipped("mappings")]), feed, told, _PLACE)) == []
