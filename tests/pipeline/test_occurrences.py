"""An event set against what is stored: new, changed, unchanged or stale, whatever the order of arrival."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.event import EventKind, Occurrence, OccurrenceKind, PatientEvent, Person
from gateway.model.party import Demographics
from gateway.model.verdict import Reason
from gateway.model.when import DAY, HOUR, Precision, When
from gateway.pipeline.occurrences import Change, Standing, State, apply, is_end

NOON = When(1_780_000_000_000, "America/Chicago", Precision.MINUTE)
LATER = When(NOON.utc + DAY, "America/Chicago", Precision.MINUTE)

BOOKED, MOVED, MODIFIED = (
    EventKind.APPOINTMENT_BOOKED,
    EventKind.APPOINTMENT_RESCHEDULED,
    EventKind.APPOINTMENT_MODIFIED,
)
CANCELLED, DELETED, MISSED = (
    EventKind.APPOINTMENT_CANCELLED,
    EventKind.APPOINTMENT_DELETED,
    EventKind.APPOINTMENT_MISSED,
)
STATUS = {BOOKED: "booked", MOVED: "booked", CANCELLED: "cancelled", DELETED: "entered-in-error", MISSED: "noshow"}


def visit(
    kind: EventKind, at: int, *, start: When | None = NOON, status: str | None = "", **facts: str
) -> PatientEvent:
    """An appointment event told by the source at `at` (hours)."""
    return PatientEvent(
        kind=kind,
        identifiers=(),
        person=Person.of(Demographics()),
        occurred=at * HOUR,
        recorded=at * HOUR,
        production=True,
        occurrence=Occurrence(
            kind=OccurrenceKind.APPOINTMENT,
            key="1^H",
            status=STATUS.get(kind) if status == "" else status,
            start=start,
        ),
        facts={name.replace("_", ".", 1): value for name, value in facts.items()},
    )


def stay(kind: EventKind, at: int, status: str | None, *, end: When | None = None) -> PatientEvent:
    """A visit event told by the source at `at` (hours)."""
    facts = {"encounter.disposition": "home", "encounter.end": end} if end else {}
    return PatientEvent(
        kind=kind,
        identifiers=(),
        person=Person.of(Demographics()),
        occurred=at * HOUR,
        recorded=at * HOUR,
        production=True,
        occurrence=Occurrence(kind=OccurrenceKind.ENCOUNTER, key="V1^H", status=status, start=NOON, end=end),
        facts=facts,
    )


def after(*events: PatientEvent) -> tuple[State, list[Change]]:
    """The state after events in this order of arrival."""
    state: State | None = None
    changes = []
    for event in events:
        change = apply(event, state)
        state = change.state
        changes.append(change)
    assert state is not None
    return state, changes


def test_a_booking_nobody_knew_is_new():
    """SI-01: an S12 creates the appointment."""
    state, (change,) = after(visit(BOOKED, 1))
    assert change.standing is Standing.NEW
    assert (state.status, state.reached_by, state.start) == ("booked", "appointment.booked", NOON)


def test_a_reschedule_of_an_unknown_appointment_is_a_booking():
    """SI-30: S13 for an unknown appointment is treated as S12; so is an S14."""
    for kind in (MOVED, MODIFIED):
        _, (change,) = after(visit(kind, 1, status="booked"))
        assert change.kind is BOOKED


def test_a_booking_of_a_known_appointment_is_a_change_or_a_move():
    """SI-30: S12 for a known one is an S14, or an S13 when the time differs."""
    _, changes = after(visit(BOOKED, 1), visit(BOOKED, 2, start=LATER))
    assert changes[1].kind is MOVED
    _, changes = after(visit(BOOKED, 1), visit(BOOKED, 2, appointment_practitioner="Welby"))
    assert (changes[1].kind, changes[1].standing) == (MODIFIED, Standing.CHANGED)
    assert changes[1].state.reached_by == BOOKED


def test_a_repeat_under_a_new_control_id_changes_nothing():
    """D-06, X-06: the same content again is unchanged, but moves the source's clock on."""
    state, changes = after(visit(BOOKED, 1), visit(BOOKED, 2))
    assert changes[1].standing is Standing.UNCHANGED
    assert state.version == 2 * HOUR


@pytest.mark.parametrize("kind", [CANCELLED, DELETED])
def test_a_late_booking_does_not_revive_a_tombstone(kind):
    """SI-31, AD-34: the cancellation of something unknown is kept, and the late original stays dead."""
    state, changes = after(visit(kind, 2), visit(BOOKED, 1))
    assert changes[0].standing is Standing.NEW
    assert changes[1].standing is Standing.STALE
    assert state.status == STATUS[kind]


def test_a_newer_booking_revives_a_cancelled_appointment():
    """SI-31: unless it is newer."""
    state, changes = after(visit(BOOKED, 1), visit(CANCELLED, 2), visit(MOVED, 3, start=LATER))
    assert changes[2].kind is BOOKED
    assert (state.status, state.reached_by) == ("booked", "appointment.booked")


def test_an_update_never_revives_what_is_over():
    """SI-03: an S14 changes facts, not existence."""
    state, _ = after(visit(BOOKED, 1), visit(CANCELLED, 2), visit(MODIFIED, 3, status="booked"))
    assert state.status == "cancelled"
    assert state.reached_by == CANCELLED


def test_a_missed_visit_that_is_booked_again_is_booked():
    """SI-09: after a no-show a new booking of the same appointment is a booking, not a move of the old one."""
    state, changes = after(visit(BOOKED, 1), visit(MISSED, 30), visit(BOOKED, 31, start=LATER))
    assert changes[2].kind is BOOKED
    assert state.reached_by == BOOKED


def test_a_cancelled_discharge_opens_the_visit_again():
    """AD-10: A13 reopens the visit and forgets how it ended."""
    state, _ = after(
        stay(EventKind.ENCOUNTER_ADMITTED, 1, "in-progress"),
        stay(EventKind.ENCOUNTER_DISCHARGED, 2, "finished", end=LATER),
        stay(EventKind.ENCOUNTER_DISCHARGE_CANCELLED, 3, "in-progress"),
    )
    assert state.status == "in-progress"
    assert state.end is None
    assert "encounter.disposition" not in state.facts


def test_an_update_keeps_the_status_and_what_led_to_it():
    """AD-07: an A08 implies no status."""
    state, changes = after(
        stay(EventKind.ENCOUNTER_DISCHARGED, 2, "finished", end=LATER), stay(EventKind.ENCOUNTER_UPDATED, 3, None)
    )
    assert state.reached_by == EventKind.ENCOUNTER_DISCHARGED
    assert changes[1].standing is Standing.UNCHANGED


def test_a_visit_flag_is_set_kept_and_lifted():
    """PV-01, N-01: a flag that is not told stays; one told as gone goes."""
    flagged = visit(BOOKED, 1)
    flagged = PatientEvent(**{**_fields(flagged), "visit_flags": {Reason.CONFIDENTIAL_VISIT: True}})
    lifted = visit(MODIFIED, 3)
    lifted = PatientEvent(**{**_fields(lifted), "visit_flags": {Reason.CONFIDENTIAL_VISIT: False}})
    state, _ = after(flagged, visit(MODIFIED, 2, appointment_practitioner="Welby"))
    assert state.holds == {Reason.CONFIDENTIAL_VISIT}
    state, _ = after(flagged, visit(MODIFIED, 2), lifted)
    assert state.holds == frozenset()


def test_a_cleared_fact_is_removed():
    """N-01: `""` removes our value."""
    told = visit(BOOKED, 1, appointment_practitioner="Welby")
    gone = PatientEvent(**{**_fields(visit(MODIFIED, 2)), "cleared": frozenset({"appointment.practitioner"})})
    state, changes = after(told, gone)
    assert state.facts == {}
    assert changes[1].standing is Standing.CHANGED


def test_a_start_told_to_the_second_is_no_other_time_than_one_told_to_the_minute():
    """Two feeds tell the same appointment: nobody is told that it was moved."""
    fine = When(NOON.utc, NOON.zone, Precision.SECOND)
    _, changes = after(visit(BOOKED, 1), visit(BOOKED, 2, start=fine))
    assert changes[1].kind is MODIFIED


def test_only_cancellation_and_deletion_end_an_appointment():
    """A no-show or a discharge is an outcome, not an end."""
    ends = {kind for kind in EventKind if is_end(kind)}
    assert {kind for kind in ends if kind.startswith("appointment.")} == {CANCELLED, DELETED}
    words = ("cancelled", "deleted", "left", "discontinued", "retracted", "withdrawn", "completed", "resolved")
    assert all(kind.endswith(words) for kind in ends)
    assert EventKind.ENCOUNTER_DISCHARGE_CANCELLED not in ends
    assert EventKind.ENCOUNTER_TRANSFER_CANCELLED not in ends


kinds = st.sampled_from([BOOKED, MOVED, MODIFIED, CANCELLED, DELETED, MISSED])
events = st.builds(visit, kinds, st.integers(0, 6), start=st.sampled_from([NOON, LATER]))


@given(st.lists(events, min_size=1, max_size=6), events)
def test_an_older_event_never_changes_anything(history, event):
    """N-06: whatever was stored, an event older than it is stale and leaves it alone."""
    state, _ = after(*history)
    change = apply(event, state)
    if event.recorded < state.version:
        assert change.standing is Standing.STALE
        assert change.state == state


@given(st.lists(events, min_size=1, max_size=6), events)
def test_the_same_event_twice_is_once(history, event):
    """D-06: applying what was just applied changes nothing."""
    state, _ = after(*history, event)
    if event.recorded >= state.version:
        assert apply(event, state).standing is Standing.UNCHANGED


@settings(max_examples=60)
@given(st.lists(events, min_size=2, max_size=4, unique_by=lambda event: event.recorded))
def test_the_last_word_of_the_source_wins_in_every_order_of_arrival(history):
    """N-06: the newest event's start and existence hold, however the messages were shuffled on the way."""
    newest = max(history, key=lambda event: event.recorded)
    for order in permutations(history):
        state, _ = after(*order)
        assert state.version == newest.recorded
        assert state.start == newest.occurrence.start
        if newest.kind in (CANCELLED, DELETED):
            assert state.status == STATUS[newest.kind]


def _fields(event: PatientEvent) -> dict[str, object]:
    return {name: getattr(event, name) for name in PatientEvent.__slots__}
