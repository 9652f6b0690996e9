"""A FHIR resource goes on with what it came to, whatever business number it gets, changes or loses: one visit is planned once."""

from __future__ import annotations

import pytest
from clinic_dsl import OpenClinic
from clinic_fhir import ORDERS, SERVER, Server
from test_clinic_follow_ups import of, tells

from gateway.model.event import Format, RawMessage

_DAY, _NEXT = "2026-03-20 09:30", "2026-03-24 10:00"


@pytest.fixture
def served(open_clinic: OpenClinic) -> Server:
    """A clinic that hears a FHIR server, and HL7 v2 beside it; both know Ann."""
    served = Server(open_clinic(feeds=SERVER))
    served.clinic.enrols("Ann")
    served.tells(served.patient("Ann"))
    return served


def _books(served: Server, number: str | None, on: str = _DAY, id_: str = "a1") -> None:
    served.clinic.passes("1h")
    served.tells(served.appointment("Ann", on, id_, number=number))


def _active(served: Server) -> list[str]:
    return sorted(one.due for one in served.clinic.requests("Ann") if one.state == "active")


def _steps(served: Server) -> int:
    """How many messages one visit sends."""
    return len(_active(served))


@pytest.mark.parametrize("numbers", [(None, "A77"), ("A76", "A77"), ("A77", None), (None, "A76", "A77", None, "A77")])
def test_an_appointment_is_planned_once_whatever_number_it_has(served: Server, numbers: tuple[str | None, ...]) -> None:
    """It gets, changes and loses its number; then it moves and is cancelled: all of it is one occurrence."""
    _books(served, numbers[0])
    planned = _active(served)
    for number in numbers[1:]:
        _books(served, number)
    assert (served.clinic.count("occurrence"), _active(served)) == (1, planned)
    _books(served, numbers[-1], _NEXT)
    assert (served.clinic.count("occurrence"), len(_active(served))) == (1, len(planned))
    served.deletes("Appointment/a1")
    assert _active(served) == []


def test_under_its_later_number_it_joins_with_hl7(served: Server) -> None:
    """What HL7 v2 then tells of the number is the same visit; its cancellation holds it."""
    _books(served, None)
    _books(served, "A77")
    planned = _active(served)
    served.clinic.books("Ann", _DAY, appointment="A77")
    assert (served.clinic.count("occurrence"), _active(served)) == (1, planned)
    served.clinic.cancels("Ann", appointment="A77")
    assert _active(served) == []


@pytest.mark.parametrize("first", ["hl7", "fhir"])
@pytest.mark.parametrize("on", [_DAY, _NEXT])
def test_of_two_that_turn_out_to_be_one_at_most_one_is_sent(served: Server, first: str, on: str) -> None:
    """HL7 v2 told the number while FHIR did not yet; when it does, both are one: where they told two times, a person looks."""
    if first == "hl7":
        served.clinic.books("Ann", on, appointment="A77")
    else:
        _books(served, None)
    planned = _steps(served)
    if first == "hl7":
        _books(served, None)
    else:
        served.clinic.books("Ann", on, appointment="A77")
    _books(served, "A77")
    assert _steps(served) == (planned if on == _DAY else 0)
    served.clinic.reschedules("Ann", to="2026-03-25 10:00", appointment="A77")
    _books(served, "A77", "2026-03-25 10:00")
    assert _steps(served) == planned
    served.clinic.until("2026-03-26 12:00")
    assert len(served.clinic.mailbox("Ann")) == planned


def test_what_hl7_cancelled_waits_when_it_turns_out_to_be_the_same(served: Server) -> None:
    """FHIR still says that it is booked: a person looks, as when both had known the number."""
    _books(served, None)
    served.clinic.books("Ann", _DAY, appointment="A77")
    served.clinic.cancels("Ann", appointment="A77")
    _books(served, "A77")
    assert _active(served) == []


def test_a_number_that_is_somebody_else_s_joins_nothing(served: Server) -> None:
    """HL7 v2 knows it as another patient's: both keep what they have, and the reminder of each is theirs."""
    served.clinic.enrols("Ben")
    served.clinic.books("Ben", _NEXT, appointment="A77")
    _books(served, None)
    planned = _active(served)
    _books(served, "A77")
    assert _active(served) == planned
    assert {one.state for one in served.clinic.requests("Ben")} == {"active"}


def test_a_number_that_hl7_no_longer_shares_leaves_its_visit_alone(served: Server) -> None:
    """Corrected from the number of a visit that HL7 v2 booked: that one stays; two of one time, or one that then moves, wait for a person."""
    served.clinic.books("Ann", _DAY, appointment="A77")
    planned = _active(served)
    _books(served, "A77")
    _books(served, "A78")
    assert (served.clinic.count("occurrence"), _active(served)) == (2, planned)
    _books(served, "A79", _NEXT)
    assert (served.clinic.count("occurrence"), _active(served)) == (2, [])


def test_a_number_that_two_appointments_shared_by_mistake_stays_with_the_other(served: Server) -> None:
    """The second is given its own: both are planned, and neither takes the other's from then on."""
    _books(served, "A77")
    planned = len(_active(served))
    _books(served, "A77", _NEXT, "a2")
    _books(served, "A78", _NEXT, "a2")
    _books(served, "A77")
    _books(served, "A79", _NEXT, "a2")
    assert (served.clinic.count("occurrence"), len(_active(served))) == (2, 2 * planned)


def test_a_number_that_is_another_appointment_s_is_taken_from_nobody(served: Server) -> None:
    """Two resources of one server are two visits: each goes on by itself."""
    _books(served, "A77")
    _books(served, "A78", _NEXT, "a2")
    planned = _active(served)
    _books(served, "A78")
    assert (served.clinic.count("occurrence"), _active(served)) == (2, planned)
    served.deletes("Appointment/a1")
    assert len(_active(served)) == len(planned) // 2


def test_two_that_swap_their_numbers_are_still_two(served: Server) -> None:
    """One after the other."""
    _books(served, "A77")
    _books(served, "A78", _NEXT, "a2")
    planned = _active(served)
    _books(served, "A78")
    _books(served, "A77", _NEXT, "a2")
    _books(served, "A78")
    assert (served.clinic.count("occurrence"), _active(served)) == (2, planned)


def test_a_number_goes_from_one_to_the_other_in_one_commit(served: Server) -> None:
    """Who had it is found under its new one before the other is stored under the old."""
    _books(served, "A77")
    planned = len(_active(served))
    served.clinic.passes("1h")
    told = [served.appointment("Ann", _DAY, number="A78"), served.appointment("Ann", _NEXT, "a2", number="A77")]
    now = served.clinic.clock.now()
    bodies = [RawMessage(source="fhir", format=Format.FHIR, body=served.body(one), received=now) for one in told]
    served.clinic.gateway.receiver.receive(bodies)
    assert (served.clinic.count("occurrence"), len(_active(served))) == (2, 2 * planned)


def test_an_overtaken_version_gives_no_number_back(served: Server) -> None:
    """The version without the number comes late: it changes nothing (N-06)."""
    before = served.appointment("Ann", _DAY)
    served.clinic.passes("1h")
    after = served.appointment("Ann", _DAY, number="A77")
    served.tells(after)
    planned = _active(served)
    served.tells(before)
    served.clinic.books("Ann", _DAY, appointment="A77")
    assert (served.clinic.count("occurrence"), _active(served)) == (1, planned)


def test_an_appointment_that_is_given_to_somebody_else_leaves_the_first(served: Server) -> None:
    """Its key under a number names the participant too: who has it no more gets no reminder."""
    served.tells(served.patient("Ben"))
    _books(served, "A77")
    served.clinic.passes("1h")
    served.tells(served.appointment("Ben", _DAY, number="A77"))
    assert _active(served) == []
    assert "identity-conflict" in served.clinic.holds("Ben")


def test_an_appointment_of_two_that_gets_a_number_is_planned_once_for_each(served: Server) -> None:
    """Each goes on with their own."""
    served.tells(served.patient("Ben"))
    whom = [{"actor": of(handle), "status": "accepted"} for handle in ("Ann", "Ben")]
    for number in (None, "A77"):
        served.clinic.passes("1h")
        served.tells(served.appointment("Ann", _DAY, number=number, participant=whom))
    assert served.clinic.count("occurrence") == 2


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("Encounter", {"status": "planned", "class": {"code": "AMB"}, "period": {"start": _NEXT[:10]}}),
        ("DiagnosticReport", {"status": "final", "code": {"text": "x"}}),
        ("MedicationRequest", {"status": "active", "intent": "order", "medicationCodeableConcept": {"text": "x"}}),
    ],
)
def test_whatever_kind_it_is_its_number_may_come_later(served: Server, kind: str, told: dict[str, object]) -> None:
    """AD-01, OR-07 and their like: one occurrence."""
    for number in (None, "N1", "N2"):
        served.clinic.passes("1h")
        numbered = {"identifier": [{"system": ORDERS, "value": number}]} if number else {}
        tells(served, kind, "x1", subject=of("Ann"), **told, **numbered)
    assert served.clinic.count("occurrence") == 1
