"""With an appointment that is cancelled or deleted go those that are parts of it; what waited for them never leaves (SI-22)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.model.audit import Action
from gateway.model.event import EventKind
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.pipeline.batch import Batch
from gateway.pipeline.planning import ended
from gateway.pipeline.preparing import PreparedEvent
from gateway.pipeline.rows import OccurrenceRow

Entry = tuple[Any, ...]

_GONE = frozenset({"cancelled", "entered-in-error"})
# What may still be cancelled; one that has begun or is over stays as it is (C10 §10.3.5, §10.3.6).
_AHEAD = frozenset({"proposed", "pending", "booked", "waitlist", "unknown"})


@dataclass(slots=True)
class Followed:
    """What became of the parts: audit entries, and the parts."""

    entries: list[Entry] = field(default_factory=list)
    parts: list[OccurrenceRow] = field(default_factory=list)


def follow(batch: Batch, row: OccurrenceRow, prepared: PreparedEvent, kind: EventKind, raw: int) -> Followed:
    """Let the parts of `row` go the way it went, `kind`; nobody is told of each: one message was said, about the whole.

    A part that was changed later stays (N-06), and so does one whose time has come. Another source's is only held.
    """
    followed = Followed()
    if row.status not in _GONE:
        return followed
    for child in [one for one in batch.occurrences.values() if one.parent in prepared.named and one is not row]:
        if child.status in _AHEAD and (child.start_utc is None or child.start_utc > row.occurred):
            followed.entries += _go(child, row, kind.value, raw)
            followed.parts.append(child)
    return followed


def adopt(row: OccurrenceRow, prepared: PreparedEvent) -> None:
    """Note what `row` is a part of."""
    if row.parent not in prepared.parent:
        row.parent, row.adopted = prepared.parent[0], not row.new


def orphaned(batch: Batch, row: OccurrenceRow, prepared: PreparedEvent, raw: int) -> list[Entry] | None:
    """Entries when what `row` is a part of is gone since before `row` was told: a late original (SI-31); else None."""
    above = batch.occurrence(prepared.above)
    if above is None or above is row or above.source != row.source or above.status not in _GONE:
        return None
    return _go(row, above, above.reached_by, raw) if row.status in _AHEAD and row.version <= above.version else None


def _go(child: OccurrenceRow, parent: OccurrenceRow, kind: str, raw: int) -> list[Entry]:
    if child.source != parent.source:
        return _held(child, kind)
    if child.version > parent.version:
        return [(Action.EVENT_STALE, kind, child.id)]
    child.status, child.reached_by = parent.status, kind
    child.occurred, child.version = parent.occurred, parent.version
    child.raw, child.dirty = raw, True
    return [(Action.EVENT_APPLIED, kind, child.id, child.status), *ended(child, Reason.CANCELLED).entries]


def _held(child: OccurrenceRow, kind: str) -> list[Entry]:
    entries: list[Entry] = [(Action.EVENT_STALE, kind, child.id, "not-the-owning-source")]
    for request in child.requests:
        if request.waiting:
            request.settle(RequestStatus.ON_HOLD, Reason.CANCELLED)
            entries.append((Action.REQUEST_HELD, request.id, Reason.CANCELLED))
    return entries
