"""What a person lets wait or withdraws by hand stays so, whatever the feed says next; many are done in batches, restartably."""

from __future__ import annotations

from datetime import date

import pytest
from clinic_dsl import Answer, Clinic

from gateway.pipeline import inspect
from gateway.pipeline.inspect import Choice, handling

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"
BY_HAND = {"reason": "ask Dr. Ames", "account": "os:operator"}


@pytest.fixture
def booked(clinic: Clinic) -> Clinic:
    """Ann, who said yes to mail, is booked for Friday 2026-03-20 at 9:30."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    return clinic


def test_what_is_held_by_hand_waits_beyond_its_time_and_leaves_when_released(booked: Clinic) -> None:
    """Every gate is asked again; the other reminder leaves by itself."""
    first = booked.requests("Ann")[0].id
    assert inspect.hold_requests(booked.gateway, Choice(request=first), **BY_HAND) == 1
    booked.until("2026-03-13 12:00")
    assert (booked.mails(), booked.waiting("Ann")) == ([], ["held-by-hand"])
    inspect.release_request(booked.gateway, first, **BY_HAND)
    booked.passes("10d")
    assert booked.arrivals("Ann") == ["2026-03-13 12:00", DAY_BEFORE]


def test_a_later_message_does_not_let_go_what_a_person_holds(booked: Clinic) -> None:
    """Law 6: the visit moves by a day; what is planned anew waits for the same person."""
    inspect.hold_requests(booked.gateway, Choice(rule="appointment-reminder"), **BY_HAND)
    booked.reschedules("Ann", to="2026-03-21 10:00")
    booked.passes("20d")
    assert booked.mails() == []
    assert "held-by-hand" in booked.reasons("Ann")


def test_what_is_withdrawn_by_hand_before_its_time_never_comes_back(booked: Clinic) -> None:
    """Also what only waited for its time; a later message about the visit does not plan it again."""
    assert inspect.withdraw_requests(booked.gateway, Choice(patient=booked.token("Ann")), **BY_HAND) == 2
    booked.modifies("Ann", place="NORTH")
    booked.passes("20d")
    assert (booked.mails(), booked.ended("Ann")) == ([], ["withdrawn-by-hand"] * 2)


def test_many_are_released_only_of_what_was_held_by_hand(booked: Clinic) -> None:
    """An unknown outcome is somebody's word, each: unless it is named, it stays."""
    booked.post.will(Answer.LOSE)
    booked.until("2026-03-14 09:00")
    inspect.hold_requests(booked.gateway, Choice(), **BY_HAND)
    assert sorted(booked.waiting("Ann")) == ["held-by-hand", "outcome-unknown"]
    assert inspect.release_requests(booked.gateway, Choice(), **BY_HAND) == (1, 0)
    assert booked.waiting("Ann") == ["outcome-unknown"]
    named = Choice(held_for="outcome-unknown")
    assert inspect.release_requests(booked.gateway, named, **BY_HAND) == (1, 0)
    booked.passes("10d")
    assert booked.arrivals("Ann") == ["2026-03-14 09:00", DAY_BEFORE]


def test_what_is_long_past_is_withdrawn_when_many_are_released(booked: Clinic) -> None:
    """A heap of late reminders helps nobody."""
    inspect.hold_requests(booked.gateway, Choice(), **BY_HAND)
    booked.until("2026-03-15 12:00")
    assert inspect.release_requests(booked.gateway, Choice(), **BY_HAND) == (1, 1)
    booked.passes("10d")
    assert (booked.arrivals("Ann"), booked.ended("Ann")) == ([DAY_BEFORE], ["offset-past"])


def test_a_command_that_was_stopped_half_way_is_said_again(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches: what is done is done, the rest is done the second time, and nothing twice."""
    for number in range(5):
        clinic.enrols(f"P{number}")
        clinic.books(f"P{number}", on=FIRST)
    monkeypatch.setattr(handling, "BATCH", 3)

    class Killed(BaseException):
        pass

    def killed(_done: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        inspect.withdraw_requests(clinic.gateway, Choice(), told=killed, **BY_HAND)
    assert inspect.count(clinic.gateway, Choice(), "withdraw") == 7
    seen: list[int] = []
    assert inspect.withdraw_requests(clinic.gateway, Choice(), told=seen.append, **BY_HAND) == 7
    assert seen == [3, 6, 7]
    assert inspect.withdraw_requests(clinic.gateway, Choice(), **BY_HAND) == 0


def test_a_facility_is_all_its_places(clinic: Clinic) -> None:
    """Main Street and North belong to Lakeside; a place is only itself."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.enrols("Ben")
    clinic.books("Ben", on=FIRST, place="NORTH")

    on = date(2026, 3, 20)
    counts = [
        inspect.count(clinic.gateway, Choice(facility=one, day=on), "hold") for one in ("lakeside", "main", "seaside")
    ]
    assert counts == [4, 2, 0]
    report = inspect.outbox(clinic.gateway, Choice(facility="north", day=on))
    assert (report.total, {one.patient for one in report.lines}) == (2, {clinic.token("Ben")})
