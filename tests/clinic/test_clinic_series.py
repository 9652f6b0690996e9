"""Appointments that are parts of another, or occurrences of a series: they end with it, and with it only (SI-22)."""

from __future__ import annotations

import pytest
from clinic_dsl import Clinic
from clinic_messages import Fields

from gateway.model.event import Outcome
from gateway.model.when import HOUR
from gateway.pipeline import inspect
from gateway.store import tables

DAYS = ("2026-03-20 09:30", "2026-03-27 09:30", "2026-04-03 09:30")
PLANNED = [
    "2026-03-13 09:30",
    "2026-03-19 09:30",
    "2026-03-20 09:30",
    "2026-03-26 09:30",
    "2026-03-27 09:30",
    "2026-04-02 09:30",
]


def books_parts(clinic: Clinic, handle: str = "Ann", **more: object) -> None:
    """Three appointments that name one as their parent."""
    for number, on in enumerate(DAYS, 1):
        clinic.books(handle, on=on, appointment=f"C{number}", sch={23: "TOP^PLACER", 24: "TOP^SCHED"}, **more)


def books_series(clinic: Clinic) -> None:
    """One appointment with three occurrences."""
    for number, on in enumerate(DAYS, 1):
        clinic.books("Ann", on=on, appointment="TOP", sch={3: str(number)})


def cancels(clinic: Clinic, *, trigger: str = "S15", handle: str = "Ann", sch: Fields | None = None,
            source: str = "ehr", **more: object) -> Outcome:  # fmt: skip
    """The appointment above all is no more."""
    status = "Deleted" if trigger == "S17" else "Cancelled"
    return clinic.books(handle, on=DAYS[0], trigger=trigger, appointment="TOP", status=status, sch=sch, source=source,
                        **more)  # fmt: skip


@pytest.fixture
def ann(clinic: Clinic) -> Clinic:
    """A clinic that may write to Ann."""
    clinic.enrols("Ann")
    return clinic


@pytest.mark.parametrize("trigger", ["S15", "S16", "S17"])
@pytest.mark.parametrize("books", [books_parts, books_series])
def test_what_is_cancelled_as_a_whole_is_cancelled_in_every_part(ann: Clinic, books, trigger: str) -> None:  # type: ignore[no-untyped-def]
    """SI-22: every reminder is withdrawn, with the reason and the message that did it; nothing leaves."""
    books(ann)
    assert ann.planned("Ann") == PLANNED
    said = cancels(ann, trigger=trigger)
    assert (ann.planned("Ann"), set(ann.ended("Ann"))) == ([], {"cancelled"})
    assert said.message is not None
    story = [one.words for one in inspect.trace_message(ann.gateway, said.message)]
    assert sum("withdrawn" in words for words in story) == 6
    assert sum(words.startswith("no rule is about") for words in story) == 1
    ann.passes("40d")
    assert ann.mails() == []


@pytest.mark.parametrize("sch", [{24: ""}, {23: ""}])
def test_either_name_of_the_parent_will_do(ann: Clinic, sch: Fields) -> None:
    """SI-22: SCH-23 the placer's, SCH-24 the filler's."""
    ann.books("Ann", on=DAYS[0], appointment="C1", sch={23: "TOP^PLACER", 24: "TOP^SCHED", **sch})
    cancels(ann)
    assert ann.planned("Ann") == []


def test_one_occurrence_of_a_series_is_cancelled_alone(ann: Clinic) -> None:
    """SI-21: SCH-3 tells which."""
    books_series(ann)
    cancels(ann, sch={3: "2"})
    assert ann.planned("Ann") == [PLANNED[0], PLANNED[1], PLANNED[4], PLANNED[5]]


def test_one_part_is_cancelled_alone(ann: Clinic) -> None:
    """SI-04: what it is a part of stays, and so do the others."""
    books_parts(ann)
    ann.books("Ann", on=DAYS[1], trigger="S15", appointment="C2", status="Cancelled", sch={24: "TOP^SCHED"})
    assert len(ann.planned("Ann")) == 4


def test_parts_and_their_parent_in_one_commit(ann: Clinic) -> None:
    """SI-22: in the order in which they came."""
    part = ann.schedules("S12", "Ann", start=DAYS[0], appointment="C1", sch={24: "TOP^SCHED"})
    gone = ann.schedules("S15", "Ann", start=DAYS[0], appointment="TOP", status="Cancelled")
    ann.hears_together(part, gone)
    assert (ann.planned("Ann"), ann.ended("Ann")) == ([], ["cancelled", "cancelled"])


def test_a_part_told_late_does_not_outlive_its_parent(ann: Clinic) -> None:
    """SI-31, N-06: a late original of before the cancellation plans nothing; a new booking of after it does."""
    before = ann.clock.now() - HOUR
    cancels(ann)
    ann.books("Ann", on=DAYS[0], appointment="C1", sch={24: "TOP^SCHED"}, at=before)
    assert ann.planned("Ann") == []
    ann.books("Ann", on=DAYS[1], appointment="C2", sch={24: "TOP^SCHED"})
    assert ann.planned("Ann") == PLANNED[2:4]


def test_an_occurrence_told_late_does_not_outlive_its_series(ann: Clinic) -> None:
    """SI-31."""
    before = ann.clock.now() - HOUR
    cancels(ann)
    ann.books("Ann", on=DAYS[0], appointment="TOP", sch={3: "1"}, at=before)
    assert ann.planned("Ann") == []


def test_a_part_changed_after_the_cancellation_stays(ann: Clinic) -> None:
    """N-06: an overtaken cancellation of the whole."""
    before = ann.clock.now() - HOUR
    books_parts(ann)
    cancels(ann, at=before)
    assert ann.planned("Ann") == PLANNED


def test_what_has_begun_or_is_over_is_left_as_it_was(ann: Clinic) -> None:
    """SI-05, C10: a discontinued series keeps what took place."""
    books_parts(ann)
    ann.books("Ann", on=DAYS[1], trigger="S14", appointment="C2", status="Complete", sch={24: "TOP^SCHED"})
    ann.until("2026-03-21 12:00")
    cancels(ann, trigger="S16")
    columns = ("start_utc", "status", "parent")
    with ann.gateway.store.read() as unit:
        rows = unit.lookup(tables.occurrence, columns, "patient", [ann.token("Ann")])
    assert [status for _, status, parent in sorted(rows) if parent is not None] == ["booked", "fulfilled", "cancelled"]
    assert ann.planned("Ann") == []


def test_everybody_of_a_group_goes_with_the_parent(ann: Clinic) -> None:
    """SI-20, SI-22: parts of other patients too."""
    ann.enrols("Ben")
    books_parts(ann)
    ann.books("Ben", on=DAYS[0], appointment="C9", sch={24: "TOP^SCHED"})
    cancels(ann)
    assert (ann.planned("Ann"), ann.planned("Ben")) == ([], [])
    assert "cancelled" in ann.reasons("Ben")


def test_another_source_only_holds_the_parts(ann: Clinic) -> None:
    """Design: one owning source; another's cancellation holds what waits for a person."""
    ann.books("Ann", on=DAYS[0], appointment="C1", sch={24: "TOP^SHARED"})
    cancels(ann, sch={1: "TOP^SHARED", 2: "TOP^SHARED"}, source="partner")
    assert (ann.planned("Ann"), ann.waiting("Ann")) == ([], ["cancelled", "cancelled"])


def test_a_parent_that_is_told_later_counts_too(ann: Clinic) -> None:
    """SI-22: an update may be the first to name it, or name another; a repeat changes nothing."""
    ann.books("Ann", on=DAYS[0], appointment="C1")
    ann.modifies("Ann", appointment="C1", sch={24: "OLD^SCHED"})
    ann.modifies("Ann", appointment="C1", sch={24: "TOP^SCHED"})
    ann.books("Ann", on=DAYS[0], trigger="S15", appointment="OLD", status="Cancelled")
    assert len(ann.planned("Ann")) == 2
    cancels(ann)
    assert ann.planned("Ann") == []


def test_a_cancelled_whole_is_told_once(ann: Clinic) -> None:
    """SI-22: rules about cancellations match what the message was about, not each of its parts."""
    books_parts(ann)
    said = cancels(ann)
    assert said.events == ("appointment.cancelled",)
    again = cancels(ann)
    assert (again.result, ann.planned("Ann")) == ("accepted", [])
