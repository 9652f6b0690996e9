"""Secrets are named in caregate.yaml and never stand in it: `env:NAME` and `file:PATH` are resolved once, at start."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from gateway.yamlfile import Node

_REFERENCE = re.compile(r"(env|file):(.+)", re.DOTALL)
_SECRET_KEY = re.compile(r"(^|_)(password|passphrase|passwd|secret|token|api_key|private_key)$")
_MOST = 65_536  # bytes of a secret's file


class Secrets:
    """Resolves references of one configuration file and gathers what is wrong with them."""

    def __init__(self, base: Path, environ: Mapping[str, str], *, resolve: bool) -> None:
        self._base = base
        self._environ = environ
        self._resolve = resolve
        self.named: set[str] = set()  # environment variables that were referred to
        self.problems: list[str] = []

    def text(self, node: Node) -> str:
        """The value of one scalar: the reference's target, else what is written."""
        written = str(node.value)
        match = _REFERENCE.fullmatch(written)
        if match is None:
            return written
        if match[1] == "env":
            self.named.add(match[2])
        if not self._resolve:
            return written
        return self._from_env(node, match[2]) if match[1] == "env" else self._from_file(node, match[2])

    def secret(self, node: Node) -> str:
        """As `text`; what is not a reference is a problem."""
        if _REFERENCE.fullmatch(str(node.value)) is None:
            self.problems.append(
                f"{node.place}: this is a secret and does not belong in this file: use env:NAME or file:PATH"
            )
        return self.text(node)

    def url(self, node: Node) -> str:
        """As `text`; a URL that is written out must not carry a password."""
        written = str(node.value)
        if _REFERENCE.fullmatch(written) is None and _password(written):
            self.problems.append(f"{node.place}: a password does not belong in this file: use env:NAME or file:PATH")
        return self.text(node)

    def options(self, node: Node, keys: frozenset[str]) -> Node:
        """A connector's own keys of a section, deep, each where it stands, with references resolved."""
        assert isinstance(node.value, Mapping)
        return self._all(node, {key: child for key, child in node.value.items() if key not in keys})

    def _all(self, node: Node, children: Mapping[str, Node]) -> Node:
        return replace(node, value={key: self._option(key, child) for key, child in children.items()})

    def _option(self, key: str, node: Node) -> Node:
        if isinstance(node.value, Mapping):
            return self._all(node, node.value)
        if isinstance(node.value, tuple):
            return replace(node, value=tuple(self._option(key, child) for child in node.value))
        if node.value is None:
            return node
        if _SECRET_KEY.search(key) and _REFERENCE.fullmatch(node.value) is None:
            self.problems.append(
                f"{node.place}: `{key}` is a secret and does not belong in this file: use env:NAME or file:PATH"
            )
        return replace(node, value=self.text(node))

    def _from_env(self, node: Node, name: str) -> str:
        value = self._environ.get(name, "")
        if not value:
            self.problems.append(f"{node.place}: the environment variable {name} is not set")
        return value or str(node.value)

    def _from_file(self, node: Node, name: str) -> str:
        try:
            raw = (self._base / name).read_bytes()
            if len(raw) <= _MOST:
                return raw.decode().rstrip("\r\n")
            trouble = "is too large for a secret"
        except OSError as error:
            trouble = f"cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            trouble = "is not UTF-8 text"
        self.problems.append(f"{node.place}: the file it names {trouble}")
        return str(node.value)


def is_reference(text: str) -> bool:
    """Whether a text is `env:NAME` or `file:PATH`."""
    return _REFERENCE.fullmatch(text) is not None


def references(node: Node) -> Iterator[str]:
    """The places ("file:line:column") of all references below a node that were not resolved."""
    if isinstance(node.value, Mapping):
        for child in node.value.values():
            yield from references(child)
    elif isinstance(node.value, tuple):
        for child in node.value:
            yield from references(child)
    elif node.value is not None and is_reference(node.value):
        yield node.place


def _password(url: str) -> bool:
    try:
        return bool(urlsplit(url).password)
    except ValueError:
        return False


def without_password(url: str) -> str:
    """A URL as it may be shown: the password is `***`."""
    return re.sub(r"(://[^:@/]*):[^@/]+@", r"\1:***@", url)
