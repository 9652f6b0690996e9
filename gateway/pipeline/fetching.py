"""What must still be read from a source's server waits on disk: wanted once, held by one, and never ended by who lost it (law 1)."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec
from sqlalchemy import and_, bindparam, exists, func, or_, select, text

from gateway.model.audit import Action
from gateway.model.errors import Conflict, StoreError
from gateway.model.when import MINUTE, Millis
from gateway.pipeline.site import SourceEntry
from gateway.ports import BASELINE, Wanted
from gateway.store import tables
from gateway.store.datakeys import feed_key, open_keys
from gateway.store.engine import Store
from gateway.store.keyring import Keyring, seal, unseal
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

OPEN, RECEIVED, GONE, REFUSED, UNREADABLE = "open", "received", "gone", "refused", "unreadable"
DROPPED = "dropped"  # by a person
FATES = frozenset({RECEIVED, GONE, REFUSED, UNREADABLE})
PATIENT_UNKNOWN = "patient-unknown"
"""Why something is fetched, beside `ports.NOTIFIED` and `ports.BASELINE`: nobody here knows whom a resource refers to."""
_f, _before = tables.fetch.c, tables.fetch.alias("before")
_NEW = ("id", "source", "digest", "key", "sealed", "why", "state", "after", "next_at", "created")
_HELD = ("id", "state", "lease_until", "fence", "why", "settled")
_OPENED = ("id", "key", "sealed", "why", "tries", "fence", "lease_until", "state")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[str, str | None]).decode
STUCK: Millis = 15 * MINUTE
"""What waits longer to be read, though nobody said why, is told to staff."""
Reference = tuple[str, str | None]
"""A resource such as "Appointment/12", and its meta.versionId where that is known."""


class FetchRow(NamedTuple):
    """How one fetch stands. Times in Millis UTC."""

    id: int
    state: str
    lease: Millis | None
    fence: int
    why: str
    settled: Millis | None


DUE = Statement(
    "fetch.due",
    select(_f.id)
    .where(
        _f.source == bindparam("source"),
        _f.state == OPEN,
        _f.next_at <= bindparam("now"),
        or_(_f.lease_until.is_(None), _f.lease_until <= bindparam("now")),
        ~exists().where(and_(_before.c.id == _f.after, _before.c.state == OPEN)),
    )
    .order_by(_f.next_at, _f.id)
    .limit(bindparam("n")),
    params=("source", "now", "n"),
)
# written out: only so does the little index serve
FAILED = Statement(
    "fetch.failed",
    select(_f.source, _f.state, func.count(), func.min(_f.settled))
    .where(text("state IN ('refused', 'unreadable')"))
    .group_by(_f.source, _f.state),
)
LATE = Statement(
    "fetch.late",
    select(_f.source, func.min(_f.created), func.count())
    .where(text("state = 'open'"), _f.created < bindparam("before"))
    .group_by(_f.source),
    params=("before",),
)
_SOURCES = Statement("source.ids", select(tables.source.c.id))
OPENED = Statement("fetch.open", select(func.count()).select_from(tables.fetch).where(text("state = 'open'")))
OVER = Statement(
    "fetch.over",
    select(_f.id).where(_f.settled < bindparam("before")).order_by(_f.settled).limit(bindparam("limit")),
    params=("before", "limit"),
)


class FetchList:
    """A `ports.Fetches`: what one source must still read."""

    def __init__(self, store: Store, source: SourceEntry) -> None:
        self._store, self._source = store, source

    def want(self, references: Sequence[Reference], why: str) -> None:
        """As the port says."""
        with self._store.begin("listen") as uow:
            for one in sorted(
                set(references), key=str
            ):  # two that want the same wait for each other, and never in a ring
                want(uow, self._source, one, why)
            uow.commit()

    def take(self, most: int, lease: Millis) -> list[Wanted]:
        """As the port says. What cannot be opened any more (its key went with its day) is ended as unreadable."""
        with self._store.begin("fetch") as uow:
            due = [one for (one,) in uow.all(DUE, (self._source.id, uow.now, most))]
            rows = uow.lookup(tables.fetch, _OPENED, "id", due, lock=True)
            free = sorted(row for row in rows if row[-1] == OPEN and (row[-2] is None or row[-2] <= uow.now))
            keys = _keys(uow, {row[1] for row in free})
            found = []
            for identity, key, sealed, why, tries, fence, _, _ in free:
                plain = keys.get(key)
                if plain is None or sealed is None:
                    end(uow, identity, UNREADABLE)
                    continue
                reference, version = _decode(unseal(plain, sealed, _aad(identity)))
                found.append(
                    Wanted(id=identity, reference=reference, version=version, why=why, tries=tries, fence=fence + 1)
                )
            leased = [(uow.now + lease, one.fence, one.id) for one in found]
            uow.update(tables.fetch, ("id",), ("lease_until", "fence"), leased)
            uow.commit()
        return found

    def done(self, wanted: Wanted, fate: str) -> None:
        """As the port says; nothing, when it was wanted again since it was taken. StoreError: there is no such fate."""
        if fate not in FATES:
            raise StoreError("a fetch ends as received, gone, refused or unreadable")
        with self._store.begin("fetch") as uow:
            if _is_ours(uow, wanted):
                end(uow, wanted.id, fate)
                uow.commit()

    def later(self, wanted: Wanted, at: Millis) -> None:
        """As the port says."""
        with self._store.begin("fetch") as uow:
            if _is_ours(uow, wanted):
                values = [(wanted.tries + 1, at, None, wanted.id)]
                uow.update(tables.fetch, ("id",), ("tries", "next_at", "lease_until"), values)
                uow.commit()


def _keys(uow: UnitOfWork, ids: AbstractSet[int]) -> dict[int, bytes | None]:
    """The keys that are still there; a month after its day even the row of one that was destroyed is gone."""
    present = [one for (one,) in uow.lookup(tables.data_key, ("id",), "id", sorted(ids))]
    return open_keys(uow, present)


def _is_ours(uow: UnitOfWork, wanted: Wanted) -> bool:
    rows = uow.lookup(tables.fetch, ("fence", "state"), "id", [wanted.id], lock=True)
    return rows == [(wanted.fence, OPEN)]


def want(uow: UnitOfWork, source: SourceEntry, wanted: Reference, why: str, *, after: int | None = None) -> int:
    """The fetch of a resource inside the caller's unit: the one that is open, else a new one; returns its id.

    What was wanted as of before us (K-16) and is told now is wanted as what is told now, never the other way.

    Whoever holds the open one may have read the resource before what is told now, so that it is theirs no more; it is
    locked, for one that ends meanwhile was read too early. `after`: the fetch that must have ended before.
    """
    keyring = uow.store.keyring
    known = [row for row in rows_of(uow, keyring, source, wanted[0], lock=True) if row.state == OPEN]
    if known:
        open_ = known[0]
        if open_.why == BASELINE != why:
            uow.update(tables.fetch, ("id",), ("why",), [(why, open_.id)])
            uow.audit([(Action.FETCH_WANTED, open_.id, source.name, why)])
        if open_.lease is not None or after is not None:
            _again(uow, open_.id, open_.fence, after)
        return open_.id
    identity, key = uow.new_id(), feed_key(uow, source.id)
    sealed = seal(key.plain, _encode(wanted), _aad(identity))
    digest = keyring.digest("fetch", _key(source, wanted[0]))
    row = (identity, source.id, digest, key.id, sealed, why, OPEN, after, uow.now, uow.now)
    uow.insert_missing(tables.fetch, _NEW, [row])
    standing = next((row.id for row in rows_of(uow, keyring, source, wanted[0]) if row.state == OPEN), None)
    if standing is None:
        raise Conflict("what another process wanted was read meanwhile")
    uow.audit([(Action.FETCH_WANTED, standing, source.name, why)])
    return standing  # ours, or that of whoever was first


def _again(uow: UnitOfWork, identity: int, fence: int, after: int | None) -> None:
    uow.update(tables.fetch, ("id",), ("next_at", "lease_until", "fence"), [(uow.now, None, fence + 1, identity)])
    if after is not None:
        uow.update(tables.fetch, ("id",), ("after",), [(after, identity)])


def end(uow: UnitOfWork, identity: int, state: str, *why: str) -> None:
    """A fetch is over, perhaps because a person said `why`; of what was received or is gone nothing is kept that says which resource it was."""
    uow.update(tables.fetch, ("id",), ("state", "settled", "lease_until"), [(state, uow.now, None, identity)])
    if state in (RECEIVED, GONE, DROPPED):
        uow.update(tables.fetch, ("id",), ("sealed",), [(None, identity)])
    uow.audit([(Action.FETCH_ENDED, identity, state, *why)])


def rows_of(
    unit: Reader, keyring: Keyring, source: SourceEntry, reference: str, *, lock: bool = False
) -> list[FetchRow]:
    """Every fetch of a resource that is known, oldest first; `lock`: nobody changes them before the end of the unit."""
    digests = keyring.sought("fetch", _key(source, reference))
    return sorted(FetchRow(*row) for row in unit.lookup(tables.fetch, _HELD, "digest", digests, lock=lock))


def forget_patient(uow: UnitOfWork, id_: str) -> None:
    """No server is asked any more for the Patient of this logical id; the caller's unit audits the erasure it is part of."""
    keyring = uow.store.keyring
    for (source,) in uow.all(_SOURCES):
        digests = keyring.sought("fetch", f"{source}\x1fPatient/{id_}")
        uow.delete(tables.fetch, "id", [one for (one,) in uow.lookup(tables.fetch, ("id",), "digest", digests)])


def late(unit: Reader, by: Millis = STUCK) -> list[tuple[int, Millis, int]]:
    """Per source that has not read what it must for so long: its id, since when, how many."""
    return [(source, since, count) for source, since, count in unit.all(LATE, (unit.now - by + 1,))]


def _key(source: SourceEntry, reference: str) -> str:
    return f"{source.id}\x1f{reference}"


def _aad(identity: int) -> bytes:
    return b"fetch.sealed:%d" % identity
