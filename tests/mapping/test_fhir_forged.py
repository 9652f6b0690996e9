"""A resource that claims more than it may: nobody is written to, joined or told of because of it."""

from __future__ import annotations

from typing import Any

import pytest
from fhir_resources import BASE, FEED, RECEIVED, appointment, patient, raw

from gateway.mapping.fhir import consents
from gateway.mapping.fhir.reader import FhirReader
from gateway.mapping.pack import Pack
from gateway.model.event import Reading
from gateway.model.party import Identifier
from gateway.model.when import Millis

_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


@pytest.fixture(scope="module")
def reader(pack: Pack) -> FhirReader:
    """A reader of our feed."""
    return FhirReader(pack, FEED)


def _number(value: int) -> dict[str, str]:
    return {"system": "urn:oid:1.2.4", "value": str(value)}


def _consent(**more: Any) -> dict[str, Any]:
    scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
    return {
        "resourceType": "Consent",
        "id": "c1",
        "meta": {"versionId": "1", "lastUpdated": "2026-03-02T15:00:00Z"},
        "status": "active",
        "scope": {"coding": [scope]},
        "category": [{"coding": [{"code": "EMAILWRIT"}]}],
        "patient": {"reference": "Patient/12"},
        "policyRule": {"coding": [{"system": _ACT, "code": "OPTIN"}]},
        "provision": {"period": {"start": "2026-01-01"}},
        **more,
    }


def _permits(reading: Reading) -> bool:
    return any(one.permit for event in reading.events for one in event.consents)


def test_a_consent_that_is_what_it_seems_permits(reader: FhirReader) -> None:
    """CN-01: what the others here are told from."""
    assert _permits(reader(raw(_consent())))


@pytest.mark.parametrize(
    "more",
    [
        {"patient": {"identifier": _number(1)}, "performer": [{"identifier": _number(2)}]},
        {"patient": {"identifier": _number(1)}, "performer": [{"display": "CANARY"}]},
        {"performer": [{"reference": "Patient/13"}]},
        {"performer": [{"reference": "Patient/12"}, {"reference": "RelatedPerson/12"}]},
        {"policyRule": {"coding": [{"code": "OPTIN"}, {"code": "OPTOUT"}]}},
        {"meta": {"lastUpdated": "2099-01-01T00:00:00Z"}, "provision": {"provision": [{"type": "deny", "period": {"end": "2031-01-01"}}]}},
        {"provision": {"provision": [{"type": "deny", "period": {"end": "2031-01-01"}}]}},
        {"provision": {"actor": [{"role": {"text": "x"}, "reference": {"reference": "Practitioner/1"}}]}},
        {"provision": {"type": "deny"}},
        {"provision": {"purpose": [{"code": "HRESCH"}]}},
        {"provision": {"purpose": [{"display": "CANARY"}]}},
        {"provision": {"action": [{"coding": [{"code": "collect"}]}]}},
        {"provision": {"provision": [{"type": "permit", "action": [{"text": "CANARY"}]}]}},
        {"meta": {"versionId": "1", "tag": [{"code": "SUBSETTED"}]}},
        {"modifierExtension": [{"url": "http://x.example/not", "valueBoolean": True}]},
        {"provision": {"modifierExtension": [{"url": "http://x.example/not", "valueBoolean": True}]}},
        {"provision": {"_type": {"extension": [{"url": "http://x.example", "valueCode": "x"}]}, "securityLabel": []}},
        {"status": "entered-in-error"},
        {"implicitRules": "http://x.example/rules"},
        {"contained": [{"resourceType": "Patient", "id": "p", "active": True}], "patient": {"reference": "#p"}, "performer": [{"reference": "#q"}]},
    ],
)  # fmt: skip
def test_a_consent_that_is_narrowed_or_somebody_elses_permits_nothing(reader: FhirReader, more: dict[str, Any]) -> None:
    """CN-03 to CN-07: by whom, until when, under what; whatever time the resource claims to be of."""
    assert not _permits(reader(raw(_consent(**more))))


@pytest.mark.parametrize("at", ["2099-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_time_that_has_not_come_is_the_time_of_receipt(reader: FhirReader, at: str) -> None:
    """S-21: a version dated ahead neither outlives all that follow nor ends what is in force."""
    told = reader(raw(appointment(meta={"versionId": "9", "lastUpdated": at})))
    assert told.events[0].recorded == RECEIVED


@pytest.mark.parametrize("type_", [{"coding": [{"code": "FHIR"}]}, {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "FHIR"}]}, {"coding": [{"system": "http://hl7.org/fhir/v2/0203", "code": "FHIR"}]}])  # fmt: skip
def test_nobody_claims_another_ones_logical_id_as_a_number_of_theirs(reader: FhirReader, type_: dict[str, Any]) -> None:
    """S-33: what its server gave as an id is no business identifier; else one Patient could join any two."""
    forged = {"system": BASE, "value": "13", "type": type_}
    person = reader(raw(patient(identifier=[forged])))
    referred = reader(raw(appointment(participant=[{"actor": {"type": "Patient", "identifier": forged}, "status": "accepted"}])))  # fmt: skip
    other = Identifier(BASE, "FHIR", "13")
    for reading in (person, referred):
        assert all(other not in event.identifiers for event in reading.events)


@pytest.mark.parametrize(
    "reference",
    ["https://evil.example/fhir/Patient/12", f"{BASE}.evil.example/Patient/12", f"{BASE}-2/Patient/12", f"{BASE}@evil.example/Patient/12"],
)  # fmt: skip
def test_a_patient_of_another_server_is_nobody_here(reader: FhirReader, reference: str) -> None:
    """S-33: however much its address looks like ours."""
    reading = reader(raw(appointment(participant=[{"actor": {"reference": reference}, "status": "accepted"}])))
    assert all(one.type != "FHIR" for event in reading.events for one in event.identifiers)


def test_a_link_to_another_server_merges_nobody(reader: FhirReader) -> None:
    """Q-11: nor does one to oneself."""
    for other in ("https://evil.example/fhir/Patient/13", "Patient/12", "Practitioner/13", "#13"):
        told = reader(raw(patient(active=False, link=[{"type": "replaced-by", "other": {"reference": other}}])))
        for event in told.events:
            assert not event.merged_from or event.identifiers == event.merged_from


def test_only_a_yes_counts_from_when_it_was_said(reader: FhirReader) -> None:
    """CN-06: stored anew years later it undoes no later no; a no is never older than its telling."""
    yes = [one for event in reader(raw(_consent(dateTime="2026-02-01"))).events for one in event.consents if one.permit]
    assert [one.valid_from for one in yes] == [1_769_925_600_000]  # the day's midnight in Chicago
    opted_out = _consent(
        policyRule={"coding": [{"system": _ACT, "code": "OPTOUT"}]}, dateTime="2026-02-01", provision={}
    )
    no = [one for event in reader(raw(opted_out)).events for one in event.consents]
    assert [(one.permit, one.valid_from) for one in no] == [(False, None)]


def _consents(reading: Reading) -> list[tuple[bool, str, Millis | None, Millis | None]]:
    told = [one for event in reading.events for one in event.consents]
    return [(one.permit, str(one.purpose), one.valid_from, one.valid_until) for one in told]


def test_an_exception_holds_no_longer_than_the_consent_it_stands_in(reader: FhirReader) -> None:
    """CN-04: the period of the root, and of every provision on the way, bounds what is permitted inside."""
    opted_out = {"policyRule": {"coding": [{"system": _ACT, "code": "OPTOUT"}]}}
    inside = {"type": "permit", "period": {"start": "2026-02-01", "end": "2027-05-31"}}
    wide = {"period": {"start": "2026-03-01", "end": "2026-06-30"}, "provision": [inside]}
    june_is_over = 1_782_882_000_000  # the midnight after 30 June in Chicago
    assert _consents(reader(raw(_consent(**opted_out, provision=wide)))) == [(True, "*", 1_772_344_800_000, june_is_over)]  # fmt: skip
    open_inside = {"period": {"end": "2026-06-30"}, "provision": [{"type": "permit"}]}
    assert _consents(reader(raw(_consent(**opted_out, provision=open_inside)))) == [(True, "*", None, june_is_over)]


def test_a_root_rule_for_some_purposes_says_nothing_of_the_others(reader: FhirReader) -> None:
    """CN-05: who agreed for the sake of treatment did not agree to be sold anything."""
    narrowed = {"purpose": [{"code": "TREAT"}], "action": [{"coding": [{"code": "disclose"}]}]}
    assert _consents(reader(raw(_consent(provision=narrowed)))) == [(True, "TREAT", None, None)]
    withdrawn = _consents(reader(raw(_consent(provision=narrowed, status="inactive"))))
    assert withdrawn == [(False, "*", None, None)]


def test_what_is_no_reference_is_the_same_as_nobody() -> None:
    """CN-07; law 6."""
    assert not consents._is_same("Patient/12", {"reference": "Patient/12"})
    assert not consents._is_same({"reference": "Patient/12"}, None)
