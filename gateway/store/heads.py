"""A signed head says: up to here, exactly this. Copies of it live outside, where the host's owner cannot sign again.

The outside target is a file of JSON lines (append-only or remote storage mounted for it), synced on each append. After a
restore from an older backup one line says which heads were given up by it, signed too.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.model.errors import StoreError, StoreUnavailable
from gateway.model.when import Millis
from gateway.store.keyring import Keyring

LOG = "audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """`size` blocks, the last of which has `hash` and ends with audit row `last`; `at` is ms UTC."""

    size: int
    last: int
    hash: bytes
    at: Millis
    key: str
    signature: bytes

    def line(self) -> str:
        """One JSON line, without PHI."""
        shown: dict[str, Any] = {"log": LOG, "size": self.size, "last": self.last, "hash": self.hash.hex()}
        shown |= {"at": self.at, "key": self.key, "signature": self.signature.hex()}
        return json.dumps(shown, separators=(",", ":"))

    def holds(self, keyring: Keyring) -> bool:
        """Whether one of our signing keys made the signature (Ed25519, RFC 8032)."""
        return keyring.verify(self.key, self.signature, signed_text(self.size, self.last, self.hash, self.at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A backup of `size` blocks took the place of a log that had `lost` of them; `at` is ms UTC."""

    size: int
    lost: int
    at: Millis
    key: str
    signature: bytes

    def line(self) -> str:
        """One JSON line, without PHI."""
        shown: dict[str, Any] = {"log": LOG, "restored": self.size, "lost": self.lost, "at": self.at, "key": self.key}
        return json.dumps(shown | {"signature": self.signature.hex()}, separators=(",", ":"))

    def holds(self, keyring: Keyring) -> bool:
        """Whether one of our signing keys made the signature."""
        return keyring.verify(self.key, self.signature, _restored_text(self.size, self.lost, self.at))


def _restored_text(size: int, lost: int, at: Millis) -> bytes:
    return f"caregate {LOG} restored\n{size}\n{lost}\n{at}\n".encode("ascii")


def give_up(path: Path, keyring: Keyring, size: int, lost: int, at: Millis) -> None:
    """Say outside that the log goes on after block `size`, and that those up to `lost` are gone. StoreUnavailable."""
    key, signature = keyring.sign(_restored_text(size, lost, at))
    append(path, Restored(size=size, lost=lost, at=at, key=key, signature=signature))


def signed_text(size: int, last: int, hash: bytes, at: Millis) -> bytes:  # noqa: A002 -- it is the word
    """The bytes that are signed."""
    return f"caregate {LOG}\n{size}\n{last}\n{hash.hex()}\n{at}\n".encode("ascii")


def sign(keyring: Keyring, size: int, last: int, hash: bytes, at: Millis) -> Head:  # noqa: A002 -- it is the word
    """A head signed with the newest signing key."""
    key, signature = keyring.sign(signed_text(size, last, hash, at))
    return Head(size=size, last=last, hash=hash, at=at, key=key, signature=signature)


def read(path: Path) -> list[Head]:
    """The heads in an outside file that were not given up by a restore, oldest first.

    A torn last line (crash while appending) is no head. StoreError: another line cannot be read. StoreUnavailable: the
    file cannot.
    """
    heads: list[Head] = []
    for one in read_all(path):
        if isinstance(one, Head):
            heads.append(one)
        else:
            heads = [head for head in heads if head.size <= one.size]
    return heads


def read_all(path: Path) -> list[Head | Restored]:
    """Everything in an outside file, in the order in which it was written. Raises as `read`."""
    try:
        text = path.read_text("ascii", "replace") if path.exists() else ""
    except OSError:
        raise StoreUnavailable(f"the outside heads in {path} cannot be read") from None
    lines = text.split("\n")[:-1]  # whatever follows the last newline was never synced
    return [_parsed(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _parsed(path: Path, number: int, line: str) -> Head | Restored:
    try:
        told = json.loads(line)
        at, key, signature = int(told["at"]), str(told["key"]), bytes.fromhex(told["signature"])
        if "restored" in told:
            return Restored(size=int(told["restored"]), lost=int(told["lost"]), at=at, key=key, signature=signature)
        return Head(
            size=int(told["size"]),
            last=int(told["last"]),
            hash=bytes.fromhex(told["hash"]),
            at=at,
            key=key,
            signature=signature,
        )
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{path}:{number}: not a signed head") from None


def append(path: Path, head: Head | Restored) -> None:
    """Append a line and sync it; a torn line before it is ended first. StoreUnavailable: the target cannot be written."""
    try:
        torn = path.exists() and path.stat().st_size > 0 and _last_byte(path) != b"\n"
        with path.open("ab") as file:
            file.write((b"\n" if torn else b"") + head.line().encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        raise StoreUnavailable(f"the outside heads in {path} cannot be written") from None


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)
