"""A write that names an Idempotency-Key is done once: said again it is answered as before, on every process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete

from gateway.model.errors import Conflict
from gateway.model.when import DAY, Millis
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement

KEPT: Millis = DAY
_COLUMNS = ("digest", "asked", "at", "status", "answer")
_o = tables.said_once.c
_OLD = Statement("said_once.old", delete(tables.said_once).where(_o.at < bindparam("before")), params=("before",))


@dataclass(frozen=True, slots=True)
class Said:
    """What is known of an earlier write. `same`: it asked for the very same; `status` None: not known to be over."""

    same: bool
    status: int | None
    answer: str | None


def once_begin(store: Store, account: str, key: str, asked: bytes) -> Said | bytes:
    """What was said before under this key by this account within a day, else the digest to end with. Raises StoreError.

    `asked`: all of the request that matters. Both are kept as keyed digests only: they may hold what names a person.
    """
    digest = store.keyring.steady("once", f"{account}\x00{key}")
    wanted = store.keyring.steady("asked", asked)
    for _ in range(3):
        with store.read() as unit:
            rows = unit.lookup(tables.said_once, _COLUMNS, "digest", [digest])
            now = unit.now
        fresh = [row for row in rows if row[2] > now - KEPT]
        if fresh:
            return _said(fresh[0], wanted)
        try:
            with store.begin(account) as uow:
                uow.run(_OLD, (uow.now - KEPT + 1,))
                uow.insert(tables.said_once, _COLUMNS, [(digest, wanted, uow.now, None, None)])
                uow.commit()
        except Conflict:  # another process began the same at this moment
            continue
        return digest
    raise Conflict("the same Idempotency-Key is being used elsewhere at this moment; nothing was committed")


def _said(row: Sequence[object], wanted: bytes) -> Said:
    _, asked, _, status, answer = row
    assert isinstance(asked, bytes | memoryview)
    assert status is None or isinstance(status, int)
    assert answer is None or isinstance(answer, str)
    return Said(bytes(asked) == wanted, status, answer)


def once_end(store: Store, digest: bytes, status: int, answer: str) -> None:
    """Keep what was answered; it holds ids and counts, never what names a person. Raises StoreError."""
    with store.begin("api") as uow:
        uow.update(tables.said_once, ("digest",), ("status", "answer"), [(status, answer, digest)])
        uow.commit()


def once_forget(store: Store, digest: bytes) -> None:
    """Nothing was done: the key may be used again. Raises StoreError."""
    with store.begin("api") as uow:
        uow.delete(tables.said_once, "digest", [digest])
        uow.commit()
