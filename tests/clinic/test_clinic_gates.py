"""Gates: what is confidential, protected, unmapped, too much, at the wrong hour or only a test does not leave."""

from __future__ import annotations

from pathlib import Path

import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_site import shipped_policy, shipped_rule, write_rules

from gateway.pipeline import inspect

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"


@pytest.fixture
def enrolled(clinic: Clinic) -> Clinic:
    """Ann said yes to mail."""
    clinic.enrols("Ann")
    return clinic


@pytest.fixture
def booked(enrolled: Clinic) -> Clinic:
    """Ann is booked for Friday 2026-03-20 at 9:30."""
    enrolled.books("Ann", on=FIRST)
    return enrolled


_VISIT = {
    "confidential-visit": ["PV1|1|O|MAIN" + "|" * 13 + "VIP"],
    "access-restriction": ["PV1|1|O|MAIN", "ARV|1|A|ZZZ"],
    "protection-indicator": ["PV1|1|O|MAIN", "PV2" + "|" * 22 + "Y"],
}
_LIFTED = {
    "confidential-visit": ["PV1|1|O|MAIN" + "|" * 13 + '""'],
    "access-restriction": ["PV1|1|O|MAIN", "ARV|1|D|ZZZ"],
    "protection-indicator": ["PV1|1|O|MAIN", "PV2" + "|" * 22 + "N"],
}


@pytest.mark.parametrize("reason", _VISIT)
def test_a_confidential_visit_waits_for_a_person(enrolled: Clinic, reason: str) -> None:
    """PV-01, PV-02, PV-04: PV1-16, PV2-22 or ARV in the booking: planned, held, nothing leaves."""
    enrolled.books("Ann", on=FIRST, visit=_VISIT[reason])
    assert enrolled.waiting("Ann") == [reason, reason]
    enrolled.passes("18d")
    assert enrolled.mails() == []


@pytest.mark.parametrize("reason", _VISIT)
def test_a_visit_marked_confidential_after_planning_is_not_announced(booked: Clinic, reason: str) -> None:
    """5.5(7); PV-01, PV-02, PV-04: between planning and sending."""
    booked.modifies("Ann", visit=_VISIT[reason])
    booked.passes("18d")
    assert (booked.mails(), booked.reasons("Ann")[0]) == ([], reason)


@pytest.mark.parametrize("reason", _VISIT)
def test_a_mark_that_is_taken_back_lets_the_reminder_go(enrolled: Clinic, reason: str) -> None:
    """PV-01, PV-02, PV-04: the message without the flag releases what it held."""
    enrolled.books("Ann", on=FIRST, visit=_VISIT[reason])
    enrolled.modifies("Ann", visit=_LIFTED[reason])
    enrolled.passes("18d")
    assert enrolled.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_a_protected_person_is_not_written_to_until_the_protection_ends(booked: Clinic) -> None:
    """PV-02; 5.5(7): PD1-12 = Y holds whatever is planned for the person, N lets it go."""
    booked.changes("Ann", pd1={12: "Y"})
    booked.until("2026-03-14 09:00")
    assert booked.waiting("Ann") == ["protection-indicator"]
    booked.changes("Ann", pd1={12: "N"})
    booked.passes("7d")
    assert booked.arrivals("Ann") == ["2026-03-14 09:00", DAY_BEFORE]


def test_a_restricted_person_is_not_written_to(booked: Clinic) -> None:
    """PV-04: ARV before the visit belongs to the person; free text holds too."""
    booked.changes("Ann", before_visit=["ARV|1|A||PAT|not to the brother"])
    booked.passes("18d")
    assert (booked.mails(), booked.reasons("Ann")[0]) == ([], "access-restriction")


def test_protection_told_by_an_overtaken_message_still_protects(booked: Clinic) -> None:
    """PV-02; N-06: the older A31 may restrict, though it changes nothing else."""
    earlier = booked.clock.now()
    booked.passes("1h")
    booked.changes("Ann", pid={15: "en"})
    booked.hears(booked.visit("A31", "Ann", pd1={12: "Y"}, at=earlier))
    booked.passes("18d")
    assert (booked.mails(), booked.reasons("Ann")[0]) == ([], "protection-indicator")


def test_a_person_releases_what_a_person_must_look_at(booked: Clinic) -> None:
    """PV-02: `release_patient` has every gate asked again; the second flag still holds."""
    booked.changes("Ann", pd1={12: "Y"}, pid={31: "Y"})
    booked.until("2026-03-14 09:00")
    assert booked.waiting("Ann") == ["identity-doubtful"]
    token = booked.token("Ann")
    inspect.release_patient(booked.gateway, token, "identity-doubtful", reason="seen passport", account="os:clerk")
    booked.looks()
    assert (booked.mails(), booked.waiting("Ann")) == ([], ["protection-indicator"])


@pytest.mark.parametrize("service", ["PSY", "HIV", "OBGYN", "SA"])
def test_nothing_is_said_of_care_that_is_protected(enrolled: Clinic, service: str) -> None:
    """PV-08; 42 CFR 2.13: behavioral health, HIV, reproductive, substance use."""
    enrolled.books("Ann", on=FIRST, service=service)
    assert enrolled.planned("Ann") == []
    enrolled.passes("18d")
    assert enrolled.mails() == []


def test_nothing_is_said_of_a_visit_to_a_protected_ward_whatever_the_visit_is_called(enrolled: Clinic) -> None:
    """PV-08, PH-06; 42 CFR 2.13: AIS-3 calls it primary care, PV1-10 is the substance use ward."""
    enrolled.books("Ann", on=FIRST, service="PCP", visit=["PV1|1|O|MAIN|||||||SUD"])
    enrolled.passes("18d")
    assert (enrolled.mails(), enrolled.planned("Ann")) == ([], [])


def test_nothing_is_said_of_a_place_whose_name_tells_enough(enrolled: Clinic) -> None:
    """PV-08: Hope House for Recovery."""
    enrolled.books("Ann", on=FIRST, place="HOPE")
    assert enrolled.reasons("Ann") == ["protected-service"]


def test_a_service_nobody_mapped_waits_for_its_entry(enrolled: Clinic) -> None:
    """PV-08; law 6: an unknown code is of the highest sensitivity until the table knows it."""
    enrolled.books("Ann", on=FIRST, service="XQ77")
    assert enrolled.waiting("Ann") == ["unmapped-code", "unmapped-code"]
    enrolled.modifies("Ann", service="PCP")
    enrolled.passes("18d")
    assert enrolled.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_a_service_that_turns_protected_is_not_announced(booked: Clinic) -> None:
    """PV-08: S14 moves the visit to psychiatry: the reminders end."""
    booked.modifies("Ann", service="PSY")
    booked.passes("18d")
    assert (booked.mails(), booked.ended("Ann")) == ([], ["no-longer-matches"] * 2)


def test_a_place_nobody_configured_waits(enrolled: Clinic) -> None:
    """PV-08; law 6: the location would be shown."""
    enrolled.books("Ann", on=FIRST, place="ANNEX9")
    assert enrolled.waiting("Ann") == ["unmapped-code", "unmapped-code"]


@pytest.mark.parametrize("processing", ["T", "D", ""])
def test_a_test_message_reaches_nobody(enrolled: Clinic, processing: str) -> None:
    """X-05: MSH-11 other than P is understood, kept, and changes nobody."""
    said = enrolled.books("Ann", on=FIRST, msh={11: processing})
    assert (said.ack, said.events, said.reason) == ("AA", ("appointment.booked",), "not-production")
    assert enrolled.requests("Ann") == []


def test_a_test_message_about_somebody_new_makes_no_patient(clinic: Clinic) -> None:
    """X-05: nothing of it gets into the directory."""
    clinic.books("Ann", on=FIRST, msh={11: "T"})
    assert clinic.count("patient") == 0


def test_a_known_test_patient_is_never_written_to(open_clinic: OpenClinic) -> None:
    """X-05: the configured list of test numbers."""
    clinic = open_clinic(ehr={"test_identifiers": "[TEST001]"})
    clinic.person("Tess", pid={3: "TEST001^^^LAKESIDE^MR"})
    assert clinic.books("Tess", on=FIRST).reason == "not-production"


def test_outside_production_only_listed_recipients_are_written_to(open_clinic: OpenClinic) -> None:
    """X-05: a test system holds real patients by mistake: only the nurse on the list gets mail."""
    clinic = open_clinic(recipients=("nurse@lakeside.example",))
    clinic.enrols("Ann")
    clinic.enrols("Nina", email="nurse@lakeside.example")
    for name in ("Ann", "Nina"):
        clinic.books(name, on=FIRST)
    clinic.passes("18d")
    assert (len(clinic.mailbox("Nina")), len(clinic.mails())) == (2, 2)
    assert clinic.reasons("Ann") == ["recipient-not-listed"]
    clinic.people.pop("Nina")  # a nurse on a list of recipients is no patient to be kept secret


def test_a_booking_played_back_days_late_reminds_nobody(enrolled: Clinic) -> None:
    """X-07: the backlog of a long downtime."""
    late = enrolled.clock.now()
    enrolled.passes("5d")
    enrolled.books("Ann", on="2026-04-20 09:30", at=late)
    assert enrolled.reasons("Ann") == ["too-old"]


def test_a_message_at_night_waits_for_the_morning(enrolled: Clinic) -> None:
    """SM-17; 47 CFR 64.1200(c)(1): a visit at 6:30 is announced from 8:00 on."""
    enrolled.books("Ann", on="2026-03-20 06:30")
    enrolled.passes("18d")
    assert enrolled.arrivals("Ann") == ["2026-03-13 08:00", "2026-03-19 08:00"]
    assert enrolled.reasons("Ann") == ["quiet-hours"]


def test_the_hours_are_those_of_the_patients_own_zone(clinic: Clinic) -> None:
    """T-09: she lives in Los Angeles: 9:00 in Chicago is 7:00 for her."""
    clinic.enrols("Ann", city="Los Angeles", state="CA", postal="90012-7731")
    clinic.books("Ann", on="2026-03-20 09:00")
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == ["2026-03-13 10:00", "2026-03-19 10:00"]


def test_who_may_live_anywhere_is_written_to_when_it_is_day_everywhere(clinic: Clinic) -> None:
    """T-09: an unknown address takes the hours that all zones of the country share."""
    clinic.person("Ann", pid={11: ""})
    clinic.enrols("Ann")
    clinic.books("Ann", on="2026-03-20 09:00")
    clinic.passes("18d")
    # 17:00 in Chicago is 8:00 of the next day in Guam and 11:00 in American Samoa; three hours later Puerto Rico sleeps
    assert clinic.arrivals("Ann") == ["2026-03-13 17:00", "2026-03-19 17:00"]


def test_a_morning_reminder_that_would_come_after_the_visit_is_not_sent(enrolled: Clinic) -> None:
    """SM-17: due in the night, the window opens after the appointment has begun."""
    enrolled.until("2026-03-19 05:00")
    enrolled.books("Ann", on="2026-03-20 05:30")
    enrolled.passes("3d")
    assert [mail.at for mail in enrolled.mails()] == ["2026-03-19 08:00"]


def test_more_than_four_messages_a_day_wait_for_the_next(enrolled: Clinic) -> None:
    """47 CFR 64.1200(a)(9)(iv): the policy's cap; the fifth is not lost."""
    for minute in range(6):
        enrolled.books("Ann", on=f"2026-03-20 09:3{minute}")
    enrolled.until("2026-03-14 23:00")
    arrivals = enrolled.arrivals("Ann")
    assert [at[:10] for at in arrivals] == ["2026-03-13"] * 4 + ["2026-03-14"] * 2
    assert "frequency-cap" in enrolled.reasons("Ann")


def test_a_cap_counts_for_everybody_at_one_address(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """47 CFR 64.1200(a)(9)(iv): two people, one mailbox, one message a day."""
    policy = shipped_policy(("{per: address, at_most: 12, within: 1d}", "{per: address, at_most: 1, within: 1d}"))
    rule = shipped_rule("appointment-reminder")
    clinic = open_clinic(rules=write_rules(tmp_path / "own", {"appointment-reminder": rule}, policy=policy))
    ann = clinic.enrols("Ann")
    clinic.enrols("Ben", email=ann.email)
    for name in ("Ann", "Ben"):
        clinic.books(name, on=FIRST)
    clinic.until("2026-03-14 23:00")
    assert [at[:10] for at in clinic.arrivals("Ann")] == ["2026-03-13", "2026-03-14"]


def test_a_rule_that_shows_too_much_for_mail_is_refused(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """PH-04, PH-06: a service of a sensitive kind is above the ceiling of treatment mail."""
    rule = shipped_rule(
        "appointment-reminder",
        ("appointment.start, appointment.location]", "appointment.start, appointment.location, appointment.service]"),
    )
    clinic = open_clinic(rules=write_rules(tmp_path / "own", {"appointment-reminder": rule}))
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST, service="ONC")
    clinic.passes("18d")
    assert (clinic.mails(), clinic.reasons("Ann")) == ([], ["above-ceiling"])


def test_every_refusal_is_in_the_story(booked: Clinic) -> None:
    """Law 2; 45 CFR 164.528: the trace of a person tells each non-send and why, and is itself on record."""
    booked.changes("Ann", pid={13: '""'})
    booked.passes("18d")
    told = booked.story("Ann")
    assert sum("withdrawn: no-address" in line for line in told) == 2
    assert any("planned as request" in line for line in told)
    assert any(line == "read by a person: trace complaint 5" for line in booked.story("Ann"))
