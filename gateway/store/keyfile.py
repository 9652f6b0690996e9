"""The key file: JSON, mode 0600, on disk before any of its keys is used, and replaced only as a whole.

Alone (format 1) it holds the keys themselves. With a root in a token or KMS (format 2) it holds a secret that only the
root unwraps, made anew each time the file is written, and every key under that secret (AES-256-GCM).
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.model.errors import KeyringError
from gateway.store.kek import Root

KEY_BYTES = 32
SECTIONS = ("kek", "index", "sign")
_ALONE, _ROOTED = 1, 2
_NONCE = 12

RawKeys = dict[str, dict[str, bytes]]
"""Section → key id → key (32 bytes), oldest first."""


def fresh() -> RawKeys:
    """A first key in each section."""
    return {section: {f"{section}-1": secrets.token_bytes(KEY_BYTES)} for section in SECTIONS}


def extended(raw: RawKeys, sections: tuple[str, ...]) -> RawKeys:
    """A copy with one more key in each named section."""
    made = {section: dict(keys) for section, keys in raw.items()}
    for section in sections:
        made[section][_next_name(section, made[section])] = secrets.token_bytes(KEY_BYTES)
    return made


def _next_name(section: str, keys: dict[str, bytes]) -> str:
    numbers = [int(name.rpartition("-")[2]) for name in keys if name.rpartition("-")[2].isdigit()]
    return f"{section}-{max(numbers, default=0) + 1}"


def create(path: Path, raw: RawKeys, root: Root | None = None) -> None:
    """Write a new file. KeyringError: one is there already, it cannot be written, or the root cannot be asked."""
    content = _content(raw, root)
    try:
        _write(path, content)
    except FileExistsError:
        raise KeyringError(f"{path} exists already; a lost key file makes its database unreadable") from None
    except OSError:
        raise KeyringError(f"{path} cannot be written") from None


def replace(path: Path, raw: RawKeys, root: Root | None = None) -> None:
    """Replace the file as a whole. KeyringError as `create`; the old one is still there then.

    What the old one held is overwritten where it lay, unless it has a second name (a backup by hard link).
    """
    content = _content(raw, root)
    new = path.with_name(f".{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        _write(new, content)
        with path.open("r+b") as old:
            only = os.fstat(old.fileno()).st_nlink == 1
            new.replace(path)
            _sync_folder(path.parent)
            if only:
                _blank(old.fileno())
    except OSError:
        raise KeyringError(f"{path} cannot be written") from None


def _blank(handle: int) -> None:
    """Overwrite a file that has no name any more; on a disk that writes elsewhere instead it is of no use, and harmless."""
    with suppress(OSError):
        os.pwrite(handle, b"\0" * os.fstat(handle).st_size, 0)
        os.fsync(handle)


def read(path: Path, root: Root | None = None) -> RawKeys:
    """Read a file. KeyringError: missing, unreadable, readable by others, no key file, or not the root's."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyringError(f"{path} can be read by others; run: chmod 600 {path}")
        content = path.read_bytes()
    except FileNotFoundError:
        raise KeyringError(
            f"{path} is missing; `caregate init` writes one, or restore the one of this database"
        ) from None
    except OSError:
        raise KeyringError(f"{path} cannot be read") from None
    return _decoded(path, content, root)


def protect(path: Path, root: Root) -> bool:
    """Put a file that stands alone under the root; False: it is already. Raises KeyringError."""
    try:
        raw = read(path)
    except KeyringError:
        read(path, root)  # says what is wrong, unless it is the root's
        return False
    replace(path, raw, root)
    return True


def _decoded(path: Path, content: bytes, root: Root | None) -> RawKeys:
    try:
        loaded = json.loads(content)
        rooted = {_ALONE: False, _ROOTED: True}.get(loaded["caregate_keys"])
        if rooted is None:
            raise KeyringError(f"{path} was written by another version of caregate")
        raw = {s: {k: base64.b64decode(v, validate=True) for k, v in loaded[s].items()} for s in SECTIONS}
        told = (str(loaded["root"]["kind"]), str(loaded["root"]["key"])) if rooted else None
        wrapped = base64.b64decode(loaded["root"]["wrapped"], validate=True) if rooted else b""
    except (ValueError, KeyError, TypeError, AttributeError):
        raise KeyringError(f"{path} is not a caregate key file") from None
    _same_root(path, told, root)
    if told is not None and root is not None:
        raw = _opened(path, raw, root.unwrap(told[1], wrapped))
    if not all(raw.values()) or any(len(key) != KEY_BYTES for keys in raw.values() for key in keys.values()):
        raise KeyringError(f"{path} is not a complete caregate key file")
    return raw


def _same_root(path: Path, told: tuple[str, str] | None, root: Root | None) -> None:
    """A file in the open is never taken where the configuration says that a token guards it, nor the other way round."""
    if told is None and root is not None:
        raise KeyringError(f"{path} lies open, though `keys` names a {root.kind}: run `caregate keys protect`")
    if told is not None and (root is None or root.kind != told[0]):
        raise KeyringError(f"{path} is guarded by a {told[0]} (key {told[1]}): `keys` in caregate.yaml must name it")


def _opened(path: Path, raw: RawKeys, secret: bytes) -> RawKeys:
    try:
        cipher = AESGCM(secret)
        return {
            section: {
                name: cipher.decrypt(key[:_NONCE], key[_NONCE:], _place(section, name)) for name, key in keys.items()
            }
            for section, keys in raw.items()
        }
    except (InvalidTag, ValueError):
        raise KeyringError(f"{path} was altered, or its parts are not of one file") from None


def _place(section: str, name: str) -> bytes:
    return f"{section}:{name}".encode()


def _content(raw: RawKeys, root: Root | None) -> dict[str, Any]:
    """What the file says; with a root, every key under a secret that is new each time and that only the root unwraps."""
    if root is None:
        return {"caregate_keys": _ALONE, **_texts(raw)}
    secret = secrets.token_bytes(KEY_BYTES)
    cipher = AESGCM(secret)
    sealed: RawKeys = {}
    for section, keys in raw.items():
        sealed[section] = {}
        for name, key in keys.items():
            nonce = secrets.token_bytes(_NONCE)
            sealed[section][name] = nonce + cipher.encrypt(nonce, key, _place(section, name))
    wrapped = base64.b64encode(root.wrap(secret)).decode()
    told = {"kind": root.kind, "key": root.key, "wrapped": wrapped}
    return {"caregate_keys": _ROOTED, "root": told, **_texts(sealed)}


def _texts(raw: RawKeys) -> dict[str, dict[str, str]]:
    return {s: {name: base64.b64encode(key).decode() for name, key in keys.items()} for s, keys in raw.items()}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(json.dumps(content, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
