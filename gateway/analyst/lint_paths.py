"""A path in a mapping that no version of the standard defines is found before the first message, not after the thousandth.

hl7apy's tables decide (`hl7v2/standard.py`). Z segments are the site's own and are not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from gateway.analyst.findings import Finding
from gateway.analyst.hl7v2.asking import Child, NoAnswer
from gateway.analyst.hl7v2.segments import NAMES
from gateway.analyst.hl7v2.standard import VERSIONS, Catalogue, Standard
from gateway.er7 import paths as er7
from gateway.mapping.pack import files
from gateway.mapping.schema import MappingFile
from gateway.model.errors import ConfigError
from gateway.yamlfile import Node, load

_SECTIONS = tuple(name for name in MappingFile.SECTIONS if name != "messages")
_LATEST = "2.9"  # hl7apy has no tables of it: what is known of it here is added to 2.8.2's
_FIELD = re.compile(r"[A-Z][A-Z0-9]{2}-[1-9]\d?")


def lint_paths(folders: Sequence[Path], standard: Standard | None = None) -> list[Finding]:
    """The findings about every path in the mapping files of the folders, sorted by place.

    Files that cannot be read are left to `load_pack`, which says why. When hl7apy gives no answer that is one
    finding (CG080): what was not checked must not look right.
    """
    found: set[Finding] = set()
    with Child() as child:
        standard = standard or Standard(child)
        try:
            for folder in folders:
                for path in files(folder, "hl7v2"):
                    found.update(_file(path, standard))
        except NoAnswer as trouble:
            place = {"file": str(folders[-1]), "line": 1, "column": 1}
            found.add(Finding(code="CG080", sentence=f"the paths were not checked: {trouble}", **place))  # type: ignore[arg-type]
    return sorted(found)


def _file(path: Path, standard: Standard) -> Iterator[Finding]:
    try:
        node = load(path)
    except ConfigError:
        return
    yield from _declared(node)
    versions = _versions(node)
    local = {one.value for one in _items(node.get("local"))}
    catalogues = [standard.catalogue(one) for one in VERSIONS]
    for place in _paths(node):
        text = place.value if isinstance(place.value, str) else ""
        yield from _judged(place, text, local, catalogues, versions)


def _judged(
    place: Node, text: str, local: Iterable[object], catalogues: Sequence[Catalogue], versions: frozenset[str]
) -> Iterator[Finding]:
    try:
        path = er7.parse_path(text)
    except ValueError:
        return  # `load_pack` has said so
    if path.segment.startswith("Z") or path.name in local:
        return
    wrong = {catalogue.version: catalogue.wrong(path) for catalogue in catalogues}
    if not any(wrong[version] is None for version in versions):
        yield _finding(place, "CG080", _sentence(path, text, wrong, versions, catalogues))


def _sentence(
    path: er7.Path,
    text: str,
    wrong: Mapping[str, str | None],
    versions: frozenset[str],
    catalogues: Sequence[Catalogue],
) -> str:
    elsewhere = [version for version, reason in wrong.items() if reason is None]
    if elsewhere:
        told = _range(elsewhere)
        return f"`{text}` is in version {told}, not in {_range(sorted(versions, key=VERSIONS.index))} that this file is for"
    newest = max(versions, key=VERSIONS.index)
    advice = _advice(path, catalogues)
    return f"`{text}` is in no version of HL7 v2: {wrong[newest]}{advice}"


def _advice(path: er7.Path, catalogues: Sequence[Catalogue]) -> str:
    if not any(path.segment in catalogue.segments for catalogue in catalogues):
        turned = [name for name in NAMES if sorted(name) == sorted(path.segment)]
        near = turned or get_close_matches(path.segment, NAMES, n=1, cutoff=0.6)
        return f"; meant {near[0]}?" if near else "; a segment of the site's own begins with Z"
    return f"; a field the sender adds is written under `local: [{path.name}]`" if path.component is None else ""


def _declared(node: Node) -> Iterator[Finding]:
    for one in _items(node.get("versions")):
        if one.value not in (*VERSIONS, _LATEST):
            yield _finding(
                one, "CG081", f"there are no tables of version `{str(one.value)[:20]}`: {', '.join(VERSIONS)}"
            )
    for one in _items(node.get("local")):
        if not _FIELD.fullmatch(str(one.value)):
            yield _finding(one, "CG081", "`local` takes fields like PID-50")


def _versions(node: Node) -> frozenset[str]:
    told = {VERSIONS[-1] if one.value == _LATEST else one.value for one in _items(node.get("versions"))}
    return frozenset(one for one in VERSIONS if one in told) or frozenset(VERSIONS)


def _paths(node: Node) -> Iterator[Node]:
    """Every path written in a mapping file, where it stands."""
    sources = [node.get(name) for name in ("key", *MappingFile.SINGLES)]
    for name in _SECTIONS:
        section = node.get(name)
        if section is not None and isinstance(section.value, Mapping):
            sources += section.value.values()
    for source in sources:
        if source is not None:
            path = source.get("path")
            yield from ([path] if path is not None else [])
            yield from _items(source.get("paths"))


def _items(node: Node | None) -> tuple[Node, ...]:
    return node.value if node is not None and isinstance(node.value, tuple) else ()


def _range(versions: Sequence[str]) -> str:
    """First to last where they follow one another, else each."""
    first, last = VERSIONS.index(versions[0]), VERSIONS.index(versions[-1])
    whole = last - first + 1 == len(versions) > 2
    return f"{versions[0]} to {versions[-1]}" if whole else ", ".join(versions)


def _finding(node: Node, code: str, sentence: str) -> Finding:
    return Finding(file=node.file, line=node.line, column=node.column, code=code, sentence=sentence)
