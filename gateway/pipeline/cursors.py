"""Where a feed stands, one row a feed and name: read under a lock that lasts until the unit commits, never moved apart from it."""

from __future__ import annotations

from collections.abc import Collection

from gateway.store import tables
from gateway.store.uow import UnitOfWork

SEQUENCE = "sequence"
"""The last sequence number taken (D-07); empty: that of the next message is adopted."""

JOIN = "join"
"""Whoever holds it joins the parts of a feed's messages (B-07); its value says nothing."""

REFUSED = "refused"
"""When a message came out of turn last, in Millis (D-11); staff are told for an hour."""

Wanted = tuple[int, str]
"""Row id of the source, name of the cursor."""

_COLUMNS = ("source", "name", "value")


def locked(uow: UnitOfWork, wanted: Collection[Wanted]) -> dict[Wanted, str]:
    """The values of these cursors, empty for new ones; nobody else reads them so before the unit ends.

    Locked in the order of the sources and before any patient, so that nobody waits in a circle.
    """
    found = _look(uow, wanted)
    missing = [one for one in sorted(wanted) if one not in found]
    if missing:
        uow.insert_missing(tables.cursor, _COLUMNS, [(*one, "") for one in missing])
        found = _look(uow, wanted)  # ours, or that of whoever was first
    return found


def _look(uow: UnitOfWork, wanted: Collection[Wanted]) -> dict[Wanted, str]:
    sources = sorted({source for source, _ in wanted})
    rows = uow.lookup(tables.cursor, _COLUMNS, "source", sources, lock=True)
    return {(source, name): value for source, name, value in rows if (source, name) in wanted}


def move(uow: UnitOfWork, moved: dict[Wanted, str]) -> None:
    """Write new values of cursors that are locked; the caller's unit audits what moved them."""
    values = [(value, *one) for one, value in sorted(moved.items())]
    uow.update(tables.cursor, ("source", "name"), ("value",), values)


def put(uow: UnitOfWork, values: dict[Wanted, str]) -> None:
    """Write values of cursors that only tell something, whether or not they are there yet; the unit audits what."""
    if values:
        uow.insert_missing(tables.cursor, _COLUMNS, [(*one, "") for one in sorted(values)])
        move(uow, values)
