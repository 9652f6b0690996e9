"""The key above all keys may live where nobody can copy it: a token or a KMS wraps one secret for us, and does nothing else.

With such a root the key file holds everything under that secret, and is worthless beside the whole disk. The root is
asked once when a process starts, and when the file changes: everything else stays local.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gateway.model.errors import KeyringError

CONTEXT = b"caregate keys"
"""Bound to every wrapped secret (AES-GCM's additional data, KMS's encryption context)."""


class Root(Protocol):
    """A key that never leaves where it is. `kind` and `key` name it; both stand in the key file, neither is secret."""

    kind: str
    key: str

    def wrap(self, secret: bytes) -> bytes:
        """Wrap 32 bytes under `key`. Raises KeyringError."""
        ...

    def unwrap(self, key: str, wrapped: bytes) -> bytes:
        """Inverse of `wrap`, under the key the file names, which may be an earlier one. KeyringError: it is gone, or away."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs11Options:
    """`module`: the maker's library. `token`, `key`: labels. `pin`: of the token's user."""

    module: Path
    token: str
    key: str
    pin: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsOptions:
    """`key`: id, ARN or alias. `endpoint`: of a service that speaks AWS KMS's protocol, where it is not AWS itself."""

    key: str
    region: str
    endpoint: str | None = None


def root_of(options: Pkcs11Options | KmsOptions | None) -> Root | None:
    """The root of a site's keys, not yet asked anything; None: the file stands alone. KeyringError: an extra is missing."""
    try:
        if isinstance(options, Pkcs11Options):
            from gateway.store.pkcs11root import Pkcs11Root

            return Pkcs11Root(options)
        if isinstance(options, KmsOptions):
            from gateway.store.kmsroot import KmsRoot

            return KmsRoot(options)
    except ImportError:
        extra = "pkcs11" if isinstance(options, Pkcs11Options) else "kms"
        raise KeyringError(f"keys in a {extra} need the extra: install caregate[{extra}]") from None
    return None
