"""Who was erased is also told outside, beside the signed heads: a database that is restored must not bring them back.

One JSON line an erasure: the token, when, and our signature over both; a token means nothing without the database.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.model.errors import StoreError, StoreUnavailable
from gateway.model.when import Millis
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.keyring import Keyring
from gateway.store.statement import Statement

_e = tables.erasure.c
ALL = Statement("erasure.all", sa.select(_e.patient, _e.at).distinct().order_by(_e.at, _e.patient))


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """One token whose keys were destroyed at `at` (ms UTC)."""

    patient: int
    at: Millis
    key: str
    signature: bytes

    def holds(self, keyring: Keyring) -> bool:
        """Whether one of our signing keys made the signature: nobody else may have somebody erased."""
        return keyring.verify(self.key, self.signature, _text(self.patient, self.at))


def beside(heads: Path) -> Path:
    """The file of erasures that belongs to a file of signed heads."""
    return heads.with_name(heads.name + ".erasures")


def _text(patient: int, at: Millis) -> bytes:
    return f"caregate erasure\n{patient}\n{at}\n".encode("ascii")


def publish(store: Store, path: Path) -> int:
    """Append the erasures that the outside file lacks; how many. StoreError, StoreUnavailable: the next round tries again."""
    with store.read() as reader:
        rows = reader.all(ALL)
    if not rows:
        return 0
    told = {(one.patient, one.at) for one in read(path)}
    fresh = [(int(patient), int(at)) for patient, at in rows if (patient, at) not in told]
    if fresh:
        _append(path, "".join(_line(store.keyring, *one) for one in fresh))
    return len(fresh)


def _line(keyring: Keyring, patient: int, at: Millis) -> str:
    key, signature = keyring.sign(_text(patient, at))
    # the token as text: most programs keep 53 bits of a JSON number
    shown: dict[str, Any] = {"erased": str(patient), "at": at, "key": key, "signature": signature.hex()}
    return json.dumps(shown, separators=(",", ":")) + "\n"


def _append(path: Path, text: str) -> None:
    try:
        torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        with path.open("ab") as file:
            file.write((b"\n" if torn else b"") + text.encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        raise StoreUnavailable(f"the outside file of erasures {path} cannot be written") from None


def read(path: Path) -> list[Erased]:
    """What the outside file says, oldest first; empty when there is none. A torn last line was never synced.

    StoreError: a line cannot be read. StoreUnavailable: the file cannot.
    """
    try:
        text = path.read_text("ascii", "replace") if path.exists() else ""
    except OSError:
        raise StoreUnavailable(f"the outside file of erasures {path} cannot be read") from None
    lines = text.split("\n")[:-1]
    return [found for number, line in enumerate(lines, 1) if (found := _parsed(path, number, line)) is not None]


def _parsed(path: Path, number: int, line: str) -> Erased | None:
    if not line.strip():
        return None
    try:
        told = json.loads(line)
        return Erased(
            patient=int(told["erased"]),
            at=int(told["at"]),
            key=str(told["key"]),
            signature=bytes.fromhex(told["signature"]),
        )
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{path}:{number}: not an erasure") from None
