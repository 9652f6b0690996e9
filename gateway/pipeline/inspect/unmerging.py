"""Undoes a merge from its sealed snapshot: pointers and requests go back, and both people wait until somebody looks (AD-31)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.model.audit import Action
from gateway.model.errors import CommandError, KeyringError
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.pipeline.directory import Directory
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.merges import Snapshot
from gateway.pipeline.rows import PatientRow, join_reasons, split_reasons
from gateway.store import tables
from gateway.store.uow import UnitOfWork

Entry = tuple[Any, ...]

_decode = msgspec.json.Decoder(Snapshot).decode
_MERGE = ("loser", "survivor", "snapshot_sealed", "undone")
_WAITING = (RequestStatus.ACTIVE, RequestStatus.ON_HOLD)


def unmerge(gateway: Inspectable, merge: int, *, reason: str, account: str) -> int:
    """Take a merge back; returns how many waiting requests returned to the person who was merged away.

    `merge` is the id that `trace` shows. What was told under either number since cannot be divided, so both are
    held with the reason "reversed" until a person releases them. Raises CommandError when there is nothing to
    undo, when a later merge must be undone first, or when one of the two was erased.
    """
    with gateway.store.begin(account) as uow:
        found = uow.lookup(tables.merge, _MERGE, "id", [merge], lock=True)
        if not found:
            raise CommandError(f"there is no merge {merge}; `caregate trace --patient -` shows a person's merges")
        loser_token, survivor_token, sealed, undone = found[0]
        if undone is not None:
            raise CommandError(f"merge {merge} is undone already")
        directory = Directory(uow, gateway.store.keyring, gateway.rules.current().ruleset.policy)
        directory.load_tokens([loser_token, survivor_token])
        loser, survivor = directory.patients[loser_token], directory.patients[survivor_token]
        if loser.survivor != survivor_token or survivor.survivor is not None:
            raise CommandError(f"merge {merge} has a later one on top of it: undo that first")
        snapshot = _opened(directory, survivor, sealed, merge)
        entries: list[Entry] = [(Action.PATIENT_UNMERGED, loser_token, survivor_token, merge, reason)]
        entries += _parted(directory, loser, survivor, snapshot)
        moved = _returned(uow, loser_token, survivor_token, snapshot)
        entries += [(Action.REQUEST_MOVED, request, loser_token) for request in moved]
        directory.flush()
        uow.update(tables.merge, ("id",), ("undone",), [(uow.now, merge)])
        uow.audit(entries, patients=[loser_token, survivor_token])
        uow.commit()
    return len(moved)


def _opened(directory: Directory, survivor: PatientRow, sealed: bytes, merge: int) -> Snapshot:
    try:
        return _decode(directory.unseal_for(survivor, sealed, b"merge.snapshot_sealed:%d" % merge))
    except KeyringError:  # Erased is one
        raise CommandError(f"the snapshot of merge {merge} cannot be opened: the survivor was erased") from None


def _parted(directory: Directory, loser: PatientRow, survivor: PatientRow, snapshot: Snapshot) -> list[Entry]:
    """Each their own person again; what the survivor inherited goes back, and both wait for somebody to look."""
    directory.load_tokens(snapshot.earlier)
    for token in snapshot.earlier:
        row = directory.patients[token]
        if row.survivor == survivor.token:
            row.survivor, row.dirty = loser.token, True
    loser.survivor = None
    inherited = loser.holds - split_reasons(snapshot.hold)
    survivor.hold = join_reasons(survivor.holds - inherited)
    if loser.deceased and not snapshot.deceased:
        survivor.deceased = 0
    for row in (loser, survivor):
        row.digest = row.flags_digest = b""  # what their feeds say of each is heard again, even if it repeats itself
        directory.hold(row, Reason.REPLANNED_AFTER_REVERSAL)
    return [(Action.PATIENT_HELD, row.token, Reason.REPLANNED_AFTER_REVERSAL) for row in (loser, survivor)]


def _returned(uow: UnitOfWork, loser: int, survivor: int, snapshot: Snapshot) -> Sequence[int]:
    """The loser's requests that still wait are theirs again; duplicates of the other's are none any more."""
    columns = ("id", "state", "reason", "patient", "due")
    wanted = sorted({*snapshot.requests, *snapshot.duplicates})
    rows = uow.lookup(tables.request, columns, "id", wanted, lock=True) if wanted else []
    waiting = [row for row in rows if row[1] in _WAITING and row[3] == survivor]
    back = [(loser, loser, identity) for identity, *_ in waiting if identity in snapshot.requests]
    if back:
        uow.update(tables.request, ("id",), ("patient", "recipient"), back)
    freed = [
        (RequestStatus.ACTIVE, None, max(due, uow.now), identity)
        for identity, state, why, _, due in waiting
        if state == RequestStatus.ON_HOLD and why == Reason.POSSIBLE_DUPLICATE
    ]
    if freed:
        uow.update(tables.request, ("id",), ("state", "reason", "ring_at"), freed)
    return [identity for _, _, identity in back]
