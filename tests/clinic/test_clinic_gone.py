"""What a FHIR server deletes takes back what it told, of whatever kind, of everybody it was about, and by whichever key it is known (Q-06)."""

from __future__ import annotations

import pytest
from clinic_dsl import OpenClinic
from clinic_fhir import SERVER, Server
from test_clinic_follow_ups import TENSION, of, report, server, supply, tells, visit

__all__ = ["server"]
_TERMS = "http://terminology.hl7.org/CodeSystem"


def _waiting(server: Server, handle: str = "Ann") -> list[str]:
    return [one.rule for one in server.clinic.requests(handle) if one.state in ("active", "on-hold")]


@pytest.fixture
def reading(server: Server) -> Server:
    """Ann also said yes to the portal."""
    server.clinic.consents("Ann", to="portal")
    return server


# -- each kind


def test_a_prescription_that_is_deleted_stops_the_reminder_of_its_supply(server: Server) -> None:
    """As one that was cancelled: nobody is to refill it."""
    asked = {"intent": "order", "subject": of("Ann"), "medicationCodeableConcept": {"text": TENSION}}
    tells(server, "MedicationRequest", "m1", status="active", authoredOn="2026-03-02", **asked)
    supply(server, "d1", TENSION, "2026-03-02")
    assert _waiting(server) == ["refill-due"]
    server.clinic.passes("2d")
    assert server.deletes("MedicationRequest/m1").events == ("prescription.cancelled",)
    assert (_waiting(server), server.clinic.ended("Ann")) == ([], ["cancelled-by-event"])


def test_a_supply_that_is_deleted_is_reminded_of_no_more(server: Server) -> None:
    """RX-02."""
    supply(server, "d1", TENSION, "2026-03-02")
    assert _waiting(server) == ["refill-due"]
    server.deletes("MedicationDispense/d1")
    assert _waiting(server) == []


def test_a_result_that_is_deleted_is_not_told(reading: Server) -> None:
    """OR-05: as one that was released by mistake."""
    report(reading, "final")
    assert _waiting(reading) == ["result-available"]
    reading.deletes("DiagnosticReport/r1")
    reading.clinic.passes("1d")
    assert (_waiting(reading), reading.clinic.mails()) == ([], [])


def test_a_visit_that_is_deleted_is_not_asked_about(server: Server) -> None:
    """AD-17."""
    visit(server, "Ann", "e1", "2026-03-02", kind="394579002")
    assert _waiting(server) == ["visit-aftercare"]
    server.deletes("Encounter/e1")
    assert _waiting(server) == []


# -- everybody, and every key


def _together(server: Server) -> dict[str, object]:
    whom = [{"actor": of(handle), "status": "accepted"} for handle in ("Ann", "Ben")]
    return server.appointment("Ann", "2026-03-20 09:30", number="A77", participant=whom)


def test_an_appointment_of_two_that_is_deleted_reminds_neither(server: Server) -> None:
    """Each has an occurrence of their own, under a key that the delete does not tell."""
    server.tells(_together(server))
    assert _waiting(server, "Ann") != []
    assert _waiting(server, "Ben") != []
    server.deletes("Appointment/a1")
    assert _waiting(server, "Ann") == _waiting(server, "Ben") == []


def test_what_is_deleted_after_its_patient_was_merged_is_withdrawn_from_who_is_left(server: Server) -> None:
    """Q-11: the occurrence went over to the survivor, and its id finds it there."""
    server.tells(server.appointment("Ben", "2026-03-20 09:30", number="A77"))
    server.clinic.passes("1m")
    link = [{"other": of("Ann"), "type": "replaced-by"}]
    server.tells(server.patient("Ben", active=False, link=link))
    assert _waiting(server, "Ann")
    server.clinic.passes("1m")
    server.deletes("Appointment/a1")
    assert _waiting(server, "Ann") == []


def test_what_is_made_again_after_its_delete_is_reminded_of_again(server: Server) -> None:
    """A PUT after a DELETE is a new version; one that is older than the delete changes nothing."""
    first = server.appointment("Ann", "2026-03-20 09:30", number="A77")
    server.tells(first)
    server.clinic.passes("1m")
    server.deletes("Appointment/a1")
    server.tells({**first, "meta": {**first["meta"], "versionId": "0"}})
    assert _waiting(server) == []
    server.clinic.passes("1m")
    server.tells(server.appointment("Ann", "2026-03-20 09:30", number="A77"))
    assert _waiting(server)


# -- before its patient was known


def test_what_is_deleted_while_its_patient_is_fetched_is_never_planned(open_clinic: OpenClinic) -> None:
    """What was kept is read again from the server, and is not there."""
    server = Server(open_clinic(feeds=SERVER))
    server.patient("Ann")
    server.tells(server.appointment("Ann", "2026-03-20 09:30", number="A77"))
    server.clinic.passes("1m")
    server.deletes("Appointment/a1")
    assert server.is_asked() == ["Patient/p-ann", "Appointment/a1"]
    server.clinic.consents("Ann", to="email")
    server.clinic.until("2026-03-20 12:00")
    assert server.clinic.mailbox("Ann") == []


@pytest.mark.parametrize("other", [None, "https://evil.example/fhir/Patient/p-bea", "Practitioner/1"])
def test_a_patient_who_is_inactive_is_written_to_no_more(server: Server, other: str | None) -> None:
    """Q-11: whoever took their place, if that is nobody here."""
    server.tells(server.appointment("Ann", "2026-03-20 09:30"))
    server.clinic.passes("1m")
    link = [{"type": "replaced-by", "other": {"reference": other}}] if other else []
    server.tells(server.patient("Ann", active=False, link=link))
    assert {one.state for one in server.clinic.requests("Ann")} == {"revoked"}


@pytest.mark.parametrize(("meta", "state"), [({}, "revoked"), ({"tag": [{"code": "SUBSETTED"}]}, "active")])
def test_a_part_of_an_appointment_takes_nothing_back(server: Server, meta: dict[str, object], state: str) -> None:
    """K-10: who is not told in it may only have been left out."""
    told = server.appointment("Ann", "2026-03-20 09:30")
    server.tells(told)
    server.clinic.passes("1m")
    somebody = [{"actor": {"display": "Dr. Lee"}, "status": "accepted"}]
    server.tells(server.puts({**told, "participant": somebody, "meta": meta}))
    assert {one.state for one in server.clinic.requests("Ann")} == {state}


def test_a_consent_that_is_deleted_after_its_patient_was_merged_holds_who_is_left(server: Server) -> None:
    """CN-05, Q-11: it permitted what the survivor is sent now."""
    tells(
        server, "Consent", "c1", status="active", patient=of("Ben"),
        scope={"coding": [{"system": f"{_TERMS}/consentscope", "code": "patient-privacy"}]},
        category=[{"coding": [{"code": "EMAILWRIT"}]}],
        policyRule={"coding": [{"system": f"{_TERMS}/v3-ActCode", "code": "OPTIN"}]},
    )  # fmt: skip
    server.clinic.passes("1m")
    server.tells(server.patient("Ben", active=False, link=[{"other": of("Ann"), "type": "replaced-by"}]))
    server.clinic.passes("1m")
    server.deletes("Consent/c1")
    assert "consent-unclear" in server.clinic.holds("Ann")
