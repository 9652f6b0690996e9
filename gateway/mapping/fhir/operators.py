"""The operators of our FHIRPath, of two collections each; what is not told makes neither true nor false (§6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from gateway.mapping.fhir.values import Value, equal, is_in, order, single, text_of, truth, union

Operator: TypeAlias = Callable[[list[Value], list[Value]], list[Value]]


def _told(answer: bool | None) -> list[Value]:
    return [] if answer is None else [answer]


def _equal(left: list[Value], right: list[Value]) -> list[Value]:
    return _told(equal(left, right))


def _unequal(left: list[Value], right: list[Value]) -> list[Value]:
    answer = equal(left, right)
    return [] if answer is None else [not answer]


def _ordered(holds: Callable[[int], bool]) -> Operator:
    def ordered(left: list[Value], right: list[Value]) -> list[Value]:
        found = order(left, right)
        return [] if found is None else [holds(found)]

    return ordered


def _and(left: list[Value], right: list[Value]) -> list[Value]:
    one, other = truth(left), truth(right)
    return [False] if one is False or other is False else [True] if one and other else []


def _or(left: list[Value], right: list[Value]) -> list[Value]:
    one, other = truth(left), truth(right)
    return [True] if one or other else [False] if one is False and other is False else []


def _xor(left: list[Value], right: list[Value]) -> list[Value]:
    one, other = truth(left), truth(right)
    return [] if one is None or other is None else [one is not other]


def _implies(left: list[Value], right: list[Value]) -> list[Value]:
    one, other = truth(left), truth(right)
    return [True] if one is False or other else [False] if one and other is False else []


def _in(left: list[Value], right: list[Value]) -> list[Value]:
    value = single(left)
    return [] if value is None else [is_in(value, right)]


def _contains(left: list[Value], right: list[Value]) -> list[Value]:
    return _in(right, left)


def _joined(left: list[Value], right: list[Value]) -> list[Value]:
    """`&`: texts in a row, nothing as an empty one (§6.6.7)."""
    return [(text_of(left) or "") + (text_of(right) or "")]


OPERATORS: Final[dict[str, Operator]] = {
    "=": _equal,
    "!=": _unequal,
    "<": _ordered(lambda found: found < 0),
    "<=": _ordered(lambda found: found <= 0),
    ">": _ordered(lambda found: found > 0),
    ">=": _ordered(lambda found: found >= 0),
    "and": _and,
    "or": _or,
    "xor": _xor,
    "implies": _implies,
    "in": _in,
    "contains": _contains,
    "|": union,
    "&": _joined,
}
