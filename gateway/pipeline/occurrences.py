"""Sets an event against the stored occurrence: new, changed, unchanged or stale; pure, so every order can be tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from operator import attrgetter

from gateway.model.event import EventKind, PatientEvent
from gateway.model.facts import FactValue
from gateway.model.frozen import value
from gateway.model.verdict import Reason
from gateway.model.when import Millis, When


class Standing(StrEnum):
    """How an event stands to what is stored."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    STALE = "stale"


@value
class State:
    """An occurrence as stored: status and what led to it, times, holds, facts."""

    status: str
    reached_by: str
    occurred: Millis
    version: Millis
    start: When | None
    end: Millis | None
    facility: str | None
    holds: frozenset[Reason]
    facts: Mapping[str, FactValue]


@value
class Change:
    """What an event makes of an occurrence. `kind` is what it turned out to be (an S13 nobody knew is a booking)."""

    standing: Standing
    kind: EventKind
    state: State


_NEW, _OTHER, _SAME = Standing.NEW, Standing.CHANGED, Standing.UNCHANGED
_ENDS = frozenset(
    {
        EventKind.APPOINTMENT_CANCELLED,
        EventKind.APPOINTMENT_DELETED,
        EventKind.ENCOUNTER_ADMISSION_CANCELLED,
        EventKind.ENCOUNTER_PREADMISSION_CANCELLED,
        EventKind.ENCOUNTER_DELETED,
        EventKind.RESULT_RETRACTED,
        EventKind.PRESCRIPTION_CANCELLED,
        EventKind.PRESCRIPTION_DISCONTINUED,
        EventKind.PRESCRIPTION_DISPENSE_CANCELLED,
        EventKind.DOCUMENT_WITHDRAWN,
        EventKind.IMMUNIZATION_RETRACTED,
        EventKind.IMMUNIZATION_RECOMMENDATION_WITHDRAWN,
        EventKind.PRESCRIPTION_COMPLETED,
        EventKind.OBSERVATION_RETRACTED,
        EventKind.ORDER_COMPLETED,
        EventKind.ORDER_CANCELLED,
        EventKind.CAREPLAN_COMPLETED,
        EventKind.CAREPLAN_CANCELLED,
        EventKind.CONDITION_RESOLVED,
        EventKind.CONDITION_RETRACTED,
        EventKind.COVERAGE_CANCELLED,
        EventKind.DEVICE_COMPLETED,
        EventKind.DEVICE_CANCELLED,
        EventKind.QUESTIONNAIRE_RETRACTED,
        EventKind.COMMUNICATION_WITHDRAWN,
        EventKind.AUDIENCE_LEFT,
        EventKind.OFFER_WITHDRAWN,
        EventKind.DEVICE_UPGRADE_WITHDRAWN,
        EventKind.PLAN_RENEWAL_WITHDRAWN,
    }
)
_OVER = frozenset({"cancelled", "entered-in-error", "stopped"})
# Members by module constants: an attribute of an Enum class costs ten times as much (Python 3.11).
_BOOKED, _MODIFIED = EventKind.APPOINTMENT_BOOKED, EventKind.APPOINTMENT_MODIFIED
_RESCHEDULED, _MISSED = EventKind.APPOINTMENT_RESCHEDULED, EventKind.APPOINTMENT_MISSED
_AVAILABLE, _CORRECTED = EventKind.RESULT_AVAILABLE, EventKind.RESULT_CORRECTED
_RENEWED, _CHANGED = EventKind.PRESCRIPTION_RENEWED, EventKind.PRESCRIPTION_CHANGED
_UPDATED, _REOPENED = EventKind.ENCOUNTER_UPDATED, EventKind.ENCOUNTER_DISCHARGE_CANCELLED
# What a booking or a change turns out to be when it tells a status that ends the appointment (SI-25).
_ENDED_BY = {
    "cancelled": EventKind.APPOINTMENT_CANCELLED,
    "entered-in-error": EventKind.APPOINTMENT_DELETED,
    "noshow": EventKind.APPOINTMENT_MISSED,
}
_EXPECTING = frozenset({EventKind.ENCOUNTER_PREADMITTED, EventKind.ENCOUNTER_PREADMISSION_CANCELLED})
_BEGUN = frozenset({"arrived", "in-progress", "finished"})
# Events of a visit under way: they open none that is over (AD-02, AD-06, AD-09).
_UNDER_WAY = frozenset(
    {
        EventKind.ENCOUNTER_TRANSFERRED,
        EventKind.ENCOUNTER_TRANSFER_CANCELLED,
        EventKind.ENCOUNTER_CLASS_CHANGED,
    }
)
_BOOKINGS = frozenset({_BOOKED, _RESCHEDULED})
_BOOKABLE = _BOOKINGS | {_MODIFIED}


def is_end(kind: str) -> bool:
    """Whether a kind ends an occurrence for good: cancelled, deleted, admission cancelled."""
    return kind in _ENDS


def apply(event: PatientEvent, stored: State | None) -> Change:
    """Set `event` against `stored` (None: never heard of). `event.occurrence` must be told.

    Order is the source's own time, ties by receipt (N-06). A late original does not revive a tombstone
    (AD-34, SI-31). A repeat under a new control id is UNCHANGED (D-06, X-06).
    """
    if stored is None:
        return _first(event)
    if version_of(event) < stored.version:
        return Change(standing=Standing.STALE, kind=event.kind, state=stored)
    kind = _kind(event, stored)
    state = _next(event, stored, kind)
    standing = _SAME if _same(state, stored) else _OTHER
    return Change(standing=standing, kind=kind, state=state)


def version_of(event: PatientEvent) -> Millis:
    """What orders the occurrence's events: its own time of change where it has one (OR-03), else the message's."""
    told = event.occurrence
    return event.recorded if told is None or told.version is None else told.version


def _same(one: State, two: State) -> bool:
    """Whether two states differ in nothing but the time they were told."""
    return _told(one) == _told(two)


_told = attrgetter(*(name.name for name in fields(State) if name.name != "version"))


def _first(event: PatientEvent) -> Change:
    told = event.occurrence
    assert told is not None
    kind = _ended(event)
    if kind is _RESCHEDULED or kind is _MODIFIED:
        kind = _BOOKED  # SI-30: upsert
    if kind is _RENEWED:
        kind = _CHANGED
    state = State(
        status=told.status or "unknown",
        reached_by=kind.value,
        occurred=event.occurred,
        version=version_of(event),
        start=told.start,
        end=told.end.utc if told.end else None,
        facility=told.facility,
        holds=_raised(event) if event.visit_flags else _NO_HOLDS,
        facts=dict(event.facts),
    )
    return Change(standing=_NEW, kind=kind, state=state)


_NO_HOLDS: frozenset[Reason] = frozenset()


def _raised(event: PatientEvent) -> frozenset[Reason]:
    return frozenset(reason for reason, on in event.visit_flags.items() if on)


def _kind(event: PatientEvent, stored: State) -> EventKind:
    """What the event is, given what is stored (SI-30)."""
    told = event.occurrence
    assert told is not None
    over = stored.status in _OVER
    if event.kind in _EXPECTING and stored.status in _BEGUN:
        return _UPDATED  # the visit has begun: nothing is expected any more (AD-05, AD-17)
    if event.kind is _AVAILABLE and stored.reached_by == _CORRECTED:
        return _CORRECTED  # the corrected report told again is no new result (OR-04)
    if event.kind is _RENEWED and stored.reached_by != EventKind.PRESCRIPTION_NO_REFILLS_LEFT:
        return _CHANGED
    if (ended := _ended(event)) is not event.kind:
        return ended
    if event.kind in _BOOKINGS and not over and stored.reached_by != _MISSED:
        # the same instant told to the second by one feed and to the minute by another is no other time
        moved = told.start is not None and (stored.start is None or told.start.utc != stored.start.utc)
        return _RESCHEDULED if moved else _MODIFIED
    if event.kind is _RESCHEDULED:
        return _BOOKED  # a cancelled appointment given a new time is booked again
    return event.kind


def _ended(event: PatientEvent) -> EventKind:
    """The kind, or what ends the appointment when a booking or change tells such a status (SI-10, SI-25)."""
    kind = event.kind
    if kind in _BOOKABLE and event.occurrence is not None:
        return _ENDED_BY.get(event.occurrence.status or "", kind)
    return kind


def _next(event: PatientEvent, stored: State, kind: EventKind) -> State:
    told = event.occurrence
    assert told is not None
    repeated = kind == stored.reached_by and (told.status or stored.status) == stored.status
    keeps = kind.is_update or (repeated and kind is not _RESCHEDULED)
    reopened = kind is _REOPENED
    facts = {**stored.facts, **event.facts}
    for name in event.cleared:
        facts.pop(name, None)
    if kind is _RESCHEDULED:  # what was answered was about another time
        facts.pop("appointment.answer", None)
        facts.pop("appointment.answered", None)
    if reopened:
        facts.pop("encounter.end", None)
        facts.pop("encounter.disposition", None)
    holds = stored.holds
    if event.visit_flags:
        holds = (holds | _raised(event)) - {reason for reason, on in event.visit_flags.items() if not on}
    return State(
        status=_status(event, stored, kind),
        reached_by=stored.reached_by if keeps else kind.value,
        occurred=stored.occurred if keeps else event.occurred,
        version=version_of(event),
        start=told.start or stored.start,
        end=None if reopened else told.end.utc if told.end else stored.end,
        facility=told.facility or stored.facility,
        holds=holds,
        facts=facts,
    )


def _status(event: PatientEvent, stored: State, kind: EventKind) -> str:
    """The status after the event: an update never revives what is over (AD-07, SI-31)."""
    told = event.occurrence
    assert told is not None
    if told.status is None or (kind.is_update and stored.status in _OVER):
        return stored.status
    if kind in _UNDER_WAY and stored.status == "finished":
        return stored.status
    if kind is _UPDATED and event.kind in _EXPECTING:
        return stored.status
    if kind is _CORRECTED:
        return "corrected"
    return told.status
