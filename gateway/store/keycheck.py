"""A database opens only with the key file that sealed it, and its check row says which of the keys are current.

The row (kind "check" of `data_key`) is wrapped by the current key-encryption key and holds a digest made with
the current index key, so it vouches for both. The file may be ahead of the row (a rotation that stopped
half-way, a file handed out before it), never behind.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import sqlalchemy as sa

from gateway.model.errors import Conflict, KeyringError
from gateway.store import tables
from gateway.store.blind import DIGEST_BYTES
from gateway.store.keyfile import KEY_BYTES
from gateway.store.keyring import Keyring
from gateway.store.session import Session
from gateway.store.statement import Row, Statement
from gateway.store.uow import UnitOfWork

if TYPE_CHECKING:
    from gateway.store.engine import Store

KIND = "check"
_key = tables.data_key
_COLUMNS = ("id", "kind", "label", "kek", "wrapped")
_FIND = Statement("key_check", sa.select(_key.c.id, _key.c.kek, _key.c.wrapped).where(_key.c.kind == KIND))
_ANY = Statement("any_key", sa.select(_key.c.id).limit(1))


def bind(store: Store) -> None:
    """Give a new database its check row, or hold the keyring against the one it has.

    KeyringError: as `follow`; also when the database holds keys but no such row.
    """
    with suppress(Conflict):  # another process opened the new database at the same moment
        _bind(store)
    with store.read() as reader:
        follow(reader.session, store.keyring)


def _bind(store: Store) -> None:
    with store.read() as reader:
        if reader.one(_FIND) is not None:
            return
    with store.begin("keyring") as unit:
        if unit.one(_ANY) is not None:  # somebody removed the row that would have told a wrong file
            raise KeyringError("the database holds keys but no check value; it was altered by hand")
        kek, wrapped = store.keyring.wrap(_told(store.keyring))
        unit.insert(_key, _COLUMNS, [(unit.new_id(), KIND, KIND, kek, wrapped)])
        unit.audit([("keys.bound", kek, store.keyring.index_key)])
        unit.commit()


def follow(session: Session, keyring: Keyring) -> None:
    """Make the keyring use what the database says is current, reading the file again where it must.

    KeyringError: another database's key file, or an older copy of the right one.
    """
    rows = session.all(_FIND, ())
    if not rows:
        return
    if not _fits(keyring, rows[0]):
        keyring.reload()
        if not _fits(keyring, rows[0]):
            raise KeyringError(f"{keyring.path} has not the index keys of this database; is it an older copy?")
    _, kek, wrapped = rows[0]
    keyring.use(kek, keyring.unwrap(kek, wrapped)[0])


def _fits(keyring: Keyring, row: Row) -> bool:
    told = keyring.unwrap(str(row[1]), row[2])[:DIGEST_BYTES]
    return keyring.same("keyring", "check", told)


def stamp(unit: UnitOfWork, keyring: Keyring) -> None:
    """Bring the check row up to the keys in use now."""
    found = unit.one(_FIND)
    assert found is not None, "the store was opened, so the row is there"
    kek, wrapped = keyring.wrap(_told(keyring))
    unit.update(_key, ("id",), ("kek", "wrapped"), [(kek, wrapped, found[0])])


def _told(keyring: Keyring) -> bytes:
    return keyring.digest("keyring", "check").ljust(KEY_BYTES, b"\0")
