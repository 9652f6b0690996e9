"""The text of a path becomes a tree, or one sentence an analyst understands; nothing outside our FHIRPath gets through."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from gateway.mapping.fhir.choices import CHOSEN
from gateway.mapping.fhir.moments import Moment
from gateway.mapping.fhir.values import Value

MOST_CHARACTERS: Final = 1_000
MOST_DEPTH: Final = 40


@dataclass(frozen=True, slots=True)
class Literal:
    """`'x'`, `12`, `true`, `@2026-01-01`; `{}` holds nothing."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class This:
    """Where a path begins, and `$this`."""


@dataclass(frozen=True, slots=True)
class Root:
    """`%resource`: the resource as a whole."""


@dataclass(frozen=True, slots=True)
class Member:
    """`of.name`."""

    of: Node
    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """`of[at]`, from 0."""

    of: Node
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """`of.name(arguments)`."""

    of: Node
    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`."""

    operator: str
    left: Node
    right: Node


Node = Literal | This | Root | Member | Index | Call | Binary

_TIGHTNESS: Final = {  # FHIRPath 2.0 §8 "precedence"
    "implies": 1, "or": 2, "xor": 2, "and": 3, "in": 4, "contains": 4, "=": 5, "!=": 5,
    "<": 6, "<=": 6, ">": 6, ">=": 6, "|": 7, "&": 8,
}  # fmt: skip

_TOKEN = re.compile(
    r"\s*(?:(?P<moment>@\d{4}(?:-\d\d(?:-\d\d)?)?(?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)?)"
    r"|(?P<number>\d+(?:\.\d+)?)|(?P<string>'(?:[^'\\]|\\.)*')|(?P<name>[A-Za-z]\w*)|(?P<variable>[$%]\w+)"
    r"|(?P<mark>!=|<=|>=|[=<>|&.,()\[\]{}])|(?P<end>$)|(?P<other>.))",
    re.ASCII | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "'": "'", '"': '"', "`": "`", "\\": "\\", "/": "/"}


class _Token(NamedTuple):
    kind: str
    text: str


def parse_path(text: str) -> Node:
    """The tree of a path. ValueError says what is wrong with it (FHIRPath 2.0, the part in mappings/fhir/README.md)."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"a path has {MOST_CHARACTERS} characters at most")
    return _Parser(text).whole()


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "end"
        if kind == "other":
            raise ValueError(f"`{match[kind]}` is not part of our FHIRPath, mappings/fhir/README.md tells what is")
        yield _Token(kind, match[kind])


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._expression(0)
        if self._peek.kind != "end":
            raise ValueError(f"`{self._peek.text}` is not expected there")
        if _depth(node) > MOST_DEPTH:
            raise ValueError("the path is nested too deeply")
        return node

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at += token.kind != "end"
        return token

    def _take(self, mark: str) -> bool:
        taken = self._peek == ("mark", mark)
        self._at += taken
        return taken

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise ValueError(f"`{mark}` is expected" + (f" before `{self._peek.text}`" if self._peek.text else ""))

    def _expression(self, least: int) -> Node:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise ValueError("the path is nested too deeply")
        left = self._term()
        while (tightness := _TIGHTNESS.get(self._peek.text, 0)) > least and self._peek.kind in {"name", "mark"}:
            left = Binary(self._next().text, left, self._expression(tightness))
        self._depth -= 1
        return left

    def _term(self) -> Node:
        node = self._primary()
        while True:
            if self._take("."):
                node = self._invocation(node)
            elif self._take("["):
                at = self._next()
                if at.kind != "number" or not at.text.isdigit():
                    raise ValueError("in `[ ]` stands a number, from 0")
                self._expect("]")
                node = Index(node, int(at.text))
            else:
                return node

    def _primary(self) -> Node:
        if self._peek.kind == "name" and self._peek.text not in {"true", "false"}:
            return self._invocation(This())
        kind, text = self._next()
        if kind == "mark" and text == "(":
            node = self._expression(0)
            self._expect(")")
            return node
        if kind == "mark" and text == "{":
            self._expect("}")
            return Literal(())
        if kind == "variable":
            return _variable(text)
        if kind in {"mark", "end"}:
            raise ValueError(f"a name or value is expected{f', not `{text}`' if text else ' at the end'}")
        return Literal((_value(kind, text),))

    def _invocation(self, of: Node) -> Node:
        kind, name = self._next()
        if kind != "name":
            raise ValueError("after a `.` stands a name" if kind != "variable" else f"`{name}` only begins a path")
        if self._take("("):
            return Call(of, name, self._arguments())
        if name in CHOSEN:
            choice, of_type = CHOSEN[name]
            raise ValueError(f"FHIRPath writes `{choice}.ofType({_spoken(of_type)})` for `{name}`")
        return Member(of, name)

    def _arguments(self) -> tuple[Node, ...]:
        found: list[Node] = []
        if self._take(")"):
            return ()
        while True:
            found.append(self._expression(0))
            if self._take(")"):
                return tuple(found)
            self._expect(",")


def _variable(text: str) -> Node:
    if text == "$this":
        return This()
    if text in {"%resource", "%context"}:
        return Root()
    raise ValueError(f"`{text}` is not part of our FHIRPath: there are $this and %resource")


def _value(kind: str, text: str) -> Value:
    match kind:
        case "moment":
            return Moment(text[1:])
        case "number":
            return Decimal(text) if "." in text else int(text)
        case "string":
            return _ESCAPE.sub(_unescaped, text[1:-1])
        case _:
            return text == "true"


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    if match[2] not in _ESCAPES:
        raise ValueError(f"`\\{match[2]}` is no escape of FHIRPath")
    return _ESCAPES[match[2]]


_PRIMITIVES = frozenset(
    ["Base64Binary", "Boolean", "Canonical", "Code", "Date", "DateTime", "Decimal", "Id", "Instant", "Integer", "Integer64",
     "Markdown", "Oid", "PositiveInt", "String", "Time", "UnsignedInt", "Uri", "Url", "Uuid"]
)  # fmt: skip


def _spoken(kind: str) -> str:
    """The name of a type as FHIRPath has it: `boolean`, `Quantity`."""
    return kind[0].lower() + kind[1:] if kind in _PRIMITIVES else kind


def _depth(node: Node) -> int:
    match node:
        case Member(of=of) | Index(of=of):
            return 1 + _depth(of)
        case Call(of=of, arguments=arguments):
            return 1 + max(_depth(one) for one in (of, *arguments))
        case Binary(left=left, right=right):
            return 1 + max(_depth(left), _depth(right))
        case _:
            return 1
