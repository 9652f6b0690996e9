"""Keys: what they seal opens only with them, in its own place; a wrong key file is recognised at once."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.model.errors import Erased, KeyringError
from gateway.ports import SetClock
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.keyring import Keyring, seal, unseal

KEY = bytes(range(32))


def test_what_is_sealed_opens_in_its_own_place_only() -> None:
    """The place is part of the seal: a row's bytes cannot be moved to another row."""
    sealed = seal(KEY, b"canary", b"patient.sealed:1")
    assert b"canary" not in sealed
    assert unseal(KEY, sealed, b"patient.sealed:1") == b"canary"
    for key, cipher, place in (
        (KEY, sealed, b"patient.sealed:2"),
        (bytes(32), sealed, b"patient.sealed:1"),
        (KEY, sealed[:-1] + bytes([sealed[-1] ^ 1]), b"patient.sealed:1"),
        (KEY, b"", b"patient.sealed:1"),
    ):
        with pytest.raises(KeyringError, match="sealed at patient"):
            unseal(key, cipher, place)


def test_the_same_content_is_sealed_differently_each_time() -> None:
    """Equal ciphertexts would tell equal contents."""
    assert seal(KEY, b"x", b"a") != seal(KEY, b"x", b"a")


def test_the_key_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """0600 is written and demanded; a second file is never written over the first."""
    path = tmp_path / "keys.json"
    Keyring.create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyringError, match="exists already"):
        Keyring.create(path)
    path.chmod(0o640)
    with pytest.raises(KeyringError, match="chmod 600"):
        Keyring.load(path)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "missing"),
        ("{", "not a caregate key file"),
        ("[]", "not a caregate key file"),
        ('{"caregate_keys": 3}', "another version"),
        ('{"caregate_keys": 1, "kek": {}, "index": {}, "sign": {}}', "not a complete"),
        ('{"caregate_keys": 1, "kek": {"k": "AAAA"}, "index": {"k": "AAAA"}, "sign": {"k": "AAAA"}}', "not a complete"),
        ('{"caregate_keys": 1, "kek": {"k": "canary!"}, "index": {}, "sign": {}}', "not a caregate key file"),
    ],
)
def test_a_bad_key_file_is_named_without_its_content(tmp_path: Path, content: str | None, text: str) -> None:
    """One sentence says which file and what is wrong with it."""
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)
    with pytest.raises(KeyringError, match=text) as caught:
        Keyring.load(path)
    assert "keys.json" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_data_keys_are_wrapped_and_destroyed_ones_are_gone(keyring: Keyring) -> None:
    """The wrapped form tells nothing; without it the key is gone."""
    plain, kek, wrapped = keyring.new_key()
    assert plain not in wrapped
    assert Keyring.load(keyring.path).unwrap(kek, wrapped) == plain
    with pytest.raises(Erased):
        keyring.unwrap(kek, None)
    with pytest.raises(KeyringError, match="lacks kek-9"):
        keyring.unwrap("kek-9", wrapped)


def test_the_blind_index_is_hmac_sha256(keyring: Keyring) -> None:
    """RFC 2104 over kind and value, 15 bytes behind the generation; computed here with the standard library."""
    (name, key) = next(iter(json.loads(keyring.path.read_text())["index"].items()))
    import base64

    mac = hmac.new(base64.b64decode(key), b"identifier\0MR|1", hashlib.sha256).digest()
    assert keyring.digest("identifier", "MR|1") == b"\0" + mac[:15]
    assert keyring.digests("identifier", b"MR|1") == ((name, b"\0" + mac[:15]),)
    assert keyring.digest("address", "MR|1") != keyring.digest("identifier", "MR|1")


def test_a_new_index_key_keeps_old_digests_recognisable(keyring: Keyring) -> None:
    """Current and previous are offered; any older one still compares, and can be brought forward blind."""
    first = keyring.digest("identifier", "MR|1")
    for generation in (1, 2):
        keyring.use(*keyring.extend(index=True))
        assert keyring.generation == generation
    current, previous = keyring.digests("identifier", "MR|1")
    assert current == (keyring.index_key, keyring.digest("identifier", "MR|1"))
    assert [digest[0] for _, digest in (current, previous)] == [2, 1]
    assert keyring.advance(first) == keyring.advance(previous[1]) == current[1]
    assert keyring.same("identifier", "MR|1", first)
    assert not keyring.same("identifier", "MR|2", first)
    assert not keyring.same("identifier", "MR|1", b"")
    assert not keyring.same("identifier", "MR|1", b"\x09" * 16)


def test_new_keys_are_on_disk_before_they_are_used(keyring: Keyring) -> None:
    """Asked again before the change-over, the same new keys are offered."""
    made = keyring.extend(index=True)
    assert made == keyring.extend(index=True) == ("kek-2", 1)
    assert keyring.kek == "kek-1"
    assert Keyring.load(keyring.path).kek == "kek-2"
    assert keyring.path.stat().st_mode & 0o777 == 0o600
    assert list(keyring.path.parent.iterdir()) == [keyring.path]


def test_signatures_are_ours_or_not(keyring: Keyring) -> None:
    """Ed25519; an unknown key id is no signature."""
    key, signature = keyring.sign(b"head")
    assert keyring.verify(key, signature, b"head")
    assert not keyring.verify(key, signature, b"other")
    assert not keyring.verify("sign-9", signature, b"head")
    assert len(keyring.public(key) or b"") == 32


def test_another_key_file_does_not_open_the_database(store: Store, store_url: str, tmp_path: Path) -> None:
    """Recognised at opening, before anything is written with the wrong key."""
    other = Keyring.create(tmp_path / "other.json")
    with pytest.raises(KeyringError, match=r"other\.json is not the key file of this database"):
        Store.open(store_url, other, store.clock, holder="test")


def test_a_key_file_with_another_index_key_does_not_open_the_database(
    store: Store, store_url: str, keyring: Keyring, tmp_path: Path
) -> None:
    """It would find no patient and make everybody anew."""
    mixed = json.loads(keyring.path.read_text())
    mixed["index"] = json.loads(Keyring.create(tmp_path / "other.json").path.read_text())["index"]
    path = tmp_path / "mixed.json"
    path.write_text(json.dumps(mixed))
    path.chmod(0o600)
    with pytest.raises(KeyringError, match="index keys"):
        Store.open(store_url, Keyring.load(path), store.clock, holder="test")


def test_a_database_that_lost_its_check_value_is_not_opened(
    open_store: Callable[..., Store], store_url: str, keyring: Keyring, clock: SetClock
) -> None:
    """Keys without the value that would tell a wrong file mean that somebody altered it."""
    store = open_store()
    with store.begin("test") as unit:
        unit.insert(tables.data_key, ("id", "kind", "kek"), [(1, "patient", "kek-1")])
        unit.update(tables.data_key, ("kind",), ("kind",), [("patient", "check")])
        unit.audit([("x",)])
        unit.commit()
    with pytest.raises(KeyringError, match="altered"):
        Store.open(store_url, keyring, clock, holder="test")


def test_a_key_never_shows_itself(keyring: Keyring) -> None:
    """Neither in a repr nor in an exception's text."""
    secrets = json.loads(keyring.path.read_text())
    shown = repr(keyring) + str(vars(keyring).keys())
    assert not any(key in shown for section in ("kek", "index", "sign") for key in secrets[section].values())


def test_a_steady_digest_survives_new_index_keys(keyring: Keyring) -> None:
    """A patient keeps the wording they had; and it is no digest that anything is looked up by."""
    before = keyring.steady("variant", "recall\x1f7")
    sought = keyring.sought("variant", "recall\x1f7")
    keyring.use(*keyring.extend(index=True))
    assert keyring.steady("variant", "recall\x1f7") == before
    assert keyring.sought("variant", "recall\x1f7")[0] != sought[0]
    assert len({keyring.steady("variant", f"recall\x1f{token}") for token in range(50)}) == 50
