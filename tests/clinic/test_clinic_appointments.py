"""Appointments: a booking, move or cancellation changes exactly what a patient will read, and when."""

from __future__ import annotations

import clinic_messages as hl7
import pytest
from clinic_dsl import Clinic

WEEK, DAY_BEFORE = "2026-03-13 09:30", "2026-03-19 09:30"
FIRST = "2026-03-20 09:30"


@pytest.fixture
def booked(clinic: Clinic) -> Clinic:
    """Ann, who said yes to mail, is booked for Friday 2026-03-20 at 9:30."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    return clinic


def test_a_booking_is_announced_a_week_and_a_day_ahead(booked: Clinic) -> None:
    """SI-01; PI-04: S12 plans both reminders, and they greet by the given name."""
    booked.passes("18d")
    assert booked.arrivals("Ann") == [WEEK, DAY_BEFORE]
    text = booked.mailbox("Ann")[0].text
    assert f"Hello {booked.person('Ann').given}" in text
    assert "Friday, March 20, 2026\n    9:30 AM (CDT)\n    Main Street Clinic" in text


def test_a_booking_is_answered_with_the_event_and_the_rule(clinic: Clinic) -> None:
    """SI-01; A-01: the acknowledgement follows the commit and the outcome names event and rule."""
    clinic.enrols("Ann")
    said = clinic.books("Ann", on=FIRST)
    assert (said.ack, said.result, said.events, said.rules) == (
        "AA",
        "accepted",
        ("appointment.booked",),
        ("appointment-reminder",),
    )


def test_a_moved_visit_is_announced_at_its_new_time_only(booked: Clinic) -> None:
    """SI-02; 5.5(1): S13 withdraws the old reminders and plans new ones."""
    booked.reschedules("Ann", to="2026-04-01 14:00")
    assert booked.ended("Ann") == ["superseded", "superseded"]
    booked.passes("30d")
    assert booked.arrivals("Ann") == ["2026-03-25 14:00", "2026-03-31 14:00"]
    assert all("Wednesday, April 1, 2026\n    2:00 PM (CDT)" in mail.text for mail in booked.mailbox("Ann"))


def test_a_visit_moved_after_its_first_reminder_is_announced_again(booked: Clinic) -> None:
    """SI-02: what was already told has changed, so the new time is told a week and a day ahead."""
    booked.until("2026-03-14 12:00")
    booked.reschedules("Ann", to="2026-03-27 10:00")
    booked.passes("20d")
    assert booked.arrivals("Ann") == [WEEK, "2026-03-20 10:00", "2026-03-26 10:00"]


def test_a_cancelled_visit_withdraws_its_reminder(booked: Clinic) -> None:
    """SI-04; 5.5(1): after S15 nothing leaves, and the log says why."""
    booked.cancels("Ann")
    booked.passes("30d")
    assert booked.mails() == []
    assert booked.reasons("Ann") == ["cancelled"]


def test_a_late_resend_of_a_cancelled_booking_changes_nothing(clinic: Clinic) -> None:
    """5.5(1); D-02: S12, S13, S15, then the S12 again under its own MSH-10: nothing."""
    clinic.enrols("Ann")
    booking = clinic.schedules("S12", "Ann", start=FIRST, appointment="A001")
    first = clinic.hears(booking)
    clinic.reschedules("Ann", to="2026-04-01 14:00", appointment="A001")
    clinic.cancels("Ann", appointment="A001")
    again = clinic.hears(booking)
    assert (again.result, again.ack, again.message) == ("duplicate", "AA", first.message)
    clinic.passes("40d")
    assert clinic.mails() == []


def test_a_discontinued_visit_withdraws_its_reminder(booked: Clinic) -> None:
    """SI-05: S16, the rest will not happen."""
    assert booked.discontinues("Ann").events == ("appointment.cancelled",)
    booked.passes("30d")
    assert booked.mails() == []


def test_a_visit_entered_in_error_vanishes_silently(booked: Clinic) -> None:
    """SI-06; 5.5(2): S17 withdraws and tells nobody about a cancellation."""
    assert booked.deletes("Ann").events == ("appointment.deleted",)
    booked.passes("30d")
    assert booked.mails() == []
    assert booked.reasons("Ann") == ["cancelled"]


def test_a_missed_visit_offers_another_time_the_day_after(booked: Clinic) -> None:
    """SI-09: S26 fires the missed-appointment follow-up, and no reminder remains."""
    booked.until("2026-03-20 10:00")
    assert booked.misses("Ann").rules == ("missed-appointment-follow-up",)
    booked.passes("9d")
    assert booked.arrivals("Ann") == [WEEK, DAY_BEFORE, "2026-03-21 10:00"]
    assert "did not see" in booked.mailbox("Ann")[-1].text


def test_a_change_nobody_was_told_of_reminds_nobody_again(booked: Clinic) -> None:
    """SI-03: S14 with another length leaves sent and waiting reminders alone."""
    booked.until("2026-03-14 12:00")
    booked.modifies("Ann", sch={9: "45", 10: "min"})
    booked.passes("10d")
    assert booked.arrivals("Ann") == [WEEK, DAY_BEFORE]
    assert booked.ended("Ann") == []


def test_another_clinic_building_is_told_once_more_but_not_for_a_past_step(booked: Clinic) -> None:
    """SI-03: the place was told and changed; the week-ahead moment is past and is skipped, the day-ahead one says the new place."""
    booked.until("2026-03-14 12:00")
    booked.modifies("Ann", place="NORTH")
    booked.passes("10d")
    assert booked.arrivals("Ann") == [WEEK, DAY_BEFORE]
    assert "North Clinic" in booked.mailbox("Ann")[1].text
    assert set(booked.reasons("Ann")) == {"superseded", "offset-past"}


def test_the_same_booking_under_a_new_control_id_reminds_once(booked: Clinic) -> None:
    """D-06; X-06: an EHR that repeats S12 with new MSH-10 sends one reminder each."""
    for _ in range(3):
        assert booked.books("Ann", on=FIRST, appointment="A001").result == "accepted"
    booked.passes("18d")
    assert booked.arrivals("Ann") == [WEEK, DAY_BEFORE]
    assert len(booked.requests("Ann")) == 2


def test_a_move_of_an_unknown_visit_books_it(clinic: Clinic) -> None:
    """SI-30: S13 for an appointment nobody heard of is a booking."""
    clinic.enrols("Ann")
    assert clinic.books("Ann", on=FIRST, trigger="S13").events == ("appointment.booked",)
    assert clinic.planned("Ann") == [WEEK, DAY_BEFORE]


def test_a_second_booking_at_another_time_is_a_move(booked: Clinic) -> None:
    """SI-30: S12 for a known appointment is compared by time."""
    assert booked.books("Ann", on="2026-03-24 11:00", appointment="A001").events == ("appointment.rescheduled",)
    assert booked.planned("Ann") == ["2026-03-17 11:00", "2026-03-23 11:00"]


def test_a_cancellation_that_overtakes_its_booking_wins(clinic: Clinic) -> None:
    """SI-31; AD-34: the tombstone of an early S15 is not revived by the older S12."""
    clinic.enrols("Ann")
    earlier = clinic.clock.now()
    clinic.passes("1h")
    assert clinic.cancels("Ann", appointment="A001").ack == "AA"
    late = clinic.books("Ann", on=FIRST, appointment="A001", at=earlier)
    assert late.ack == "AA"
    clinic.passes("30d")
    assert clinic.mails() == []


def test_a_visit_booked_anew_after_its_cancellation_is_announced(booked: Clinic) -> None:
    """SI-31: a newer S12 does revive the appointment."""
    booked.cancels("Ann")
    booked.passes("1d")
    assert booked.books("Ann", on=FIRST, appointment="A001").events == ("appointment.booked",)
    booked.passes("18d")
    assert booked.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_a_visit_on_the_waiting_list_is_not_announced_until_it_is_confirmed(clinic: Clinic) -> None:
    """SI-26; SI-25: Pending promises nothing; the S14 that says Booked does."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST, status="PENDING")
    assert clinic.planned("Ann") == []
    clinic.modifies("Ann", status="booked")
    assert clinic.planned("Ann") == [WEEK, DAY_BEFORE]


def test_a_status_that_contradicts_its_trigger_does_not_bring_a_visit_back(booked: Clinic) -> None:
    """SI-25: S15 with SCH-25 = Booked cancels all the same, and the answer warns."""
    said = booked.cancels("Ann", status="Booked")
    assert (said.ack, booked.ended("Ann")) == ("AA", ["cancelled", "cancelled"])


def test_a_visit_tomorrow_is_announced_once_not_twice(clinic: Clinic) -> None:
    """SI-01: the week-ahead moment is past and skipped, never sent at once."""
    clinic.enrols("Ann")
    clinic.books("Ann", on="2026-03-04 15:00")
    clinic.passes("5d")
    assert clinic.arrivals("Ann") == ["2026-03-03 15:00"]
    assert clinic.reasons("Ann") == ["offset-past"]


def test_a_reminder_keeps_its_wall_time_when_the_clocks_change(clinic: Clinic) -> None:
    """T-02; T-05: booked before 8 March in winter time, announced on both sides of it at 9:30."""
    clinic.enrols("Ann")
    clinic.books("Ann", on="2026-03-12 09:30")
    clinic.passes("12d")
    assert clinic.arrivals("Ann") == ["2026-03-05 09:30", "2026-03-11 09:30"]


def test_a_time_that_does_not_exist_waits_for_a_person(clinic: Clinic) -> None:
    """T-06: 2:30 on the night the clocks go forward is nobody's appointment."""
    clinic.enrols("Ann")
    clinic.books("Ann", on="2027-03-14 02:30")
    assert set(clinic.waiting("Ann")) == {"time-uncertain"}


def test_a_visit_without_a_time_of_day_waits_until_the_time_is_told(clinic: Clinic) -> None:
    """T-07: no text shows a clock that nobody told; the S13 that tells it frees the reminder."""
    clinic.enrols("Ann")
    clinic.books("Ann", on="2026-03-20")
    assert clinic.waiting("Ann") == ["time-uncertain", "time-uncertain"]
    clinic.reschedules("Ann", to=FIRST)
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_a_move_to_a_time_nobody_can_read_holds_the_reminder_of_the_old_one(booked: Clinic) -> None:
    """T-08: the visit is not on Friday any more as far as anybody knows; the S13 that tells the day frees its reminders."""
    said = booked.reschedules("Ann", to="20261332")
    assert (said.ack, [str(fault.place) for fault in said.faults]) == ("AA", ["SCH^1^11"])
    booked.until("2026-03-14 12:00")
    assert booked.mails() == []
    assert booked.waiting("Ann") == ["time-uncertain"]
    booked.reschedules("Ann", to="2026-04-01 14:00")
    booked.passes("30d")
    assert booked.arrivals("Ann") == ["2026-03-25 14:00", "2026-03-31 14:00"]


def test_the_start_is_read_where_newer_versions_tell_it(clinic: Clinic) -> None:
    """SI-23; X-04: from v2.7 on TQ1-7; without either, the resource's time less its offset."""
    clinic.enrols("Ann")
    timing = "TQ1|1||||||" + hl7.local(FIRST)
    clinic.books("Ann", on="", msh={12: "2.7"}, extra=[timing])
    assert clinic.planned("Ann") == [WEEK, DAY_BEFORE]
    clinic.enrols("Ben")
    service = "AIS|1|A|PCP^^L|" + hl7.local("2026-03-20 09:15") + "|-15|min"
    clinic.hears(_without_own_start(clinic, service))
    assert clinic.planned("Ben") == [WEEK, DAY_BEFORE]


def _without_own_start(clinic: Clinic, service: str) -> bytes:
    message = clinic.schedules("S12", "Ben", start="", appointment="B001").decode()
    return message.replace("AIS|1|A|PCP^^L", service).encode()


def test_the_appointments_own_start_wins_over_its_resources(clinic: Clinic) -> None:
    """SI-23: a disagreeing AIS-4 is warned of and not used."""
    clinic.enrols("Ann")
    message = clinic.schedules("S12", "Ann", start=FIRST, appointment="A1").decode()
    said = clinic.hears(message.replace("AIS|1|A|PCP^^L", "AIS|1|A|PCP^^L|20260320110000").encode())
    assert [fault.severity for fault in said.faults] == ["W"]
    assert clinic.planned("Ann") == [WEEK, DAY_BEFORE]


def test_equal_numbers_of_two_schedules_are_two_visits(booked: Clinic) -> None:
    """SI-21: the key is SCH-2 with its namespace, and SCH-3 tells the occurrences of a series apart."""
    booked.books("Ann", on="2026-03-27 09:30", appointment="A001", sch={2: "A001^RADIOLOGY"})
    booked.books("Ann", on="2026-04-03 09:30", appointment="A001", sch={3: "2"})
    assert booked.planned("Ann") == [
        WEEK, DAY_BEFORE, "2026-03-20 09:30", "2026-03-26 09:30", "2026-03-27 09:30", "2026-04-02 09:30",
    ]  # fmt: skip


def test_a_scheduling_message_about_nobody_is_ignored(clinic: Clinic) -> None:
    """SI-20; SI-08: no PATIENT group is no error."""
    said = clinic.hears(clinic.schedules("S12", start=FIRST, appointment="A1"))
    assert (said.result, said.ack) == ("ignored", "AA")


def test_a_group_visit_reminds_each_of_its_patients(clinic: Clinic) -> None:
    """SI-20: two PATIENT groups, two people, each with reminders and a name of their own."""
    for name in ("Ann", "Ben"):
        clinic.enrols(name)
    said = clinic.hears(clinic.schedules("S12", "Ann", "Ben", start=FIRST, appointment="G1"))
    assert said.events == ("appointment.booked", "appointment.booked")
    clinic.passes("18d")
    for name in ("Ann", "Ben"):
        assert clinic.arrivals(name) == [WEEK, DAY_BEFORE]
        assert f"Hello {clinic.person(name).given}" in clinic.mailbox(name)[0].text
    assert not any(clinic.person("Ben").given in mail.text for mail in clinic.mailbox("Ann"))


def test_a_cancelled_group_visit_withdraws_everybodys_reminder(clinic: Clinic) -> None:
    """SI-20; SI-04: S15 with both patients ends both parts."""
    for name in ("Ann", "Ben"):
        clinic.enrols(name)
    clinic.hears(clinic.schedules("S12", "Ann", "Ben", start=FIRST, appointment="G1"))
    clinic.hears(clinic.schedules("S15", "Ann", "Ben", start=FIRST, appointment="G1", status="Cancelled"))
    clinic.passes("18d")
    assert clinic.mails() == []


def test_a_visit_in_another_zone_is_told_in_the_clinics_own_time(clinic: Clinic) -> None:
    """T-02; T-09: the place's zone counts the days and shows the clock; sent when it is day for the patient."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST, place="SEASIDE")  # 9:30 in Chicago is 7:30 on the coast
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == [WEEK, DAY_BEFORE]
    assert "7:30 AM (PDT)" in clinic.mailbox("Ann")[0].text


def test_a_visit_that_changes_hands_reminds_neither_until_a_person_looked(booked: Clinic) -> None:
    """D-06; N-06: the same appointment, now with another patient: Ann's reminders end, Ben's wait for a person."""
    booked.enrols("Ben")
    booked.books("Ben", on=FIRST, appointment="A001")
    assert booked.ended("Ann") == ["identity-conflict", "identity-conflict"]
    assert booked.waiting("Ben") == ["identity-conflict", "identity-conflict"]
    booked.passes("18d")
    assert booked.mails() == []


def test_a_visit_that_changed_hands_is_announced_once_a_person_agreed(booked: Clinic) -> None:
    """N-06: after the release the new patient is reminded, the old one is not."""
    from gateway.pipeline import inspect

    booked.enrols("Ben")
    booked.books("Ben", on=FIRST, appointment="A001")
    inspect.release_patient(
        booked.gateway, booked.token("Ben"), "identity-conflict", reason="asked the desk", account="os:clerk"
    )
    booked.passes("18d")
    assert (booked.arrivals("Ann"), booked.arrivals("Ben")) == ([], [WEEK, DAY_BEFORE])


def test_another_feed_does_not_move_a_visit_but_its_cancellation_holds_it(booked: Clinic) -> None:
    """D-01: each appointment has one owning source; what another says of its time, or of its end, waits for a person."""
    booked.reschedules("Ann", to="2026-03-25 10:00", source="partner", sch={2: "A001^SCHED"})
    assert (booked.planned("Ann"), booked.waiting("Ann")) == ([], ["time-uncertain", "time-uncertain"])
    booked.cancels("Ann", source="partner")
    assert booked.waiting("Ann") == ["cancelled", "cancelled"]
