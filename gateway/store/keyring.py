"""Keys live in one file apart from the database: whoever has only one of the two can read nothing.

The file holds key-encryption keys, blind-index keys and Ed25519 signing keys (newest signs). Which of the
others are current is said by the database (`keycheck`), so that all processes change over at once. Data keys live in the database, wrapped (AES-256-GCM, NIST SP 800-38D).
With a root (`kek`) the file itself opens only with a token or a KMS, which is asked when the file is read and never per patient.
"""

from __future__ import annotations

import os
import secrets
import threading
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.model.errors import Erased, KeyringError
from gateway.store import keyfile
from gateway.store.blind import DIGEST_BYTES, IndexKey, chain
from gateway.store.kek import Root
from gateway.store.keyfile import KEY_BYTES, RawKeys

NONCE_BYTES = 12
MAX_GENERATIONS = 255


Cipher = AESGCM
"""A data key made ready: setting it up costs more than sealing a small value, so who seals twice sets it up once."""


def seal(key: bytes | Cipher, plain: bytes, aad: bytes) -> bytes:
    """AES-256-GCM under a fresh random nonce: nonce (12 bytes), ciphertext, tag (16). `aad`: b"<table>.<column>:<id>"."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + (AESGCM(key) if isinstance(key, bytes) else key).encrypt(nonce, plain, aad)


def unseal(key: bytes | Cipher, sealed: bytes, aad: bytes) -> bytes:
    """Inverse of `seal`. KeyringError: another key, another row, or altered bytes."""
    try:
        return (AESGCM(key) if isinstance(key, bytes) else key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad)
    except (InvalidTag, ValueError):
        place = aad.decode("ascii", "replace")
        raise KeyringError(f"what is sealed at {place} was sealed with another key or was altered") from None


class Keyring:
    """The keys of one deployment. `kek` and `index_key` are the ids of the current ones, as the database says."""

    def __init__(self, path: Path, raw: RawKeys, root: Root | None = None) -> None:
        self.path = path
        self.root = root
        self._lock = threading.Lock()
        self._adopt(raw)
        self.use(next(reversed(raw["kek"])), len(raw["index"]) - 1)

    def __repr__(self) -> str:
        return f"Keyring({self.path})"

    def _adopt(self, raw: RawKeys) -> None:
        self._raw = raw
        self._keks = {name: AESGCM(key) for name, key in raw["kek"].items()}
        self._indexes = tuple(IndexKey(name, key, at) for at, (name, key) in enumerate(raw["index"].items()))

    # -- the file

    @classmethod
    def load(cls, path: Path, root: Root | None = None) -> Keyring:
        """Read a key file. KeyringError: missing, unreadable, readable by others, no key file, or not the root's."""
        return cls(path, keyfile.read(path, root), root)

    @classmethod
    def create(cls, path: Path, root: Root | None = None) -> Keyring:
        """Write a new key file (mode 0600). KeyringError: one is there already, or it cannot be written."""
        raw = keyfile.fresh()
        keyfile.create(path, raw, root)
        return cls(path, raw, root)

    def reload(self) -> None:
        """Take up keys that were added to the file since it was read. Raises KeyringError as `load` does."""
        with self._lock:
            self._adopt(keyfile.read(self.path, self.root))

    def use(self, kek: str, generation: int) -> None:
        """Make a key-encryption key and an index key (by its place in the file) the current ones."""
        with self._lock:
            self.kek, self._aead, self._aad = kek, self._keks[kek], kek.encode()
            self.generation = generation
            self._current = self._indexes[: generation + 1]
            self.index_key = self._current[-1].id

    def extend(self, *, index: bool) -> tuple[str, int]:
        """Make sure the file holds a newer key-encryption key than the current one, and with `index` a newer index key.

        Nothing uses them before `use`. Returns what to use then: (key-encryption key id, index generation).
        KeyringError: the file cannot be written, or it has had 255 index keys.
        """
        with self._lock:
            sections = [] if self.kek != next(reversed(self._raw["kek"])) else ["kek"]
            if index and self.generation == len(self._indexes) - 1:
                sections.append("index")
            if len(self._indexes) == MAX_GENERATIONS and "index" in sections:
                raise KeyringError(f"{self.path} has had {MAX_GENERATIONS} index keys; it takes no more")
            if sections:
                raw = keyfile.extended(self._raw, tuple(sections))
                keyfile.replace(self.path, raw, self.root)
                self._adopt(raw)
            return next(reversed(self._raw["kek"])), self.generation + (1 if index else 0)

    def drop_keks(self, keep: frozenset[str]) -> tuple[str, ...]:
        """Forget key-encryption keys that are neither current nor in `keep`; returns their ids. Raises KeyringError."""
        with self._lock:
            gone = tuple(name for name in self._raw["kek"] if name != self.kek and name not in keep)
            if gone:
                raw = {section: dict(keys) for section, keys in self._raw.items()}
                raw["kek"] = {name: key for name, key in raw["kek"].items() if name not in gone}
                keyfile.replace(self.path, raw, self.root)
                self._adopt(raw)
            return gone

    # -- data keys

    def new_key(self) -> tuple[bytes, str, bytes]:
        """A fresh 256-bit data key: (plain, id of the key that wraps it, wrapped)."""
        plain = os.urandom(KEY_BYTES)
        kek, wrapped = self.wrap(plain)
        return plain, kek, wrapped

    def wrap(self, plain: bytes) -> tuple[str, bytes]:
        """Wrap a data key with the current key-encryption key: (its id, nonce + ciphertext + tag)."""
        nonce = os.urandom(NONCE_BYTES)
        return self.kek, nonce + self._aead.encrypt(nonce, plain, self._aad)

    def unwrap(self, kek: str, wrapped: bytes | None) -> bytes:
        """The data key. Erased: it was destroyed; KeyringError: the file lacks the key, or it is another file's."""
        if wrapped is None:
            raise Erased("the key was destroyed; what it sealed is gone for good")
        try:
            return self._kek(kek).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], kek.encode())
        except (InvalidTag, ValueError):
            raise KeyringError(f"{self.path} is not the key file of this database ({kek} does not fit)") from None

    def _kek(self, name: str) -> AESGCM:
        found = self._keks.get(name)
        if found is None:
            self.reload()  # rotated by another process
            found = self._keks.get(name)
        if found is None:
            raise KeyringError(f"{self.path} lacks {name}, which wraps keys of this database")
        return found

    def has(self, kek: str) -> bool:
        """Whether the file holds a key-encryption key of this name."""
        return kek in self._keks

    # -- the blind index

    def digest(self, kind: str, value: bytes | str) -> bytes:
        """16 bytes under the current index key: its generation (1), keyed digest (15). `kind`: what is digested."""
        return self.sought(kind, value)[0]

    def digests(self, kind: str, value: bytes | str) -> tuple[tuple[str, bytes], ...]:
        """(index key id, digest) under the current key, then under the previous one if there is one."""
        keys = self._current
        made = chain(keys, kind, value)
        return tuple((keys[at].id, made[at]) for at in range(len(made) - 1, max(len(made) - 3, -1), -1))

    def sought(self, kind: str, value: bytes | str) -> tuple[bytes, ...]:
        """The digests a stored value may have: under the current index key, then under the previous one if there is one."""
        keys = self._current
        if len(keys) == 1:  # most deployments never rotate it
            return (keys[0].of(kind, value.encode() if isinstance(value, str) else value),)
        made = chain(keys, kind, value)
        return made[-1], made[-2]

    def same(self, kind: str, value: bytes | str, stored: bytes) -> bool:
        """Whether a stored digest is this value's, whichever generation of the index key made it."""
        if len(stored) != DIGEST_BYTES or stored[0] >= len(self._indexes):
            return False
        return secrets.compare_digest(chain(self._indexes[: stored[0] + 1], kind, value)[-1], stored)

    def steady(self, kind: str, value: bytes | str) -> bytes:
        """15 bytes under the first index key, which no rotation changes: for a choice that must stay what it was."""
        return chain(self._indexes[:1], kind, value)[-1][1:]

    def advance(self, digest: bytes) -> bytes:
        """The digest under the current index key, made from an older one without knowing the value."""
        for key in self._current[digest[0] + 1 :]:
            digest = key.of("", digest)
        return digest

    # -- signing

    def sign(self, message: bytes) -> tuple[str, bytes]:
        """(id of the signing key, Ed25519 signature, RFC 8032)."""
        name, secret = next(reversed(self._raw["sign"].items()))
        return name, Ed25519PrivateKey.from_private_bytes(secret).sign(message)

    def public(self, key: str) -> bytes | None:
        """The raw public key (32 bytes) of a signing key, to be given to whoever verifies; None: unknown."""
        secret = self._raw["sign"].get(key)
        return None if secret is None else Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()

    def verify(self, key: str, signature: bytes, message: bytes) -> bool:
        """Whether that signing key of ours made the signature over the message."""
        public = self.public(key)
        if public is None:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except InvalidSignature:
            return False
        return True
