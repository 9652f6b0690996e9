"""Destroying one key forgets one patient, or one day of a feed, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.model.errors import Erased, KeyringError
from gateway.model.when import DAY, HOUR
from gateway.ports import SetClock
from gateway.store import datakeys, tables
from gateway.store.engine import Store
from gateway.store.keyring import seal, unseal
from gateway.store.statement import Statement
from tests.conftest import INSTANT

RAW = ("id", "source", "control_hmac", "body_hmac", "received", "feed_key", "sealed", "type", "ack", "result")
SEALED = Statement("sealed", sa.select(sa.func.count()).where(tables.raw.c.sealed.is_not(None)))
ENTRIES = Statement("entries", sa.select(tables.audit.c.entries).order_by(tables.audit.c.id))
WINDOW = 30 * DAY


def receive(store: Store, count: int, body: bytes = b"MSH|") -> list[int]:
    """Raw messages under today's key, in one audited unit; their ids."""
    with store.begin("test") as unit:
        key = datakeys.feed_key(unit, 1)
        made = [unit.new_id() for _ in range(count)]
        digest = store.keyring.digest("body", body)
        rows = [
            (
                one,
                1,
                digest,
                digest,
                unit.now,
                key.id,
                seal(key.plain, body, b"raw.sealed:%d" % one),
                "ADT^A01",
                "AA",
                "x",
            )
            for one in made
        ]
        unit.insert(tables.raw, RAW, rows)
        unit.audit([("message.received",)], id=made[0])
        unit.commit()
    return made


def test_a_patients_key_is_found_again_until_it_is_destroyed(store: Store) -> None:
    """Afterwards it is Erased, and says so by id."""
    with store.begin("test") as unit:
        one, two = datakeys.new_patient_keys(unit, 2)
        unit.audit([("patient.created",)])
        unit.commit()
    assert one.plain != two.plain
    assert repr(one) == f"DataKey(id={one.id})"
    with store.begin("test") as unit:
        assert datakeys.open_keys(unit, [one.id, two.id]) == {one.id: one.plain, two.id: two.plain}
        assert datakeys.destroy(unit, one.id)
        assert not datakeys.destroy(unit, one.id)
        unit.audit([("key.destroyed", one.id)])
        unit.commit()
    with store.read() as reader:
        assert datakeys.open_keys(reader, [one.id, two.id]) == {one.id: None, two.id: two.plain}
        assert datakeys.open_key(reader, two.id) == two.plain
        with pytest.raises(Erased, match=str(one.id)):
            datakeys.open_key(reader, one.id)
        with pytest.raises(KeyringError, match="missing"):
            datakeys.open_keys(reader, [two.id, 99])


def test_a_feed_has_one_key_a_day(store: Store, clock: SetClock) -> None:
    """The same for all messages of a UTC day, another for the next day and for another feed."""
    keys = []
    for at in (INSTANT, INSTANT + HOUR, INSTANT + DAY):
        clock.set(at)
        with store.begin("test") as unit:
            keys += [datakeys.feed_key(unit, 1), datakeys.feed_key(unit, 1), datakeys.feed_key(unit, 2)]
            unit.audit([("x",)])
            unit.commit()
    assert len({key.id for key in keys}) == 4
    assert keys[0] == keys[1] == keys[3] == keys[4]


def test_a_key_made_in_a_unit_that_was_undone_is_not_remembered(store: Store) -> None:
    """Bytes sealed with it could never be opened again."""
    with store.begin("test") as unit:
        undone = datakeys.feed_key(unit, 1)
        assert datakeys.feed_key(unit, 1) == undone
    (number,) = receive(store, 1)
    with store.read() as reader:
        ((key, sealed),) = reader.lookup(tables.raw, ("feed_key", "sealed"), "id", [number])
        assert key != undone.id
        assert unseal(datakeys.open_key(reader, key), sealed, b"raw.sealed:%d" % number) == b"MSH|"


def test_two_listeners_that_begin_a_day_together_share_its_key(open_store: Callable[..., Store]) -> None:
    """Whoever is second takes the first one's."""
    one, two = open_store("one"), open_store("two")
    receive(one, 1)
    receive(two, 1)
    with one.read() as reader:
        keys = reader.all(Statement("keys", sa.select(tables.raw.c.feed_key).distinct()))
    assert len(keys) == 1


def test_raw_bytes_are_purged_when_the_replay_window_closes(
    store: Store, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day ends, then the window passes; newer days stay; running again does nothing; all of it is audited."""
    monkeypatch.setattr(datakeys, "BATCH", 3)
    receive(store, 7)
    clock.set(INSTANT + DAY)
    newer = receive(store, 2)
    end_of_day = (INSTANT // DAY + 1) * DAY
    clock.set(end_of_day + WINDOW - 1)
    assert datakeys.purge(store, clock.now(), WINDOW) == 0
    clock.set(end_of_day + WINDOW)
    assert datakeys.purge(store, clock.now(), WINDOW) == 7
    assert datakeys.purge(store, clock.now(), WINDOW) == 0
    with store.read() as reader:
        assert reader.one(SEALED) == (2,)
        ((key, sealed),) = reader.lookup(tables.raw, ("feed_key", "sealed"), "id", newer[:1])
        assert unseal(datakeys.open_key(reader, key), sealed, b"raw.sealed:%d" % newer[0]) == b"MSH|"
        told = "".join(row[0] for row in reader.all(ENTRIES))
    assert len(re.findall("key.destroyed", told)) == 1
    assert len(re.findall("content.purged", told)) == 3


def test_a_purge_that_stopped_half_way_is_finished_by_the_next(
    store: Store, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is destroyed first: the bytes are unreadable from then on, dropped or not."""
    (number, *_) = receive(store, 5)
    clock.set(INSTANT + 40 * DAY)
    with monkeypatch.context() as patch:
        patch.setattr(datakeys, "_drop_bytes", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            datakeys.purge(store, clock.now(), WINDOW)
    with store.read() as reader:
        ((key,),) = reader.lookup(tables.raw, ("feed_key",), "id", [number])
        with pytest.raises(Erased):
            datakeys.open_key(reader, key)
    assert datakeys.purge(store, clock.now(), WINDOW) == 5


def test_a_destroyed_key_is_not_left_in_the_file(tmp_path: Path, store: Store, clock: SetClock) -> None:
    """SQLite: neither in a free page nor in the WAL; PostgreSQL vacuums, its pages are the server's."""
    (number,) = receive(store, 1)
    with store.read() as reader:
        ((key,),) = reader.lookup(tables.raw, ("feed_key",), "id", [number])
        ((wrapped,),) = reader.lookup(tables.data_key, ("wrapped",), "id", [key])
    clock.set(INSTANT + 40 * DAY)
    datakeys.purge(store, clock.now(), WINDOW)
    if store.dialect == "postgresql":
        with store.read() as reader:
            assert reader.lookup(tables.data_key, ("wrapped",), "id", [key]) == [(None,)]
        return
    left = b"".join(path.read_bytes() for path in tmp_path.glob("caregate.db*"))
    assert wrapped not in left
