"""A rule beside the file it was read from, so that every finding about it has the line and column of the very word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gateway.analyst.findings import Finding
from gateway.model.policy import Policy
from gateway.model.rule import Condition, Rule
from gateway.yamlfile import Node
from gateway.yamlfile import load as read_yaml

WHERE, UNLESS, HOLD, CANCEL = ("when", "where"), ("when", "unless"), ("hold",), ("cancel", "where")
Section = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One rule, its file, and what the site allows."""

    rule: Rule
    path: Path
    policy: Policy

    @cached_property
    def node(self) -> Node:
        """The file as nodes, read again only when something is found in it. Raises ConfigError."""
        return read_yaml(self.path)

    def at(self, code: str, sentence: str, *path: str | int) -> Finding:
        """A finding at the value under `path`, or at the nearest one above it that is there."""
        line, column = self.node.at(*path)
        return Finding(file=self.node.file, line=line, column=column, code=code, sentence=sentence)

    def at_key(self, code: str, sentence: str, *path: str) -> Finding:
        """A finding at the key that `path` ends with; KeyError when it is not written."""
        above = self.node.get(*path[:-1])
        line, column = above.keys[path[-1]] if above is not None else self.node.at(*path)
        return Finding(file=self.node.file, line=line, column=column, code=code, sentence=sentence)

    def conditions(self) -> Iterator[tuple[Section, Condition]]:
        """Every condition with the section it stands in, in the order of the language."""
        rule = self.rule
        cancelling = rule.cancel.where if rule.cancel is not None else ()
        for section, conditions in (
            (WHERE, rule.where),
            (UNLESS, rule.unless),
            (HOLD, rule.hold),
            (CANCEL, cancelling),
        ):
            for condition in conditions:
                yield section, condition

    def spaces(self) -> frozenset[str]:
        """What the names of facts begin with that the rule's events tell: an appointment tells nothing of a visit."""
        return frozenset(event.partition(".")[0] for event in self.rule.events) | {"patient", "event"}


def space_of(fact: str) -> str:
    """`appointment` of `appointment.start`."""
    return fact.partition(".")[0]
