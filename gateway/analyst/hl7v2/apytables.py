"""hl7apy's tables of one version in a shape of our own: the only place that knows how hl7apy keeps them.

Used in the child process. Its tables have gaps (an ill-formed ORO in v2.1, segments without fields in v2.7): what
cannot be read is left out, and what is left out is never called wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

import hl7apy
from hl7apy.exceptions import HL7apyException


class Part(NamedTuple):
    """A field of a segment or a component of a data type. `most`: repetitions, -1 for any number, 0 withdrawn."""

    number: int
    name: str
    type: str
    required: bool
    most: int
    table: str | None


class Version:
    """What one version of the standard defines. Raises hl7apy's UnsupportedVersion for one it does not know."""

    def __init__(self, version: str) -> None:
        self._library: Any = hl7apy.load_library(version)
        self.version = version

    @cache  # noqa: B019 - versions are few and live as long as the process
    def segment(self, name: str) -> tuple[Part, ...] | None:
        """The fields of a segment; None when this version has no such segment, or hl7apy no fields of it."""
        found = self._library.SEGMENTS.get(name)
        return _parts(found[1]) if found and found[0] == "sequence" and len(found) > 1 else None

    @cache  # noqa: B019
    def type(self, name: str) -> tuple[Part, ...]:
        """The components of a data type; empty for a primitive one (ST, NM, …) and for one hl7apy does not know."""
        return _parts(self._library.DATATYPES_STRUCTS.get(name, ()))

    def knows_type(self, name: str) -> bool:
        """Whether the type is primitive or its components are known."""
        return name in self._library.BASE_DATATYPES or name in self._library.DATATYPES_STRUCTS

    def segments(self) -> Iterator[str]:
        """The ids of all segments with fields."""
        return (name for name in self._library.SEGMENTS if self.segment(name))

    def types(self) -> Iterator[str]:
        """The names of all data types with components."""
        return (name for name in self._library.DATATYPES_STRUCTS if self.type(name))

    def codes(self, table: str) -> frozenset[str]:
        """The codes of a table such as HL70085; empty when hl7apy does not have it."""
        found = getattr(self._library, "TABLES", {}).get(table)  # hl7apy has none for 2.1 to 2.3
        return frozenset(found[1]) if found else frozenset()

    def structure(self, name: str) -> Any:
        """hl7apy's reference of a message structure such as ADT_A01; None when it has none."""
        return self._library.MESSAGES.get(name)


@lru_cache(maxsize=4)
def version_of(version: str) -> Version:
    """The version's tables, read once."""
    return Version(version)


def catalogue(question: Mapping[str, Any]) -> dict[str, Any]:
    """`{"version"}` → segments and data types, each a list of [number, name, type], for names and for paths."""
    version = version_of(question["version"])
    return {
        "segments": {name: _brief(version.segment(name) or ()) for name in version.segments()},
        "types": {name: _brief(version.type(name)) for name in version.types()},
    }


def is_known(version: str) -> bool:
    """Whether hl7apy has the version at all."""
    try:
        hl7apy.check_version(version)
    except HL7apyException:
        return False
    return True


def _brief(parts: tuple[Part, ...]) -> list[list[object]]:
    return [[part.number, part.name, part.type] for part in parts]


def _parts(references: Any) -> tuple[Part, ...]:
    return tuple(part for one in references if (part := _part(one)) is not None)


def _part(reference: Any) -> Part | None:
    """From ("PID_3", ("sequence", …, "CX", "PATIENT_IDENTIFIER_LIST", None, -1), (1, -1), "FIE")."""
    try:
        name, (_, _, kind, words, table, *_), (least, most), _ = reference
        return Part(int(name.rpartition("_")[2]), words, kind, least > 0, most, table)
    except (ValueError, TypeError):
        return None
