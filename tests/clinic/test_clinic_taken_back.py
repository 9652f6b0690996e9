"""What a newer version of a resource does not tell any more is withdrawn, of each person by themselves; nothing is told twice."""

from __future__ import annotations

from typing import Any

import pytest
from clinic_fhir import BASE, Server
from test_clinic_follow_ups import TENSION, of, server, supply, tells

from connectors.sources.fhir.bundles import notice_of
from gateway.fhirfile import resources_of

__all__ = ["server"]
ON = "2026-03-20 09:30"


def _waiting(server: Server, handle: str) -> list[str]:
    return [one.state for one in server.clinic.requests(handle) if one.state in ("active", "on-hold")]


def _books(server: Server, **statuses: str) -> Any:
    """The next version of one appointment; who is named takes part, with this status."""
    whom = [{"actor": of(handle), "status": status.replace("_", "-")} for handle, status in statuses.items()]
    server.clinic.passes("1m")
    told = server.appointment("Ann", ON, participant=whom)
    server.tells(told)
    return told


BOTH = ["active", "active"]  # a week and a day before


# -- who comes


def test_a_patient_who_declined_is_not_reminded(server: Server) -> None:
    """R4 participant.status: it is booked, and they do not come."""
    _books(server, Ann="declined")
    assert _waiting(server, "Ann") == []


def test_a_patient_who_declines_later_is_not_reminded_any_more(server: Server) -> None:
    """Alone: the appointment is about nobody then; whoever accepts again is reminded again."""
    _books(server, Ann="accepted")
    assert _waiting(server, "Ann") == BOTH
    _books(server, Ann="declined")
    assert _waiting(server, "Ann") == []
    _books(server, Ann="needs_action")
    assert _waiting(server, "Ann") == BOTH
    server.clinic.until("2026-03-20 12:00")
    assert len(server.clinic.mailbox("Ann")) == 2


@pytest.mark.parametrize("later", [{"Ben": "accepted"}, {"Ann": "declined", "Ben": "accepted"}])
def test_who_is_dropped_from_a_group_is_not_reminded_and_the_other_is_once(
    server: Server, later: dict[str, str]
) -> None:
    """The key changes with the number of those who come; whoever stays keeps what waits, whoever comes back gets it again."""
    _books(server, Ann="accepted", Ben="accepted")
    assert _waiting(server, "Ann") == _waiting(server, "Ben") == BOTH
    _books(server, **later)
    assert (_waiting(server, "Ann"), _waiting(server, "Ben")) == ([], BOTH)
    _books(server, Ann="accepted", Ben="accepted")
    assert _waiting(server, "Ann") == _waiting(server, "Ben") == BOTH
    server.clinic.until("2026-03-20 12:00")
    assert len(server.clinic.mailbox("Ann")) == len(server.clinic.mailbox("Ben")) == 2


def test_somebody_who_is_joined_by_another_is_reminded_once(server: Server) -> None:
    """The other way round: one alone, then two; a delete reminds neither."""
    _books(server, Ann="accepted")
    _books(server, Ann="accepted", Ben="tentative")
    assert _waiting(server, "Ann") == _waiting(server, "Ben") == BOTH
    server.clinic.passes("1m")
    server.deletes("Appointment/a1")
    assert _waiting(server, "Ann") == _waiting(server, "Ben") == []


def test_a_version_that_comes_late_brings_nobody_back(server: Server) -> None:
    """N-06: neither whom a newer one dropped nor whom it never knew of."""
    first = _books(server, Ann="accepted")
    older = server.appointment(
        "Ann", ON, participant=[{"actor": of(one), "status": "accepted"} for one in ("Ann", "Ben")]
    )
    _books(server, Ann="declined")
    for told in (first, older):
        server.tells(told)
    assert _waiting(server, "Ann") == _waiting(server, "Ben") == []


def test_an_appointment_that_gets_a_number_later_is_one(server: Server) -> None:
    """Its key is the number then; another number after it, and none again, make no second one either."""
    for number in (None, "A77", "A78", None):
        server.clinic.passes("1m")
        server.tells(server.appointment("Ann", ON, number=number))
        assert (_waiting(server, "Ann"), server.clinic.count("occurrence")) == (BOTH, 1)


def test_a_number_that_is_left_out_of_what_hl7_booked_makes_no_second_reminder(server: Server) -> None:
    """Another feed's stays; a person says whether both are one."""
    server.clinic.enrols("Ann")
    server.clinic.books("Ann", ON, appointment="A77")
    server.clinic.passes("1m")
    server.tells(server.appointment("Ann", ON, number="A77"))
    server.clinic.passes("1m")
    server.tells(server.appointment("Ann", ON))
    assert sorted(_waiting(server, "Ann")) == ["active"] * 2 + ["on-hold"] * 2


def test_versions_of_a_group_may_come_in_one_commit(server: Server) -> None:
    """A key that one left and another took within it."""
    told = []
    for names in (("Ann",), ("Ann", "Ben"), ("Ben",)):
        server.clinic.passes("1m")
        whom = [{"actor": of(one), "status": "accepted"} for one in names]
        told.append(server.body(server.appointment("Ann", ON, participant=whom)))
    server.clinic.hears_together(*told[:1], source="fhir")
    server.clinic.hears_together(*told[1:], source="fhir")
    assert (_waiting(server, "Ann"), _waiting(server, "Ben")) == ([], BOTH)


# -- what is an order


@pytest.mark.parametrize(
    "change",
    [{"doNotPerform": True}, {"intent": "plan"}, {"intent": "proposal"}, {"status": "draft"}, {"intent": "option"}],
)
def test_a_prescription_that_is_none_any_more_asks_nobody_to_refill(server: Server, change: dict[str, Any]) -> None:
    """As one that is deleted: it is ignored, and what an earlier version led to is withdrawn."""
    asked = {
        "status": "active", "intent": "order", "subject": of("Ann"), "authoredOn": "2026-03-02",
        "medicationCodeableConcept": {"text": TENSION},
    }  # fmt: skip
    tells(server, "MedicationRequest", "m1", **asked)
    supply(server, "d1", TENSION, "2026-03-02")
    assert _waiting(server, "Ann") == ["active"]
    server.clinic.passes("1d")
    tells(server, "MedicationRequest", "m1", **asked | change)
    assert _waiting(server, "Ann") == []


def test_a_plan_that_never_was_an_order_leads_to_nothing(server: Server) -> None:
    """Nothing is made of it, to be withdrawn or told about."""
    before = server.clinic.count("occurrence")
    tells(server, "ServiceRequest", "s1", status="active", intent="plan", subject=of("Ann"))
    assert server.clinic.count("occurrence") == before


# -- what restricts a Bundle


def test_what_came_in_a_restricted_bundle_waits_for_a_person(server: Server) -> None:
    """PV-01: the entry itself tells no label."""
    entry = {"resource": server.appointment("Ann", ON)}
    told = {"resourceType": "Bundle", "type": "collection", "meta": {"security": [{"code": "R"}]}, "entry": [entry]}
    for body in resources_of(server.body(told)):
        server.clinic.hears(body, source="fhir")
    assert _waiting(server, "Ann") == ["on-hold", "on-hold"]


def test_a_transaction_posted_to_a_source_with_a_server_finds_its_patient(server: Server) -> None:
    """R4 bundle.html#references: its `urn:uuid:` are the types and ids of its entries, as without a server to ask."""
    whom = [{"actor": {"reference": "urn:uuid:7"}, "status": "accepted"}]
    booked = {"resource": server.appointment("Ann", ON, participant=whom), "request": {"method": "PUT", "url": "x"}}
    ann = {"fullUrl": "urn:uuid:7", "resource": server.patient("Ann"), "request": {"method": "PUT", "url": "x"}}
    told = {"resourceType": "Bundle", "type": "transaction", "entry": [booked, ann]}
    changes = notice_of(server.body(told), (BASE,), at="2026-03-02T15:00:00Z").changes
    assert [server.clinic.hears(one.body or b"", source="fhir").ack for one in changes] == ["AA", "AA"]
    assert _waiting(server, "Ann") == BOTH
