"""The functions of our FHIRPath: each is built once for its arguments, and gives nothing where nothing is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from gateway.mapping.fhir.around import Around
from gateway.mapping.fhir.values import Value, single, text_of, truth

Fn: TypeAlias = Callable[[list[Value], Around], list[Value]]
"""From what `$this` is to what is found. Raises ValueError where FHIRPath says "error"."""

Told: TypeAlias = Callable[[list[Value], Sequence[Fn], list[Value], Around], list[Value]]
"""The same for a function: of what it is asked, its arguments, and what `$this` is around it."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function, and how many arguments it takes."""

    told: Told
    least: int = 0
    most: int = 0


FUNCTIONS: Final[dict[str, Function]] = {}


def _function(name: str, least: int = 0, most: int | None = None) -> Callable[[Told], Told]:
    def entered(told: Told) -> Told:
        FUNCTIONS[name] = Function(told, least, least if most is None else most)
        return told

    return entered


def called(of: Fn, name: str, arguments: Sequence[Fn]) -> Fn:
    """The closure of `of.name(arguments)`. ValueError: there is no such function, or not with so many arguments."""
    if name not in FUNCTIONS:
        raise ValueError(f"`{name[:40]}()` is not part of our FHIRPath, mappings/fhir/README.md tells what is")
    function = FUNCTIONS[name]
    if not function.least <= len(arguments) <= function.most:
        takes = function.least if function.least == function.most else f"{function.least} to {function.most}"
        raise ValueError(f"`{name}()` takes {takes} argument(s), here stand {len(arguments)}")
    told = function.told
    return lambda this, around: told(of(this, around), arguments, this, around)


# -- how many, and which (FHIRPath 2.0 §5.1, §5.2, §5.3)


@_function("where", 1)
def _where(found: list[Value], arguments: Sequence[Fn], _: list[Value], around: Around) -> list[Value]:
    condition = arguments[0]
    return [value for value in found if truth(condition([value], around)) is True]


@_function("select", 1)
def _select(found: list[Value], arguments: Sequence[Fn], _: list[Value], around: Around) -> list[Value]:
    return [value for one in found for value in arguments[0]([one], around)]


@_function("exists", 0, 1)
def _exists(found: list[Value], arguments: Sequence[Fn], this: list[Value], around: Around) -> list[Value]:
    return [bool(_where(found, arguments, this, around) if arguments else found)]


@_function("all", 1)
def _all(found: list[Value], arguments: Sequence[Fn], _: list[Value], around: Around) -> list[Value]:
    return [all(truth(arguments[0]([value], around)) is True for value in found)]


@_function("empty")
def _empty(found: list[Value], _: Sequence[Fn], __: list[Value], ___: Around) -> list[Value]:
    return [not found]


@_function("count")
def _count(found: list[Value], _: Sequence[Fn], __: list[Value], ___: Around) -> list[Value]:
    return [len(found)]


@_function("first")
def _first(found: list[Value], _: Sequence[Fn], __: list[Value], ___: Around) -> list[Value]:
    return found[:1]


@_function("last")
def _last(found: list[Value], _: Sequence[Fn], __: list[Value], ___: Around) -> list[Value]:
    return found[-1:]


@_function("not")
def _not(found: list[Value], _: Sequence[Fn], __: list[Value], ___: Around) -> list[Value]:
    told = truth(found)
    return [] if told is None else [not told]


@_function("hasValue")
def _has_value(found: list[Value], _: Sequence[Fn], __: list[Value], ___: Around) -> list[Value]:
    return [len(found) == 1 and not isinstance(found[0], dict)]


@_function("iif", 2, 3)
def _iif(found: list[Value], arguments: Sequence[Fn], _: list[Value], around: Around) -> list[Value]:
    if truth(arguments[0](found, around)) is True:
        return arguments[1](found, around)
    return arguments[2](found, around) if len(arguments) > 2 else []


@_function("coalesce", 1, 8)
def _coalesce(_: list[Value], arguments: Sequence[Fn], this: list[Value], around: Around) -> list[Value]:
    return next((told for one in arguments if (told := one(this, around))), [])


# -- texts (§5.6): of one text; nothing of none


def _of_text(name: str, arguments: int, function: Callable[..., Value]) -> None:
    def told(found: list[Value], given: Sequence[Fn], this: list[Value], around: Around) -> list[Value]:
        text = text_of(found)
        others = [text_of(one(this, around)) for one in given]
        return [] if text is None or None in others else [function(text, *others)]

    _function(name, arguments)(told)


_of_text("startsWith", 1, str.startswith)
_of_text("endsWith", 1, str.endswith)
_of_text("contains", 1, str.__contains__)
_of_text("lower", 0, str.lower)
_of_text("upper", 0, str.upper)
_of_text("trim", 0, str.strip)
_of_text("replace", 2, str.replace)


@_function("substring", 1, 2)
def _substring(found: list[Value], given: Sequence[Fn], this: list[Value], around: Around) -> list[Value]:
    text = text_of(found)
    start, *length = (single(one(this, around)) for one in given)
    if text is None or start is None:
        return []
    if type(start) is not int or any(one is not None and type(one) is not int for one in length):
        raise ValueError("a position is a whole number")
    if not 0 <= start < len(text):
        return []
    return [text[start:] if not length or length[0] is None else text[start : start + max(length[0], 0)]]


@_function("join", 0, 1)
def _join(found: list[Value], given: Sequence[Fn], this: list[Value], around: Around) -> list[Value]:
    between = text_of(given[0](this, around)) if given else ""
    if not all(isinstance(one, str) for one in found):
        raise ValueError("only texts are joined")
    return [(between or "").join(found)] if found else []


# -- FHIR's own (R4 fhirpath.html#functions, SQL on FHIR 2.0)


@_function("resolve")
def _resolve(found: list[Value], _: Sequence[Fn], __: list[Value], around: Around) -> list[Value]:
    leads = (around.resolve(reference) for reference in map(_reference, found) if reference is not None)
    return [resource for resource in leads if resource is not None]


def _reference(value: Value) -> str | None:
    told = value.get("reference") if isinstance(value, dict) else value
    return told if isinstance(told, str) else None


def key_of(value: Value, of_type: str | None, around: Around) -> list[Value]:
    """The id a reference tells, when it leads into our own server (and to that type)."""
    reference = _reference(value)
    key = None if reference is None else around.key(reference)
    return [] if key is None or of_type not in {None, key[0]} else [key[1]]
