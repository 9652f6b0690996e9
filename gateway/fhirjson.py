"""A body becomes a resource or is refused: what JSON leaves open, and two readers could read two ways, does not get in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

import msgspec

from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Place

MOST_BYTES: Final = 16 * 1024 * 1024
"""Of one resource, as of one HL7 frame (F-11); a connector may allow less."""

MOST_DEPTH: Final = 50
_MOST_DIGITS: Final = 40  # FHIR asks for 18 (R4 datatypes.html#decimal)
_MOST_EXPONENT: Final = 400


MODIFIERS: Final = frozenset({"modifierExtension", "implicitRules"})
"""They change the meaning of all that stands beside them, and none is known here (R4 conformance-rules.html#isModifier)."""


def refuse_modified(node: Mapping[str, Any], place: str) -> None:
    """Raises Unreadable (AE, 200) where an object is to be understood by rules of its own; `place`: where it stands."""
    for name in MODIFIERS & node.keys():
        _refuse("it changes the meaning of what stands beside it, and is not known here", f"{place}.{name}", code=200)


def parse(body: bytes) -> dict[str, Any]:
    """The resource a body holds, as `read_object` tells it; Unreadable (101) also where resourceType is not told."""
    told = read_object(body)
    kind = told.get("resourceType")
    if type(kind) is not str or not kind.isalpha() or not kind.isascii():
        _refuse("resourceType is not told", "resourceType", code=101)
    return told


def read_object(body: bytes) -> dict[str, Any]:
    """The object a body holds, keys in the order received, numbers with a point as Decimal (S-37).

    Raises Unreadable (AE, 100): not UTF-8 (a byte order mark is tolerated), not JSON, larger or nested deeper
    than any resource, a key told twice, half a character, a number nobody can hold, no object.
    """
    if len(body) > MOST_BYTES:
        _refuse(f"the body is larger than {MOST_BYTES} bytes")
    told = _plain(body)
    if told is None:
        told = _decoded(_text(body))
    if type(told) is not dict:
        _refuse("the body is not a JSON object")
    if body.count(b"{") + body.count(b"[") > MOST_DEPTH:
        _check_depth(told)
    return told


def _plain(body: bytes) -> Any:
    """What nearly every body holds, at a third of the cost; None where it must be read word by word, or is refused there.

    A body that comes out again as it went in, blanks aside, was read in the one way there is: with a key told twice, an
    escape that need not be or a number that is written otherwise it would not.
    """
    if b"\\u0000" in body or _TOO_LONG in body.translate(_DIGITS):
        return None
    try:
        told = _QUICK.decode(body)
        return told if _PLAINLY(told) == msgspec.json.format(body, indent=-1) else None
    except (msgspec.MsgspecError, ValueError, RecursionError, Unreadable):
        return None


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse("the body is not UTF-8")
    if "\\u0000" in text:
        _refuse("a text holds the character NUL, which FHIR forbids")
    return text


def _decoded(text: str) -> Any:
    try:
        told = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(told, ensure_ascii=False, default=str).encode()
    except json.JSONDecodeError as error:
        _refuse(f"the body is not JSON: line {error.lineno}, column {error.colno}")
    except UnicodeEncodeError:
        _refuse("a text holds half a character (a lone surrogate)")
    except RecursionError:
        _refuse_depth()
    return told


def _check_depth(told: dict[str, Any]) -> None:
    """Level by level, so that a deep body costs no stack."""
    level: list[Any] = [told]
    for _ in range(MOST_DEPTH):
        level = [
            below
            for one in level
            for below in (one.values() if type(one) is dict else one)
            if type(below) is dict or type(below) is list
        ]
        if not level:
            return
    _refuse_depth()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        _refuse("an object tells a key twice")
    return found


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        _refuse_number()
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > _MOST_DIGITS:
        _refuse_number()
    try:
        number = Decimal(text)
    except InvalidOperation:  # its exponent is out of all bounds
        _refuse_number()
    if abs(number.adjusted()) > _MOST_EXPONENT:
        _refuse_number()
    return number


def _constant(_: str) -> NoReturn:
    _refuse("NaN and Infinity are no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_decimal, parse_int=_integer, parse_constant=_constant
)
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_TOO_LONG = b"0" * (_MOST_DIGITS + 1)  # a whole number is not shown to us before it is one
_QUICK = msgspec.json.Decoder(float_hook=_decimal)
_PLAINLY = msgspec.json.Encoder(decimal_format="number").encode


def _refuse_number() -> NoReturn:
    _refuse("a number is longer than any quantity")


def _refuse_depth() -> NoReturn:
    _refuse(f"the body is nested deeper than {MOST_DEPTH} levels")


def _refuse(rule: str, place: str | None = None, *, code: int = 100) -> NoReturn:
    raise Unreadable(Fault(code=code, rule=rule, place=None if place is None else Place(place)), AckCode.AE) from None
