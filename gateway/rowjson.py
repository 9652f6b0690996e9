"""A row of a table as a raw message: the same row is the same bytes, whatever it was read with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Place

Cell = str | int | bool | None
"""A value of a column: text, whole number, yes or no, nothing. Decimals, dates and times are text (ISO 8601), so that none is rounded."""

LONGEST = 1_048_576  # bytes of a row; what is longer is no row but a mistake
_WHOLE = 53  # bits: a whole number beyond them is another one in half of all readers of JSON
_encode = msgspec.json.Encoder().encode


class Unfit(StrEnum):
    """Why something that stands where a row should is none."""

    TYPE = "type"
    LINE = "line"
    LONG = "long"
    CHARACTERS = "characters"
    KEYLESS = "keyless"
    DELIVERY = "delivery"


RULES: Mapping[Unfit, str] = {
    Unfit.TYPE: "the column does not hold what it is declared to hold",
    Unfit.LINE: "the line has not the columns that its file has",
    Unfit.LONG: "the row is longer than a row may be",
    Unfit.CHARACTERS: "the line is not in the characters that its file is declared to be in",
    Unfit.KEYLESS: "the row does not tell its key",
    Unfit.DELIVERY: "what a broker gave could not be taken for rows: its text begins with why",
}


class _Told(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    row: dict[str, str | int | bool | None] | None = None
    unfit: Unfit | None = None
    column: str | None = None
    text: str | None = None


_decode = msgspec.json.Decoder(_Told).decode


class RowTold(NamedTuple):
    """What a raw message of a table says: the row's own key, and its columns; None: it is gone."""

    key: str
    row: Mapping[str, Cell] | None


def key_of(values: Sequence[Cell]) -> str:
    """The key of a row from its key columns, in their order; two rows never share one for want of a separator."""
    plain = [str(one) if type(one) is int else one for one in values]
    only = plain[0]
    return only if len(plain) == 1 and isinstance(only, str) else _encode(plain).decode()


def told(key: str, columns: Mapping[str, Cell]) -> bytes:
    """A row that is there; columns in the order they are declared. Whole numbers beyond 2^53 become text."""
    return _encode({"key": key, "row": {name: _exact(value) for name, value in columns.items()}})


def gone(key: str) -> bytes:
    """A row that is no longer there."""
    return _encode({"key": key})


def unfit(key: str, why: Unfit, column: str | None, text: str) -> bytes:
    """What stands where a row should, for the person who finds it in quarantine; `parse` refuses it with its reason."""
    return _encode({"key": key, "unfit": why.value, "column": column, "text": text})


def parse(body: bytes) -> RowTold:
    """What `told` or `gone` wrote. Raises Unreadable, without a value; of what `unfit` wrote always."""
    if len(body) > LONGEST:
        raise Unreadable(Fault(code=207, rule="the row is longer than a row may be", place=Place("row")), AckCode.AE)
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fault = Fault(code=100, rule="this is no row of a table", place=Place("row"))
        raise Unreadable(fault, AckCode.AE) from None
    if found.unfit is not None:
        raise Unreadable(Fault(code=102, rule=RULES[found.unfit], place=Place(found.column or "row")), AckCode.AE)
    return RowTold(found.key, found.row)


def _exact(value: Cell) -> Cell:
    return str(value) if type(value) is int and abs(value) >> _WHOLE else value
