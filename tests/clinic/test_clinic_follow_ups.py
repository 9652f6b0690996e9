"""The shipped follow-ups, one story each: told by FHIR, some by HL7 v2 too, with the shipped rules, templates and mappings."""

from __future__ import annotations

from typing import Any

import clinic_messages as hl7
import pytest
from clinic_dsl import Clinic, OpenClinic, Postbox
from clinic_fhir import SERVER, Server
from clinic_portal import CODE, NOTICE, SITE, Reader, link_in

from gateway.model.consent import ChannelKind

CVX, LOINC, SNOMED = "http://hl7.org/fhir/sid/cvx", "http://loinc.org", "http://snomed.info/sct"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
TENSION, SUGAR = "Lisinopril 10 mg tablet", "Metformin 500 mg tablet"
CHECK_UP, HEART = "162673000", "394579002"
Resource = dict[str, Any]


@pytest.fixture
def server(open_clinic: OpenClinic) -> Server:
    """Ann and Ben, whom the server knows, said yes to mail; it is Monday 2026-03-02, 9:00."""
    clinic = open_clinic(feeds=SERVER, more=SITE)
    clinic.texts = Postbox(clinic.clock)  # type: ignore[attr-defined]
    clinic.texts.kind = ChannelKind.SMS  # type: ignore[attr-defined]
    clinic.gateway.channels[ChannelKind.SMS] = clinic.texts  # type: ignore[index, attr-defined]
    server = Server(clinic)
    for handle in ("Ann", "Ben"):
        person = clinic.person(handle)
        telecom = [
            {"system": "email", "value": person.email},
            {"system": "phone", "use": "mobile", "value": person.phone},
        ]
        server.tells(server.patient(handle, telecom=telecom))
        clinic.consents(handle, to="email")
    return server


def coded(code: str, system: str) -> Resource:
    """A CodeableConcept."""
    return {"coding": [{"system": system, "code": code}]}


def of(handle: str) -> Resource:
    """A reference to somebody."""
    return {"reference": f"Patient/p-{handle.casefold()}"}


def tells(server: Server, kind: str, id_: str, **more: Any) -> None:
    """The next version of a resource is heard and accepted."""
    assert server.tells(server.puts({"resourceType": kind, "id": id_, **more})).ack == "AA"


def report(server: Server, status: str, code: str = "58410-2") -> None:
    """A laboratory's report about Ann."""
    tells(server, "DiagnosticReport", "r1", status=status, code=coded(code, LOINC), subject=of("Ann"))


def supply(server: Server, id_: str, drug: str, on: str, days: int = 30) -> None:
    """The pharmacy hands over something for Ann."""
    tells(
        server, "MedicationDispense", id_, status="completed", subject=of("Ann"), medicationCodeableConcept={"text": drug},
        whenHandedOver=on, daysSupply={"value": days, "code": "d", "system": "http://unitsofmeasure.org"},
    )  # fmt: skip


def visit(server: Server, handle: str, id_: str, day: str, *, kind: str = CHECK_UP, status: str = "finished") -> None:
    """Somebody comes and goes within the hour, at nine in Chicago's winter."""
    period = {"start": f"{day}T15:00:00Z", "end": f"{day}T15:40:00Z"}
    encounter_class = {"system": ACT, "code": "AMB"}
    tells(
        server, "Encounter", id_, status=status, subject=of(handle), type=[coded(kind, SNOMED)], period=period,
        **{"class": encounter_class},
    )  # fmt: skip


def dose(server: Server, id_: str, cvx: str, on: str, status: str = "completed") -> None:
    """Ann is vaccinated."""
    tells(
        server, "Immunization", id_, status=status, patient=of("Ann"), vaccineCode=coded(cvx, CVX), occurrenceDateTime=on
    )  # fmt: skip


def rules(clinic: Clinic, handle: str = "Ann", state: str = "completed") -> list[str]:
    """The rules whose messages are in this state, without what the gateway says by itself."""
    return [one.rule for one in clinic.requests(handle) if one.state == state and one.rule not in (NOTICE, CODE)]


# -- results


@pytest.fixture
def reading(server: Server) -> Server:
    """Ann also said yes to the portal."""
    server.clinic.consents("Ann", to="portal")
    return server


def test_a_final_result_is_told_in_the_portal_and_nowhere_else(reading: Server) -> None:
    """PH-06: outside there is a notice without a word of it; taken back, it cannot be read any more (OR-05)."""
    clinic = reading.clinic
    report(reading, "preliminary")
    clinic.passes("3h")
    assert clinic.mails() == []
    report(reading, "final")
    clinic.passes("3h")
    (mail,) = clinic.mailbox("Ann")
    assert mail.subject == "A message is waiting for you"
    for word in ("result", "test", "blood", "58410", clinic.person("Ann").given):
        assert word not in mail.text
    page = Reader(clinic).enters(link_in(mail.text), "Ann")
    assert "a result is ready" in page.text
    assert "58410" not in page.text
    report(reading, "entered-in-error")
    assert "a result is ready" not in Reader(clinic).enters(link_in(mail.text), "Ann").text
    assert rules(clinic) == ["result-available"]


def test_a_result_that_is_taken_back_in_time_is_not_told(reading: Server) -> None:
    """OR-05: within two hours."""
    report(reading, "final")
    reading.clinic.passes("1h")
    report(reading, "entered-in-error")
    reading.clinic.passes("1d")
    assert (reading.clinic.mails(), reading.clinic.ended("Ann")) == ([], ["cancelled"])


def test_a_changed_result_is_told_again(reading: Server) -> None:
    """OR-04: and the same version told twice is not."""
    for status in ("final", "final", "corrected", "corrected"):
        report(reading, status)
        reading.clinic.passes("3h")
    assert rules(reading.clinic) == ["result-available", "result-corrected"]


def test_a_test_that_is_protected_is_never_told(reading: Server) -> None:
    """PV-08: a test for HIV; one that no table knows waits for a person."""
    report(reading, "final", "56888-1")
    reading.clinic.passes("1d")
    assert (reading.clinic.mails(), rules(reading.clinic)) == ([], [])


def test_a_result_told_by_hl7_v2_is_told_in_the_portal_too(reading: Server) -> None:
    """ORU^R01 with the same number of the patient."""
    clinic = reading.clinic
    obr = hl7.segment("OBR", {1: "1", 3: "F7^LAB", 4: "24323-8^X^LN", 25: "F"})
    obx = hl7.segment("OBX", {1: "1", 2: "NM", 3: "2345-7", 5: "99", 8: "N", 11: "F"})
    head = hl7.msh("ORU^R01^ORU_R01", "M77", clinic.clock.now())
    clinic.hears(hl7.body(head, hl7.pid(clinic.person("Ann"), None), obr, obx))
    clinic.passes("3h")
    assert rules(clinic) == ["result-available"]


# -- medicines


def test_a_refill_is_due_before_the_supply_ends(server: Server) -> None:
    """RX-02, RX-04: a week ahead, by mail, and no medicine is named."""
    clinic = server.clinic
    supply(server, "d1", TENSION, "2026-03-02")
    clinic.until("2026-04-02 12:00")
    assert clinic.arrivals("Ann") == ["2026-03-25 10:00"]
    (mail,) = clinic.mailbox("Ann")
    assert "will run out in about a week" in mail.text
    assert "Lisinopril" not in mail.text + mail.html + mail.subject


def test_the_next_supply_of_a_medicine_takes_the_place_of_the_last(server: Server) -> None:
    """Of the same, not of another."""
    clinic = server.clinic
    supply(server, "d1", TENSION, "2026-03-02")
    supply(server, "d2", SUGAR, "2026-03-02")
    clinic.until("2026-03-20 12:00")
    supply(server, "d3", TENSION, "2026-03-20")
    assert clinic.planned("Ann") == ["2026-03-25 10:00", "2026-04-12 10:00"]
    assert clinic.ended("Ann") == ["superseded"]


def test_nobody_is_to_refill_what_was_stopped(server: Server) -> None:
    """The prescription ends, the supply of it is another thing: its reminder is withdrawn all the same."""
    asked = {"intent": "order", "subject": of("Ann"), "medicationCodeableConcept": {"text": TENSION}}
    tells(server, "MedicationRequest", "m1", status="active", authoredOn="2026-03-02", **asked)
    supply(server, "d1", TENSION, "2026-03-02")
    server.clinic.passes("2d")
    tells(server, "MedicationRequest", "m1", status="stopped", authoredOn="2026-03-02", **asked)
    assert server.clinic.ended("Ann") == ["cancelled-by-event"]


# -- visits


def test_the_day_after_a_visit_somebody_asks_back(server: Server) -> None:
    """And not while it lasts; nor after one that was last week and is stored today."""
    clinic = server.clinic
    visit(server, "Ann", "e1", "2026-03-02", kind=HEART, status="in-progress")
    visit(server, "Ben", "e2", "2026-02-20", kind=HEART)
    clinic.passes("1h")
    visit(server, "Ann", "e1", "2026-03-02", kind=HEART)
    clinic.passes("3d")
    assert clinic.arrivals("Ann") == ["2026-03-03 09:40"]
    assert clinic.arrivals("Ben") == []
    assert "Thank you for coming to see us." in clinic.mailbox("Ann")[0].text


def test_eleven_months_after_a_check_up_it_is_time_for_the_next(server: Server) -> None:
    """The later of two counts; who has booked one, by FHIR or HL7 v2, is not asked."""
    clinic = server.clinic
    visit(server, "Ann", "e1", "2026-03-02")
    visit(server, "Ben", "e2", "2026-03-02")
    clinic.until("2026-06-01 12:00")
    visit(server, "Ann", "e3", "2026-06-01")
    clinic.until("2026-12-01 12:00")
    server.tells(server.appointment("Ben", "2027-02-20 09:30"))
    clinic.until("2027-06-01 12:00")
    asked = [mail.at for mail in clinic.mailbox("Ann") if "check-up once a year" in mail.text]
    assert asked == ["2027-05-03 10:00"]  # the first is a Saturday
    assert not [mail for mail in clinic.mailbox("Ben") if "check-up once a year" in mail.text]


def test_hl7_v2_tells_of_visits_and_bookings_as_well(server: Server) -> None:
    """A04 plans the recall, S12 withdraws it."""
    clinic = server.clinic
    clinic.registers("Ann", pv1={10: "FP"})
    assert clinic.planned("Ann") == ["2027-02-02 10:00"]
    clinic.books("Ann", on="2026-09-01 09:30")
    assert clinic.ended("Ann") == ["cancelled-by-event"]


# -- vaccinations


def recommends(server: Server, cvx: str, due: str, id_: str = "i1") -> None:
    """A forecast for Ann."""
    one = {
        "vaccineCode": [coded(cvx, CVX)],
        "forecastStatus": coded("due", "http://terminology.hl7.org/CodeSystem/immunization-recommendation-status"),
        "dateCriterion": [{"code": coded("30980-7", LOINC), "value": due}],
    }
    tells(server, "ImmunizationRecommendation", id_, patient=of("Ann"), date="2026-03-02", recommendation=[one])


def test_a_dose_that_is_due_is_told_until_it_is_given(server: Server) -> None:
    """VX-01: on the day and a month later; another vaccine in between changes nothing, the dose itself ends it."""
    clinic = server.clinic
    recommends(server, "115", "2026-05-04")
    clinic.until("2026-05-10 12:00")
    dose(server, "v1", "88", "2026-05-10")
    clinic.until("2026-06-10 12:00")
    dose(server, "v2", "115", "2026-06-10")
    clinic.until("2026-12-01 12:00")
    assert clinic.arrivals("Ann") == ["2026-05-04 10:00", "2026-06-04 10:00"]
    assert "tetanus" not in "".join(mail.text + mail.html for mail in clinic.mailbox("Ann"))


def test_a_year_after_a_flu_vaccine_the_next_is_due(server: Server) -> None:
    """VX-01: by VXU or Immunization; a dose that was not given recalls nobody."""
    clinic = server.clinic
    rxa = hl7.segment("RXA", {1: "0", 2: "1", 3: "20260302", 5: "88^FLU^CVX", 6: "1", 20: "CP", 21: "A"})
    head = hl7.msh("VXU^V04^VXU_V04", "M78", clinic.clock.now())
    told = hl7.body(head, hl7.pid(clinic.person("Ann"), None), hl7.segment("ORC", {1: "RE", 3: "D1^SCHED"}), rxa)
    clinic.hears(told)
    assert clinic.planned("Ann") == ["2027-03-02 10:00"]
    clinic.passes("1d")
    dose(server, "v1", "88", "2026-03-03")
    assert clinic.planned("Ann") == ["2027-03-03 10:00"]
    dose(server, "v1", "88", "2026-03-03", status="entered-in-error")
    assert clinic.planned("Ann") == []


# -- questionnaires


def test_who_answered_about_risks_hears_that_it_arrived(server: Server) -> None:
    """At once, naming nothing that was asked or answered; one about mood is answered by people."""
    clinic = server.clinic
    answers = {"status": "completed", "subject": of("Ann"), "authored": "2026-03-02T15:00:00Z"}
    tells(server, "QuestionnaireResponse", "q1", questionnaire="http://loinc.org/q/44249-1", **answers)
    tells(server, "QuestionnaireResponse", "q2", questionnaire="http://loinc.org/q/71353-6|2.0", **answers)
    clinic.passes("1d")
    (mail,) = clinic.mailbox("Ann")
    assert "Your answers have reached us." in mail.text
    assert rules(clinic) == ["health-risk-answered"]
