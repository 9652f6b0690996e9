"""When each unit of work held which addresses, and what it wrote in the audit log: the order of things as they happened."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from gateway.store import tables
from gateway.store.uow import UnitOfWork

CLEARED, RECORDED = "communication.cleared", "consent.recorded"


@dataclass
class Span:
    """From just after the lock was had to just before the commit: the true span is a little longer at both ends.

    Whoever reads of an address whether it opted out, and takes no lock, is watched all the same.

    `begin` and `end` in seconds of the machine's monotonic clock, which all processes share.
    """

    actor: str
    addresses: list[int]
    begin: float
    end: float = 0.0
    entries: list[tuple[int, str]] = field(default_factory=list)

    @property
    def actions(self) -> set[str]:
        """What it did."""
        return {action for _, action in self.entries}


class Spans:
    """Watches every unit of work of this process."""

    def __init__(self) -> None:
        self.seen: list[Span] = []
        self._here = threading.local()

    def watch(self, patch: Any = setattr) -> None:
        """Begin; `patch` sets an attribute of a class (monkeypatch.setattr, where it must end again)."""
        lookup, lock_rows, here = UnitOfWork.lookup, UnitOfWork.lock, self._here
        audit, commit = UnitOfWork.audit, UnitOfWork.commit

        def locking(unit: UnitOfWork, table: Any, key: str, values: Any) -> None:
            lock_rows(unit, table, key, values)
            if table is tables.address and getattr(here, "unit", None) is not unit:
                here.span = Span(unit.actor, [int(one) for one in values], time.monotonic())
                here.unit = unit

        def looking(unit: UnitOfWork, table: Any, columns: Any, key: str, values: Any, *, lock: bool = False) -> Any:
            found = lookup(unit, table, columns, key, values, lock=lock)
            if table is tables.address and (lock or "opted_out_at" in columns):
                here.span = Span(unit.actor, [int(one) for one in values], time.monotonic())
                here.unit = unit
            return found

        def auditing(unit: UnitOfWork, entries: Any, **told: Any) -> int:
            row = audit(unit, entries, **told)
            if getattr(here, "unit", None) is unit:
                here.span.entries += [(row, str(entry[0])) for entry in entries]
            return row

        def committing(unit: UnitOfWork) -> None:
            if getattr(here, "unit", None) is unit:
                here.span.end, here.unit = time.monotonic(), None
                commit(unit)
                self.seen.append(here.span)
                return
            commit(unit)

        patch(UnitOfWork, "lock", locking)
        patch(UnitOfWork, "lookup", looking)
        patch(UnitOfWork, "audit", auditing)
        patch(UnitOfWork, "commit", committing)

    def taken(self) -> list[Span]:
        """What was seen since the last look."""
        seen, self.seen = self.seen, []
        return seen


def plain(spans: Iterable[Span]) -> list[dict[str, Any]]:
    """For the way between two processes."""
    return [asdict(one) for one in spans]


def span_of(told: dict[str, Any]) -> Span:
    """Back again."""
    return Span(**{**told, "entries": [(row, action) for row, action in told["entries"]]})


def assert_strictly_ordered(spans: Iterable[Span], address: int, *, sends: int) -> Span:
    """That many sends were decided. Nobody held the address while somebody else did; what was cleared came before the opt-out. Returns the opt-out."""
    ordered = sorted((one for one in spans if address in one.addresses), key=lambda one: one.begin)
    assert sum(one.actor == "deliver" for one in ordered) == sends
    for before, after in pairwise(ordered):
        assert before.end <= after.begin, f"{before} and {after} decided about the same address at once"
    (said,) = [one for one in ordered if RECORDED in one.actions]
    late = [one for one in ordered if CLEARED in one.actions and one.begin >= said.end]
    assert not late, f"cleared after the opt-out was committed: {late}"
    early = [one for one in ordered if one.end <= said.begin and CLEARED not in one.actions]
    assert not early, f"refused before there was an opt-out: {early}"
    return said
