"""One thing that two feeds tell sends one message: their numbers join, or the second waits for a person."""

from __future__ import annotations

import pytest
from clinic_dsl import Clinic

from gateway.pipeline import inspect
from gateway.pipeline.inspect.worklist import worklist

_EITHER_FIRST = [("ehr", "partner"), ("partner", "ehr")]


def _booked_twice(clinic: Clinic, one: str, other: str) -> list[tuple[str, str | None]]:
    """The same visit under two feeds' numbers; the requests of the second."""
    clinic.enrols("Ann")
    clinic.books("Ann", "2026-03-20 09:30", appointment="A1", source=one)
    first = {it.id for it in clinic.requests("Ann")}
    clinic.books("Ann", "2026-03-20 09:30", appointment="B9", source=other, sch={2: f"B9^{other}"})
    return [(it.state, it.reason) for it in clinic.requests("Ann") if it.id not in first]


@pytest.mark.parametrize("feeds", _EITHER_FIRST)
def test_what_a_second_feed_books_at_the_same_time_and_place_waits_for_a_person(
    clinic: Clinic, feeds: tuple[str, str]
) -> None:
    """Whichever feed comes first plans; of the second every step is listed with the command that settles it."""
    held = _booked_twice(clinic, *feeds)
    assert held
    assert set(held) == {("on-hold", "possible-duplicate")}
    lines = [one for one in worklist(clinic.gateway) if one.kind == "possible-duplicate"]
    assert len(lines) == len(held)
    clinic.until("2026-03-20 12:00")
    assert len(clinic.mailbox("Ann")) == len(held)


def test_a_person_lets_the_second_go_or_takes_it_back(clinic: Clinic) -> None:
    """They were two visits after all; or one."""
    _booked_twice(clinic, "ehr", "partner")
    one, other = [it.id for it in clinic.requests("Ann") if it.reason == "possible-duplicate"][:2]
    inspect.release_request(clinic.gateway, one, reason="two visits", account="test")
    inspect.withdraw_request(clinic.gateway, other, reason="one visit", account="test")
    states = {it.id: it.state for it in clinic.requests("Ann")}
    assert (states[one], states[other]) == ("active", "revoked")


def test_a_visit_at_another_place_or_time_is_another_visit(clinic: Clinic) -> None:
    """Two visits of one day send what each asks for."""
    clinic.enrols("Ann")
    clinic.books("Ann", "2026-03-20 09:30", appointment="A1")
    clinic.books("Ann", "2026-03-20 09:30", appointment="B8", source="partner", sch={2: "B8^P"}, place="NORTH")
    clinic.books("Ann", "2026-03-20 11:30", appointment="B9", source="partner", sch={2: "B9^P"})
    assert {it.state for it in clinic.requests("Ann")} == {"active"}


def test_when_both_feeds_move_it_one_message_follows(clinic: Clinic) -> None:
    """The second feed moves it first, then the first: still one of them waits, and one is sent."""
    _booked_twice(clinic, "ehr", "partner")
    steps = len(clinic.requests("Ann")) // 2
    clinic.reschedules("Ann", to="2026-03-24 10:00", appointment="B9", source="partner", sch={2: "B9^partner"})
    clinic.reschedules("Ann", to="2026-03-24 10:00", appointment="A1", source="ehr")
    waiting = [it for it in clinic.requests("Ann") if it.state in ("active", "on-hold")]
    assert sorted(it.state for it in waiting) == ["active"] * steps + ["on-hold"] * steps
