"""What is stored of a message goes in time, and with it nothing that somebody still needs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from clinic_dsl import Clinic

from gateway.app.assembly import rounds_of
from gateway.model.when import DAY, HOUR
from gateway.pipeline import inspect, retention
from gateway.pipeline.retention import purge_messages
from gateway.store import tables

FIRST = "2026-03-20 09:30"


def _forgets(clinic: Clinic, **more: Callable[[], bool]) -> int:
    return purge_messages(clinic.gateway.store, 30 * DAY, **more)


def _bad(clinic: Clinic, control: str) -> bytes:
    message = clinic.schedules("S12", "Ann", start=FIRST, appointment="A1", control=control).decode()
    return message.replace("SCH|A1^PLACER|A1^SCHED", "SCH||").encode()


@pytest.fixture
def booked(clinic: Clinic) -> Clinic:
    """Ann said yes to mail and has an appointment."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    return clinic


def test_a_message_is_forgotten_when_neither_replay_nor_repetition_needs_it(booked: Clinic) -> None:
    """D-01, law 5: its row goes after 30 days, the audit of it stays; doing so is audited (law 2)."""
    stored = booked.count("raw")
    assert stored > 1
    booked.passes("29d")
    assert _forgets(booked) == 0
    booked.passes("2d")
    audited = booked.count("audit")
    assert _forgets(booked) == stored
    assert _forgets(booked) == 0
    assert booked.count("raw") == 0
    assert booked.count("audit") == audited + 1


def test_a_repetition_is_recognised_for_thirty_days_however_short_the_replay_window(booked: Clinic) -> None:
    """D-01: bytes may go sooner than what recognises the message."""
    message = booked.schedules("S13", "Ann", start=FIRST, appointment="A1", control="C77")
    booked.hears(message)
    booked.passes("20d")
    assert purge_messages(booked.gateway.store, 7 * DAY) == 0
    assert booked.hears(message).result == "duplicate"


def test_the_story_of_a_forgotten_message_and_of_its_reminder_is_still_told(booked: Clinic) -> None:
    """Law 2: six years of evidence do not hang on what is kept for thirty days."""
    message = booked.books("Ann", on="2026-06-20 09:30", appointment="A9").message
    assert message is not None
    (request, *_) = [one.id for one in booked.requests("Ann") if one.state == "active"][-1:]
    booked.passes("40d")
    assert _forgets(booked) > 0
    assert inspect.trace_message(booked.gateway, message)
    assert inspect.trace_request(booked.gateway, request)


def test_a_reminder_planned_by_a_forgotten_message_is_sent(booked: Clinic) -> None:
    """X-06: an appointment told in March, reminded of in June."""
    booked.books("Ann", on="2026-06-20 09:30", appointment="A9")
    booked.passes("40d")
    _forgets(booked)
    before = len(booked.arrivals("Ann"))
    booked.until("2026-06-20 00:00")
    assert len(booked.arrivals("Ann")) == before + 2


def test_what_nobody_decided_yet_is_not_forgotten(booked: Clinic) -> None:
    """A-08: a quarantined message waits for a person, without its bytes if need be; once decided it goes too."""
    first, second = (booked.hears(_bad(booked, control)).message for control in ("B1", "B2"))
    assert first is not None
    inspect.quarantine_discard(booked.gateway, first, reason="not ours", account="test")
    booked.passes("40d")
    _forgets(booked)
    assert [line.message for line in inspect.quarantine_list(booked.gateway)] == [second]
    assert (booked.count("raw"), booked.count("quarantine")) == (1, 1)
    assert second is not None
    inspect.quarantine_discard(booked.gateway, second, reason="not ours", account="test")
    assert _forgets(booked) == 1
    assert (booked.count("raw"), booked.count("quarantine")) == (0, 0)


def test_a_part_whose_message_is_not_whole_yet_is_not_forgotten(booked: Clinic) -> None:
    """B-07: as long as it waits; the lists of joined messages go with their parts."""
    message = booked.schedules("S12", "Ann", start=FIRST, appointment="A5", control="P1").decode()
    booked.hears((message + "DSC|PTR1|F\r").encode())
    assert booked.count("fragment") == 1
    booked.passes("40d")
    _forgets(booked)
    assert (booked.count("fragment"), booked.count("raw")) == (1, 1)
    store = booked.gateway.store
    with store.begin("test") as uow:
        uow.update(tables.fragment, ("raw",), ("ended",), [(1, row[0]) for row in _fragments(booked)])
        uow.audit([("content.read", "test")])
        uow.commit()
    assert _forgets(booked) == 1
    assert (booked.count("fragment"), booked.count("raw")) == (0, 0)


def _fragments(clinic: Clinic) -> list[tuple[int]]:
    from sqlalchemy import select

    from gateway.store.statement import Statement

    with clinic.gateway.store.read() as unit:
        return unit.all(Statement("fragments", select(tables.fragment.c.raw)))


def test_forgetting_goes_in_small_steps_and_can_be_stopped_between_them(
    booked: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits long behind it; what is left is forgotten by the next round."""
    monkeypatch.setattr(retention, "_FEW", 2)
    for number in range(5):
        booked.books("Ann", on=FIRST, appointment=f"N{number}")
    booked.passes("40d")
    stored, asked = booked.count("raw"), iter((False, True))
    assert _forgets(booked, stopping=lambda: next(asked)) == 2
    assert booked.count("raw") == stored - 2
    assert _forgets(booked) == stored - 2


def test_a_round_forgets_messages_bytes_and_in_the_end_their_keys(booked: Clinic) -> None:
    """Law 5: nothing of a day of a feed is left but the audit of it; the keys of patients stay."""
    rounds = rounds_of(booked.gateway)
    for _ in range(4):
        booked.passes("16d")
        rounds.once()
    keys = {kind for (kind,) in _kinds(booked)}
    assert booked.count("raw") == 0
    assert keys == {"patient", "check"}


def _kinds(clinic: Clinic) -> list[tuple[str]]:
    from sqlalchemy import select

    from gateway.store.statement import Statement

    with clinic.gateway.store.read() as unit:
        return unit.all(Statement("kinds", select(tables.data_key.c.kind).distinct()))


def test_the_replay_window_may_be_longer_than_a_repetition_is_looked_for(booked: Clinic) -> None:
    """The bytes of a message need its row."""
    booked.passes("60d")
    assert purge_messages(booked.gateway.store, 90 * DAY) == 0
    booked.passes(f"{31 * DAY // HOUR}h")
    assert purge_messages(booked.gateway.store, 90 * DAY) > 0
