"""The big red button: what a person stops stays, on every worker, and leaves in order when it is let go again."""

from __future__ import annotations

import pytest
from clinic_dsl import Clinic, OpenClinic
from sqlalchemy import select

from gateway.model.consent import ChannelKind
from gateway.model.errors import CommandError, StoreUnavailable
from gateway.model.when import DAY
from gateway.pipeline import brakes, inspect
from gateway.pipeline.brakes import Scope, Stop
from gateway.store import tables
from gateway.store.statement import Statement

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"
EVERYTHING = Stop(scope=Scope.EVERYTHING)
LIFTED = Statement("test.lifted", select(tables.brake.c.lifted, tables.brake.c.lifted_by))


def stop(clinic: Clinic, what: Stop = EVERYTHING) -> None:
    """Somebody presses it."""
    brakes.stop(clinic.gateway.store, what, why="wrong texts", account="os:operator")


def resume(clinic: Clinic, what: Stop = EVERYTHING) -> tuple[int, int]:
    """And lets go."""
    told = brakes.resume(clinic.gateway.store, clinic.gateway.site, what, why="fixed", account="os:operator")
    clinic.looks()
    return told


@pytest.fixture
def booked(clinic: Clinic) -> Clinic:
    """Ann, who said yes to mail, is booked for Friday 2026-03-20 at 9:30."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    return clinic


def _attempts(clinic: Clinic) -> list[tuple[str, str | None]]:
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.communication, ("id", "status", "reason"), "patient", [clinic.token("Ann")])
    return [(status, reason) for _, status, reason in sorted(rows)]


@pytest.mark.parametrize(
    "what",
    [
        EVERYTHING,
        Stop(scope=Scope.CHANNEL, value="email"),
        Stop(scope=Scope.RULE, value="appointment-reminder"),
    ],
    ids=lambda what: what.scope.value,
)
def test_what_is_stopped_waits_and_leaves_when_it_is_let_go(booked: Clinic, what: Stop) -> None:
    """A hold, never a denial; the reminder that fell due an hour ago leaves at once, both are audited."""
    stop(booked, what)
    booked.until("2026-03-13 10:30")
    assert (booked.mails(), booked.waiting("Ann")) == ([], ["stopped"])
    assert resume(booked, what) == (1, 0)
    assert booked.arrivals("Ann") == ["2026-03-13 10:30"]
    booked.passes("10d")
    assert booked.arrivals("Ann") == ["2026-03-13 10:30", DAY_BEFORE]
    assert any("stopped" in line for line in booked.story("Ann"))
    with booked.gateway.store.read() as unit:
        ((at, by),) = unit.all(LIFTED)
    assert (at is not None, by) == (True, "os:operator")


@pytest.mark.parametrize(
    "what",
    [
        Stop(scope=Scope.CHANNEL, value="sms"),
        Stop(scope=Scope.RULE, value="discharge-follow-up"),
    ],
    ids=lambda what: what.scope.value,
)
def test_a_stop_of_something_else_stops_nothing_here(booked: Clinic, what: Stop) -> None:
    """A text message provider in trouble delays no mail, another rule no reminder."""
    stop(booked, what)
    booked.passes("18d")
    assert booked.arrivals("Ann") == [WEEK, DAY_BEFORE]


def day_of(clinic: Clinic, wall: str) -> tuple[int, int]:
    """The clinic's day of a wall time."""
    start = clinic.when(f"{wall[:10]} 00:00")
    return start, start + DAY


def test_a_snow_day_stops_what_is_about_visits_there_that_day_and_nothing_else(clinic: Clinic) -> None:
    """Ann comes to Main Street on the day, Ben to North, Cleo to Main Street the day after."""
    for handle in ("Ann", "Ben", "Cleo"):
        clinic.enrols(handle)
    clinic.books("Ann", on=FIRST)
    clinic.books("Ben", on=FIRST, place="NORTH")
    clinic.books("Cleo", on="2026-03-21 00:00")
    stop(clinic, Stop(scope=Scope.FACILITY, value="main", day=day_of(clinic, FIRST)))
    clinic.until("2026-03-14 12:00")
    assert (clinic.arrivals("Ann"), clinic.waiting("Ann")) == ([], ["stopped"])
    assert clinic.arrivals("Ben") == [WEEK]
    assert len(clinic.arrivals("Cleo")) == 1


def test_the_snow_day_of_an_organization_is_that_of_all_its_places(clinic: Clinic) -> None:
    """North belongs to Lakeside."""
    clinic.enrols("Ben")
    clinic.books("Ben", on=FIRST, place="NORTH")
    stop(clinic, Stop(scope=Scope.FACILITY, value="lakeside", day=day_of(clinic, FIRST)))
    clinic.passes("18d")
    assert clinic.mails() == []


def test_what_was_cleared_already_stays_too(booked: Clinic) -> None:
    """Within the moment between clearance and network: provably not sent, no try is spent, and it waits again."""
    channel = booked.gateway.channels[ChannelKind.EMAIL]
    taken = booked.deliverer._cleared

    def cleared_then_stopped(request: int):
        found = taken(request)
        stop(booked)
        return found

    booked.deliverer._cleared = cleared_then_stopped  # type: ignore[method-assign]
    booked.until("2026-03-13 10:00")
    assert channel is booked.post
    assert booked.post.offered == []
    assert _attempts(booked) == [("not-done", "stopped")]
    first = booked.requests("Ann")[0]
    assert (first.state, first.reason, first.attempts) == ("on-hold", "stopped", 0)
    booked.deliverer._cleared = taken  # type: ignore[method-assign]
    resume(booked)
    assert booked.arrivals("Ann") == ["2026-03-13 10:00"]
    assert _attempts(booked) == [("not-done", "stopped"), ("completed", None)]


def test_a_stop_lifted_before_it_was_settled_holds_nothing_for_ever(booked: Clinic) -> None:
    """Stopped and let go within one hand-over: it rings again by itself."""
    taken, settled = booked.deliverer._cleared, booked.deliverer._settled

    def cleared_then_stopped(request: int):
        found = taken(request)
        if found is not None and not _attempts_stopped(booked):
            stop(booked)
        return found

    def resumed_then_settled(*told):
        resumed = brakes.lift(booked.gateway.store, lambda _one: True, why="no", account="os:operator")
        assert len(resumed) <= 1
        return settled(*told)

    booked.deliverer._cleared = cleared_then_stopped  # type: ignore[method-assign]
    booked.deliverer._settled = resumed_then_settled  # type: ignore[method-assign]
    booked.until("2026-03-13 10:00")
    assert booked.arrivals("Ann") == [WEEK]


def _attempts_stopped(clinic: Clinic) -> bool:
    return ("not-done", "stopped") in _attempts(clinic)


def test_while_nobody_can_say_whether_it_is_stopped_nothing_leaves(booked: Clinic, monkeypatch) -> None:
    """Law 6: the database away at that very moment is as a channel that cannot be reached; tried again."""

    def away(*_args: object, **_more: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr("gateway.pipeline.deliver.brakes.standing", away)
        booked.until("2026-03-13 09:30")
    assert booked.post.offered == []
    assert _attempts(booked) == [("not-done", "channel-unavailable")]
    booked.until("2026-03-13 10:00")
    assert booked.arrivals("Ann") == ["2026-03-13 09:31"]


def test_what_fell_due_more_than_a_day_before_is_withdrawn(booked: Clinic) -> None:
    """A heap of late reminders helps nobody."""
    stop(booked)
    booked.until("2026-03-15 12:00")
    assert resume(booked) == (0, 1)
    booked.passes("10d")
    assert (booked.arrivals("Ann"), booked.ended("Ann")) == ([DAY_BEFORE], ["offset-past"])


def test_what_waited_leaves_in_the_order_in_which_it_fell_due(clinic: Clinic) -> None:
    """And what is stopped by another brake still, stays."""
    for number, handle in enumerate(["Dan", "Eve", "Ann"]):
        clinic.enrols(handle)
        clinic.books(handle, on=f"2026-03-20 1{number}:00")
    clinic.enrols("Ben")
    clinic.books("Ben", on=FIRST, place="NORTH")
    stop(clinic)
    snow = Stop(scope=Scope.FACILITY, value="north", day=day_of(clinic, FIRST))
    stop(clinic, snow)
    clinic.until("2026-03-13 18:00")
    assert resume(clinic) == (3, 0)
    names = {clinic.person(one).email.casefold(): one for one in clinic.people}
    assert [names[mail.envelope.to.value.casefold()] for mail in clinic.mails()] == ["Dan", "Eve", "Ann"]
    assert clinic.waiting("Ben") == ["stopped"]
    assert resume(clinic, snow) == (1, 0)
    assert clinic.arrivals("Ben") == ["2026-03-13 18:00"]


def test_a_resume_that_died_half_way_is_finished_by_saying_it_again(booked: Clinic) -> None:
    """Or by the dispatcher, within the hour."""
    stop(booked)
    booked.until("2026-03-13 10:00")
    brakes.lift(booked.gateway.store, lambda _one: True, why="fixed", account="os:operator")
    assert booked.waiting("Ann") == ["stopped"]
    booked.passes("61m")
    assert len(booked.arrivals("Ann")) == 1


def test_a_stop_said_twice_is_one_brake(booked: Clinic) -> None:
    """Two people press the button: one letting go is enough, both are in the audit."""
    stop(booked)
    stop(booked)
    assert booked.count("brake") == 1
    resume(booked)
    booked.passes("18d")
    assert len(booked.arrivals("Ann")) == 2


def test_only_the_end_of_a_restore_lifts_what_a_restore_stopped(booked: Clinic) -> None:
    """Not the everyday word."""
    brakes.stop(booked.gateway.store, EVERYTHING, why=brakes.RESTORED, account="os:operator")
    with pytest.raises(CommandError, match="restore --release"):
        resume(booked)


def test_the_shadow_run_tells_what_is_stopped(open_clinic: OpenClinic) -> None:
    """`feeds would-send` asks the same gates."""
    clinic = open_clinic(ehr={"start": "held"})
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    stop(clinic)
    assert {(one.outcome, one.reason) for one in inspect.would_send(clinic.gateway, "ehr")} == {("wait", "stopped")}
