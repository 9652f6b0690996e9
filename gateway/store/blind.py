"""A blind index finds a value without holding it: HMAC-SHA256 (RFC 2104, FIPS 198-1), one layer per index key.

A digest is 16 bytes: the generation of its index key (1 byte), then 15 bytes of MAC. Generation 0 digests the
value; each later one digests the digest before it, so that a stored digest can be brought forward without its
value. Whoever has an old index key but not the newest cannot compute what is stored.
"""

from __future__ import annotations

import hashlib
from typing import Any

DIGEST_BYTES = 16
_BLOCK = 64  # of SHA-256


class IndexKey:
    """One index key, with both pads hashed ahead: a digest costs 1 µs instead of 2."""

    __slots__ = ("_kinds", "_outer", "_start", "generation", "id")

    def __init__(self, id: str, key: bytes, generation: int) -> None:  # noqa: A002 -- it is the word
        padded = key.ljust(_BLOCK, b"\0")
        self.id = id
        self.generation = generation.to_bytes(1, "big")
        self._start = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded)).copy
        self._kinds: dict[str, Any] = {}

    def of(self, kind: str, value: bytes) -> bytes:
        """The digest of a value (generation 0) or of the digest before it (kind ""); kinds never meet."""
        start = self._kinds.get(kind)
        if start is None:
            begun = self._start.copy()
            begun.update(kind.encode() + b"\0")
            start = self._kinds[kind] = begun.copy
        inner = start()
        inner.update(value)
        outer = self._outer()
        outer.update(inner.digest())
        made: bytes = outer.digest()
        return self.generation + made[: DIGEST_BYTES - 1]


def chain(keys: tuple[IndexKey, ...], kind: str, value: bytes | str) -> list[bytes]:
    """The digests of a value under each generation, oldest first."""
    found = keys[0].of(kind, value.encode() if isinstance(value, str) else value)
    made = [found]
    for key in keys[1:]:
        found = key.of("", found)
        made.append(found)
    return made
