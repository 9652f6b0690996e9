"""Rotation: everything stays readable and findable, in every process, also when it is stopped half-way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from gateway.model.errors import Erased, KeyringError
from gateway.store import datakeys, keyfile, rotate, tables
from gateway.store.engine import Store
from gateway.store.keyring import Keyring, seal, unseal
from gateway.store.session import LeaseLost
from gateway.store.statement import Statement

VALUES = [f"MR|{number}" for number in range(7)]
IDENTIFIER = ("index_key", "hmac", "patient", "sealed")
KEKS = Statement("keks", sa.select(tables.data_key.c.kek).where(tables.data_key.c.wrapped.is_not(None)).distinct())
ENTRIES = Statement("entries", sa.select(tables.audit.c.entries).where(tables.audit.c.entries.like("%keys.rotated%")))


def admit(store: Store, values: list[str]) -> None:
    """A patient for each identifier, with a key of their own, the address once more as an opt-out."""
    digest = store.keyring.digest
    with store.begin("test") as unit:
        rows, addresses = [], []
        for value, key in zip(values, datakeys.new_patient_keys(unit, len(values)), strict=True):
            sealed = seal(key.plain, value.encode(), b"identifier.sealed:%d" % key.id)
            rows.append((store.keyring.index_key, digest("identifier", value), key.id, sealed))
            addresses.append((unit.new_id(), store.keyring.index_key, digest("address", value), "clinic", 5))
        unit.insert(tables.identifier, IDENTIFIER, rows)
        unit.insert(tables.address, ("id", "index_key", "hmac", "sender", "opted_out_at"), addresses)
        unit.audit([("patient.created",)])
        unit.commit()


def find(store: Store, value: str) -> str | None:
    """What the blind index finds for an identifier, unsealed: the way every look-up goes."""
    with store.read() as reader:
        wanted = [digest for _, digest in store.keyring.digests("identifier", value)]
        rows = reader.lookup(tables.identifier, ("patient", "sealed"), "hmac", wanted)
        if not rows:
            return None
        ((key, sealed),) = rows
        return unseal(datakeys.open_key(reader, key), sealed, b"identifier.sealed:%d" % key).decode()


def opted_out(store: Store, value: str) -> bool:
    """Whether the suppression list knows an address."""
    with store.read() as reader:
        wanted = [digest for _, digest in store.keyring.digests("address", value)]
        return len(reader.lookup(tables.address, ("opted_out_at",), "hmac", wanted)) == 1


def test_rotation_keeps_everything_readable_and_findable(
    store: Store, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New key-encryption key, new index key; also for who reads the file afresh; all of it audited."""
    monkeypatch.setattr(rotate, "BATCH", 3)
    admit(store, VALUES)
    before = store.keyring.digest("identifier", VALUES[0])
    seen: list[tuple[str, int]] = []
    done = rotate.rotate(store, index=True, progress=lambda what, count: seen.append((what, count)))
    assert (done.kek, done.index_key, done.wrapped, done.digests) == ("kek-2", "index-2", 7, 14)
    assert seen[:3] == [("data_key", 3), ("data_key", 6), ("data_key", 7)]
    assert store.keyring.digest("identifier", VALUES[0]) != before
    for one in (store, Store.open(store_url, Keyring.load(store.keyring.path), store.clock, holder="afresh")):
        assert [find(one, value) for value in VALUES] == VALUES
        assert all(opted_out(one, value) for value in VALUES)
        assert find(one, "MR|99") is None
        with one.read() as reader:
            assert reader.all(KEKS) == [("kek-2",)]
            assert len(reader.all(ENTRIES)) >= 7
            assert reader.lookup(tables.identifier, ("patient",), "hmac", [before]) == []
    one.close()


def test_without_index_only_the_wrapping_changes(store: Store) -> None:
    """Digests stay as they are."""
    admit(store, VALUES)
    done = rotate.rotate(store, index=False)
    assert (done.kek, done.index_key, done.digests) == ("kek-2", "index-1", 0)
    assert [find(store, value) for value in VALUES] == VALUES


def test_old_key_encryption_keys_leave_the_file_one_rotation_later(store: Store) -> None:
    """The latest stays, for a backup taken just before; index keys stay, their layers are needed."""
    admit(store, VALUES)
    for _ in range(3):
        rotate.rotate(store, index=True)
    raw = keyfile.read(store.keyring.path)
    assert list(raw["kek"]) == ["kek-3", "kek-4"]
    assert list(raw["index"]) == ["index-1", "index-2", "index-3", "index-4"]
    assert [find(store, value) for value in VALUES] == VALUES


def test_look_ups_find_everything_while_a_rotation_is_under_way(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """After every single batch each patient is found exactly once, and new ones come under the new key."""
    monkeypatch.setattr(rotate, "BATCH", 2)
    admit(store, VALUES)
    fresh = iter(f"MR|new{number}" for number in range(99))
    admitted: list[str] = []

    def look(_what: str, _count: int) -> None:
        value = next(fresh)
        admit(store, [value])
        admitted.append(value)
        assert [find(store, value) for value in VALUES + admitted] == VALUES + admitted

    rotate.rotate(store, index=True, progress=look)
    assert len(admitted) > 5


@pytest.mark.parametrize("stop", ["data_key", "identifier.hmac", "address.hmac"])
def test_an_interrupted_rotation_is_finished_by_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    """Without making yet another key."""
    monkeypatch.setattr(rotate, "BATCH", 3)
    admit(store, VALUES)

    def fail(what: str, _count: int) -> None:
        if what == stop:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rotate.rotate(store, index=True, progress=fail)
    assert [find(store, value) for value in VALUES] == VALUES
    done = rotate.rotate(store, index=True)
    assert done.resumed
    assert (done.kek, done.index_key) == ("kek-2", "index-2")
    assert [find(store, value) for value in VALUES] == VALUES
    assert not rotate.rotate(store, index=True).resumed


def test_a_rotation_that_stopped_before_the_change_over_changes_nothing(
    store: Store, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is ahead of the database then; the database says which keys are current."""
    admit(store, VALUES)
    with monkeypatch.context() as patch:
        patch.setattr(rotate.keycheck, "stamp", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rotate.rotate(store, index=True)
    assert (store.keyring.kek, store.keyring.index_key) == ("kek-1", "index-1")
    assert [find(store, value) for value in VALUES] == VALUES
    again = Store.open(store_url, Keyring.load(store.keyring.path), store.clock, holder="again")
    assert (again.keyring.kek, again.keyring.index_key) == ("kek-1", "index-1")
    assert rotate.rotate(again, index=True).index_key == "index-2"
    assert [find(again, value) for value in VALUES] == VALUES
    again.close()


def test_another_running_process_changes_over_before_its_next_unit(
    open_store: Callable[..., Store], keyring: Keyring
) -> None:
    """It never again writes a digest under the old index key."""
    rotating, other = open_store("rotating"), open_store("other", keys=Keyring.load(keyring.path))
    admit(rotating, VALUES)
    rotate.rotate(rotating, index=True)
    try:
        with other.begin("test") as unit:
            unit.lookup(tables.source, ("id",), "id", [1])
    except LeaseLost:
        with other.begin("test"):
            pass
    assert other.keyring.index_key == "index-2"
    assert [find(other, value) for value in VALUES] == VALUES


def test_a_process_whose_key_file_was_not_brought_up_to_date_stops_writing(
    open_store: Callable[..., Store], keyring: Keyring, tmp_path: object
) -> None:
    """It fails closed, and says which file lacks what."""
    path = keyring.path.with_name("copy.json")
    keyfile.create(path, keyfile.read(keyring.path))
    rotating, other = open_store("rotating"), open_store("other", keys=Keyring.load(path))
    rotate.rotate(rotating, index=True)
    with pytest.raises(KeyringError, match=r"copy\.json lacks kek-2"):
        for _ in range(2):
            try:
                with other.begin("test") as unit:
                    unit.lookup(tables.source, ("id",), "id", [1])
            except LeaseLost:
                continue


def test_erased_patients_stay_erased_and_their_opt_out_stays(store: Store) -> None:
    """There is nothing to unseal for them, and nothing needs to be."""
    admit(store, VALUES)
    with store.begin("test") as unit:
        wanted = [digest for _, digest in store.keyring.digests("identifier", VALUES[0])]
        ((key,),) = unit.lookup(tables.identifier, ("patient",), "hmac", wanted)
        datakeys.destroy(unit, key)
        unit.audit([("key.destroyed", key)])
        unit.commit()
    rotate.rotate(store, index=True)
    assert opted_out(store, VALUES[0])
    with pytest.raises(Erased):
        find(store, VALUES[0])


def test_every_keyed_digest_column_is_re_keyed() -> None:
    """A new column with a digest must be added to the list, or its rows are lost after two rotations."""
    named = {f"{table.name}.{column.name}" for table in tables.metadata.tables.values() for column in table.c}
    digests = {name for name in named if name.endswith(("_hmac", ".hmac")) or name in OTHERS}
    assert {indexed.name for indexed in rotate.INDEXED} == digests


OTHERS = {
    "patient.digest",
    "patient.flags_digest",
    "occurrence.key",
    "occurrence.parent",
    "request.material",
    "fetch.digest",
    "resource.key",
    "representative.told",
    "table_row.key",
    "table_row.digest",
}
