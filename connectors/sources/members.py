"""A JSON object as a row: the column `traits.mrn` is the member `mrn` of `traits`, and numbers stay exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

BOM = b"\xef\xbb\xbf"
Paths = Sequence[tuple[str, tuple[str, ...]]]
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def paths_of(columns: Sequence[str]) -> Paths:
    """Where each column lies."""
    return [(name, tuple(name.split("."))) for name in columns]


def json_of(raw: bytes) -> object:
    """What it says; None where it is no JSON, or one that Python cannot hold."""
    try:
        return _decode(raw.removeprefix(BOM))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError):
        return None


def object_of(raw: bytes) -> dict[str, Any] | None:
    """The object it says; None where it says something else."""
    found = json_of(raw)
    return found if isinstance(found, dict) else None


def values_of(found: Mapping[str, Any], paths: Paths) -> list[object]:
    """The values of the columns; a list or an object is its JSON, for whoever declared it as text."""
    return [_plain(_at(found, name, path)) for name, path in paths]


def _at(found: Mapping[str, Any], name: str, path: tuple[str, ...]) -> object:
    if name in found or len(path) == 1:
        return found.get(name)
    value: object = found
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def text_of(value: object) -> str:
    """Its JSON; of what is nested deeper than can be written, which was read a little less deep, only that."""
    try:
        return _encode(value).decode()
    except RecursionError:
        return "(nested too deep)"


def _plain(value: object) -> object:
    return text_of(value) if isinstance(value, (dict, list)) else value
