"""Problems of one file, each at its place; the sentence never quotes more of what was written than a name."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.model.facts import FactType
from gateway.ruleset import conditions
from gateway.yamlfile import Node


class Complaints:
    """Collects problems about places in one file as "file:line:column: sentence"."""

    def __init__(self, root: Node, problems: list[str]) -> None:
        self._root, self._problems = root, problems

    def say(self, sentence: str, *path: str | int) -> None:
        """Add a problem at the node under `path`, or at the nearest one above it."""
        self._problems.append(f"{self._place(path)}: {sentence}")

    def fact(self, name: str, *path: str | int, of: FactType | None = None) -> None:
        """Complain when there is no such fact, or when it is not `of` that type."""
        fact = conditions.known_fact(name, self._place(path), self._problems)
        if fact is not None and of is not None and fact.type is not of:
            self.say(f"`{name}` is no {of.value} fact", *path)

    def repeated(self, values: Iterable[str], *path: str) -> None:
        """Complain about every value that stands in a list a second time."""
        seen: set[str] = set()
        for position, value in enumerate(values):
            if value in seen:
                self.say(f"`{value[:60]}` stands here twice", *path, position)
            seen.add(value)

    def _place(self, path: tuple[str | int, ...]) -> str:
        line, column = self._root.at(*path)
        return f"{self._root.file}:{line}:{column}"
