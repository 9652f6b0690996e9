"""Where a message deviates from its version of the standard: a place and a rule in our words, never a value.

Used in the child process. hl7apy's tables say what is defined, required and repeatable, its data types judge values
and its group finder finds the groups. The walk is ours, because hl7apy's own validator quotes what it rejects, names
no position, and its group finder drops a segment it did not expect without a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import hl7apy.core
from hl7apy import parser
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.factories import datatype_factory

from gateway.analyst.hl7v2.apytables import Part, Version, version_of

NULL = '""'
_JUDGED = frozenset({"DT", "DTM", "TM", "NM", "SI"})  # the others take any text
_ENCODING = {"FIELD": "|", "COMPONENT": "^", "SUBCOMPONENT": "&", "REPETITION": "~", "ESCAPE": "\\"}
_ENCODING |= {"SEGMENT": "\r", "GROUP": "\r"}

Deviation = tuple[str, int, int | None, int | None, int | None, int | None, str]
"""Segment, its sequence, field, repetition, component, subcomponent (1-based), and the rule."""


class Marks(NamedTuple):
    """The delimiters of the message; empty where the sender has none."""

    field: str
    component: str
    repetition: str
    subcomponent: str


class Where(NamedTuple):
    """A place as far as it is told."""

    segment: str
    sequence: int
    field: int | None = None
    repetition: int | None = None
    component: int | None = None
    subcomponent: int | None = None


def deviations(question: Mapping[str, Any]) -> list[Deviation]:
    """`{"version", "structure", "marks", "lines"}` → what deviates, in the order of the message, then what is missing."""
    version, marks = version_of(question["version"]), Marks(*question["marks"])
    walk = _Walk(version, marks)
    lines: list[str] = question["lines"]
    names = [line[:3] for line in lines]
    for line in lines:
        walk.segment(line)
    if question["structure"]:
        walk.structure(question["structure"], names)
    return [(*where, rule) for where, rule in walk.found]


class _Walk:
    """Collects deviations of one message."""

    def __init__(self, version: Version, marks: Marks) -> None:
        self._version, self._marks = version, marks
        self._count: Counter[str] = Counter()
        self.found: list[tuple[Where, str]] = []

    def tell(self, where: Where, rule: str) -> None:
        self.found.append((where, rule))

    def segment(self, line: str) -> None:
        """One segment: what is defined, required, repeated, and each value. A Z segment is local (C2 §2.6)."""
        name = line[:3]
        self._count[name] += 1
        where = Where(name, self._count[name])
        parts = self._version.segment(name)
        if name.startswith("Z"):
            return
        if parts is None:
            self.tell(where, f"the segment is not defined in version {self._version.version}")
            return
        fields = line.split(self._marks.field)
        if name == "MSH":
            fields.insert(1, self._marks.field)
        for part in parts:
            text = fields[part.number] if part.number < len(fields) else ""
            self._field(where._replace(field=part.number), part, text)
        last = max(part.number for part in parts)
        for number in range(last + 1, len(fields)):
            if fields[number]:
                rule = f"beyond the {last} fields of version {self._version.version}"
                self.tell(where._replace(field=number), rule)

    def _field(self, where: Where, part: Part, text: str) -> None:
        if not text:
            if part.required:
                self.tell(where, "a required field is empty")
            return
        if part.most == 0:
            self.tell(where, f"withdrawn in version {self._version.version}")
        if where.segment == "MSH" and where.field in (1, 2):
            return
        repetitions = text.split(self._marks.repetition) if self._marks.repetition else [text]
        if 0 < part.most < len(repetitions):
            self.tell(where, f"{len(repetitions)} repetitions, where the standard has {part.most}")
        for number, repetition in enumerate(repetitions, 1):
            self._value(where._replace(repetition=number), part, repetition, self._marks.component)

    def _value(self, where: Where, part: Part, text: str, mark: str) -> None:
        """A repetition or a component: its parts where the type has some, else the value itself."""
        if not text or text == NULL or part.type == "varies":
            return
        parts = self._version.type(part.type) if part.type != "TS" else ()  # its precision (TS.2) means nothing (T-05)
        pieces = text.split(mark) if mark else [text]
        if not parts:
            self._whole(where, part, pieces)
            return
        deep = where.component is not None
        for piece in parts:
            inner = pieces[piece.number - 1] if piece.number <= len(pieces) else ""
            at = where._replace(subcomponent=piece.number) if deep else where._replace(component=piece.number)
            if not inner and piece.required:
                self.tell(at, f"a required component of {part.type} is empty")
            elif deep:
                self._primitive(at, piece, inner)
            else:
                self._value(at, piece, inner, self._marks.subcomponent)
        if any(pieces[len(parts) :]):
            self.tell(where, f"more components than the {len(parts)} of {part.type}")

    def _whole(self, where: Where, part: Part, pieces: Sequence[str]) -> None:
        if any(pieces[1:]) and self._version.knows_type(part.type) and part.type != "TS":
            self.tell(where, f"components, where {part.type} has none")
        self._primitive(where, part, pieces[0])

    def _primitive(self, where: Where, part: Part, text: str) -> None:
        if not text or text == NULL:
            return
        kind = "DTM" if part.type == "TS" else part.type
        if kind in _JUDGED and not self._fits(kind, text):
            self.tell(where, f"not a valid {part.type}")
        # Tables of an ID are HL7's; those of an IS, and most of a CWE, are the site's own (C2A ID, IS).
        codes = self._version.codes(part.table) if part.type == "ID" and part.table else None
        if codes and text not in codes:
            self.tell(where, f"not in HL7 table {part.table[-4:] if part.table else ''}")

    def _fits(self, kind: str, text: str) -> bool:
        version = self._version.version if kind != "DTM" else "2.5.1"  # a TS before 2.5 is judged as its later self
        try:
            datatype_factory(kind, text, version, VALIDATION_LEVEL.STRICT)
        except (ValueError, HL7apyException):
            return False
        return True

    def structure(self, name: str, names: Sequence[str]) -> None:
        """Segments where the structure has none, and those it requires but the message has not."""
        reference = self._version.structure(name)
        if reference is None:
            return
        known = frozenset(_segments(reference))
        seen: Counter[str] = Counter()
        kept: list[Where] = []
        for one in names:
            seen[one] += 1
            if one in known:
                kept.append(Where(one, seen[one]))
            elif not one.startswith("Z"):
                self.tell(Where(one, seen[one]), f"the segment has no place in {name}")
        self._grouped(name, reference, kept)

    def _grouped(self, name: str, reference: Any, kept: Sequence[Where]) -> None:
        """hl7apy finds the groups of the bare segment ids: contents are not needed, so none are given."""
        text = "\r".join(where.segment for where in kept)
        found = parser.parse_segments(
            text, self._version.version, _ENCODING, VALIDATION_LEVEL.TOLERANT, reference, find_groups=True
        )
        rest = iter(kept)
        places: dict[int, Where] = {}
        for segment in _flat(found):  # what hl7apy dropped on the way came where the structure has it no more
            for where in rest:
                if where.segment == segment.name:
                    places[id(segment)] = where
                    break
                self.tell(where, f"the segment comes out of its order in {name}")
        for where in rest:
            self.tell(where, f"the segment comes out of its order in {name}")
        self._counted(name, reference, found, places, whole=True)

    def _counted(
        self, name: str, reference: Any, children: Sequence[Any], places: Mapping[int, Where], *, whole: bool = False
    ) -> None:
        """How often each segment comes in the message (`whole`) or in one group of it, and what is missing there."""
        counts = Counter(child.name for child in children)
        first = next((places[id(segment)] for segment in _flat(children)), None)
        for child, inner, (least, most), kind in reference[1]:
            if counts[child] < least and reference[0] != "choice":
                missing = next(_segments(inner), child) if kind == "GRP" else child
                if whole or first is None:
                    self.tell(Where(missing, 1), f"a segment that {name} requires is missing")
                else:
                    self.tell(first, f"comes without the {missing} that {name} requires")
            elif -1 < most < counts[child] and kind == "SEG":
                extra = [places[id(one)] for one in children if one.name == child]
                self.tell(extra[-1], f"more often than {name} has it")
        inners = {child: inner for child, inner, *_ in reference[1]}
        for child in children:
            if isinstance(child, hl7apy.core.Group) and child.name in inners:
                self._counted(child.name, inners[child.name], list(child.children), places)


def _flat(children: Sequence[Any]) -> Iterator[Any]:
    for child in children:
        if isinstance(child, hl7apy.core.Group):
            yield from _flat(list(child.children))
        else:
            yield child


def _segments(reference: Any) -> Iterator[str]:
    for name, inner, _, kind in reference[1]:
        if kind == "GRP":
            yield from _segments(inner)
        else:
            yield name
