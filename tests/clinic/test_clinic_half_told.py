"""What is told without the visit, or without the patient, it belongs to is not lost: it holds, moves or withdraws all the same."""

from __future__ import annotations

from typing import Any

import pytest
from clinic_dsl import Clinic

from gateway.pipeline import inspect

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"
LATER = "2026-03-26 09:30"
RESTRICTED: dict[str, dict[str, Any]] = {
    "confidential-visit": {"pv1": {2: "O", 16: "VIP"}},
    "access-restriction": {"pv1": {2: "O"}, "extra": ["ARV|1|A||PAT|not to the brother"]},
    "protection-indicator": {"pv1": {2: "O"}, "extra": ["PV2" + "|" * 22 + "Y"]},
    "publicity-restricted": {"pv1": {2: "O"}, "extra": ["PV2" + "|" * 21 + "N"]},
}


@pytest.fixture
def booked(clinic: Clinic) -> Clinic:
    """Ann, who said yes to mail, is booked for Friday 2026-03-20 at 9:30."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST, appointment="A1")
    return clinic


@pytest.mark.parametrize("trigger", ["A08", "A31"])
@pytest.mark.parametrize("reason", RESTRICTED)
def test_what_restricts_a_visit_that_has_no_number_restricts_the_person(
    booked: Clinic, reason: str, trigger: str
) -> None:
    """PV-01 to PV-04; 5.5(7); law 6: which visit is meant nobody can tell, so nothing is sent."""
    booked.hears(booked.visit(trigger, "Ann", **RESTRICTED[reason]))
    booked.passes("18d")
    assert (booked.mails(), booked.reasons("Ann")[0]) == ([], reason)


def test_a_security_label_on_a_message_about_a_person_restricts_the_person(booked: Clinic) -> None:
    """PV-05: MSH-28."""
    booked.changes("Ann", msh_={28: "for her eyes alone"})
    booked.passes("18d")
    assert (booked.mails(), booked.reasons("Ann")[0]) == ([], "access-restriction")


def test_a_confidentiality_flag_without_a_visit_is_taken_back_as_it_was_told(booked: Clinic) -> None:
    """PV-01; N-01: the update without a visit whose PV1-16 is `""`."""
    booked.changes("Ann", pv1={2: "N", 16: "VIP"})
    booked.until("2026-03-14 09:00")
    assert booked.waiting("Ann") == ["confidential-visit"]
    booked.changes("Ann", pv1={2: "N", 16: '""'})
    booked.passes("7d")
    assert booked.arrivals("Ann") == ["2026-03-14 09:00", DAY_BEFORE]


def test_a_visit_without_a_number_lifts_no_protection_of_the_person(booked: Clinic) -> None:
    """PV-02: PV2-22 = N is about a visit, PD1-12 = Y about Ann."""
    booked.changes("Ann", pd1={12: "Y"})
    booked.changes("Ann", pv1={2: "O"}, extra=["PV2" + "|" * 22 + "N"])
    booked.passes("18d")
    assert (booked.mails(), booked.reasons("Ann")[0]) == ([], "protection-indicator")


def test_a_restriction_that_a_person_lifted_is_not_raised_by_its_repetition(booked: Clinic) -> None:
    """X-06; PV-01: the nightly A31 says nothing new."""
    booked.changes("Ann", pv1={2: "N", 16: "VIP"})
    inspect.release_patient(
        booked.gateway, booked.token("Ann"), "confidential-visit", reason="asked her", account="os:clerk"
    )
    booked.changes("Ann", pv1={2: "N", 16: "VIP"})
    booked.passes("18d")
    assert booked.arrivals("Ann") == [WEEK, DAY_BEFORE]


@pytest.mark.parametrize("trigger", ["S15", "S16", "S17"])
def test_a_cancellation_that_names_nobody_withdraws_the_reminder(booked: Clinic, trigger: str) -> None:
    """SI-20; SI-04 to SI-06: the PATIENT group is optional, the number of the appointment is enough."""
    said = booked.hears(booked.schedules(trigger, start=FIRST, appointment="A1", status=""))
    assert (said.result, said.ack) == ("accepted", "AA")
    booked.passes("18d")
    assert (booked.mails(), booked.ended("Ann")) == ([], ["cancelled", "cancelled"])


def test_a_new_time_that_names_nobody_is_the_time_she_is_told(booked: Clinic) -> None:
    """SI-20; SI-02: S13 without a PATIENT group."""
    booked.hears(booked.schedules("S13", start=LATER, appointment="A1"))
    booked.passes("25d")
    assert booked.arrivals("Ann") == ["2026-03-19 09:30", "2026-03-25 09:30"]


def test_the_occurrence_of_a_series_may_be_cancelled_without_its_patient(booked: Clinic) -> None:
    """SI-20, SI-21: by SCH-3 with SCH-2."""
    booked.books("Ann", on=LATER, appointment="A2", sch={3: "2"})
    booked.hears(booked.schedules("S15", start=LATER, appointment="A2", status="", sch={3: "2"}))
    booked.passes("25d")
    assert booked.arrivals("Ann") == [WEEK, DAY_BEFORE]


@pytest.mark.parametrize("trigger", ["S13", "S14", "S15", "S26"])
def test_what_names_nobody_and_nothing_known_does_nothing(booked: Clinic, trigger: str) -> None:
    """SI-20: acknowledged, recorded, and nobody is made of it."""
    said = booked.hears(booked.schedules(trigger, start=FIRST, appointment="A9", status=""))
    assert (said.ack, said.reason) == ("AA", "nothing is known of what it is about")
    assert (
        booked.hears(booked.schedules(trigger, start=FIRST, appointment="", status="", sch={1: "", 2: ""})).ack == "AA"
    )
    booked.passes("18d")
    assert booked.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_a_number_whose_time_is_over_still_dies_into_the_surviving_one(booked: Clinic) -> None:
    """AD-18; PI-02: MRG-1 with an end of its validity (CX.8): that it ended is the news."""
    booked.adds("Anna")
    gone = f"MRG|{booked.person('Ann').mrn}^^^LAKESIDE^MR^^20200101^20260201"
    said = booked.hears(booked.visit("A40", "Anna", extra=[gone]))
    assert (said.ack, said.events) == ("AA", ("patient.merged",))
    assert booked.token("Anna") == booked.token("Ann")


@pytest.mark.parametrize("begins", ["admits", "registers"])
def test_a_visit_told_only_at_its_end_tells_the_death_too(booked: Clinic, begins: str) -> None:
    """AD-03, AD-35, PI-12: A01 or A04 with PV1-45 and disposition 20."""
    getattr(booked, begins)("Ann", pv1={36: "20", 45: "20260302085900-0600"})
    booked.passes("18d")
    assert (booked.mails(), booked.ended("Ann")) == ([], ["deceased", "deceased"])
