"""lists.yaml as data: a code that stands in a named list is one that a table can produce, and stands there once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from gateway import yamlfile
from gateway.model.errors import ConfigError
from gateway.model.facts import UNMAPPED
from gateway.ruleset.policy_schema import ListsFile
from gateway.yamlfile import Node

Lists: TypeAlias = Mapping[str, frozenset[str]]


def read_lists(node: Node) -> Lists:
    """The codes of every list by its name. Raises ConfigError with all problems."""
    file = yamlfile.validate_node(ListsFile, node)
    problems = [problem for name, codes in file.lists.items() for problem in _wrong(node, name, codes)]
    if problems:
        raise ConfigError(*problems)
    return {name: frozenset(codes) for name, codes in file.lists.items()}


def _wrong(root: Node, name: str, codes: list[str]) -> list[str]:
    found = []
    for position, code in enumerate(codes):
        line, column = root.at("lists", name, position)
        place = f"{root.file}:{line}:{column}"
        if code == UNMAPPED:
            found.append(f"{place}: no condition can ask for `{UNMAPPED}`: add the code to its table instead")
        elif not code:
            found.append(f"{place}: a code must be told")
        elif code in codes[:position]:
            found.append(f"{place}: `{code[:60]}` stands here twice")
    return found
