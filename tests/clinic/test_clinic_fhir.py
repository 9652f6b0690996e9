"""What a FHIR server tells is decided as what HL7 v2 tells; whom it only refers to is fetched first, and nobody is made of a reference."""

from __future__ import annotations

from pathlib import Path

import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_fhir import FEED, SERVER, Server
from test_clinic_replay import played

from gateway.analyst.asked import explain_message
from gateway.model.event import Result
from gateway.model.when import to_datetime
from gateway.pipeline import inspect, rights
from gateway.pipeline.inspect.worklist import worklist

pytest.importorskip("gateway.mapping.fhir.reader")
_TERMS = "http://terminology.hl7.org/CodeSystem"


@pytest.fixture
def served(open_clinic: OpenClinic) -> Server:
    """A clinic that hears a FHIR server, and HL7 v2 beside it."""
    return Server(open_clinic(feeds=SERVER))


@pytest.fixture
def filed(open_clinic: OpenClinic) -> Server:
    """The same without a server to ask: files."""
    return Server(open_clinic(feeds=FEED))


def _states(clinic: Clinic, handle: str) -> list[str]:
    return [it.state for it in clinic.requests(handle)]


# -- whom a resource refers to


def test_an_appointment_of_somebody_unknown_waits_until_they_are_fetched(served: Server) -> None:
    """Kept and acknowledged at once; patient, then appointment are read, and the reminder is planned (S-33)."""
    served.patient("Ann")
    outcome = served.tells(served.appointment("Ann", "2026-03-20 09:30"))
    assert (outcome.result, outcome.ack) == (Result.INCOMPLETE, "AA")
    assert served.clinic.count("patient") == 0
    assert served.is_asked() == ["Patient/p-ann", "Appointment/a1"]
    served.clinic.consents("Ann", to="email")
    assert set(_states(served.clinic, "Ann")) == {"active"}
    served.clinic.until("2026-03-20 12:00")
    assert served.clinic.mailbox("Ann")
    assert served.tells(served.stored["Appointment/a1"]).result is Result.DUPLICATE


def test_a_server_that_has_another_name_refers_to_its_own_patients_by_it(open_clinic: OpenClinic) -> None:
    """`also`: as a proxy or a move leaves it; whoever they are, they are read from `base` (S-33)."""
    old = "http://old.lakeside.example/r4"
    served = Server(open_clinic(feeds=f"{SERVER}    also: {old}/\n"))
    served.patient("Ann")
    actor = {"actor": {"reference": f"{old}/Patient/p-ann"}, "status": "accepted"}
    told = served.appointment("Ann", "2026-03-20 09:30", participant=[actor])
    assert served.tells(told).result is Result.INCOMPLETE
    assert served.is_asked() == ["Patient/p-ann", "Appointment/a1"]
    assert served.clinic.count("occurrence") == 1


def test_what_waits_for_its_patient_is_kept_once(served: Server) -> None:
    """A server that sends again while the patient is being fetched adds nothing."""
    served.patient("Ann")
    told = served.appointment("Ann", "2026-03-20 09:30")
    assert [served.tells(told).result for _ in range(3)] == [Result.INCOMPLETE] * 3
    assert (served.clinic.count("raw"), served.clinic.count("fetch")) == (1, 2)
    assert len(served.is_asked()) == 2


def test_a_patient_who_cannot_be_read_leaves_the_appointment_to_a_person(served: Server) -> None:
    """It is tried once; then it lies in quarantine, and is replayed when they are there."""
    served.tells(served.appointment("Ann", "2026-03-20 09:30"))
    assert served.is_asked() == ["Patient/p-ann", "Appointment/a1"]
    assert [one.kind for one in worklist(served.clinic.gateway)] == ["quarantine"]
    assert served.tells(served.stored["Appointment/a1"]).result is Result.QUARANTINED
    (entry,) = inspect.quarantine_list(served.clinic.gateway)
    assert (entry.type, entry.place) == ("Appointment", "Appointment")
    served.tells(served.patient("Ann"))
    inspect.quarantine_replay(served.clinic.gateway, entry.message, account="test")
    assert set(_states(served.clinic, "Ann")) == {"active"}


def test_a_server_that_tells_another_version_at_every_look_is_not_asked_in_a_circle(served: Server) -> None:
    """The patient is gone; each read of the appointment is a new version. It is asked for once an hour at most."""
    served.tells(served.appointment("Ann", "2026-03-20 09:30"))
    served.appointment("Ann", "2026-03-20 09:30")
    assert len(served.is_asked()) == 2
    served.tells(served.appointment("Ann", "2026-03-20 09:30"))
    assert served.is_asked() == []
    assert served.clinic.count("quarantine") == 2


def test_what_came_with_the_first_load_plans_nothing_though_its_patient_came_later(served: Server) -> None:
    """K-16: the appointment waits for its patient, and is still of the days before us."""
    served.patient("Ann")
    served.tells(served.appointment("Ann", "2026-03-20 09:30"), baseline=True)
    served.is_asked()
    assert served.clinic.count("occurrence") == 1
    assert _states(served.clinic, "Ann") == []


def test_what_the_next_export_tells_again_has_no_effect(served: Server) -> None:
    """K-09, K-16: `_since` overlaps; the version that the first load brought is no news because it comes again."""
    served.tells(served.patient("Ann"), baseline=True)
    told = served.appointment("Ann", "2026-03-20 09:30")
    assert served.tells(told, baseline=True).result is Result.ACCEPTED
    assert served.tells(told).result is Result.DUPLICATE
    assert _states(served.clinic, "Ann") == []


def test_a_change_of_what_waits_since_the_first_load_is_planned(served: Server) -> None:
    """A later version is not of before us, though what fetches it was wanted by the first load (K-16)."""
    served.patient("Ann")
    before = served.appointment("Ann", "2026-03-20 09:30")
    served.tells(before, baseline=True)
    served.clinic.passes("1m")
    served.tells(served.appointment("Ann", "2026-03-24 09:30"))
    served.is_asked()
    assert set(_states(served.clinic, "Ann")) == {"active"}


def test_a_version_of_the_first_load_that_is_told_again_plans_nothing(served: Server) -> None:
    """It waits for its patient, and a poll with an overlap finds it once more (K-16)."""
    served.patient("Ann")
    before = served.appointment("Ann", "2026-03-20 09:30")
    served.tells(before, baseline=True)
    served.tells(before)
    served.is_asked()
    assert (served.clinic.count("occurrence"), _states(served.clinic, "Ann")) == (1, [])


def test_a_file_tells_a_visit_before_its_patient(filed: Server) -> None:
    """Without a server to ask, the logical id stands for somebody until their Patient comes; then all is theirs."""
    told = filed.patient("Ann")
    assert filed.tells(filed.appointment("Ann", "2026-03-20 09:30")).result is Result.ACCEPTED
    filed.tells(told)
    assert filed.clinic.count("patient") == 1
    assert set(_states(filed.clinic, "Ann")) == {"active"}


def test_whom_another_feed_knows_takes_over_what_a_file_told_first(filed: Server) -> None:
    """HL7 v2 knows the number, the file its logical id: the Patient says that both are one, and nobody is in doubt."""
    filed.clinic.enrols("Ann")
    filed.tells(filed.appointment("Ann", "2026-03-20 09:30"))
    filed.tells(filed.patient("Ann"))
    assert filed.clinic.holds("Ann") == set()
    assert set(_states(filed.clinic, "Ann")) == {"active"}
    assert any("merged" in line for line in filed.clinic.story("Ann"))


def test_a_logical_id_and_a_number_of_two_people_are_for_a_person_to_sort_out(served: Server) -> None:
    """As in HL7 v2: both wait (PI-03)."""
    served.clinic.enrols("Ann")
    served.tells(served.patient("Bob"))
    served.tells(served.patient("Ann", "p-bob"))
    assert "identity-conflict" in served.clinic.holds("Ann") & served.clinic.holds("Bob")


# -- one thing, two standards


def test_an_appointment_whose_number_both_know_is_one(served: Server) -> None:
    """The keys join by the configured systems: what HL7 v2 booked, FHIR only repeats."""
    served.clinic.enrols("Ann")
    served.clinic.books("Ann", "2026-03-20 09:30", appointment="A77")
    planned = len(_states(served.clinic, "Ann"))
    served.tells(served.patient("Ann"))
    served.tells(served.appointment("Ann", "2026-03-20 09:30", number="A77"))
    assert (served.clinic.count("occurrence"), len(_states(served.clinic, "Ann"))) == (1, planned)


@pytest.mark.parametrize("first", ["hl7", "fhir"])
def test_an_appointment_under_two_numbers_sends_one_message(served: Server, first: str) -> None:
    """Whichever is heard first: the second waits for a person."""
    served.clinic.enrols("Ann")
    served.tells(served.patient("Ann"))
    told = served.appointment("Ann", "2026-03-20 09:30")
    if first == "fhir":
        served.tells(told)
    served.clinic.books("Ann", "2026-03-20 09:30", appointment="A77")
    if first == "hl7":
        served.tells(told)
    states = _states(served.clinic, "Ann")
    assert sorted(states) == ["active"] * (len(states) // 2) + ["on-hold"] * (len(states) // 2)


# -- deletes


def test_a_deleted_appointment_sends_nothing(served: Server) -> None:
    """DELETE names type and id alone (Q-06): what waited is withdrawn."""
    served.tells(served.patient("Ann"))
    served.tells(served.appointment("Ann", "2026-03-20 09:30", number="A77"))
    assert set(_states(served.clinic, "Ann")) == {"active"}
    served.deletes("Appointment/a1")
    assert set(_states(served.clinic, "Ann")) == {"revoked"}


def test_the_delete_of_an_appointment_that_hl7_booked_holds_it(served: Server) -> None:
    """Another source never ends what is not its own; a person looks."""
    served.clinic.enrols("Ann")
    served.tells(served.patient("Ann"))
    served.clinic.books("Ann", "2026-03-20 09:30", appointment="A77")
    served.tells(served.appointment("Ann", "2026-03-20 09:30", number="A77"))
    served.deletes("Appointment/a1")
    assert set(_states(served.clinic, "Ann")) == {"on-hold"}


def test_a_deleted_patient_gets_nothing_and_an_unknown_one_is_not_made(served: Server) -> None:
    """As A29 (AD-16)."""
    served.deletes("Patient/p-bob")
    assert (served.clinic.count("patient"), served.clinic.count("fetch")) == (0, 0)
    served.tells(served.patient("Ann"))
    served.tells(served.appointment("Ann", "2026-03-20 09:30"))
    served.deletes("Patient/p-ann")
    assert "person-deleted" in served.clinic.holds("Ann")
    assert set(_states(served.clinic, "Ann")) == {"revoked"}


# -- who receives in a patient's stead


def _guardian(served: Server, **more: object) -> dict[str, object]:
    return served.puts(
        {
            "resourceType": "RelatedPerson",
            "id": "r1",
            "active": True,
            "patient": {"reference": "Patient/p-ann"},
            "relationship": [
                {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "GUARD"}]}
            ],
            "name": [{"text": "Q"}],
            "telecom": [{"system": "email", "value": served.clinic.person("Guardian").email}],
            **more,
        }
    )


def _represents(served: Server) -> list[tuple[str, bool]]:
    lines = inspect.representatives.listed(
        served.clinic.gateway, served.clinic.identifier("Ann"), reason="test", account="test"
    )
    return [(one.role, one.valid_until is None) for one in lines]


def test_a_guardian_is_told_by_a_related_person_until_it_tells_otherwise(served: Server) -> None:
    """CN-10: recorded with the message as evidence; a repeat adds nobody; inactive ends it; an older version starts nothing."""
    served.tells(served.patient("Ann"))
    first = _guardian(served)
    served.tells(first)
    served.clinic.passes("1m")
    served.tells(_guardian(served))
    assert _represents(served) == [("guardian", True)]
    served.clinic.passes("1m")
    served.tells(_guardian(served, active=False))
    assert _represents(served) == [("guardian", False)]
    served.tells({**first, "meta": {**first["meta"], "versionId": "0"}})  # type: ignore[dict-item]
    assert _represents(served) == [("guardian", False)]


def test_a_guardian_whose_related_person_is_deleted_receives_no_more(served: Server) -> None:
    """The delete names nobody: who was told by it is found by its id."""
    served.tells(served.patient("Ann"))
    served.tells(_guardian(served))
    served.deletes("RelatedPerson/r1")
    assert _represents(served) == [("guardian", False)]


def test_what_a_consent_permitted_waits_when_it_is_deleted(served: Server) -> None:
    """A delete tells nothing but the id: a person looks before anything more leaves (CN-05)."""
    served.tells(served.patient("Ann"))
    served.tells(_consent(served, "OPTIN"))
    served.tells(served.appointment("Ann", "2026-03-20 09:30"))
    served.clinic.until("2026-03-14 12:00")
    assert len(served.clinic.mailbox("Ann")) == 1
    served.deletes("Consent/c1")
    assert "consent-unclear" in served.clinic.holds("Ann")
    served.clinic.until("2026-03-20 12:00")
    assert len(served.clinic.mailbox("Ann")) == 1


def test_an_older_consent_that_comes_late_permits_nothing_again(served: Server) -> None:
    """Versions of one Consent in the wrong order: the newest decides (S-21)."""
    served.tells(served.patient("Ann"))
    yes = _consent(served, "OPTIN")
    served.clinic.passes("1m")
    served.tells(_consent(served, "OPTOUT"))
    served.tells(yes)
    served.tells(served.appointment("Ann", "2026-03-20 09:30"))
    served.clinic.until("2026-03-20 12:00")
    assert served.clinic.mailbox("Ann") == []


@pytest.mark.parametrize(("said", "mails"), [("2026-01-05", 0), ("2026-12-31", 0), (None, 2)])
def test_a_yes_that_is_only_stored_anew_undoes_no_later_no(served: Server, said: str | None, mails: int) -> None:
    """CN-06: of several Consents a denial goes first, unless the yes was said later; None: said now."""
    served.tells(served.patient("Ann"))
    yes = _consent(served, "OPTIN", dateTime=said, provision={})
    served.tells(yes)
    served.clinic.passes("1d")
    served.tells(_consent(served, "OPTOUT", id_="c2"))
    served.clinic.passes("1d")
    today = to_datetime(served.clinic.clock.now()).date().isoformat()
    served.tells(_consent(served, "OPTIN", dateTime=said or today, provision={}))
    served.tells(served.appointment("Ann", "2026-03-20 09:30"))
    served.clinic.until("2026-03-20 12:00")
    assert len(served.clinic.mailbox("Ann")) == mails


def test_a_consent_older_than_the_patient_counts(served: Server) -> None:
    """What was agreed to before the Patient changed last is in force all the same."""
    yes = _consent(served, "OPTIN")
    served.clinic.passes("1d")
    served.tells(served.patient("Ann"))
    served.tells(yes)
    served.tells(served.appointment("Ann", "2026-03-20 09:30"))
    served.clinic.until("2026-03-20 12:00")
    assert len(served.clinic.mailbox("Ann")) == 2


def _consent(served: Server, rule: str, *, id_: str = "c1", **more: object) -> dict[str, object]:
    return served.puts(
        {
            "resourceType": "Consent",
            "id": id_,
            "status": "active",
            "scope": {"coding": [{"system": f"{_TERMS}/consentscope", "code": "patient-privacy"}]},
            "category": [{"coding": [{"code": "EMAILWRIT"}]}],
            "patient": {"reference": "Patient/p-ann"},
            "policyRule": {"coding": [{"system": f"{_TERMS}/v3-ActCode", "code": rule}]},
            "provision": {"period": {"start": "2026-01-01"}},
            **more,
        }
    )


# -- looking at it


def test_a_replay_of_resources_tells_what_was_done(served: Server, tmp_path: Path) -> None:
    """Issue 4's promise holds for FHIR: same bytes, same rules, same messages."""
    since = served.clinic.clock.now()
    served.patient("Ann")
    served.tells(served.appointment("Ann", "2026-03-20 09:30"))
    served.is_asked()
    served.clinic.consents("Ann", to="email")
    served.tells(served.appointment("Ann", "2026-03-21 09:30", "a2"))
    served.deletes("Appointment/a2")
    served.clinic.until("2026-03-22 12:00")
    ours = {(one.rule, one.step, one.state) for one in served.clinic.requests("Ann")}
    theirs = {(one.rule, one.step, one.state) for one in played(served.clinic, tmp_path, since).messages.values()}
    assert theirs == ours


def test_a_stored_resource_is_explained_and_traced(served: Server) -> None:
    """The same words as of HL7 v2: what was understood, what it planned."""
    served.clinic.enrols("Ann")
    served.tells(served.patient("Ann"))
    outcome = served.tells(served.appointment("Ann", "2026-03-20 09:30"))
    assert outcome.message is not None
    gateway = served.clinic.gateway
    told = explain_message(
        gateway,
        gateway.channels,
        gateway.rules.current(),
        gateway.readers,
        outcome.message,
        reason="asked",
        account="test",
    )
    assert told.type == "Appointment"
    assert [one.rule for event in told.events for one in event.rules if one.matches] == ["appointment-reminder"]
    lines = inspect.trace_message(gateway, outcome.message)
    assert any("appointment.booked" in line.words for line in lines)


def test_a_resource_that_cannot_be_read_names_its_place_and_no_value(served: Server) -> None:
    """Quarantined with a FHIRPath; the rule quotes nothing."""
    served.clinic.enrols("Ann")
    served.tells(served.patient("Ann"))
    outcome = served.tells(served.appointment("Ann", "2026-03-20 09:30", participant="Ann"))
    assert outcome.result is Result.QUARANTINED
    (entry,) = inspect.quarantine_list(served.clinic.gateway)
    assert entry.type == "Appointment"
    assert entry.place.startswith("Appointment.participant")


def test_a_code_that_no_table_knows_is_shown_with_its_path(served: Server) -> None:
    """PV-08: the send waits for a person, who sees the code and where it goes."""
    served.clinic.enrols("Ann")
    served.tells(served.patient("Ann"))
    served.tells(served.appointment("Ann", "2026-03-20 09:30", serviceType=[{"coding": [{"code": "XYZZY"}]}]))
    (line,) = inspect.unknown_codes(served.clinic.gateway, reason="table", account="test").codes
    assert (line.fact, line.place, line.code, line.requests) == (
        "appointment.service",
        "Appointment.serviceType",
        "XYZZY",
        2,
    )
    assert line.where == "mappings/codes/service.yaml"


def test_who_is_erased_is_asked_for_no_more(served: Server) -> None:
    """No wish and no resource leads to them; what is told later is about somebody new."""
    served.tells(served.patient("Ann"))
    served.tells(_consent(served, "OPTIN"))
    served.fetches.want([("Patient/p-ann", None), ("Patient/p-bob", None)], "notified")
    rights.erase(served.clinic.gateway, served.clinic.identifier("Ann"), reason="asked", account="test")
    assert [one.reference for one in served.fetches.take(9, 1000)] == ["Patient/p-bob"]
    assert served.clinic.count("resource") == 0
