"""What paths compare: equality, order and truth of FHIRPath, where nothing told is neither true nor false."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, TypeAlias

from gateway.mapping.fhir.moments import Moment, compare

Value: TypeAlias = Any
"""One value in a resource: str, int, Decimal, bool, or dict for anything with elements."""


MOST_OBJECTS: Final = 1_000


def truth(found: list[Value]) -> bool | None:
    """A collection as a condition: None of nothing, true of one thing that is no boolean (FHIRPath 2.0 §4.5).

    Raises ValueError of several.
    """
    if not found:
        return None
    if len(found) > 1:
        raise ValueError("several values are no condition")
    return found[0] if type(found[0]) is bool else True


def single(found: list[Value]) -> Value:
    """The one value, None of none. ValueError: there are several (FHIRPath 2.0 §4.5)."""
    if len(found) > 1:
        raise ValueError("there are several values")
    return found[0] if found else None


def text_of(found: list[Value]) -> str | None:
    """The one text, None of none. ValueError: several, or no text."""
    value = single(found)
    if value is not None and not isinstance(value, str):
        raise ValueError("it is not a text")
    return value


def same(left: Value, right: Value) -> bool | None:
    """Equality of two values; None of times told to different precision (§6.1.1)."""
    if isinstance(left, Moment) or isinstance(right, Moment):
        return _same_moment(left, right)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def equal(left: list[Value], right: list[Value]) -> bool | None:
    """`left = right`: value by value, in order; None when a side is empty."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    answers = [same(one, other) for one, other in zip(left, right, strict=True)]
    return False if False in answers else None if None in answers else True


def order(left: list[Value], right: list[Value]) -> int | None:
    """Below, at or above zero as `left` stands to `right`; None when either is not told, or the precision is not enough.

    Raises ValueError: they are of different kinds, or of one that has no order (§6.2).
    """
    one, other = single(left), single(right)
    if one is None or other is None:
        return None
    if isinstance(one, str) and isinstance(other, str):
        return _order_of_texts(one, other)
    if not (_is_number(one) and _is_number(other)):
        raise ValueError("there is no order between them")
    return int(one > other) - int(one < other)


def is_in(value: Value, among: list[Value]) -> bool:
    """Whether one of the values equals it (§6.4)."""
    return any(same(value, one) is True for one in among)


def union(left: list[Value], right: list[Value]) -> list[Value]:
    """Both, each value once (§6.5.1). ValueError: more objects than can be compared with each other in time."""
    simple: set[tuple[bool, Value]] = set()
    found: list[Value] = []
    objects: list[Value] = []
    for value in (*left, *right):
        if type(value) is dict:
            if value in objects:
                continue
            if len(objects) == MOST_OBJECTS:
                raise ValueError("there are too many objects")
            objects.append(value)
        else:
            key = (type(value) is bool, value)
            if key in simple:
                continue
            simple.add(key)
        found.append(value)
    return found


def _same_moment(left: Value, right: Value) -> bool | None:
    try:
        found = compare(left, right)
    except (TypeError, ValueError):  # no date, or no text at all
        return False
    return None if found is None else found == 0


def _is_number(value: Value) -> bool:
    return isinstance(value, int | Decimal | float) and not isinstance(value, bool)


def _order_of_texts(one: str, other: str) -> int | None:
    if isinstance(one, Moment) or isinstance(other, Moment):
        return compare(one, other)
    if one[4:5] == "-" and other[4:5] == "-":  # both may be dates: the JSON does not say which texts are
        try:
            return compare(one, other)
        except ValueError:
            pass
    return (one > other) - (one < other)
