"""What repeats beyond all reason is refused as a whole: it would cost the reader, and the database behind it, far more than its bytes."""

from __future__ import annotations

from typing import Final

from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Place

MOST_GROUPS: Final = 500
"""PATIENT groups, orders or consents of one message; each becomes an event or a ledger entry of its own."""
MOST_REPETITIONS: Final = 200
"""Repetitions of one field about a person; each becomes a row."""
MOST_COPIES: Final = 1_000_000
"""Segments that groups share, counted once for each group: what it takes to read every group with what it shares."""
CACHED: Final = 512
"""Characters of what a cache remembers. Longer text is worked out anew, so that no sender can fill the memory with it."""


def too_many(segment: str, field: int | None = None) -> Unreadable:
    """The refusal of a message in which this repeats too often: AE 198 (table 0357), so that a person looks at it."""
    fault = Fault(code=198, rule="this repeats more often than is accepted here", place=Place(segment, 1, field))
    return Unreadable(fault, AckCode.AE)


def check_groups(segment: str, groups: int, shared: int) -> None:
    """Raises Unreadable when there are too many groups, or too many for what they share; `shared` in segments."""
    if groups > MOST_GROUPS or groups * shared > MOST_COPIES:
        raise too_many(segment)
