"""Audit rows, once sealed, cannot be changed, removed or added without it being seen.

Blocks chain the rows behind the watermark, and one checkpoint row, swapped by compare-and-swap, is the commit
point; a run that stopped anywhere is finished by the next ordinary run. Digests, so that anybody can recompute:

* row: SHA-256 of the compact JSON array [id, at, actor, ruleset, request, entries, [patient tokens, sorted]]
* block.digest: SHA-256 of its row digests, concatenated in id order
* hash of a block: SHA-256 of the compact JSON array [n, first, last, count, digest, previous, at], bytes in hex
* block.leaves (not hashed, only for finding the bad row): per row its id (8 bytes) and the start of its digest (8)
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import sqlalchemy as sa

from gateway.model.errors import Conflict
from gateway.model.when import MINUTE
from gateway.store import heads, ids, leases, tables
from gateway.store.engine import Store
from gateway.store.statement import Row, Statement
from gateway.store.uow import Reader, UnitOfWork

ACTOR = "seal"
LEASE = "seal"
SPAN = 2 * MINUTE
MAX_ROWS = 5_000
"""Rows of one block: what a verdict has to look through, and what one read holds in memory."""
GENESIS = b"\0" * 32
SLICE = 50
BREATH_SECONDS = 0.001
"""The sealer digests so many rows at a stretch, half a millisecond, and then rests: however much there is to seal,
whoever acknowledges messages waits no longer for the interpreter."""

_audit, _link, _block, _checkpoint = tables.audit, tables.audit_patient, tables.block, tables.checkpoint
_encode = msgspec.json.Encoder().encode

ROWS = Statement(
    "audit_between",
    sa.select(_audit.c.id, _audit.c.at, _audit.c.actor, _audit.c.ruleset, _audit.c.request, _audit.c.entries)
    .where(_audit.c.id > sa.bindparam("after"), _audit.c.id < sa.bindparam("before"))
    .order_by(_audit.c.id)
    .limit(sa.bindparam("n")),
    ("after", "before", "n"),
)
LINKS = Statement(
    "links_between",
    sa.select(_link.c.audit, _link.c.patient)
    .where(_link.c.audit > sa.bindparam("after"), _link.c.audit <= sa.bindparam("last"))
    .order_by(_link.c.audit, _link.c.patient),
    ("after", "last"),
)
TIP = Statement(
    "checkpoint",
    sa.select(
        _checkpoint.c.size, _checkpoint.c.hash, _checkpoint.c.signature, _checkpoint.c.key, _checkpoint.c.at
    ).where(_checkpoint.c.log == heads.LOG),
)
_LAST = Statement("last_block", sa.select(_block.c.last).where(_block.c.n == sa.bindparam("n")), ("n",))
_SWAP = Statement(
    "checkpoint_swap",
    sa.update(_checkpoint)
    .where(_checkpoint.c.log == heads.LOG, _checkpoint.c.hash == sa.bindparam("old"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("size", "hash", "signature", "key", "at")}),
    ("new_size", "new_hash", "new_signature", "new_key", "new_at", "old"),
    exempt=True,
)
_BLOCK = ("n", "first", "last", "count", "digest", "previous", "at", "leaves")
_CHECKPOINT = ("log", "size", "hash", "signature", "key", "at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """What one run sealed: blocks and rows; `busy`: another process holds the lease and does it."""

    blocks: int = 0
    rows: int = 0
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """The canonical content of one block."""

    n: int
    first: int
    last: int
    count: int
    digest: bytes
    previous: bytes
    at: int
    leaves: bytes

    def hash(self) -> bytes:
        """SHA-256 over everything but the leaves."""
        shown = [self.n, self.first, self.last, self.count, self.digest.hex(), self.previous.hex(), self.at]
        return hashlib.sha256(_encode(shown)).digest()


def row_digests(rows: Sequence[Row], links: Sequence[Row], *, breath: float = 0.0) -> list[bytes]:
    """The digest of each audit row with its patient links (both ordered by audit id); `breath`: seconds of rest a slice."""
    patients: dict[int, list[int]] = {}
    for audit, patient in links:
        patients.setdefault(audit, []).append(patient)
    digests: list[bytes] = []
    for at in range(0, len(rows), SLICE):
        if at and breath:
            time.sleep(breath)
        digests += [_digest([*row, patients.get(row[0], ())]) for row in rows[at : at + SLICE]]
    return digests


def _digest(shown: list[object]) -> bytes:
    return hashlib.sha256(_encode(shown)).digest()


def leaves(rows: Sequence[Row], digests: Sequence[bytes]) -> bytes:
    """Per row its id and the first 8 bytes of its digest."""
    return b"".join(row[0].to_bytes(8, "big") + digest[:8] for row, digest in zip(rows, digests, strict=True))


def block_of(
    n: int, rows: Sequence[Row], links: Sequence[Row], previous: bytes, at: int, *, breath: float = 0.0
) -> Block:
    """The block over these rows; `breath` as `row_digests`."""
    digests = row_digests(rows, links, breath=breath)
    digest = hashlib.sha256(b"".join(digests)).digest()
    return Block(n, rows[0][0], rows[-1][0], len(rows), digest, previous, at, leaves(rows, digests))


def seal(store: Store, *, heads_file: Path | None = None) -> Sealing:
    """Seal everything below the watermark, and bring the outside file (if any) up to the checkpoint.

    StoreUnavailable: nothing is lost, the next run goes on; also when the outside file cannot be written.
    """
    with store.begin(ACTOR) as unit:
        lease = leases.take(unit, LEASE, holder=store.holder, span=SPAN)
        unit.commit()
    if lease is None:
        return Sealing(busy=True)
    try:
        blocks, rows = _seal_all(store)
        if heads_file is not None:
            publish(store, heads_file)
    finally:
        with store.begin(ACTOR) as unit:
            leases.release(unit, lease)
            unit.commit()
    return Sealing(blocks=blocks, rows=rows)


def _seal_all(store: Store) -> tuple[int, int]:
    below, blocks, total = watermark(store), 0, 0
    while True:
        sealed = _append(store, below)
        if sealed == 0:
            return blocks, total
        blocks, total = blocks + 1, total + sealed


def watermark(store: Store) -> int:
    """An id below which nothing will ever appear any more: everything under it can be read once and for all.

    Fixed in a short unit of its own, in which nobody can take a writer lease. Raises StoreUnavailable, StoreError.
    """
    with store.begin(ACTOR) as unit:
        unit.session.claim(ids.ALL_WRITERS, wait=True)
        until = store.ids.publish(unit.session, unit.writer, unit.now)
        mark = ids.watermark(unit.session, unit.writer, unit.now)
        unit.commit()
    store.ids.published(unit.now, until)
    return mark


def _append(store: Store, watermark: int) -> int:
    """Append one block: read and digest in a snapshot, then one short unit with the swap. Returns its rows."""
    with store.read() as reader:
        tip = reader.one(TIP)
        after = _last_of(reader, tip)
        rows = reader.all(ROWS, (after, watermark, MAX_ROWS))
        links = reader.all(LINKS, (after, rows[-1][0])) if rows else []
    if not rows:
        return 0
    size, previous = (int(tip[0]), tip[1]) if tip else (0, GENESIS)
    block = block_of(size + 1, rows, links, previous, reader.now, breath=BREATH_SECONDS)
    with store.begin(ACTOR) as unit:
        _commit_block(unit, block, fresh=tip is None)
        unit.commit()
    return len(rows)


def _last_of(reader: Reader, tip: Row | None) -> int:
    found = reader.one(_LAST, (tip[0],)) if tip else None
    return int(found[0]) if found else -1


def _commit_block(unit: UnitOfWork, block: Block, *, fresh: bool) -> None:
    """Insert the block and swap the checkpoint. Conflict: another sealer was first."""
    made = heads.sign(unit.store.keyring, block.n, block.last, block.hash(), block.at)
    row = (block.n, block.first, block.last, block.count, block.digest, block.previous, block.at, block.leaves)
    unit.insert(_block, _BLOCK, [row])
    values = (made.size, made.hash, made.signature, made.key, made.at)
    if fresh:
        unit.insert(_checkpoint, _CHECKPOINT, [(heads.LOG, *values)])
    elif unit.run(_SWAP, (*values, block.previous)) != 1:
        raise Conflict("another sealer moved the checkpoint")


def head(reader: Reader) -> heads.Head | None:
    """The signed head in the checkpoint row; None: nothing is sealed yet."""
    tip = reader.one(TIP)
    if tip is None:
        return None
    size, hashed, signature, key, at = tip
    return heads.Head(size=size, last=_last_of(reader, tip), hash=hashed, at=at, key=key, signature=signature)


def publish(store: Store, path: Path) -> bool:
    """Append the checkpoint to the outside file unless its last line is that already. Raises StoreUnavailable."""
    with store.read() as reader:
        current = head(reader)
    known = heads.read(path)
    if current is None or (known and known[-1].size >= current.size):
        return False
    heads.append(path, current)
    return True
