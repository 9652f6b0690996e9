"""Undoes a merge from its sealed snapshot: pointers and requests go back, and both people wait until somebody looks (AD-31)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.model.audit import Action
from gateway.model.errors import CommandError, KeyringError
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.model.when import Millis
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
_OUTDONE = [(RequestStatus.REVOKED, Reason.SUPERSEDED), (RequestStatus.REVOKED, Reason.CANCELLED_BY_EVENT)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Returning:
    """A waiting request that goes back to the person who was merged away. `due` Millis."""

    request: int
    rule: str
    step: str
    due: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmerged:
    """A merge that was (or, in a dry run, would be) undone. `freed`: requests that no longer count as told twice."""

    merge: int
    loser: int
    survivor: int
    returned: tuple[Returning, ...]
    freed: tuple[int, ...]


def unmerge(gateway: Inspectable, merge: int, *, reason: str, account: str, dry_run: bool = False) -> Unmerged:
    """Take a merge back: pointers and waiting requests return to the person who was merged away.

    `merge` is the id that `trace` shows, or the token of the person who was merged away, or the id of the message that
    merged. What was told under either number since cannot be divided, so both are held with the reason "reversed" until
    a person releases them. A dry run does all but commit. Raises CommandError when there is nothing to undo, when a
    later merge must be undone first, or when one of the two was erased.
    """
    with gateway.store.begin(account) as uow:
        merge = _meant(uow, merge)
        loser_token, survivor_token, sealed, undone = uow.lookup(tables.merge, _MERGE, "id", [merge], lock=True)[0]
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
        returned, freed = _returned(uow, loser_token, survivor_token, snapshot)
        entries += [(Action.REQUEST_MOVED, one.request, loser_token) for one in returned]
        directory.flush()
        uow.update(tables.merge, ("id",), ("undone",), [(uow.now, merge)])
        uow.audit(entries, patients=[loser_token, survivor_token])
        if not dry_run:
            uow.commit()
    return Unmerged(merge=merge, loser=loser_token, survivor=survivor_token, returned=returned, freed=freed)


def _meant(uow: UnitOfWork, number: int) -> int:
    """The merge that an id of its own, of the person merged away, or of the message means; not undone where it can be told."""
    for column in ("id", "loser", "raw"):
        found = uow.lookup(tables.merge, ("id", "undone"), column, [number])
        open_ = [identity for identity, undone in found if undone is None] or [identity for identity, _ in found]
        if len(open_) == 1:
            return int(open_[0])
        if open_:
            raise CommandError(f"{number} stands for several merges: say which: {', '.join(map(str, sorted(open_)))}")
    raise CommandError(f"there is no merge {number}; `caregate trace --patient -` shows a person's merges")


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


def _returned(
    uow: UnitOfWork, loser: int, survivor: int, snapshot: Snapshot
) -> tuple[tuple[Returning, ...], tuple[int, ...]]:
    """The loser's requests that still wait are theirs again; duplicates of the other's are none any more.

    What the merge withdrew because of the other's occurrences waits again, unless something was planned in its place.
    """
    columns = ("id", "state", "reason", "patient", "due", "occurrence", "rule", "step")
    wanted = sorted({*snapshot.requests, *snapshot.duplicates, *snapshot.outdone})
    rows = uow.lookup(tables.request, columns, "id", wanted, lock=True) if wanted else []
    rows = [row for row in rows if row[3] == survivor]
    again = _again(uow, [row for row in rows if row[0] in snapshot.outdone and row[1:3] in _OUTDONE])
    waiting = [row for row in rows if row[1] in _WAITING or row[0] in again]
    back = [row for row in waiting if row[0] in snapshot.requests]
    if back:
        uow.update(tables.request, ("id",), ("patient", "recipient"), [(loser, loser, row[0]) for row in back])
    freed = [
        (RequestStatus.ACTIVE, None, max(due, uow.now), identity)
        for identity, state, why, _, due, *_ in waiting
        if identity in again or (state == RequestStatus.ON_HOLD and why == Reason.POSSIBLE_DUPLICATE)
    ]
    if freed:
        uow.update(tables.request, ("id",), ("state", "reason", "ring_at"), freed)
    returned = tuple(Returning(request=row[0], due=row[4], rule=row[6], step=row[7]) for row in sorted(back))
    return returned, tuple(identity for *_, identity in freed)


def _again(uow: UnitOfWork, outdone: Sequence[tuple[Any, ...]]) -> frozenset[int]:
    """Those of which no other request of the same step waits meanwhile: there are never two (PH-10)."""
    if not outdone:
        return frozenset()
    columns = ("occurrence", "rule", "step", "state")
    known = uow.lookup(tables.request, columns, "occurrence", sorted({row[5] for row in outdone}))
    taken = {(occurrence, rule, step) for occurrence, rule, step, state in known if state in _WAITING}
    return frozenset(row[0] for row in outdone if tuple(row[5:8]) not in taken)
