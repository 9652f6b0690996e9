"""A column of a bulk insert travels as one PostgreSQL array in binary form: one parameter, not one a value.

Layout (src/backend/utils/adt/arrayfuncs.c, array_send): dimensions, has-null flag, element type, length,
lower bound (int32 each), then per element its length (-1: null) and its bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from gateway.model.errors import StoreError

_HEADER = struct.Struct("!iiIii")
_NULL = b"\xff\xff\xff\xff"
_INT8, _INT4, _TEXT, _BYTEA = 20, 23, 25, 17

Packer = Callable[[Sequence[Any]], bytes]


@cache
def _layout(letter: str, count: int) -> struct.Struct:
    return struct.Struct("!iiIii" + f"i{letter}" * count)


def _integers(values: Sequence[int | None], letter: str, size: int, oid: int) -> bytes:
    if None in values:
        one = struct.Struct(f"!i{letter}")
        return _joined([_NULL if value is None else one.pack(size, value) for value in values], oid, True)
    interleaved = [size] * (2 * len(values))
    interleaved[1::2] = values  # type: ignore[assignment]
    if len(values) > 1024:  # layouts of common batch sizes are kept, others are not worth the memory
        return struct.Struct("!iiIii" + f"i{letter}" * len(values)).pack(1, 0, oid, len(values), 1, *interleaved)
    return _layout(letter, len(values)).pack(1, 0, oid, len(values), 1, *interleaved)


def _joined(parts: list[bytes], oid: int, nulls: bool) -> bytes:
    return _HEADER.pack(1, nulls, oid, len(parts), 1) + b"".join(parts)


def _strings(values: Sequence[bytes | None], oid: int) -> bytes:
    parts = [_NULL if value is None else len(value).to_bytes(4, "big") + value for value in values]
    return _joined(parts, oid, None in values)


def bigints(values: Sequence[int | None]) -> bytes:
    """bigint[]; struct.error for what does not fit 64 bits."""
    return _integers(values, "q", 8, _INT8)


def integers(values: Sequence[int | None]) -> bytes:
    """integer[]; struct.error for what does not fit 32 bits."""
    return _integers(values, "i", 4, _INT4)


def texts(values: Sequence[str | None]) -> bytes:
    """text[], UTF-8."""
    return _strings([None if value is None else value.encode() for value in values], _TEXT)


def blobs(values: Sequence[bytes | None]) -> bytes:
    """bytea[]."""
    return _strings(values, _BYTEA)


def packer(kind: sa.types.TypeEngine[Any]) -> Packer:
    """The function that packs values of a column's type. StoreError: a type no table here uses."""
    if isinstance(kind, sa.BigInteger):
        return bigints
    if isinstance(kind, sa.Integer):
        return integers
    if isinstance(kind, sa.Text):
        return texts
    if isinstance(kind, sa.LargeBinary):
        return blobs
    raise StoreError(f"columns of type {type(kind).__name__} are not supported")
