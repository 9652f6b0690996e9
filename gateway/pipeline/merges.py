"""Merges two patients: append, never rewrite; the stricter of both wins, and a sealed snapshot can undo it (AD-18, AD-30 to AD-33)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.model.audit import Action
from gateway.model.event import Fault, OccurrenceKind, Place, Severity
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.pipeline.across import Across
from gateway.pipeline.batch import Batch
from gateway.pipeline.directory import Directory
from gateway.pipeline.preparing import PreparedEvent
from gateway.pipeline.rows import OccurrenceRow, PatientRow, RequestRow
from gateway.store import tables

Entry = tuple[Any, ...]

_json = msgspec.json.Encoder().encode
_OPEN = ("booked", "pending", "proposed", "waitlist", "arrived", "checked-in")
_COLUMNS = ("id", "loser", "survivor", "raw", "at", "snapshot_sealed", "undone")


MERGED_AWAY = Fault(
    code=199,
    rule="the identifier was merged away: it is told of the survivor",
    place=Place("PID", 1, 3),
    severity=Severity.WARNING,
)


class Snapshot(msgspec.Struct, frozen=True):
    """What undoing a merge needs.

    `earlier`: who had died into the loser before. `requests` moved, `duplicates` were held. `hold`, `deceased`:
    what was known of the survivor before they inherited the loser's. `outdone`: withdrawn because of what the other had.
    """

    earlier: list[int]
    requests: list[int]
    duplicates: list[int] = []
    hold: str = ""
    deceased: int = 0
    outdone: list[int] = []


def merge(batch: Batch, survivor: PatientRow, prepared: PreparedEvent, raw: int, across: Across) -> list[Entry]:
    """The patient of MRG dies into the patient of PID-3: always in that direction (AD-30).

    An MRG identifier nobody knew becomes one more identifier of the survivor, so that later references to
    it resolve (AD-32). Merging someone into themselves, hence any cycle, changes nothing (AD-33).
    """
    directory = batch.directory
    loser, others = directory.resolve(prepared.merged)
    losers = [one for one in (loser, *others) if one is not None and one.token != survivor.token]
    entries: list[Entry] = []
    if loser is not None and not losers:
        entries.append((Action.PATIENT_MERGED, survivor.token, survivor.token, "already one person"))
    for one in losers:
        entries += absorb(batch, one, survivor, raw, across)
        # whatever was told of either before is older than this (N-06)
        survivor.version, survivor.dirty = max(survivor.version, prepared.event.recorded), True
    directory.add_identifiers(survivor, prepared.event.merged_from, prepared.merged)
    if loser is None:
        entries.append((Action.PATIENT_MERGED, None, survivor.token, "the merged identifier was not known"))
    return entries


def is_of_the_dead(directory: Directory, patient: PatientRow, prepared: PreparedEvent) -> bool:
    """Whether every identifier by which the patient was found is of somebody who was merged into them (AD-32)."""
    known = directory.by_digest
    if not prepared.ids or known.get(prepared.ids[0][0]) == patient.token:
        return False  # as nearly always
    tokens = {known[digest] for alternatives in prepared.ids for digest in alternatives if digest in known}
    return patient.token not in tokens and any(directory.root(token).token == patient.token for token in tokens)


def is_nobody(batch: Batch, row: PatientRow, ids: Sequence[tuple[bytes, ...]]) -> bool:
    """Whether nothing is known of somebody but numbers among these: they were made of a reference, and are no other person."""
    if row.digest or row.holds or row.deceased or batch.directory.person(row):
        return False
    named = {digest for alternatives in ids for digest in alternatives}
    theirs = batch.directory.digests_of(row)
    return bool(theirs) and theirs <= named


def absorb(batch: Batch, loser: PatientRow, survivor: PatientRow, raw: int, across: Across) -> list[Entry]:
    """Point the loser, and all that died into it before, at the survivor; move what waits."""
    uow, directory = batch.uow, batch.directory
    earlier = [token for (token,) in uow.lookup(tables.patient, ("token",), "survivor", [loser.token])]
    directory.load_tokens(earlier)
    for token in (loser.token, *earlier):
        row = directory.patients[token]
        row.survivor, row.dirty = survivor.token, True
    before = (survivor.hold, survivor.deceased)
    doubled = _duplicates(batch, [loser.token, *earlier], survivor.token)
    moved = batch.waiting_of(loser.token)
    for request in moved:
        request.move(survivor.token)
    batch.regroup()
    outdone = across.after_merge(survivor)
    if loser.deceased and not survivor.deceased:
        # The stricter wins, until the survivor's feed says otherwise: it is heard again even if it repeats itself.
        survivor.deceased, survivor.digest, survivor.dirty = 1, b"", True
    for reason in loser.holds:
        directory.hold(survivor, reason)
    identity = uow.new_id()
    withdrawn = [one.id for one, _ in outdone]
    kept = Snapshot(earlier, [one.id for one in moved], [one.id for one in doubled], *before, withdrawn)
    snapshot = _json(kept)
    sealed = directory.seal_for(survivor, snapshot, b"merge.snapshot_sealed:%d" % identity)
    uow.insert(tables.merge, _COLUMNS, [(identity, loser.token, survivor.token, raw, uow.now, sealed, None)])
    entries: list[Entry] = [(Action.PATIENT_MERGED, loser.token, survivor.token, identity)]
    entries += [(Action.REQUEST_MOVED, request.id, survivor.token) for request in moved]
    entries += [(Action.REQUEST_HELD, request.id, Reason.POSSIBLE_DUPLICATE) for request in doubled]
    return entries + [entry for _, entry in outdone]


def _duplicates(batch: Batch, losers: Sequence[int], survivor: int) -> list[RequestRow]:
    """The loser's requests about an appointment that the survivor has too: equal start and place (AD-31).

    They wait for a person; one of the two leaves, never both.
    """
    owners = [*losers, survivor]
    found = batch.uow.lookup(tables.occurrence, OccurrenceRow.COLUMNS, "patient", owners)
    loaded = {row.id: row for row in batch.occurrences.values()}
    batch.take([row for one in found if (row := OccurrenceRow(*one)).id not in loaded and _is_open(row)])
    appointments = [row for row in batch.occurrences.values() if row.patient in owners and _is_open(row)]
    kept = {(row.start_utc, row.facility) for row in appointments if row.patient == survivor}
    held: list[RequestRow] = []
    for row in appointments:
        if row.patient != survivor and (row.start_utc, row.facility) in kept:
            held += [request for request in row.requests if request.state == RequestStatus.ACTIVE]
    for request in held:
        request.settle(RequestStatus.ON_HOLD, Reason.POSSIBLE_DUPLICATE)
    return held


def _is_open(row: OccurrenceRow) -> bool:
    return row.kind == OccurrenceKind.APPOINTMENT and row.start_utc is not None and row.status in _OPEN
