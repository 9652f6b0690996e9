"""What is known of a source's rows: a digest of each key and of what it said, never the row (law 5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from sqlalchemy import bindparam, func, select

from gateway import rowjson
from gateway.model.errors import Conflict
from gateway.model.event import Format, Outcome, RawMessage, Result
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline.site import SourceEntry
from gateway.ports import Row
from gateway.store import tables
from gateway.store.keyring import Keyring
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork


class RowState(IntEnum):
    """What a row came to when it was read last; stored, never renumbered."""

    TAKEN = 1
    NOBODY = 2  # its numbers are nobody's who is known
    SEVERAL = 3  # they are different people's
    UNREADABLE = 4  # it lies in quarantine
    IGNORED = 5  # its mapping makes nothing of it
    OVER = 6  # it was taken, and what it told has ended


UNMATCHED = frozenset({RowState.NOBODY, RowState.SEVERAL})
"""Looked at again with every extract that brings them: the person may be known by then."""
WORDS = {
    RowState.TAKEN: "taken",
    RowState.NOBODY: "no-patient",
    RowState.SEVERAL: "several-patients",
    RowState.UNREADABLE: "unreadable",
    RowState.IGNORED: "ignored",
    RowState.OVER: "taken",
}
"""How each is counted."""
UNCHANGED, GONE, UNKNOWN, REPEATED = "unchanged", "gone", "unknown", "repeated"
"""A row that was taken and says the same; one that its source says is gone, known or not; one told twice in a chunk, or in a whole table."""
_SAME = {**WORDS, RowState.TAKEN: UNCHANGED, RowState.OVER: UNCHANGED}

_ROW = ("key", "source", "digest", "extract", "state", "patient", "occurrence")
_READ = ("key", "digest", "state", "occurrence", "extract")
_CHANGED = ("digest", "extract", "state", "patient", "occurrence")
_r = tables.table_row.c
MISSING = Statement(
    "table_row.missing",
    select(_r.key, _r.occurrence)
    .where(_r.source == bindparam("of_source"), _r.extract != bindparam("now"), _r.key > bindparam("after"))
    .order_by(_r.key)
    .limit(bindparam("limit")),
    params=("of_source", "now", "after", "limit"),
)
MISSED = Statement(
    "table_row.missed",
    select(func.count()).select_from(tables.table_row).where(_r.source == bindparam("of_source"), _r.extract != bindparam("now")),
    params=("of_source", "now"),
)  # fmt: skip
BY_STATE = Statement(
    "table_row.by-state",
    select(_r.state, func.count()).where(_r.source == bindparam("of_source")).group_by(_r.state),
    params=("of_source",),
)


@dataclass(slots=True)
class Mark:
    """A row that is offered. `key`: as stored, if it is `known`; `before` and `about`: what it came to then, and its occurrence.

    The last four are what it comes to now, written anew by each try at its unit.
    """

    message: RawMessage
    key: bytes
    digest: bytes
    known: bool
    gone: bool = False
    before: RowState | None = None
    about: int | None = None
    ended: bool = False
    state: RowState = RowState.TAKEN
    patient: int | None = None
    occurrence: int | None = None


@dataclass(slots=True)
class Sorted:
    """A chunk: what must be offered, what only was seen (`same`: keys), what is forgotten, and what each row is counted as."""

    offered: list[Mark] = field(default_factory=list)
    same: list[bytes] = field(default_factory=list)
    lost: list[bytes] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


Looked = Callable[[Reader, Sequence[RawMessage]], Sequence[RowState]]
"""What rows would come to now."""


class Known:
    """The rows of one source."""

    def __init__(
        self, keyring: Keyring, source: SourceEntry, look: Looked, dated: Callable[[RawMessage], bool]
    ) -> None:
        self._keyring, self._source, self._look, self._dated = keyring, source, look, dated

    def sort(
        self, unit: Reader, chunk: Sequence[Row], now: Millis, *, again: bool = False, whole: int | None = None
    ) -> Sorted:
        """Set a chunk against what is known; of a key that is told twice the newer version counts (SN-11).

        `again`: what says nothing new is offered too. `whole`: the extract, if it is of a whole table: of a key that it told
        before, what does not say which version it is counts no more, or two such rows would undo one another each time.
        """
        found, rows, unmatched = Sorted(), _newest(chunk), []
        found.counts[REPEATED] = len(chunk) - len(rows)
        stored = self._stored(unit, rows)
        for row in rows:
            keys, known = stored[row.key]
            if not row.body:
                self._gone(found, row, known, now)
                continue
            digests = self._keyring.sought("row", row.body)
            if known is None:
                found.offered.append(Mark(self._message(row.body, now), keys[0], digests[0], known=False))
            elif again or bytes(known[1]) not in digests:
                mark = self._mark(row, digests[0], known, now)
                if known[4] == whole and not self._dated(mark.message):
                    found.counts[REPEATED] += 1
                else:
                    found.offered.append(mark)
            elif known[2] not in UNMATCHED:  # nearly all of them
                found.same.append(known[0])
                found.counts[_SAME[known[2]]] += 1
            else:
                unmatched.append(self._mark(row, digests[0], known, now))
        self._try_again(unit, found, unmatched)
        return found

    def _mark(self, row: Row, digest: bytes, known: tuple[Any, ...], now: Millis) -> Mark:
        """Of a row that is known; what it told before stands until something else is told by it."""
        key, _, state, about, _ = known
        return Mark(self._message(row.body, now), key, digest, known=True, before=RowState(state), about=about)

    def _stored(self, unit: Reader, rows: Sequence[Row]) -> dict[str, tuple[tuple[bytes, ...], tuple[Any, ...] | None]]:
        head = f"{self._source.id}\x1f"
        keys = {row.key: self._keyring.sought("row-key", head + row.key) for row in rows}
        wanted = [key for some in keys.values() for key in some]
        known = {bytes(one[0]): one for one in unit.lookup(tables.table_row, _READ, "key", wanted)}
        return {name: (some, next((known[key] for key in some if key in known), None)) for name, some in keys.items()}

    def _gone(self, found: Sorted, row: Row, known: tuple[Any, ...] | None, now: Millis) -> None:
        """Its source says that it is gone: what it told ends; one that told nothing is forgotten."""
        found.counts[UNKNOWN if known is None else GONE] += 1
        if known is None:
            return
        key = bytes(known[0])
        if known[3] is None:
            found.lost.append(key)
        else:
            found.offered.append(
                Mark(self._message(rowjson.gone(row.key), now), key, b"", True, gone=True, before=RowState(known[2]))
            )

    def _try_again(self, unit: Reader, found: Sorted, again: Sequence[Mark]) -> None:
        for mark, state in zip(again, self._look(unit, [one.message for one in again]), strict=True):
            if state is mark.before:
                found.same.append(mark.key)
                found.counts[WORDS[state]] += 1
            else:
                found.offered.append(mark)

    def _message(self, body: bytes, now: Millis) -> RawMessage:
        return RawMessage(source=self._source.name, format=Format.TABLE, body=body, received=now)

    def gone(self, key: str, now: Millis) -> RawMessage:
        """What is offered of a row that is missing."""
        return self._message(rowjson.gone(key), now)


def _newest(chunk: Sequence[Row]) -> list[Row]:
    newest: dict[str, Row] = {}
    for row in chunk:
        before = newest.get(row.key)
        if before is None or before.at is None or row.at is None or row.at >= before.at:
            newest[row.key] = row
    return list(newest.values())


def state_of(outcome: Outcome) -> RowState:
    """What a row came to."""
    if outcome.result in (Result.QUARANTINED, Result.REJECTED):
        return RowState.UNREADABLE
    if outcome.result is Result.IGNORED:
        return RowState.IGNORED
    return _BY_REASON.get(outcome.reason or "", RowState.TAKEN)


_BY_REASON = {Reason.NO_PATIENT.value: RowState.NOBODY, Reason.SEVERAL_PATIENTS.value: RowState.SEVERAL}


def write(uow: UnitOfWork, source: SourceEntry, extract: int, marks: Iterable[Mark]) -> None:
    """Write what rows came to. Raises Conflict when one is not as it was when it was sorted."""
    known = [one for one in marks if one.known and not one.gone]
    changed = [(one.digest, extract, one.state.value, one.patient, one.occurrence, one.key) for one in known]
    _all(uow.update(tables.table_row, ("key",), _CHANGED, changed), len(changed))
    new = [one for one in marks if not one.known]
    rows = [(one.key, source.id, one.digest, extract, one.state.value, one.patient, one.occurrence) for one in new]
    uow.insert(tables.table_row, _ROW, rows)
    forget(uow, [one.key for one in marks if one.gone])


def seen(uow: UnitOfWork, extract: int, keys: Sequence[bytes]) -> None:
    """Rows that a snapshot brought and that say nothing new. Raises Conflict as `write`."""
    _all(uow.update(tables.table_row, ("key",), ("extract",), [(extract, key) for key in keys]), len(keys))


def forget(uow: UnitOfWork, keys: Sequence[bytes]) -> None:
    """Rows that are gone."""
    uow.delete(tables.table_row, "key", keys)


def missing(unit: Reader, source: int, extract: int, after: bytes, limit: int) -> list[tuple[bytes, int | None]]:
    """Rows that a snapshot did not bring, by key, with the occurrence of each."""
    return [(bytes(key), about) for key, about in unit.all(MISSING, (source, extract, after, limit))]


def missed(unit: Reader, source: int, extract: int) -> int:
    """How many they are."""
    row = unit.one(MISSED, (source, extract))
    return int(row[0]) if row else 0


def _all(touched: int, expected: int) -> None:
    if touched != expected:
        raise Conflict("rows of the table were changed elsewhere meanwhile")
