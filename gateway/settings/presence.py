"""What caregate.yaml names must be there: key file, rule folder, overlays, signed heads' folder, watched folders; looked for by lint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.settings.sections import SiteFile
from gateway.yamlfile import Node


def absent(root: Node, file: SiteFile, base: Path) -> Iterator[str]:
    """One "file:line:column: sentence" for each file or folder that is named, or needed by default, and is not there."""
    if not (base / file.keys).is_file():
        yield f"{_at(root, 'keys')}: there is no key file {file.keys}; restore it from its backup (`caregate init` makes a new site with keys of its own)"
    if not (base / file.rules).is_dir():
        yield f"{_at(root, 'rules')}: there is no rule folder {file.rules}"
    if root.get("mappings") is not None and not (base / file.mappings).is_dir():
        yield f"{_at(root, 'mappings')}: there is no folder {file.mappings}; leave `mappings` out when nothing differs from the shipped ones"
    if file.audit.heads is not None and not (base / file.audit.heads).parent.is_dir():
        yield f"{_at(root, 'audit', 'heads')}: the folder of {file.audit.heads} is not there (is the other host's disk mounted?)"
    yield from _watched(root, file, base)
    for name, one in file.api.tls or ():
        if one is not None and not (base / one).is_file():
            yield f"{_at(root, 'api', 'tls', name)}: there is no file {one}"


def _watched(root: Node, file: SiteFile, base: Path) -> Iterator[str]:
    """The folder of a source of kind `folder`: the gateway does not make it, for a file server not mounted looks the same."""
    for name, source in file.sources.items():
        told = (source.model_extra or {}).get("path")
        if source.kind == "folder" and isinstance(told, str) and told and not (base / told).is_dir():
            yield f"{_at(root, 'sources', name, 'path')}: this folder is not there; make it, or correct `path` (is the file server mounted?)"


def _at(root: Node, *path: str) -> str:
    return (root.get(*path) or root).place
