"""When something takes the place of another occurrence, what waited for the older one never leaves (AD-19, DO-01)."""

from __future__ import annotations

from typing import Any

from gateway.model.audit import Action
from gateway.model.event import EventKind, PatientEvent
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.pipeline.batch import Batch
from gateway.pipeline.occurrences import version_of
from gateway.pipeline.preparing import PreparedEvent
from gateway.pipeline.rows import OccurrenceRow

Entry = tuple[Any, ...]

_NUMBERS = frozenset({EventKind.ENCOUNTER_MERGED, EventKind.ENCOUNTER_RENUMBERED})


def replace(batch: Batch, prepared: PreparedEvent, source: int, raw: int) -> list[Entry]:
    """Set aside what the event replaces, before the event itself is applied; returns audit entries.

    A visit that only got another number goes on under it. Where both numbers are known, or an older document
    has a newer version, the older one ends. Another source's occurrence is only held, as ever.
    """
    old = batch.occurrence(prepared.replaced)
    if old is None or old.key in prepared.keys:
        return []
    event, new = prepared.event, batch.occurrence(prepared.keys)
    if version_of(event) < old.version:
        return [(Action.EVENT_STALE, event.kind.value, old.id)]
    if old.source != source:
        return settle(old, RequestStatus.ON_HOLD, Reason.SUPERSEDED)
    if new is None and event.kind in _NUMBERS:
        batch.rekey(old, prepared.keys[0])
        return [(Action.OCCURRENCE_REPLACED, old.id, "the same one under another number")]
    return end(old, event, raw, "entered-in-error" if event.kind in _NUMBERS else "superseded")


def end(old: OccurrenceRow, event: PatientEvent, raw: int, status: str) -> list[Entry]:
    """What the event is about has taken the place of another, of which nothing waits any more; returns audit entries."""
    old.status, old.reached_by, old.version = status, event.kind.value, version_of(event)
    old.raw, old.dirty = raw, True
    return [
        (Action.OCCURRENCE_REPLACED, old.id, "the one of this message"),
        *settle(old, RequestStatus.REVOKED, Reason.SUPERSEDED),
    ]


def settle(row: OccurrenceRow, state: RequestStatus, reason: Reason) -> list[Entry]:
    """Nothing that waits goes out by itself any more; returns audit entries."""
    entries: list[Entry] = []
    action = Action.REQUEST_HELD if state is RequestStatus.ON_HOLD else Action.REQUEST_WITHDRAWN
    for request in row.requests:
        if request.waiting:
            request.settle(state, reason)
            entries.append((action, request.id, reason))
    return entries
