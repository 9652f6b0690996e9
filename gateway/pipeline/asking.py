"""What the gates ask the database about people and addresses: of one when a message leaves, of many at once when it is only forecast."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, select

from gateway.model.when import Millis
from gateway.pipeline import queries
from gateway.pipeline.directory import CONSENT_KINDED, Directory
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import UnitOfWork

SAID = (*CONSENT_KINDED, "sealed")
_BARRED = ("id", "opted_out_at", "suppressed_at")
_SENT = {"patient": queries.SENT_TO_PATIENT, "address": queries.SENT_TO_ADDRESS}
_WIDTH = 128
_c = tables.communication.c
_SENT_TO_MANY = {
    column.name: Statement(
        f"communication.sent-to-many-{column.name}",
        select(column, _c.purpose, _c.topic, _c.channel, _c.at, _c.status).where(
            column.in_([bindparam(f"whom_{at}") for at in range(_WIDTH)]), _c.at >= bindparam("since")
        ),
        params=(*(f"whom_{at}" for at in range(_WIDTH)), "since"),
    )
    for column in (_c.patient, _c.address)
}

Rows = list[tuple[Any, ...]]


@dataclass(slots=True)
class _Ahead:
    """What was read ahead in a unit of work; who is not in it is asked for."""

    said: dict[tuple[str, int], Rows] = field(default_factory=dict)
    sent: dict[tuple[str, int, Millis], Rows] = field(default_factory=dict)
    barred: dict[int, tuple[bool, bool]] = field(default_factory=dict)


def ahead(uow: UnitOfWork, directory: Directory, patients: Collection[int], since: Millis) -> None:
    """Read what will be asked of people who are loaded, in a unit that changes nothing of it; addresses are locked in order."""
    known = uow.memo.setdefault(_Ahead, _Ahead())
    family = directory.read_ahead(patients)
    addresses = sorted(set(directory.addresses_of(patients)))
    _read(uow, known, "patient", family, since)
    _read(uow, known, "address", addresses, since)
    known.barred.update(_locked(uow, addresses))


def _read(uow: UnitOfWork, known: _Ahead, column: str, ids: Sequence[int], since: Millis) -> None:
    at = SAID.index(column)
    known.said.update(((column, one), []) for one in ids)
    for row in uow.lookup(tables.consent, SAID, column, ids):
        known.said[column, row[at]].append(row)
    known.sent.update(((column, one, since), []) for one in ids)
    for start in range(0, len(ids), _WIDTH):
        some = tuple(ids[start : start + _WIDTH])
        padded = some + some[-1:] * (_WIDTH - len(some))
        for whom, *told in uow.all(_SENT_TO_MANY[column], (*padded, since)):
            known.sent[column, whom, since].append(tuple(told))


def said(uow: UnitOfWork, column: str, ids: Sequence[int]) -> Rows:
    """The ledger's rows (`SAID`) about one of these people, or of these addresses; `column`: "patient" or "address"."""
    known: _Ahead | None = uow.memo.get(_Ahead)
    if known is not None:
        try:
            return [row for one in ids for row in known.said[column, one]]
        except KeyError:  # somebody of them was not read ahead
            pass
    return uow.lookup(tables.consent, SAID, column, ids)


def sent(uow: UnitOfWork, column: str, whom: int, since: Millis) -> Rows:
    """(purpose, topic, channel, at, status) of every attempt to a person, or to an address, since then."""
    known: _Ahead | None = uow.memo.get(_Ahead)
    found = None if known is None else known.sent.get((column, whom, since))
    return uow.all(_SENT[column], (whom, since)) if found is None else found


def barred(uow: UnitOfWork, addresses: Iterable[int]) -> dict[int, tuple[bool, bool]]:
    """Per address, which is locked, whether it said STOP, and whether it is on the suppression list."""
    ids = sorted(set(addresses))
    known: _Ahead | None = uow.memo.get(_Ahead)
    if known is not None:
        try:
            return {one: known.barred[one] for one in ids}
        except KeyError:  # one of them was not read ahead
            pass
    return _locked(uow, ids)


def _locked(uow: UnitOfWork, ids: Sequence[int]) -> dict[int, tuple[bool, bool]]:
    rows = uow.lookup(tables.address, _BARRED, "id", ids, lock=True)
    return {identity: (stopped is not None, suppressed is not None) for identity, stopped, suppressed in rows}
