"""Every message that a source's resources led to is noted once, and again when it is tried again, whatever sent it.

A cursor over the attempts: what lies below the watermark is looked at once and for all, so that no way out can forget it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import bindparam, select

from gateway.model.audit import Action
from gateway.model.errors import KeyringError
from gateway.model.facts import REFERENCE
from gateway.model.policy import Policy
from gateway.model.request import RequestKind
from gateway.pipeline import cursors
from gateway.pipeline.directory import Directory
from gateway.pipeline.packing import unpack
from gateway.pipeline.site import SourceEntry
from gateway.store import seal, tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import UnitOfWork

OPEN = "open"
_CURSOR = "written-back"  # up to which attempt everything is noted
_BATCH = 200
_COLUMNS = ("id", "source", "about", "state", "next_at", "created")
_c, _r = tables.communication.c, tables.request.c
NEW = Statement(
    "communication.to-write-back",
    select(_c.id, _c.request, _c.channel, _r.occurrence)
    .select_from(tables.communication.join(tables.request, _r.id == _c.request))
    .where(
        _c.id > bindparam("after"),
        _c.id < bindparam("below"),
        _r.kind == RequestKind.RULE.value,
        _r.occurrence.is_not(None),
        _c.label.is_(None),  # 42 CFR 2.32: what is protected is disclosed to nobody else, and that includes the record
    )
    .order_by(_c.id)
    .limit(bindparam("n")),
    params=("after", "below", "n"),
)
_Found = tuple[int, int, str, int]


def note(store: Store, source: SourceEntry, policy: Callable[[], Policy], stopping: Callable[[], bool]) -> None:
    """Note what left since the last time. The first time nothing is: what was before is not told. Raises StoreError."""
    below = seal.watermark(store)
    while not stopping():
        with store.begin("write-back") as uow:
            key = (source.id, _CURSOR)
            after = cursors.locked(uow, [key])[key]
            found: list[_Found] = uow.all(NEW, (int(after), below, _BATCH)) if after else []
            reached = found[-1][0] if len(found) == _BATCH else below - 1
            ours = _of_source(uow, source, policy, found)
            if ours or not after or len(found) == _BATCH:  # else the cursor may lag: looking again does no harm
                _write(uow, source, ours)
                cursors.move(uow, {key: str(reached)})
                uow.audit([(Action.WRITEBACK_WANTED, source.name, len(ours))])
                uow.commit()
        if len(found) < _BATCH:
            break


def reference_in(directory: Directory, row: tuple[int, int, bytes], source: SourceEntry) -> str | None:
    """The resource of this server that told an occurrence (id, patient, sealed facts), "Appointment/12"; None: none did."""
    identity, patient, sealed = row
    try:
        told = unpack(directory.open_facts(directory.patients[patient], sealed, identity)).get(REFERENCE)
    except KeyringError:  # erased, and so is what it was
        return None
    home = f"{source.base}/"
    return told.removeprefix(home) if isinstance(told, str) and told.startswith(home) else None


def _of_source(
    uow: UnitOfWork, source: SourceEntry, policy: Callable[[], Policy], found: Sequence[_Found]
) -> list[_Found]:
    """Those whose occurrence this source told: it owns it, or told it too."""
    columns = ("id", "patient", "sealed_facts", "source")
    rows = uow.lookup(tables.occurrence, columns, "id", sorted({one[3] for one in found}))
    theirs = {identity for identity, *_, owner in rows if owner == source.id}
    others = [row[:3] for row in rows if row[0] not in theirs]
    if others:
        directory = Directory(uow, uow.store.keyring, policy())
        directory.load_tokens({row[1] for row in others}, lock=False)
        theirs |= {row[0] for row in others if reference_in(directory, row, source) is not None}
    return [one for one in found if one[3] in theirs]


def _write(uow: UnitOfWork, source: SourceEntry, found: Sequence[_Found]) -> None:
    """One row a request and channel: what is tried again is the same message, and its first attempt names it."""
    tried = uow.lookup(tables.communication, ("request", "channel", "id"), "request", sorted({one[1] for one in found}))
    first: dict[tuple[int, str], int] = {}
    for request, channel, identity in sorted(tried):
        first.setdefault((request, channel), identity)
    abouts = sorted({first[one[1], one[2]] for one in found})
    rows = [(uow.new_id(), source.id, about, OPEN, uow.now, uow.now) for about in abouts]
    uow.insert_missing(tables.writeback, _COLUMNS, rows)
    again = [(OPEN, uow.now, None, source.id, about) for about in abouts]
    uow.update(tables.writeback, ("source", "about"), ("state", "next_at", "settled"), again)
