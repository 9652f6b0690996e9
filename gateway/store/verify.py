"""Whoever doubts the audit log can recompute all of it; the verdict is a sentence and names the first bad row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from gateway.model.errors import StoreError
from gateway.model.when import HOUR, Millis
from gateway.store import heads, tables
from gateway.store.engine import Store
from gateway.store.seal import GENESIS, LINKS, ROWS, Block, block_of, head
from gateway.store.statement import Statement
from gateway.store.uow import Reader

_block = tables.block
_NEXT = Statement(
    "next_block",
    sa.select(
        _block.c.n,
        _block.c.first,
        _block.c.last,
        _block.c.count,
        _block.c.digest,
        _block.c.previous,
        _block.c.at,
        _block.c.leaves,
    )
    .where(_block.c.n > sa.bindparam("after"))
    .order_by(_block.c.n)
    .limit(1),
    ("after",),
)
_UNSEALED = Statement(
    "unsealed",
    sa.select(sa.func.count(), sa.func.min(tables.audit.c.at))
    .select_from(tables.audit)
    .where(tables.audit.c.id > sa.bindparam("last")),
    ("last",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """`verdict` is one sentence. `first_bad`: the first audit row that is not as sealed, where one can be named.

    `ok`: what is sealed is as it was sealed. It says nothing of the `unsealed` rows, which nothing proves yet;
    `behind`: one of them has waited longer than sealing ever takes while the gateway works.
    """

    ok: bool
    behind: bool = False
    verdict: str
    blocks: int
    rows: int
    unsealed: int
    first_bad: int | None = None


PATIENCE: Millis = HOUR
"""Sealing runs every few seconds; rows that have waited for this long show that it does not."""


class _Broken(Exception):
    def __init__(self, verdict: str, first_bad: int | None = None) -> None:
        super().__init__(verdict)
        self.first_bad = first_bad


def verify(store: Store, heads_file: Path | None = None) -> Verification:
    """Recompute chain, digests and signatures, and compare with the signed heads kept outside.

    Reads block by block, so that it can run beside the gateway. Raises StoreUnavailable, StoreError.
    """
    blocks, rows, last = 0, 0, -1
    hashes: dict[int, bytes] = {}
    try:
        for block in _checked_blocks(store):
            blocks, rows, last = block.n, rows + block.count, block.last
            hashes[block.n] = block.hash()
        signed = _check_tip(store, hashes)
        outside = _check_outside(store, heads_file, hashes)
    except _Broken as broken:
        verdict = str(broken)
        return Verification(ok=False, verdict=verdict, blocks=blocks, rows=rows, unsealed=0, first_bad=broken.first_bad)
    with store.read() as reader:
        unsealed, oldest = reader.one(_UNSEALED, (last,)) or (0, None)
        behind = oldest is not None and reader.now - oldest > PATIENCE
    covered = f"{rows} rows in {blocks} blocks, {signed}{outside}"
    verdict = _verdict(covered, rows, int(unsealed), behind=behind)
    return Verification(ok=True, behind=behind, verdict=verdict, blocks=blocks, rows=rows, unsealed=int(unsealed))


def _verdict(covered: str, rows: int, unsealed: int, *, behind: bool) -> str:
    """Only a log that is sealed as a whole is called intact; of the rest it is said that nothing proves it yet."""
    if not unsealed:
        return f"intact: {covered}"
    rest = f"{unsealed} rows are not sealed yet, and nothing proves those"
    cause = (
        f": sealing has not run for {PATIENCE // HOUR}h or more (is a gateway with the role `work` running?)"
        if behind
        else ""
    )
    return f"sealed part intact: {covered}; {rest}{cause}" if rows else f"nothing is sealed yet: {rest}{cause}"


def _checked_blocks(store: Store) -> Iterator[Block]:
    """Every block up to the checkpoint, each recomputed from its rows and joined to the one before."""
    number, last, previous = 0, -1, GENESIS
    while True:
        with store.read() as reader:
            row = reader.one(_NEXT, (number,))
            if row is None:
                return
            block = Block(*row)
            if block.n != number + 1 or block.previous != previous or block.first <= last:
                raise _Broken(f"block {block.n} does not follow block {number}: a block was removed or changed", last)
            _check_rows(reader, block, last)
        yield block
        number, last, previous = block.n, block.last, block.hash()


def _check_rows(reader: Reader, block: Block, after: int) -> None:
    """All rows up to the block's last one must be the block's, and say what they said."""
    rows = reader.all(ROWS, (after, block.last + 1, block.count + 1_000))
    links = reader.all(LINKS, (after, block.last))
    known = {row[0] for row in rows}
    orphan = next((audit for audit, _ in links if audit not in known), None)
    if rows:
        again = block_of(block.n, rows, links, block.previous, block.at)
        if again == block and orphan is None:
            return
        found = again.leaves
    else:
        found = b""
    _tell(block, found, orphan)


def _tell(block: Block, found: bytes, orphan: int | None) -> None:
    """Name what is wrong with a block's rows, by comparing the leaves of then and now."""
    then, now = _by_id(block.leaves), _by_id(found)
    bad = min((row for row in then.keys() | now.keys() if then.get(row) != now.get(row)), default=None)
    where = f"block {block.n} (rows {block.first} to {block.last})"
    if bad is None and orphan is not None:
        raise _Broken(f"{where}: a patient was linked to row {orphan}, which does not exist", orphan)
    if bad is None:
        raise _Broken(f"{where} was changed: its digest is not that of its rows", block.first)
    if bad not in now:
        raise _Broken(f"{where}: row {bad} is missing", bad)
    if bad not in then:
        raise _Broken(f"{where}: row {bad} was added after sealing", bad)
    raise _Broken(f"{where}: row {bad} was changed after sealing", bad)


def _by_id(leaves: bytes) -> dict[int, bytes]:
    step = range(0, len(leaves), 16)
    return {int.from_bytes(leaves[at : at + 8], "big"): leaves[at + 8 : at + 16] for at in step}


def _check_tip(store: Store, hashes: dict[int, bytes]) -> str:
    """The checkpoint must be signed by us and be the hash of the last block."""
    with store.read() as reader:
        tip = head(reader)
    if tip is None:
        if hashes:
            raise _Broken("the checkpoint was removed")
        return "no checkpoint yet"
    if tip.size < len(hashes) or (tip.size == len(hashes) and hashes.get(tip.size) != tip.hash):
        raise _Broken(f"the checkpoint (size {tip.size}) is not that of the {len(hashes)} blocks")
    if tip.size not in hashes:  # sealed while we were reading, or blocks were cut off
        _check_later(store, tip, max(hashes, default=0))
    if not tip.holds(store.keyring):
        raise _Broken(f"the checkpoint's signature by {tip.key} is not valid")
    return f"signed by {tip.key}"


def _check_later(store: Store, tip: heads.Head, seen: int) -> None:
    with store.read() as reader:
        while (row := reader.one(_NEXT, (seen,))) is not None and row[0] == seen + 1 and seen < tip.size:
            seen, hashed = row[0], Block(*row).hash()
            if seen == tip.size and hashed == tip.hash:
                return
    raise _Broken(f"blocks after {seen} are missing: the checkpoint counts {tip.size}")


def _check_outside(store: Store, path: Path | None, hashes: dict[int, bytes]) -> str:
    """Every head kept outside must be signed by us and still be a block here."""
    if path is None:
        return ""
    try:
        known, given_up = heads.read(path), [one for one in heads.read_all(path) if isinstance(one, heads.Restored)]
    except StoreError as error:
        raise _Broken(str(error)) from None
    if any(not one.holds(store.keyring) for one in given_up):
        raise _Broken("the outside file says that heads were given up by a restore, and nobody of ours signed that")
    for one in known:
        if not one.holds(store.keyring):
            raise _Broken(f"the outside head of size {one.size} has no valid signature by {one.key}")
        if one.size in hashes and hashes[one.size] != one.hash:
            raise _Broken(f"the log was rewritten: the outside head of size {one.size} says otherwise", one.last)
        if one.size > len(hashes):
            _check_later(store, one, max(hashes, default=0))
    told = "".join(f", restores gave up blocks {one.size + 1} to {one.lost}" for one in given_up if one.lost > one.size)
    return f", {len(known)} outside heads agree{told}"
