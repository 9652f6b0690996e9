"""The files of a folder of mappings, read: what cannot be understood is left out and told with file, line and column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.mapping.fhir.schema import ResourceFile
from gateway.mapping.schema import CodesFile, MappingFile
from gateway.mapping.tables.schema import RowFile
from gateway.model.errors import ConfigError
from gateway.yamlfile import Node, load, salvaged, validate_node

TEST_SUFFIX = ".test.yaml"


class ReadFile(NamedTuple):
    """One file as it was read. `raw`: its name and bytes, for the digest."""

    file: MappingFile | ResourceFile | RowFile | CodesFile
    node: Node
    raw: bytes


def files(folder: Path, kind: str) -> list[Path]:
    """The mapping (`hl7v2`, `fhir`, `tables`) or code table (`codes`) files of a folder by name, without their tests."""
    return sorted(path for path in (folder / kind).glob("*.yaml") if not path.name.endswith(TEST_SUFFIX))


def read_files(folders: Sequence[Path]) -> tuple[list[ReadFile] | None, list[str]]:
    """The files of all folders, without the entries that cannot be understood, and what is wrong with those.

    None instead of files where one says nothing that can be understood: others may lean on what it should have told.
    """
    found: list[ReadFile] = []
    problems: list[str] = []
    whole = True
    for folder in folders:
        if not folder.is_dir():
            problems.append(f"{folder}:1:1: there is no such folder of mappings")
            whole = False
        for path in _paths(folder):
            one = _file(path, problems)
            if one is None:
                whole = False
            else:
                found.append(one)
    return found if whole else None, problems


def _file(path: Path, problems: list[str]) -> ReadFile | None:
    try:
        node = load(path)
    except ConfigError as error:
        problems += error.problems
        return None
    model, depth = _KINDS[path.parent.name]
    file: MappingFile | ResourceFile | RowFile | CodesFile | None
    try:
        file = validate_node(model, node)
    except ConfigError as error:
        problems += error.problems
        file = salvaged(model, node, depth=depth)
    return None if file is None else ReadFile(file, node, path.name.encode() + b"\0" + path.read_bytes() + b"\0")


# Of a code table only the very word is left out when it is wrong, so that its codes do not miss it.
_KINDS: Mapping[str, tuple[type[MappingFile | ResourceFile | RowFile | CodesFile], int]] = {
    "codes": (CodesFile, 3),
    "hl7v2": (MappingFile, 2),
    "fhir": (ResourceFile, 2),
    "tables": (RowFile, 2),
}


def _paths(folder: Path) -> Iterator[Path]:
    for kind in _KINDS:
        yield from files(folder, kind)
