"""The key file: JSON, mode 0600, on disk before any of its keys is used, and replaced only as a whole."""

from __future__ import annotations

import base64
import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from gateway.model.errors import KeyringError

KEY_BYTES = 32
SECTIONS = ("kek", "index", "sign")
_FORMAT = 1

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


def create(path: Path, raw: RawKeys) -> None:
    """Write a new file. KeyringError: one is there already, or it cannot be written."""
    try:
        _write(path, raw)
    except FileExistsError:
        raise KeyringError(f"{path} exists already; a lost key file makes its database unreadable") from None
    except OSError:
        raise KeyringError(f"{path} cannot be written") from None


def replace(path: Path, raw: RawKeys) -> None:
    """Replace the file as a whole. KeyringError: it cannot be written; the old one is still there then."""
    new = path.with_name(f".{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        _write(new, raw)
        new.replace(path)
        _sync_folder(path.parent)
    except OSError:
        raise KeyringError(f"{path} cannot be written") from None


def read(path: Path) -> RawKeys:
    """Read a file. KeyringError: missing, unreadable, readable by others, or not a key file."""
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
    return _decoded(path, content)


def _decoded(path: Path, content: bytes) -> RawKeys:
    try:
        loaded = json.loads(content)
        if loaded["caregate_keys"] != _FORMAT:
            raise KeyringError(f"{path} was written by another version of caregate")
        raw = {s: {k: base64.b64decode(v, validate=True) for k, v in loaded[s].items()} for s in SECTIONS}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise KeyringError(f"{path} is not a caregate key file") from None
    if not all(raw.values()) or any(len(key) != KEY_BYTES for keys in raw.values() for key in keys.values()):
        raise KeyringError(f"{path} is not a complete caregate key file")
    return raw


def _write(path: Path, raw: RawKeys) -> None:
    content: dict[str, Any] = {"caregate_keys": _FORMAT}
    content |= {s: {name: base64.b64encode(key).decode() for name, key in keys.items()} for s, keys in raw.items()}
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
