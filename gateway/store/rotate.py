"""Keys can be replaced while everything stays readable; a rotation that was interrupted is finished by the next.

Blind-index digests are layered: a new index key digests the old digest. So every row can be re-keyed without
its value, also where no value is kept any more (an opt-out whose patient was erased), and whoever got hold of
the old index key can compute nothing that the database holds. The first byte of a digest is its generation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa

from gateway.store import ids, keycheck, tables
from gateway.store.blind import DIGEST_BYTES
from gateway.store.engine import Store
from gateway.store.statement import Row, Statement
from gateway.store.uow import UnitOfWork

ACTOR = "rotate"
BATCH = 500

_key = tables.data_key
_FOREIGN = Statement(
    "keys_not_under",
    sa.select(_key.c.id)
    .where(_key.c.id > sa.bindparam("after"), _key.c.wrapped.is_not(None), _key.c.kek != sa.bindparam("kek"))
    .order_by(_key.c.id)
    .limit(sa.bindparam("n")),
    ("after", "kek", "n"),
)
_KEKS = Statement("keks_in_use", sa.select(_key.c.kek).where(_key.c.wrapped.is_not(None)).distinct())

Progress = Callable[[str, int], None]
"""Called after each batch: what is being re-keyed ("data_key", "identifier.hmac", …) and how many rows so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What a rotation did. `resumed`: it finished an earlier one instead of making new keys."""

    kek: str
    index_key: str
    wrapped: int
    digests: int
    dropped: tuple[str, ...]
    resumed: bool


@dataclass(frozen=True, slots=True)
class _Indexed:
    """One digest column; `key` finds its rows, `named`: the row also names the index key."""

    table: sa.Table
    column: str
    key: str
    named: bool = False

    @property
    def name(self) -> str:
        return f"{self.table.name}.{self.column}"


INDEXED = (
    _Indexed(tables.identifier, "hmac", "hmac", named=True),
    _Indexed(tables.address, "hmac", "id", named=True),
    _Indexed(tables.patient, "digest", "token"),
    _Indexed(tables.patient, "flags_digest", "token"),
    _Indexed(tables.occurrence, "key", "id"),
    _Indexed(tables.occurrence, "parent", "id"),
    _Indexed(tables.request, "material", "id"),
    _Indexed(tables.raw, "control_hmac", "id"),
    _Indexed(tables.raw, "body_hmac", "id"),
    _Indexed(tables.fragment, "continues_hmac", "raw"),
    _Indexed(tables.fragment, "continued_hmac", "raw"),
    _Indexed(tables.quarantine, "control_hmac", "raw"),
    _Indexed(tables.communication, "body_hmac", "id"),
    _Indexed(tables.erasure, "hmac", "id"),
    _Indexed(tables.fetch, "digest", "id"),
    _Indexed(tables.resource, "key", "id"),
    _Indexed(tables.representative, "told", "id"),
    _Indexed(tables.table_row, "key", "key"),
    _Indexed(tables.table_row, "digest", "key"),
)
"""Every column that holds a keyed digest; a test compares it with the tables."""


def rotate(store: Store, *, index: bool, progress: Progress = lambda _what, _count: None) -> Rotation:
    """Replace the key-encryption key, and with `index` the blind-index key, then re-key all rows in batches.

    Other processes keep running: they are made to read the key file again before their next unit, and look-ups
    try the current and the previous index key meanwhile. Key files elsewhere must get the new content first.
    Key-encryption keys that wrap nothing any more are dropped, but for the latest. Every batch is audited
    (keys.rotated). KeyringError: the key file cannot be written. StoreUnavailable: run it again.
    """
    resumed = _unfinished(store)
    dropped: tuple[str, ...] = ()
    if not resumed:
        previous = store.keyring.kek
        _switch(store, *store.keyring.extend(index=index))
        dropped = _drop(store, previous)
    wrapped = _rewrap(store, progress)
    digests = sum(_redigest(store, indexed, progress) for indexed in INDEXED)
    kek, index_key = store.keyring.kek, store.keyring.index_key
    return Rotation(kek=kek, index_key=index_key, wrapped=wrapped, digests=digests, dropped=dropped, resumed=resumed)


def _unfinished(store: Store) -> bool:
    """Whether rows are left under an older key of this file: then the rotation is finished, not begun anew."""
    with store.read() as reader:
        if reader.one(_FOREIGN, (-1, store.keyring.kek, 1)) is not None:
            return True
        return any(reader.one(_older(indexed), _start(indexed, store)) is not None for indexed in INDEXED)


def _switch(store: Store, kek: str, generation: int) -> None:
    """From this commit on every process writes under the new keys: all others must lease, and read keys, anew."""
    keyring = store.keyring
    before = keyring.kek, keyring.generation
    try:
        with store.begin(ACTOR) as unit:
            ids.fence_others(unit.session, unit.writer)
            keyring.use(kek, generation)
            keycheck.stamp(unit, keyring)
            unit.audit([("keys.rotated", keyring.kek, keyring.index_key)])
            unit.commit()
    except BaseException:
        keyring.use(*before)
        raise


def _drop(store: Store, previous: str) -> tuple[str, ...]:
    with store.read() as reader:
        used = frozenset(str(row[0]) for row in reader.all(_KEKS))
    return store.keyring.drop_keks(used | {previous})


def _rewrap(store: Store, progress: Progress) -> int:
    done, after = 0, -1
    while True:
        with store.begin(ACTOR) as unit:
            keys = [row[0] for row in unit.all(_FOREIGN, (after, store.keyring.kek, BATCH))]
            if not keys:
                return done
            done += _rewrap_batch(unit, keys)
            unit.commit()
        after = keys[-1]
        progress("data_key", done)


def _rewrap_batch(unit: UnitOfWork, keys: list[int]) -> int:
    keyring = unit.store.keyring
    rows = unit.lookup(_key, ("id", "kek", "wrapped"), "id", keys, lock=True)
    fresh = [(*keyring.wrap(keyring.unwrap(row[1], row[2])), row[0]) for row in rows if row[2] is not None]
    unit.update(_key, ("id",), ("kek", "wrapped"), fresh)
    unit.audit([("keys.rotated", keyring.kek, len(fresh))])
    return len(fresh)


# -- digests


@cache
def _older(indexed: _Indexed) -> Statement:
    """Rows whose digest is of an older generation, in key order; what is no digest of ours is left alone."""
    column, key = indexed.table.c[indexed.column], indexed.table.c[indexed.key]
    select = sa.select(key, column).where(
        key > sa.bindparam("after"),
        column < sa.bindparam("generation"),
        sa.func.length(column) == DIGEST_BYTES,
    )
    return Statement(
        f"older_{indexed.name}", select.order_by(key).limit(sa.bindparam("n")), ("after", "generation", "n")
    )


def _start(indexed: _Indexed, store: Store) -> Row:
    """From the beginning: what sorts before every key, the first digest of the current generation, one row."""
    is_bytes = isinstance(indexed.table.c[indexed.key].type, sa.LargeBinary)
    return (b"" if is_bytes else -1, bytes([store.keyring.generation]), 1)


def _redigest(store: Store, indexed: _Indexed, progress: Progress) -> int:
    done = 0
    after, generation, _ = _start(indexed, store)
    while True:
        with store.begin(ACTOR) as unit:
            rows = unit.all(_older(indexed), (after, generation, BATCH))
            if not rows:
                return done
            done += _redigest_batch(unit, indexed, rows)
            unit.commit()
        after = rows[-1][0]
        progress(indexed.name, done)


def _redigest_batch(unit: UnitOfWork, indexed: _Indexed, rows: list[Row]) -> int:
    """Update those digests that nobody changed meanwhile (the old digest is part of the key)."""
    keyring = unit.store.keyring
    key = (indexed.column,) if indexed.key == indexed.column else (indexed.key, indexed.column)
    columns = (indexed.column, "index_key") if indexed.named else (indexed.column,)
    changes = []
    for found, digest in rows:
        values = (keyring.advance(digest), keyring.index_key) if indexed.named else (keyring.advance(digest),)
        changes.append((*values, *((digest,) if len(key) == 1 else (found, digest))))
    touched = unit.update(indexed.table, key, columns, changes)
    unit.audit([("keys.rotated", keyring.index_key, indexed.name, touched)])
    return touched
