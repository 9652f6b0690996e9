"""What a simple value may look like in FHIR's JSON, by the name of its type (R4 datatypes.html#primitive)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias


class Wrong(NamedTuple):
    """One thing that is wrong: code of table 0357, our rule, and where, as a path from what was looked at."""

    code: int
    rule: str
    place: str = ""

    def below(self, place: str) -> Wrong:
        """The same, seen from the element above."""
        joint = "." if self.place and not self.place.startswith("[") else ""
        return self._replace(place=f"{place}{joint}{self.place}")


Look: TypeAlias = Callable[[Any], tuple[Wrong, ...]]
"""Looks at one value: what is wrong with it, usually nothing."""

_NOTHING: Final[tuple[Wrong, ...]] = ()

_YEAR = r"(?!0000)\d{4}"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,12})?"  # 60: a leap second is allowed
_ZONE = r"(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))"

_TEXTS: Final = {
    "code": ("a code: no blanks around it, single ones within", r"\S+(?:\s\S+)*"),
    "id": ("an id: 1 to 64 letters, digits, `-` and `.`", r"[A-Za-z0-9\-.]{1,64}"),
    "uri": ("a URI without blanks", r"\S*"),
    "url": ("a URL without blanks", r"\S*"),
    "canonical": ("a URL without blanks", r"\S*"),
    "oid": ("an OID as `urn:oid:…`", r"urn:oid:[0-2](?:\.(?:0|[1-9]\d*))+"),
    "uuid": ("a UUID as `urn:uuid:…`", r"urn:uuid:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "time": ("a time as hh:mm:ss", _CLOCK),
    "integer64": ("a whole number of 64 bits, as a text", r"-?(?:0|[1-9]\d{0,18})"),
}
_DATES: Final = {
    "date": ("a date as YYYY, YYYY-MM or YYYY-MM-DD", rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?"),
    "dateTime": (
        "a date, or a date and time with seconds and zone",
        rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{_CLOCK}{_ZONE})?)?)?",
    ),
    "instant": ("a date and time with seconds and zone", rf"{_YEAR}-{_MONTH}-{_DAY}T{_CLOCK}{_ZONE}"),
}
_WHOLE: Final = {
    "integer": ("a whole number of 32 bits", -(2**31)),
    "unsignedInt": ("a whole number from 0", 0),
    "positiveInt": ("a whole number from 1", 1),
}


def _text(kind: str, pattern: str) -> Look:
    fits, wrong = re.compile(pattern, re.ASCII).fullmatch, _wrong(kind)
    return lambda value: _NOTHING if type(value) is str and fits(value) else wrong


def _string(value: Any) -> tuple[Wrong, ...]:
    return _NOTHING if type(value) is str and value and not value.isspace() else _NOT_TEXT


def _date(kind: str, pattern: str) -> Look:
    fits, wrong = re.compile(pattern, re.ASCII).fullmatch, _wrong(kind)

    def look(value: Any) -> tuple[Wrong, ...]:
        if type(value) is not str or not fits(value) or not _is_real(value):
            return wrong
        return _NOTHING

    return look


def _is_real(told: str) -> bool:
    """Whether the month has that day."""
    day = told[8:10]
    if day < "29":
        return True
    try:
        date(int(told[:4]), int(told[5:7]), int(day))
    except ValueError:
        return False
    return True


def _whole(kind: str, least: int) -> Look:
    wrong = _wrong(kind)
    return lambda value: _NOTHING if type(value) is int and least <= value < 2**31 else wrong


def _boolean(value: Any) -> tuple[Wrong, ...]:
    return _NOTHING if type(value) is bool else _NOT_BOOLEAN


def _decimal(value: Any) -> tuple[Wrong, ...]:
    return _NOTHING if type(value) is Decimal or type(value) is int or type(value) is float else _NOT_DECIMAL


def _base64(value: Any) -> tuple[Wrong, ...]:
    try:
        if type(value) is str and value.strip():
            binascii.a2b_base64("".join(value.split()), strict_mode=True)
            return _NOTHING
    except (ValueError, UnicodeEncodeError):
        pass
    return _NOT_BASE64


def _wrong(kind: str) -> tuple[Wrong, ...]:
    return (Wrong(102, f"the value is not {kind}"),)


_NOT_TEXT = _wrong("a text, not empty")
_NOT_BOOLEAN = _wrong("true or false")
_NOT_DECIMAL = _wrong("a number")
_NOT_BASE64 = _wrong("base64")

PRIMITIVES: Final[dict[str, Look]] = {
    **{name: _text(*told) for name, told in _TEXTS.items()},
    **dict.fromkeys(("string", "markdown"), _string),
    "xhtml": lambda value: _NOTHING if type(value) is str else _NOT_TEXT,
    **{name: _date(*told) for name, told in _DATES.items()},
    **{name: _whole(*told) for name, told in _WHOLE.items()},
    "boolean": _boolean,
    "decimal": _decimal,
    "base64Binary": _base64,
}
