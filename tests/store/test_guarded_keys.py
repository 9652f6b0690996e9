"""A key file guarded by a token or a KMS is worthless without it; once the key there is destroyed, nothing opens again."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_roots import PIN, Token, softhsm

from gateway.model.errors import KeyringError
from gateway.ports import SetClock
from gateway.store import keyfile
from gateway.store.datakeys import new_patient_keys, open_key
from gateway.store.engine import Store
from gateway.store.kek import KmsOptions, Pkcs11Options, Root, root_of
from gateway.store.keyring import Keyring, seal, unseal
from gateway.store.migrations import migrate
from gateway.store.rotate import rotate
from tests.conftest import INSTANT, absent


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Token:
    """A token of this test with one key, `root-1`."""
    module = softhsm()
    if module is None:
        absent("softhsm2", "libsofthsm2.so is not installed (apt-get install softhsm2)")
    assert module is not None
    pytest.importorskip("pkcs11")
    monkeypatch.setenv("SOFTHSM2_CONF", "")  # put back afterwards
    made = Token(tmp_path / "hsm", module)
    made.makes("root-1")
    return made


@pytest.fixture(scope="module")
def kms_server() -> Iterator[str]:
    """The address of a KMS that speaks AWS's protocol."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def kms(kms_server: str, monkeypatch: pytest.MonkeyPatch) -> KmsOptions:
    """A fresh key of that KMS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    key = _client(kms_server).create_key()["KeyMetadata"]["KeyId"]
    return KmsOptions(key=key, region="us-east-1", endpoint=kms_server)


def _client(endpoint: str):  # type: ignore[no-untyped-def]
    from botocore.session import get_session

    return get_session().create_client("kms", region_name="us-east-1", endpoint_url=endpoint)


def _pkcs11(token: Token, **told: str) -> Pkcs11Options:
    return Pkcs11Options(**{"module": token.module, "token": token.label, "key": "root-1", "pin": PIN, **told})  # type: ignore[arg-type]


@pytest.fixture(params=["pkcs11", "kms"])
def root(request: pytest.FixtureRequest) -> Root:
    """Each kind of root in turn."""
    options = request.getfixturevalue("kms") if request.param == "kms" else _pkcs11(request.getfixturevalue("token"))
    made = root_of(options)
    assert made is not None
    return made


def _sealed_patient(store: Store) -> tuple[int, bytes]:
    with store.begin("test") as unit:
        (key,) = new_patient_keys(unit, 1)
        unit.audit([("patient.created", key.id)])
        unit.commit()
    return key.id, seal(key.plain, b"Ann", b"test.sealed:1")


def _opened(store: Store, key: int, sealed: bytes) -> bytes:
    with store.read() as unit:
        return unseal(open_key(unit, key), sealed, b"test.sealed:1")


def _database(folder: Path) -> str:
    url = f"sqlite:///{folder / 'caregate.db'}"
    migrate(url, clock=SetClock(INSTANT))
    return url


def test_the_whole_disk_without_the_root_opens_nothing(tmp_path: Path, root: Root) -> None:
    """45 CFR 164.312(a)(2)(iv): the guarded file holds no key in any form, and opens only with its root."""
    keyring = Keyring.create(tmp_path / "keys.json", root)
    content = (tmp_path / "keys.json").read_bytes()
    for section in keyring._raw.values():
        for key in section.values():
            assert key not in content
            assert base64.b64encode(key) not in content
    with pytest.raises(KeyringError, match=f"guarded by a {root.kind}"):
        Keyring.load(tmp_path / "keys.json")
    again = Keyring.load(tmp_path / "keys.json", root)
    assert again._raw == keyring._raw
    assert again.digest("address", "x") == keyring.digest("address", "x")


def test_a_site_lives_and_rotates_with_its_keys_under_a_root(tmp_path: Path, root: Root) -> None:
    """What was sealed before opens after a rotation and after a restart; the file is written under a new secret."""
    url, path = _database(tmp_path), tmp_path / "keys.json"
    store = Store.open(url, Keyring.create(path, root), SetClock(INSTANT), holder="test")
    patient, sealed = _sealed_patient(store)
    before = json.loads(path.read_text())["root"]["wrapped"]
    rotate(store, index=True)
    assert _opened(store, patient, sealed) == b"Ann"
    store.close()
    assert json.loads(path.read_text())["root"]["wrapped"] != before
    again = Store.open(url, Keyring.load(path, root), SetClock(INSTANT), holder="again")
    assert (again.keyring.kek, again.keyring.index_key) == ("kek-2", "index-2")
    assert _opened(again, patient, sealed) == b"Ann"
    again.close()


def test_a_key_destroyed_in_the_token_is_gone_after_a_restart(tmp_path: Path, token: Token) -> None:
    """164.310(d)(2)(i): a process that runs goes on until it stops; after that nothing opens, for anybody, ever."""
    url, path, options = _database(tmp_path), tmp_path / "keys.json", _pkcs11(token)
    store = Store.open(url, Keyring.create(path, root_of(options)), SetClock(INSTANT), holder="test")
    patient, sealed = _sealed_patient(store)
    token.destroys("root-1")
    assert _opened(store, patient, sealed) == b"Ann"  # what is documented: the running process still has it
    with pytest.raises(KeyringError, match="has no key root-1"):
        store.keyring.reload()
    store.close()
    token.makes("root-1")  # a key of the same name is another key
    with pytest.raises(KeyringError, match="failed"):
        Keyring.load(path, root_of(options))
    token.destroys("root-1")
    child = (
        "import sys\nfrom pathlib import Path\n"
        "from gateway.store.kek import Pkcs11Options, root_of\nfrom gateway.store.keyring import Keyring\n"
        "from gateway.model.errors import KeyringError\n"
        "options = Pkcs11Options(module=Path(sys.argv[1]), token='lakeside', key='root-1', pin=sys.argv[2])\n"
        "try:\n    Keyring.load(Path(sys.argv[3]), root_of(options))\nexcept KeyringError as error:\n    sys.exit(str(error))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", child, str(token.module), PIN, str(path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "what this site sealed cannot be opened without it" in done.stderr


def test_a_disabled_key_of_the_kms_opens_nothing(tmp_path: Path, kms: KmsOptions) -> None:
    """A key that was deleted or is of another account: one sentence, nothing of the service's own words."""
    path = tmp_path / "keys.json"
    Keyring.create(path, root_of(kms))
    gone = KmsOptions(key="00000000-0000-0000-0000-000000000000", region=kms.region, endpoint=kms.endpoint)
    content = json.loads(path.read_text())
    content["root"]["key"] = gone.key
    path.write_text(json.dumps(content))
    with pytest.raises(KeyringError, match="has no such key"):
        Keyring.load(path, root_of(gone))


def test_a_kms_that_does_not_answer_is_said_so(tmp_path: Path, kms: KmsOptions) -> None:
    """No guess, no hang: nothing opens, and the sentence says why."""
    away = KmsOptions(key=kms.key, region=kms.region, endpoint="http://127.0.0.1:9")
    with pytest.raises(KeyringError, match="cannot be asked"):
        Keyring.create(tmp_path / "keys.json", root_of(away))
    assert not (tmp_path / "keys.json").exists()


def test_rotation_moves_the_file_under_the_key_that_is_configured_now(tmp_path: Path, token: Token) -> None:
    """A token's own key is replaced: name the new one, rotate, and the old one may be destroyed."""
    url, path = _database(tmp_path), tmp_path / "keys.json"
    store = Store.open(url, Keyring.create(path, root_of(_pkcs11(token))), SetClock(INSTANT), holder="test")
    patient, sealed = _sealed_patient(store)
    store.close()
    token.makes("root-2")
    changed = root_of(_pkcs11(token, key="root-2"))
    store = Store.open(url, Keyring.load(path, changed), SetClock(INSTANT), holder="test")
    rotate(store, index=False)
    store.close()
    token.destroys("root-1")
    store = Store.open(url, Keyring.load(path, changed), SetClock(INSTANT), holder="test")
    assert _opened(store, patient, sealed) == b"Ann"
    store.close()


def test_an_open_file_is_not_taken_where_a_token_should_guard_it(tmp_path: Path, token: Token) -> None:
    """The configuration says guarded: a file in the open is refused until it is protected; the old bytes are overwritten."""
    path, guard = tmp_path / "keys.json", root_of(_pkcs11(token))
    assert guard is not None
    raw = Keyring.create(path)._raw
    with pytest.raises(KeyringError, match="caregate keys protect"):
        Keyring.load(path, guard)
    with path.open("rb") as before:  # keeps hold of the old file as its bytes lie on the disk
        assert keyfile.protect(path, guard)
        assert set(before.read()) == {0}
    assert Keyring.load(path, guard)._raw == raw
    assert not keyfile.protect(path, guard)


def test_a_backup_by_hard_link_is_left_alone(tmp_path: Path) -> None:
    """What has a second name is somebody's backup: it is not overwritten when the file is replaced."""
    path, backup = tmp_path / "keys.json", tmp_path / "backup.json"
    keyring = Keyring.create(path)
    backup.hardlink_to(path)
    content = path.read_bytes()
    keyring.extend(index=True)
    assert backup.read_bytes() == content


@pytest.mark.parametrize(
    ("told", "text"),
    [({"pin": "000000"}, "does not take this PIN"), ({"token": "elsewhere"}, "no token elsewhere"),
     ({"key": "nobody"}, "has no key nobody"), ({"module": "/nowhere/lib.so"}, "failed")],
)  # fmt: skip
def test_what_is_wrong_with_a_token_is_one_sentence_without_the_pin(
    tmp_path: Path, token: Token, told: dict[str, str], text: str
) -> None:
    """No PIN and none of the library's own words in any message."""
    from dataclasses import replace

    with pytest.raises(KeyringError, match=text) as caught:
        Keyring.create(tmp_path / "keys.json", root_of(replace(_pkcs11(token), **told)))  # type: ignore[arg-type]
    assert "000000" not in str(caught.value)
    assert PIN not in repr(_pkcs11(token))


def test_an_altered_guarded_file_is_refused(tmp_path: Path, token: Token) -> None:
    """Parts of two files do not make one: every key is bound to its name and to the file's own secret."""
    path, guard = tmp_path / "keys.json", root_of(_pkcs11(token))
    Keyring.create(path, guard)
    Keyring.create(tmp_path / "other.json", guard)
    mixed = json.loads(path.read_text())
    mixed["index"] = json.loads((tmp_path / "other.json").read_text())["index"]
    path.write_text(json.dumps(mixed))
    with pytest.raises(KeyringError, match="was altered"):
        Keyring.load(path, guard)


class _Asked:
    """A root that notes whether somebody held a unit of work open while it was asked."""

    kind, key = "pkcs11", "noted"

    def __init__(self) -> None:
        self.asked: list[bool] = []
        self.store: Store | None = None

    def wrap(self, secret: bytes) -> bytes:
        return secret[::-1]

    def unwrap(self, key: str, wrapped: bytes) -> bytes:
        self.asked.append(self.store is not None and self.store._leasing.locked() and _writing(self.store))
        return wrapped[::-1]


def _writing(store: Store) -> bool:
    return bool(store.database.session()._writing)  # type: ignore[attr-defined]


def test_a_process_follows_a_rotation_without_asking_the_root_inside_a_transaction(tmp_path: Path) -> None:
    """No network inside a unit of work: the file is read again before the new lease is taken."""
    url, path, noted = _database(tmp_path), tmp_path / "keys.json", _Asked()
    rotating = Store.open(url, Keyring.create(path, noted), SetClock(INSTANT), holder="rotating")
    other = noted.store = Store.open(url, Keyring.load(path, noted), SetClock(INSTANT), holder="other")
    patient, sealed = _sealed_patient(other)
    rotate(rotating, index=True)
    before = len(noted.asked)
    with other.begin("test") as unit:
        unit.audit([("test",)])
        unit.commit()
    assert (other.keyring.kek, other.keyring.index_key) == ("kek-2", "index-2")
    assert noted.asked[before:] == [False]
    assert _opened(other, patient, sealed) == b"Ann"
    rotating.close()
    other.close()
