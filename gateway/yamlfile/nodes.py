"""A YAML document as nodes that know where they stand; scalars are text (or None), never guessed at.

Plain `safe_load` turns 19:00 into 1140 and NO into False and drops the first of two equal keys; here
19:00 and NO stay as written and a repeated key is an error. Anchors and aliases are allowed, bounded;
tags, merge keys and further documents are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from gateway.model.errors import ConfigError

MAX_BYTES = 1_048_576  # a configuration file; nothing an analyst writes by hand comes near it
MAX_NODES = 200_000  # counted with aliases expanded: "billion laughs" ends here
MAX_DEPTH = 40

# libyaml when it is there (5 times as fast); both give the same events
Event = Any  # PyYAML's event classes share no typed base with `anchor` and `tag`
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One value of a file. `value`: text, None (nothing written), a tuple (list) or a mapping by key.

    `keys`: for a mapping, where each key stands. `line` and `column` count from 1.
    """

    file: str
    line: int
    column: int
    value: str | tuple[Node, ...] | Mapping[str, Node] | None
    keys: Mapping[str, tuple[int, int]]

    @property
    def place(self) -> str:
        """The node as "file:line:column"."""
        return f"{self.file}:{self.line}:{self.column}"

    def key_place(self, key: str) -> str:
        """Where the key `key` of this mapping stands, as "file:line:column"; KeyError if it is not there."""
        line, column = self.keys[key]
        return f"{self.file}:{line}:{column}"

    def get(self, *path: str | int) -> Node | None:
        """The node under keys (text) and list positions (0-based), or None if the path leads nowhere."""
        node: Node | None = self
        for part in path:
            node = None if node is None else _child(node.value, part)
        return node

    def at(self, *path: str | int) -> tuple[int, int]:
        """(line, column) of the node under `path`, or of the nearest one above it that is there."""
        node: Node = self
        for part in path:
            node = _child(node.value, part) or node
        return node.line, node.column

    def plain(self) -> object:
        """The same as str, None, list and dict."""
        if isinstance(self.value, Mapping):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, tuple):
            return [child.plain() for child in self.value]
        return self.value


def _child(value: object, part: str | int) -> Node | None:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, tuple) and isinstance(part, int) and part < len(value):
        found: Node = value[part]
        return found
    return None


def load(path: Path) -> Node:
    """Read one file. Raises ConfigError (missing, unreadable, not UTF-8, too large, not acceptable YAML)."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}:1:1: there is no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}:1:1: cannot be read: {error.strerror}") from None
    return load_bytes(raw, path)


def load_bytes(raw: bytes, path: Path | str) -> Node:
    """Read a document from bytes; `path` is only its name in messages. Raises ConfigError."""
    try:
        return load_text(raw.decode("utf-8-sig"), path)
    except UnicodeDecodeError as error:
        line, column = _counted(raw[: error.start])
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ConfigError(f"{path}:1:1: is UTF-16 text: save the file as UTF-8") from None
        raise ConfigError(f"{path}:{line}:{column}: is not UTF-8 text: save the file as UTF-8") from None


def _counted(before: bytes) -> tuple[int, int]:
    """(line, column) after these bytes, which are UTF-8."""
    last = before.rpartition(b"\n")[2]
    return before.count(b"\n") + 1, len(last.decode("utf-8", "replace")) + 1


def load_text(text: str, path: Path | str) -> Node:
    """Read a document from text; `path` is only its name in messages. Raises ConfigError."""
    if len(text) > MAX_BYTES:
        raise ConfigError(f"{path}:1:1: is larger than {MAX_BYTES} bytes")
    try:
        return _Composer(text, str(path)).document()
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{path}:{_mark(error)}: {_sentence(error)}") from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise ConfigError(f"{path}:{line}:1: holds a control character, which YAML does not allow") from None


class _Composer:
    """Builds nodes from the parser's events; PyYAML's own composer recurses without bound in C."""

    def __init__(self, text: str, file: str) -> None:
        self._events: Iterator[Event] = iter(yaml.parse(text, Loader=_LOADER))
        self._file = file
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._open: set[str] = set()
        self._count = 0

    def document(self) -> Node:
        next(self._events)  # stream start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return Node(file=self._file, line=1, column=1, value=None, keys={})
        root = self._node(next(self._events), 0)
        next(self._events)  # document end
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            self._refuse(
                after,
                "only one document is allowed in a file: take the `---` out, and give what follows a file of its own",
            )
        return root

    def _node(self, event: Event, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._checked(event, depth)
        before = self._count
        self._took(event, 1)
        if event.anchor is not None:
            self._open.add(event.anchor)
        node = self._build(event, depth)
        if event.anchor is not None:
            self._open.discard(event.anchor)
            self._anchors[event.anchor] = node, self._count - before
        return node

    def _build(self, event: Event, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            plain_nothing = not event.value and not event.style  # `key:` with nothing after it
            return self._at(event, None if plain_nothing else event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._at(event, tuple(self._items(depth)))
        return self._mapping(event, depth)

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _mapping(self, start: Event, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, tuple[int, int]] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, keys)
            keys[key] = _position(event)
            values[key] = self._node(next(self._events), depth + 1)
        return self._at(start, values, keys)

    def _key(self, event: Event, seen: Mapping[str, tuple[int, int]]) -> str:
        if not isinstance(event, yaml.ScalarEvent) or not event.value:
            self._refuse(event, "a key must be a plain word")
        self._checked(event, 0)
        if event.value == "<<":
            self._refuse(
                event, "merge keys (`<<`) are not supported; repeat the lines or use an alias for a whole value"
            )
        if event.value in seen:
            self._refuse(
                event, f"`{_short(event.value)}` stands here twice; the first is on line {seen[event.value][0]}"
            )
        return str(event.value)

    def _alias(self, event: Event) -> Node:
        if event.anchor in self._open:
            self._refuse(event, f"alias `*{_short(event.anchor)}` stands inside its own anchor")
        if event.anchor not in self._anchors:
            self._refuse(event, f"alias `*{_short(event.anchor)}` has no anchor before it")
        node, size = self._anchors[event.anchor]
        self._took(event, size)
        return node

    def _checked(self, event: Event, depth: int) -> None:
        if event.tag is not None:
            self._refuse(event, "tags (`!` …) are not allowed; every value is read as text")
        if depth > MAX_DEPTH:
            self._refuse(event, f"is nested deeper than {MAX_DEPTH} levels")

    def _took(self, event: Event, nodes: int) -> None:
        self._count += nodes
        if self._count > MAX_NODES:
            self._refuse(event, f"holds more than {MAX_NODES} values (aliases counted each time)")

    def _at(
        self,
        event: Event,
        value: str | tuple[Node, ...] | Mapping[str, Node] | None,
        keys: Mapping[str, tuple[int, int]] | None = None,
    ) -> Node:
        line, column = _position(event)
        return Node(file=self._file, line=line, column=column, value=value, keys=keys or {})

    def _refuse(self, event: Event, sentence: str) -> NoReturn:
        line, column = _position(event)
        raise ConfigError(f"{self._file}:{line}:{column}: {sentence}")


def _position(event: Event) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _short(word: str) -> str:
    return word if len(word) <= 40 else word[:40] + "…"


# What the parser says, in words that help; its own texts may quote the file.
_SENTENCES = (
    ("tab character", "a tab stands here: indent with spaces"),
    ("mapping values are not allowed", "a `:` is not allowed here: quote the value, or mend the indentation"),
    (
        "cannot start any token",
        "a value cannot begin with this character (a tab, `@`, `%` or a backtick): quote it or use spaces",
    ),
    ("expected <block end>", "the indentation does not fit the lines above"),
    ("did not find expected key", "the indentation does not fit the lines above"),
    ("did not find expected '-'", "the indentation does not fit the list above"),
    ("could not find expected ':'", "a key here lacks its `:`"),
    ("did not find expected node content", "a `[` or `{` is opened and not closed, or a value is missing"),
    ("unexpected end of stream", "a quote is opened and never closed"),
    ("did not find expected ','", "a `[` or `{` is opened and not closed, or a comma is missing"),
    ("expected ',' or", "a `[` or `{` is opened and not closed, or a comma is missing"),
    ("escape character", "a backslash in double quotes is not a known escape: use single quotes"),
)


_BEGUN_ABOVE = ("unexpected end of stream", "could not find expected ':'")


def _sentence(error: yaml.MarkedYAMLError) -> str:
    said = error.problem or ""
    return next((ours for theirs, ours in _SENTENCES if theirs in said), "this is not valid YAML")


def _mark(error: yaml.MarkedYAMLError) -> str:
    mark: Any = error.problem_mark  # libyaml and PyYAML always tell it
    if any(one in (error.problem or "") for one in _BEGUN_ABOVE) and error.context_mark is not None:
        mark = error.context_mark  # where it began, not where the parser gave up
    return f"{mark.line + 1}:{mark.column + 1}"
