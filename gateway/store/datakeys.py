"""What is sealed can be forgotten: destroying one data key erases a patient, or a day of a feed, for good.

Keys of patients (kind "patient") live until erasure; keys of raw bytes (kind "raw", one per feed and UTC day)
until the replay window closes ("raw-purged" once the bytes are dropped too). Keys are rows of `data_key`, wrapped; nothing else holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from gateway.model.errors import Erased, KeyringError
from gateway.model.when import DAY, HOUR, Millis
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

PATIENT = "patient"
RAW = "raw"
PURGED = "raw-purged"

_key = tables.data_key
_raw = tables.raw
_NEW = ("id", "kind", "label", "kek", "wrapped")

_LABELLED = Statement(
    "key_by_label",
    sa.select(_key.c.id, _key.c.kek, _key.c.wrapped).where(_key.c.kind == RAW, _key.c.label == sa.bindparam("which")),
    ("which",),
)
_DESTROY = Statement(
    "key_destroy",
    sa.update(_key)
    .where(_key.c.id == sa.bindparam("which"), _key.c.wrapped.is_not(None))
    .values(wrapped=None, destroyed_at=sa.bindparam("now")),
    ("which", "now"),
)
_RAW_KEYS = Statement(
    "raw_keys",
    # only these keys have labels: by that index, and not by the keys of all patients
    sa.select(_key.c.id, _key.c.label, _key.c.wrapped.is_(None)).where(_key.c.label > "", _key.c.kind == RAW),
)
_PURGED_KEYS = Statement(
    "raw_keys_purged", sa.select(_key.c.id, _key.c.label).where(_key.c.label > "", _key.c.kind == PURGED)
)
_SEALED = Statement(
    "raw_sealed_with",
    sa.select(_raw.c.received, _raw.c.id)
    .where(
        _raw.c.received >= sa.bindparam("received"),
        sa.tuple_(_raw.c.received, _raw.c.id) > sa.tuple_(sa.bindparam("received"), sa.bindparam("id")),
        _raw.c.received < sa.bindparam("before"),
        _raw.c.feed_key == sa.bindparam("key"),
        _raw.c.sealed.is_not(None),
    )
    .order_by(_raw.c.received, _raw.c.id)
    .limit(sa.bindparam("n")),
    ("received", "id", "before", "key", "n"),
)
BATCH = 1000


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key in the clear, for as long as a unit needs it."""

    id: int
    plain: bytes = field(repr=False)


def new_patient_keys(unit: UnitOfWork, count: int) -> list[DataKey]:
    """Fresh keys for new patients, one each; the caller's unit audits what they are for."""
    made = [(unit.new_id(), *unit.store.keyring.new_key()) for _ in range(count)]
    unit.insert(_key, _NEW, [(number, PATIENT, None, kek, wrapped) for number, _, kek, wrapped in made])
    return [DataKey(number, plain) for number, plain, _, _ in made]


def open_keys(unit: Reader, ids: Sequence[int]) -> dict[int, bytes | None]:
    """The plain keys by id; None: destroyed. KeyringError: a row is missing, or another key file sealed it."""
    unwrap = unit.store.keyring.unwrap
    rows = unit.lookup(_key, ("id", "kek", "wrapped"), "id", ids)
    keys = {row[0]: None if row[2] is None else unwrap(row[1], row[2]) for row in rows}
    if len(keys) < len(set(ids)):
        raise KeyringError(f"data key {next(key for key in ids if key not in keys)} is missing")
    return keys


def open_key(unit: Reader, id: int) -> bytes:  # noqa: A002 -- it is the column
    """One plain key. Erased: it was destroyed. KeyringError as `open_keys`."""
    plain = open_keys(unit, (id,))[id]
    if plain is None:
        raise Erased(f"data key {id} was destroyed; what it sealed is gone for good")
    return plain


def feed_key(unit: UnitOfWork, source: int) -> DataKey:
    """The key of a source's raw bytes of today (UTC day of the unit), made when it is the day's first.

    Erased: the day's key was destroyed already (the clock was set back beyond the replay window).
    """
    label = f"{source}:{unit.now // DAY}"
    known: DataKey | None = unit.memo.get(label) or unit.store.feed_keys.get(label)
    if known is not None:
        return known
    row = unit.one(_LABELLED, (label,))
    if row is not None:
        return _remember(unit, label, DataKey(row[0], unit.store.keyring.unwrap(row[1], row[2])))
    _, kek, wrapped = unit.store.keyring.new_key()
    unit.insert_missing(_key, _NEW, [(unit.new_id(), RAW, label, kek, wrapped)])
    row = unit.one(_LABELLED, (label,))  # ours, or that of whoever was first
    assert row is not None, "it was just inserted or existed"
    made = unit.memo[label] = DataKey(row[0], unit.store.keyring.unwrap(row[1], row[2]))
    return made


def _remember(unit: UnitOfWork, label: str, key: DataKey) -> DataKey:
    """Keep a committed key in memory; one made in an open unit is not kept: it may be undone."""
    keys = unit.store.feed_keys
    if label not in unit.memo:
        today = label.rpartition(":")[2]
        for other in [name for name in keys if name.rpartition(":")[2] != today]:
            keys.pop(other, None)
        keys[label] = key
    return key


def destroy(unit: UnitOfWork, id: int) -> bool:  # noqa: A002 -- it is the column
    """Destroy a data key; False: it was destroyed before. The caller audits it, and runs inside `shredding()`."""
    return unit.run(_DESTROY, (id, unit.now)) == 1


def purge(store: Store, now: Millis, window: Millis, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Destroy the raw keys of days that ended more than `window` ms before `now`, and drop the bytes they sealed.

    Returns how many messages lost their bytes. May be stopped anywhere and run again; every unit is audited
    (key.destroyed, content.purged). What is left of a key goes a window later: its audit entry tells of it.
    Raises StoreUnavailable.
    """
    ended = (now - window) // DAY
    with store.read() as reader:
        rows = [(row[0], _day(row[1]), row[2]) for row in reader.all(_RAW_KEYS)]
    over = [(number, day, gone) for number, day, gone in rows if day < ended]
    _destroy_all(store, [number for number, _, gone in over if not gone])
    dropped = sum(_drop_bytes(store, number, day, stopping) for number, day, _ in over)
    _forget_keys(store, (now - 2 * window) // DAY)
    return dropped


def _day(label: str) -> int:
    return int(label.rpartition(":")[2])


def _destroy_all(store: Store, ids: Sequence[int]) -> None:
    if not ids:
        return
    with store.database.shredding(), store.begin("purge") as unit:
        gone = [number for number in ids if destroy(unit, number)]
        unit.audit([("key.destroyed", number) for number in gone])
        unit.commit()


def _forget_keys(store: Store, before: int) -> None:
    """Delete what is left of the keys of days before this one."""
    with store.read() as reader:
        gone = [int(number) for number, label in reader.all(_PURGED_KEYS) if _day(label) < before]
    if gone:
        with store.begin("purge") as unit:
            unit.delete(_key, "id", gone)
            unit.audit([("content.forgotten", "key", len(gone))])
            unit.commit()


def _drop_bytes(store: Store, key: int, day: int, stopping: Callable[[], bool]) -> int:
    """Null what a destroyed key sealed, then mark the key as purged."""
    dropped, received, last = 0, day * DAY - HOUR, 0
    while not stopping():
        with store.begin("purge") as unit:
            rows = unit.all(_SEALED, (received, last, (day + 1) * DAY + HOUR, key, BATCH))
            unit.update(_raw, ("id",), ("sealed",), [(None, row[1]) for row in rows])
            if len(rows) < BATCH:
                unit.update(_key, ("id",), ("kind",), [(PURGED, key)])
            unit.audit([("content.purged", key, len(rows))])
            unit.commit()
        dropped += len(rows)
        if len(rows) < BATCH:
            return dropped
        received, last = rows[-1]
    return dropped
