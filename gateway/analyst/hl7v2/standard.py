"""What each version of the standard calls a field and lets a path name; asked once, then read from a cache of tables."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version as installed
from pathlib import Path as File
from typing import Any, NamedTuple

from gateway.analyst.hl7v2 import segments
from gateway.analyst.hl7v2.asking import Child
from gateway.er7.paths import Path

VERSIONS = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2")
"""The versions hl7apy has tables of, oldest first. 2.7.1 is read as 2.7, anything later as 2.8.2."""

_USUAL = "2.5.1"
_PRIMITIVE = frozenset({"ST", "TX", "FT", "ID", "IS", "NM", "SI", "DT", "TM", "DTM", "TS", "TN", "GTS", "WD", "SNM"})


class Part(NamedTuple):
    """A field or component: its name in words, and its data type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The fields of every segment and the components of every data type of one version, by number."""

    version: str
    segments: Mapping[str, Mapping[int, Part]]
    types: Mapping[str, Mapping[int, Part]]

    def field(self, segment: str, number: int) -> Part | None:
        """A field; None when the version has none there."""
        return self.segments.get(segment, {}).get(number)

    def component(self, type_: str, number: int) -> Part | None:
        """A component of a data type; a primitive type is its own first component (P-17)."""
        parts = self.types.get(type_)
        return Part("", type_) if not parts and number == 1 else (parts or {}).get(number)

    def wrong(self, path: Path) -> str | None:
        """Why this version has nothing at the path, as a sentence's end; None when it has, or hl7apy cannot tell."""
        fields = self.segments.get(path.segment)
        if not fields:
            return f"there is no segment {path.segment}"
        field = fields.get(path.field)
        if field is None:
            return f"{path.segment} has {max(fields)} fields"
        if path.component is None or field.type == "varies":
            return None
        return self._wrong_part(path, field)

    def _wrong_part(self, path: Path, field: Part) -> str | None:
        assert path.component is not None
        parts = self.types.get(field.type)
        part = self.component(field.type, path.component)
        if parts is None and field.type not in _PRIMITIVE:
            return None  # an old CM type: hl7apy does not know its parts
        if part is None:
            return f"{path.name} is {_article(field.type)} with {len(parts) if parts else 'no'} components"
        inner = self.component(part.type, path.subcomponent or 1)
        if inner is None and (part.type in self.types or part.type in _PRIMITIVE):
            count = len(self.types.get(part.type, ())) or "no"
            return f"{path.name}.{path.component} is {_article(part.type)} with {count} subcomponents"
        return None


def nearest(version: str) -> str:
    """The version with tables that is nearest to what MSH-12 says (X-04); the usual one when it says nothing."""
    if not version:
        return _USUAL
    own = [one for one in VERSIONS if version == one or version.startswith(f"{one}.")]  # 2.3.z is 2.3
    return own[-1] if own else max((one for one in VERSIONS if one <= version), default=VERSIONS[0])


class Standard:
    """Catalogues by version, from the cache or from hl7apy. `child`: who is asked what is not in the cache.

    Raises NoAnswer where hl7apy has none.
    """

    def __init__(self, child: Child, folder: File | None = None) -> None:
        self._child = child
        self._folder = folder or cache_folder()
        self._known: dict[str, Catalogue] = {}

    def catalogue(self, version: str) -> Catalogue:
        """The catalogue of one of VERSIONS."""
        found = self._known.get(version)
        if found is None:
            found = self._known[version] = _catalogue(version, self._tables(version))
        return found

    def _tables(self, version: str) -> Any:
        file = self._folder / f"hl7-{version}-{_digest()}.json"
        with contextlib.suppress(OSError, ValueError):
            return json.loads(file.read_text(encoding="utf-8"))
        tables = self._child.ask({"ask": "catalogue", "version": version})
        with contextlib.suppress(OSError):  # a cache that cannot be written costs a second each time, nothing else
            _keep(file, json.dumps(tables))
        return tables


def cache_folder() -> File:
    """Where tables of the standard are kept between runs: the account's cache folder (XDG base directories)."""
    return File(os.environ.get("XDG_CACHE_HOME") or File.home() / ".cache", "caregate")


@cache
def _digest() -> str:
    """Tells one set of tables from another: hl7apy's version, and the code that reads it."""
    code = File(__file__).with_name("apytables.py").read_bytes()
    return hashlib.sha256(installed("hl7apy").encode() + b"\0" + code).hexdigest()[:16]


def _keep(file: File, text: str) -> None:
    """Whole or not at all: somebody else may be reading."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    File(name).replace(file)


def _catalogue(version: str, tables: Any) -> Catalogue:
    fields = {name: _parts(parts, name) for name, parts in tables["segments"].items()}
    for name, later in segments.LATER.items() if version == VERSIONS[-1] else ():
        fields[name] |= {number: Part(*part) for number, part in later.items()}
    return Catalogue(version, fields, {name: _parts(parts) for name, parts in tables["types"].items()})


def _parts(parts: Sequence[Sequence[Any]], segment: str = "") -> dict[int, Part]:
    return {number: Part(_spoken(name, segment), kind) for number, name, kind in parts}


def _spoken(name: str, segment: str) -> str:
    """hl7apy's "SET_ID_PID" as "Set ID - PID", "PATIENT_IDENTIFIER_LIST" as "Patient identifier list"."""
    own = bool(segment) and name.endswith(f"_{segment}")
    words = name.removesuffix(f"_{segment}" if own else "").split("_")
    text = " ".join("ID" if word == "ID" else word.lower() for word in words)
    return f"{text[:1].upper()}{text[1:]}{f' - {segment}' if own else ''}"


def _article(type_: str) -> str:
    return f"{'an' if type_[0] in 'AEFHILMNORSX' else 'a'} {type_}"
