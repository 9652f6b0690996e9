"""A value of a column in its declared type, exactly: what cannot be that type is refused, never guessed at or rounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from gateway.rowjson import Cell


class ColumnType(StrEnum):
    """What a column is declared to hold."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    DATETIME = "datetime"
    YESNO = "yesno"


def cell(type_: ColumnType, value: object) -> Cell:
    """`value` as files and databases give it (text, int, Decimal, float, bool, date, datetime, None) in its type.

    Blank text is nothing. A datetime with an offset is told in UTC; one without stays without, for the mapping says in
    which zone it is (SN-13). Raises ValueError, without the value.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return _READ[type_](value)
    except (ValueError, InvalidOperation, OverflowError, TypeError):
        raise ValueError(f"is no {type_.value}") from None


def word_of(value: object) -> str:
    """A value as a word to compare: yes and no are `true` and `false`, nothing is the empty word, and case does not matter."""
    return "" if value is None else str(value).casefold()


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, datetime):
        return _datetime(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    raise TypeError


def _integer(value: object) -> int:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, int):
        return value
    if isinstance(value, str) and len(value) < _MOST_DIGITS and value.isascii() and value.isdigit():
        return int(value)  # what most are
    exact = Decimal(_decimal(value))
    if exact != exact.to_integral_value():
        raise ValueError
    return int(exact)


def _decimal(value: object) -> str:
    """Plain digits, without an exponent; a float only where it is exact in the digits it shows."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise TypeError
    exact = Decimal(str(value).strip())
    if not exact.is_finite() or abs(exact.adjusted()) > _MOST_DIGITS:
        raise ValueError
    text = format(exact, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


_MOST_DIGITS: Final = 40
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_OFFSET = re.compile(r" ?(?:UTC|Z|([+-]\d\d):?(\d\d)?)$", re.ASCII)
_HOUR = re.compile(r"^\d{4}-\d\d-\d\d[T ](?=\d:)", re.ASCII)
_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d)[T ]00:00(?::00(?:\.0+)?)?(?: ?(?:UTC|Z|[+-]00:?00))?", re.ASCII)


def _date(value: object) -> str:
    """A calendar day. A time is none, but for the midnight that exports add to one."""
    if isinstance(value, datetime):
        if (value.hour, value.minute, value.second, value.microsecond) != (0, 0, 0, 0):
            raise ValueError
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        raise TypeError
    text = value.strip()
    whole = _MIDNIGHT.fullmatch(text)
    text = whole[1] if whole else text
    if not _DATE.fullmatch(text):
        raise ValueError
    return date.fromisoformat(text).isoformat()


def _datetime(value: object) -> str:
    """To the second, or as far as it is told; a mere day is no time."""
    if isinstance(value, str):
        value = _stamp(value.strip())
    if not isinstance(value, datetime):
        raise TypeError
    if value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return value.isoformat()


def _stamp(text: str) -> datetime:
    """ISO 8601, or as databases print it: a blank for the T, an hour of one digit, `UTC`, an offset without a colon or after a blank."""
    if text[12:13] == ":":
        text = _HOUR.sub(r"\g<0>0", text)
    if len(text) <= len("2026-01-01"):
        raise ValueError
    told = _OFFSET.search(text, len("2026-01-01T00"))
    if told is None:
        return datetime.fromisoformat(text)
    offset = f"{told[1]}:{told[2] or '00'}" if told[1] else "+00:00"
    return datetime.fromisoformat(text[: told.start()] + offset)


_YES, _NO = frozenset({"true", "t", "yes", "y", "1"}), frozenset({"false", "f", "no", "n", "0"})


def _yesno(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold() if isinstance(value, (str, int)) else ""
    if word not in _YES | _NO:
        raise ValueError
    return word in _YES


_READ: Final[Mapping[ColumnType, Callable[[object], Cell]]] = {
    ColumnType.TEXT: _text,
    ColumnType.INTEGER: _integer,
    ColumnType.DECIMAL: _decimal,
    ColumnType.DATE: _date,
    ColumnType.DATETIME: _datetime,
    ColumnType.YESNO: _yesno,
}
