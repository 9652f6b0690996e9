"""What another feed tells otherwise about one thing moves nothing and ends nothing, but holds what waits until a person looks (law 6)."""

from __future__ import annotations

from typing import Any, Final

from gateway.model.audit import Action
from gateway.model.event import EventKind, OccurrenceKind, PatientEvent
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.model.when import When
from gateway.pipeline.doubled import same_time
from gateway.pipeline.occurrences import is_end
from gateway.pipeline.rows import OccurrenceRow

_TAKEN_BACK: Final = frozenset({EventKind.ENCOUNTER_DISCHARGE_CANCELLED, EventKind.APPOINTMENT_MISSED})
_APPOINTMENT: Final = OccurrenceKind.APPOINTMENT.value


def withdraws(kind: EventKind) -> bool:
    """Whether a kind ends what it is about, or takes back what led to messages."""
    return is_end(kind) or kind in _TAKEN_BACK


def objection(row: OccurrenceRow, event: PatientEvent) -> Reason | None:
    """What an event of a feed that does not own the occurrence has against it; None: nothing, or it was overtaken.

    CANCELLED, however old; TIME_UNCERTAIN of an appointment at another time than its own feed told before.
    """
    if withdraws(event.kind):
        return Reason.CANCELLED
    told: When | None = event.occurrence.start if event.occurrence is not None else None
    if row.kind != _APPOINTMENT or told is None or event.recorded < row.version:
        return None
    return None if same_time(row, told) else Reason.TIME_UNCERTAIN


def hold(row: OccurrenceRow, reason: Reason) -> list[tuple[Any, ...]]:
    """Hold what waits for the occurrence, and what is held as if it could be let go by itself; returns audit entries."""
    entries: list[tuple[Any, ...]] = []
    for request in row.requests:
        if request.state == RequestStatus.ACTIVE or (request.waiting and reason is Reason.CANCELLED):
            request.settle(RequestStatus.ON_HOLD, reason)
            entries.append((Action.REQUEST_HELD, request.id, reason))
    return entries


def doubtful(row: OccurrenceRow | None) -> bool:
    """Whether something of it waits for a person who says whether another feed told the same."""
    return row is not None and any(
        one.state == RequestStatus.ON_HOLD and one.reason == Reason.POSSIBLE_DUPLICATE for one in row.requests
    )
