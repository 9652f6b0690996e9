"""Paths such as `name.where(use = 'official').family`, compiled once into closures; they read, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from gateway.mapping.fhir.around import Around, Resource
from gateway.mapping.fhir.choices import CHOICES
from gateway.mapping.fhir.functions import Fn, called, key_of
from gateway.mapping.fhir.members import Step, extensions, into, into_type, of_resource
from gateway.mapping.fhir.operators import OPERATORS
from gateway.mapping.fhir.syntax import Binary, Call, Index, Literal, Member, Node, Root, This, parse_path
from gateway.mapping.fhir.values import Value

_NOTHING = Around(resource={})


class FhirPath:
    """A compiled path. Calling it gives plain values: str, int, Decimal, bool, and dict for what has elements.

    Where FHIRPath says "error" (several values where one is meant, an order between a text and a number) it gives
    nothing: what a sender wrote raises nothing here.
    """

    __slots__ = ("_fn", "_looks_around", "node", "text")

    def __init__(self, text: str, node: Node) -> None:
        self.text = text
        self.node = node
        self._fn = _compiled(node)
        self._looks_around = _looks_around(node)

    def __call__(self, node: Resource, around: Around | None = None) -> list[Value]:
        """What the path finds in a resource, or in an element of the one `around` names; no more than is there."""
        try:
            return self._fn([node], around or (Around(resource=node) if self._looks_around else _NOTHING))
        except ValueError:
            return []

    def __repr__(self) -> str:
        return f"FhirPath({self.text!r})"


@lru_cache(maxsize=4096)
def compile_path(text: str) -> FhirPath:
    """The closure of a path in our part of FHIRPath 2.0 (mappings/fhir/README.md).

    Raises ValueError, one sentence an analyst understands.
    """
    return FhirPath(text, parse_path(text))


def _compiled(node: Node) -> Fn:
    match node:
        case This():
            return _this
        case Root():
            return lambda _, around: [around.resource]
        case Literal(values=values):
            return lambda _, __: list(values)
        case Index(of=of, at=at):
            return _at(_compiled(of), at)
        case Binary(operator=operator, left=left, right=right):
            return _binary(operator, left, right)
        case Member():
            return _member(node)
        case _:
            return _call(node)


def _at(of: Fn, place: int) -> Fn:
    return lambda this, around: of(this, around)[place : place + 1]


def _binary(operator: str, left: Node, right: Node) -> Fn:
    one, other, apply = _compiled(left), _compiled(right), OPERATORS[operator]
    return lambda this, around: apply(one(this, around), other(this, around))


# -- members


def _member(node: Member) -> Fn:
    """`a.b.c`: members after each other are one closure."""
    names: list[str] = []
    of: Node = node
    while isinstance(of, Member):
        names.append(of.name)
        of = of.of
    first, *rest = [into(name) for name in reversed(names)]
    if of == This() and names[-1][0].isupper():  # `Patient.name`: a type begins the path (FHIRPath 2.0 §4.1)
        kind = names[-1]
        return _steps(lambda this, _: of_resource(this, kind), rest)
    if of == This() and not rest:
        return first
    return _steps(_compiled(of), [first, *rest])


def _steps(of: Fn, steps: Sequence[Step]) -> Fn:
    if len(steps) == 1:
        only = steps[0]
        return lambda this, around: only(of(this, around), around)

    def walked(this: list[Value], around: Around) -> list[Value]:
        found = of(this, around)
        for step in steps:
            found = step(found, around)
        return found

    return walked


# -- calls: some are about names, and known before anything is read


def _call(node: Call) -> Fn:
    if node.name in _NAMING and len(node.arguments) == 1:
        return _NAMING[node.name](node.of, node.arguments[0])
    if node.name == "getReferenceKey" and not node.arguments:
        return _reference_key(node.of, None)
    arguments = [_compiled(argument) for argument in node.arguments]
    return called(_compiled(node.of), node.name, arguments)


def _where(of: Node, condition: Node) -> Fn:
    """`where(use = 'official')`, the usual one, asks for no more than it must."""
    before, general = _compiled(of), called(_this, "where", [_compiled(condition)])
    match condition:
        case Binary(operator="=", left=Member(of=This(), name=name), right=Literal(values=(str() as text,))) if (
            type(text) is str and name not in CHOICES and not name[0].isupper()
        ):
            return _where_text(before, name, text, general)
        case _:
            return lambda this, around: general(before(this, around), around)


def _where_text(before: Fn, name: str, text: str, general: Fn) -> Fn:
    def where(this: list[Value], around: Around) -> list[Value]:
        found: list[Value] = []
        for value in before(this, around):
            if type(value) is dict:
                told = value.get(name)
                if told == text:
                    found.append(value)
                elif type(told) is list:
                    found += general([value], around)
        return found

    return where


def _of_type(of: Node, kind: Node) -> Fn:
    name = _name(kind, "ofType")
    if isinstance(of, Member):
        return _steps(_compiled(of.of), [into_type(of.name, name)])
    before = _compiled(of)
    return lambda this, around: of_resource(before(this, around), name)


def _extension(of: Node, url: Node) -> Fn:
    match url:
        case Literal(values=(str() as text,)):
            if isinstance(of, Member):
                return _steps(_compiled(of.of), [extensions(of.name, text)])
            return _steps(_compiled(of), [extensions(None, text)])
        case _:
            raise ValueError("`extension()` takes the URL as a text")


def _reference_key(of: Node, kind: Node | None) -> Fn:
    before, name = _compiled(of), None if kind is None else _name(kind, "getReferenceKey")
    return lambda this, around: [key for value in before(this, around) for key in key_of(value, name, around)]


def _name(node: Node, function: str) -> str:
    match node:
        case Member(of=This(), name=name):
            return name
        case _:
            raise ValueError(f"`{function}()` takes the name of a type")


def _this(this: list[Value], _: Around) -> list[Value]:
    return this


_NAMING: dict[str, Callable[[Node, Node], Fn]] = {
    "where": _where,
    "ofType": _of_type,
    "extension": _extension,
    "getReferenceKey": _reference_key,
}


def _looks_around(node: Node) -> bool:
    match node:
        case Root():
            return True
        case Member(of=of) | Index(of=of):
            return _looks_around(of)
        case Call(of=of, name=name, arguments=arguments):
            return name in {"resolve", "getReferenceKey"} or any(map(_looks_around, (of, *arguments)))
        case Binary(left=left, right=right):
            return _looks_around(left) or _looks_around(right)
        case _:
            return False
