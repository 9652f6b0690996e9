"""Visits: who is in hospital is left alone, who went home is asked how it is, and a corrected register corrects the mail."""

from __future__ import annotations

import clinic_messages as hl7
import pytest
from clinic_dsl import Clinic

from gateway.store import tables


@pytest.fixture
def enrolled(clinic: Clinic) -> Clinic:
    """Ann said yes to mail; it is Monday 2026-03-02, 9 in the morning."""
    clinic.enrols("Ann")
    return clinic


def _visits(clinic: Clinic) -> list[tuple[str, str]]:
    with clinic.gateway.store.read() as unit:
        return unit.lookup(tables.occurrence, ("kind", "status"), "patient", [clinic.token("Ann")])  # type: ignore[return-value]


def test_who_went_home_is_asked_how_it_is(enrolled: Clinic) -> None:
    """AD-01, AD-03: A01, A03 to home: one mail two days later."""
    assert enrolled.admits("Ann").events == ("encounter.admitted",)
    enrolled.passes("4h")
    assert enrolled.discharges("Ann").rules == ("discharge-follow-up",)
    enrolled.passes("6d")
    assert enrolled.arrivals("Ann") == ["2026-03-04 13:00"]
    assert "home for a couple of days" in enrolled.mailbox("Ann")[0].text


@pytest.mark.parametrize("disposition", ["02", "50", "07", "99", ""])
def test_who_did_not_surely_go_home_is_not_asked(enrolled: Clinic, disposition: str) -> None:
    """AD-03: transferred, hospice, against advice, unknown and untold dispositions are not home."""
    enrolled.admits("Ann")
    enrolled.discharges("Ann", disposition=disposition)
    enrolled.passes("6d")
    assert enrolled.mails() == []


def test_nobody_asks_how_it_is_after_a_death_in_hospital(enrolled: Clinic) -> None:
    """AD-03; PI-12; 5.5(4): disposition 20, or PID-30 = Y in the A03: the death is noted and nothing leaves."""
    enrolled.admits("Ann")
    enrolled.books("Ann", on="2026-03-20 09:30")
    enrolled.discharges("Ann", disposition="20")
    enrolled.enrols("Ben")
    enrolled.admits("Ben")
    enrolled.discharges("Ben", pid={30: "Y"})
    enrolled.passes("20d")
    assert enrolled.mails() == []
    assert enrolled.ended("Ann") == ["deceased", "deceased"]
    assert enrolled.reasons("Ben") == ["deceased"]


def test_a_cancelled_discharge_stops_the_question_and_the_next_one_asks_once(enrolled: Clinic) -> None:
    """AD-10; 5.5(3): A01, A03, A13: withdrawn; A03 again: one mail."""
    enrolled.admits("Ann")
    enrolled.discharges("Ann")
    enrolled.passes("1h")
    enrolled.cancels_discharge("Ann")
    assert enrolled.ended("Ann") == ["cancelled"]
    enrolled.passes("1d")
    enrolled.discharges("Ann")
    enrolled.passes("6d")
    assert enrolled.arrivals("Ann") == ["2026-03-05 10:00"]


def test_a_repeated_discharge_asks_once(enrolled: Clinic) -> None:
    """D-06; X-06: the same A03 with new MSH-10, before and after the mail."""
    enrolled.admits("Ann")
    for _ in range(2):
        enrolled.discharges("Ann")
        enrolled.passes("1m")
    enrolled.passes("4d")
    enrolled.discharges("Ann")
    enrolled.passes("4d")
    assert len(enrolled.mails()) == 1


def test_the_time_that_counts_is_when_it_happened(enrolled: Clinic) -> None:
    """AD-36: EVN-6 says eleven the evening before, so the mail is due two days after that, and waits for the morning."""
    enrolled.admits("Ann")
    enrolled.discharges("Ann", evn={6: "20260301230000"})
    enrolled.passes("6d")
    assert enrolled.arrivals("Ann") == ["2026-03-04 08:00"]


def test_the_message_type_decides_not_the_event_segment(enrolled: Clinic) -> None:
    """AD-37: EVN-1 says A08, MSH-9 says A03."""
    enrolled.admits("Ann")
    assert enrolled.discharges("Ann", evn={1: "A08"}).events == ("encounter.discharged",)


def test_a_discharge_that_comes_too_late_asks_nothing(enrolled: Clinic) -> None:
    """X-07: an A03 of three days ago, played back after downtime, is known and not acted on."""
    enrolled.admits("Ann")
    enrolled.discharges("Ann", evn={6: "20260226120000"})
    enrolled.passes("6d")
    assert enrolled.mails() == []
    assert enrolled.reasons("Ann") == ["too-old"]


def test_a_cancelled_admission_leaves_nothing_behind(enrolled: Clinic) -> None:
    """AD-08: A11 ends the visit for good, also one begun by A04."""
    enrolled.admits("Ann")
    assert enrolled.cancels_admission("Ann").events == ("encounter.admission-cancelled",)
    enrolled.registers("Ann")
    enrolled.cancels_admission("Ann")
    assert _visits(enrolled) == [("Encounter", "cancelled")] * 2
    enrolled.passes("6d")
    assert enrolled.mails() == []


def test_a_cancelled_admission_withdraws_what_its_discharge_planned(enrolled: Clinic) -> None:
    """AD-08: A01, A03, then A11: nobody was here, nobody is asked."""
    enrolled.admits("Ann")
    enrolled.discharges("Ann")
    enrolled.cancels_admission("Ann")
    assert enrolled.ended("Ann") == ["cancelled"]


def test_a_cancellation_that_overtakes_the_admission_wins(enrolled: Clinic) -> None:
    """AD-34: A11 for an unknown visit is acknowledged and kept, and the older A01 opens nothing."""
    earlier = enrolled.clock.now()
    enrolled.passes("1h")
    assert enrolled.cancels_admission("Ann", visit="V9").ack == "AA"
    enrolled.admits("Ann", visit="V9", at=earlier)
    assert _visits(enrolled) == [("Encounter", "cancelled")]


def test_a_registration_is_a_visit_but_no_hospital_stay(enrolled: Clinic) -> None:
    """AD-04: A04 arrives an outpatient; reminders go on."""
    assert enrolled.registers("Ann").events == ("encounter.registered",)
    enrolled.books("Ann", on="2026-03-20 09:30")
    enrolled.passes("18d")
    assert len(enrolled.mails()) == 2


def test_an_update_changes_facts_and_not_the_state_of_the_visit(enrolled: Clinic) -> None:
    """AD-07: A08 after A03 neither opens the visit nor repeats nor withdraws the question."""
    enrolled.admits("Ann")
    enrolled.discharges("Ann")
    enrolled.passes("1h")
    assert enrolled.updates("Ann").events == ("encounter.updated",)
    assert _visits(enrolled) == [("Encounter", "finished")]
    enrolled.passes("6d")
    assert len(enrolled.mails()) == 1


def test_a_disposition_corrected_by_an_update_withdraws_the_question(enrolled: Clinic) -> None:
    """AD-07: the A08 that says `transferred` is believed."""
    enrolled.admits("Ann")
    enrolled.discharges("Ann")
    enrolled.updates("Ann", pv1={36: "02"})
    assert enrolled.ended("Ann") == ["no-longer-matches"]


def test_a_time_of_discharge_ends_the_visit_whatever_the_message(enrolled: Clinic) -> None:
    """AD-35: an A08 with PV1-45 means that she is home, so her reminder is not held."""
    enrolled.admits("Ann")
    enrolled.updates("Ann", pv1={45: hl7.stamp(enrolled.clock.now())})
    assert _visits(enrolled) == [("Encounter", "finished")]


def test_a_person_message_opens_no_visit(enrolled: Clinic) -> None:
    """AD-15: A28 and A31 with a placeholder PV1 (PV1-2 = N)."""
    for say in (enrolled.adds, enrolled.changes):
        said = say("Ann", pv1={2: "N", 19: "V7^^^LAKESIDE"})
        assert (said.ack, said.events[0].split(".")[0]) == ("AA", "patient")
    assert _visits(enrolled) == []


def test_who_is_in_hospital_is_reminded_when_home_again(enrolled: Clinic) -> None:
    """AD-01, AD-03: the due reminder waits while an inpatient visit is open, and leaves within the hour after A03."""
    enrolled.books("Ann", on="2026-03-20 09:30")
    enrolled.until("2026-03-12 10:00")
    enrolled.admits("Ann")
    enrolled.until("2026-03-15 12:05")
    assert (enrolled.mails(), enrolled.requests("Ann")[0].reason) == ([], "held-by-rule")
    enrolled.discharges("Ann", disposition="02")
    enrolled.passes("1h")
    assert enrolled.arrivals("Ann") == ["2026-03-15 12:30"]
    assert "held-by-rule" in enrolled.reasons("Ann")


def test_who_stays_in_hospital_past_the_visit_is_never_reminded(enrolled: Clinic) -> None:
    """SM-17: a held reminder expires with its appointment."""
    enrolled.admits("Ann")
    enrolled.books("Ann", on="2026-03-20 09:30")
    enrolled.passes("30d")
    assert enrolled.mails() == []
    assert enrolled.ended("Ann") == ["expired", "expired"]


def test_a_hospital_stay_under_a_merged_number_holds_too(enrolled: Clinic) -> None:
    """AD-18, AD-31: the visit was opened under the number that died."""
    enrolled.adds("Anna")
    enrolled.admits("Anna")
    enrolled.books("Ann", on="2026-03-11 09:30")
    enrolled.merges("Anna", into="Ann")
    enrolled.until("2026-03-05 12:00")
    assert enrolled.mails() == []
    assert enrolled.reasons("Ann")[-1] == "held-by-rule"


def test_a_visit_without_a_number_updates_only_the_person(enrolled: Clinic) -> None:
    """AD-01: nothing keys it, so nothing is opened, and the answer warns."""
    said = enrolled.admits("Ann", pv1={19: ""})
    assert (said.ack, said.events) == ("AA", ("patient.updated",))
    assert _visits(enrolled) == []
