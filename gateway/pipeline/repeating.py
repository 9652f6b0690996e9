"""What an earlier message under the same control id means for this one: a repetition, a mend, or one more copy (D-02, D-04, A-08)."""

from __future__ import annotations

from gateway.model.event import Result
from gateway.pipeline.batch import Batch, Seen
from gateway.pipeline.preparing import Prepared

_TAKEN = frozenset({Result.ACCEPTED, Result.IGNORED})


def repeat(batch: Batch, one: Prepared) -> Seen | None:
    """The earlier copy this message repeats: same control key, same body, and that copy was taken (D-02, D-04).

    A part that waits for its rest was taken; a resource that waits for its patient comes again to be decided.
    """
    for control in one.control:
        for seen in batch.seen.get(control, ()):
            waits = seen.result == Result.INCOMPLETE and one.reading.fragment is not None
            if seen.body in one.bodies and (seen.result in _TAKEN or waits):
                return seen
    return None


def waiting(batch: Batch, one: Prepared) -> Seen | None:
    """The copy of this resource's version that was kept until its patient is known."""
    if one.reading.fragment is not None:
        return None
    every = (seen for control in one.control for seen in batch.seen.get(control, ()))
    return next((seen for seen in every if seen.result == Result.INCOMPLETE), None)


def already_open(batch: Batch, one: Prepared) -> Seen | None:
    """The copy of this very message that was refused and not mended: a blocked sender resends it for ever (A-08)."""
    for control in one.control:
        kept = batch.open_quarantine.get(control, ())
        for seen in batch.seen.get(control, ()):
            if seen.body in one.bodies and (seen.id in kept or seen.result == Result.REJECTED):
                return seen
    return None


def mends(batch: Batch, one: Prepared, *, again: bool) -> bool:
    """Whether an earlier message of this control id lies in quarantine; or, sent `again`, was rejected (D-04)."""
    seen = [earlier for control in one.control for earlier in batch.seen.get(control, ())] if again else ()
    kept = any(batch.open_quarantine.get(control) for control in one.control)
    return kept or any(earlier.result == Result.REJECTED for earlier in seen)


def mended(batch: Batch, one: Prepared) -> list[int]:
    """Quarantined first copies of this message, now settled (D-04).

    The same bytes read well settle their entry. Other bytes under the same control id do so only when the type is
    the same (or was unreadable) and the id was not in good use otherwise: senders that restart their counters
    would settle each other's entries.
    """
    found: list[int] = []
    for control in one.control:
        seen = batch.seen.get(control, [])
        entries = batch.open_quarantine.get(control, set())
        shared = any(not earlier.refused and earlier.body not in one.bodies for earlier in seen)
        for earlier in seen:
            same = earlier.body in one.bodies
            alike = not shared and earlier.type in ("", one.reading.type)
            if earlier.id in entries and (same or alike):
                entries.discard(earlier.id)
                found.append(earlier.id)
    return found
