"""A message field by field: the standard's name, the value, what the real mapping run took from it, and what was dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.analyst import spoken
from gateway.analyst.hl7v2 import segments
from gateway.analyst.hl7v2.lineage import Lineage
from gateway.analyst.hl7v2.lineage import spoken as named
from gateway.analyst.hl7v2.standard import Catalogue, Part
from gateway.er7.reader import Message
from gateway.mapping.trace import Spot, Take, TracedReader
from gateway.model.consent import ConsentStatement
from gateway.model.event import Format, RawMessage, Reading
from gateway.model.party import CLEARED, ContactPoint, Identifier
from gateway.model.when import When

_MOST = 24  # values that more fields decide together are told at each of them
_LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What became of a field: `name` took `value`. None: it looked here and took it elsewhere; "": it has no words."""

    name: str
    value: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One valued field, or one component of it. `place` is a path as a mapping writes it; `value` is un-escaped.

    `title`: the segment's name; `part`: it is a component of the row before. `took`: what the mapping took of the field,
    all repetitions together. `unused`: what could be taken here, but no rule, template or gate uses it (law 5).
    """

    place: str
    segment: str
    sequence: int
    title: str
    repetition: int
    name: str
    type: str
    value: str = field(repr=False)
    part: bool = False
    took: tuple[Use, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def dropped(self) -> bool:
        """Whether nothing of it is kept."""
        return not any(use.value is not None for use in self.took)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One message: what it was read as, and its rows."""

    reading: Reading
    rows: tuple[Row, ...]


class Showing:
    """Shows messages of one feed under one pack: read once as deployed, once as if every fact were used."""

    def __init__(self, used: TracedReader, every: TracedReader) -> None:
        self._used, self._every = used, every

    def shown(self, body: bytes, message: Message, catalogue: Catalogue, lineage: Lineage, *, deep: bool) -> Shown:
        """Every valued field of a parsed message in order; `deep`: its components and subcomponents too."""
        traced = self._used.trace(raw(body))
        takes = traced.takes
        uses = _Uses(takes, self._decisive(message, takes), self._every.trace(raw(body)).takes, lineage)
        rows: list[Row] = []
        seen: Counter[str] = Counter()
        for place, line in enumerate(message.lines):
            seen[line[:3]] += 1
            rows += _segment(_Line(line, place, seen[line[:3]]), message, catalogue, uses, deep=deep)
        return Shown(reading=traced.reading, rows=tuple(rows))

    def _decisive(self, message: Message, takes: Sequence[Take]) -> set[tuple[int, Spot]]:
        """(number of the take, spot) where the value would be another without the spot: the mapping is asked again."""
        found: set[tuple[int, Spot]] = set()
        without: dict[Spot, list[tuple[str, object]]] = {}
        for number, take in enumerate(takes):
            if len(take.spots) > _MOST or len(take.spots) == 1:
                found |= {(number, spot) for spot in take.spots}
                continue
            for spot in take.spots:
                if spot not in without:
                    without[spot] = self._taken(message, [spot])
            decided = [spot for spot in take.spots if (take.name, take.value) not in without[spot]]
            found |= {(number, spot) for spot in decided or self._enough(message, take)}
        return found

    def _enough(self, message: Message, take: Take) -> Sequence[Spot]:
        """Where several spots say the same: the first that says it alone, else all of them together."""
        for spot in take.spots:
            if (take.name, take.value) in self._taken(message, [one for one in take.spots if one != spot]):
                return (spot,)
        return take.spots

    def _taken(self, message: Message, blank: Sequence[Spot]) -> list[tuple[str, object]]:
        """What is taken of the message without some of its fields."""
        return [(one.name, one.value) for one in self._used.trace(raw(_blanked(message, blank))).takes]


class _Uses:
    """What was taken from each field, and what could have been."""

    def __init__(
        self, takes: Sequence[Take], decisive: set[tuple[int, Spot]], every: Sequence[Take], lineage: Lineage
    ) -> None:
        self._takes, self._decisive, self._every, self._lineage = takes, decisive, every, lineage

    def took(self, spot: Spot, line: str) -> tuple[Use, ...]:
        found: dict[str, Use] = {}
        for number, take in enumerate(self._takes):
            if spot in take.spots:
                here = (number, spot) in self._decisive
                told = _told(take, f"{line[:3]}-{spot.field}") if here else None
                name = named(take.name)
                if name not in found or (told is not None and found[name].value is None):
                    found[name] = Use(name=name, value=told)
        own = self._lineage.own(line[:3], spot.field)
        return (*([] if own is None else [Use(name=own, value="")]), *found.values())

    def unused(self, spot: Spot) -> tuple[str, ...]:
        taken = {take.name for take in self._takes}
        return tuple(dict.fromkeys(one.name for one in self._every if spot in one.spots and one.name not in taken))


@dataclass(frozen=True, slots=True)
class _Line:
    """A segment, its place among the message's, and which of its kind it is."""

    text: str = field(repr=False)
    place: int
    sequence: int


def _segment(line: _Line, message: Message, catalogue: Catalogue, uses: _Uses, *, deep: bool) -> Iterator[Row]:
    name, separators = line.text[:3], message.separators
    fields = line.text.split(separators.field)
    if name == "MSH":
        fields.insert(1, separators.field)
    for number, text in enumerate(fields):
        if number == 0 or not text:
            continue
        part = catalogue.field(name, number) or Part(_LOCAL if name.startswith("Z") else "not in this version", "")
        spot = Spot(line.place, number)
        plain = name == "MSH" and number in (1, 2)
        pieces = [text] if plain or not separators.repetition else text.split(separators.repetition)
        took, unused = uses.took(spot, line.text), uses.unused(spot)
        for count, piece in enumerate(pieces, 1):
            place = f"{name}-{number}" + (f"[{count}]" if len(pieces) > 1 else "")
            yield Row(
                place=place,
                segment=name,
                sequence=line.sequence,
                title=segment_name(name),
                repetition=count,
                name=part.name,
                type=part.type,
                value=piece if plain or _parted(piece, message) else message.text(piece),
                took=took,
                unused=unused,
            )
            if deep and not plain:
                yield from _components(line, place, part, piece, message, catalogue)


def _parted(text: str, message: Message) -> bool:
    """Whether it has parts: then it is shown as sent, because un-escaped its delimiters could not be told apart."""
    separators = message.separators
    return separators.component in text or (bool(separators.subcomponent) and separators.subcomponent in text)


def _components(
    line: _Line, place: str, part: Part, text: str, message: Message, catalogue: Catalogue, *, inner: bool = False
) -> Iterator[Row]:
    mark = message.separators.subcomponent if inner else message.separators.component
    pieces = text.split(mark) if mark else [text]
    if len(pieces) == 1:
        return
    for number, piece in enumerate(pieces, 1):
        if piece:
            own = catalogue.component(part.type, number) or Part("", "")
            here = f"{place}.{number}"
            value = piece if _parted(piece, message) else message.text(piece)
            yield Row(
                place=here,
                segment=line.text[:3],
                sequence=line.sequence,
                title=segment_name(line.text[:3]),
                repetition=1,
                name=own.name,
                type=own.type,
                value=value,
                part=True,
            )
            if not inner:
                yield from _components(line, here, own, piece, message, catalogue, inner=True)


def segment_name(name: str) -> str:
    """What the standard calls a segment; "local" for a Z segment, empty where it is not known here."""
    return _LOCAL if name.startswith("Z") else segments.NAMES.get(name, "")


def raw(body: bytes) -> RawMessage:
    """A message from a file: when it was received means nothing."""
    return RawMessage(source="", format=Format.HL7V2, body=body, received=0)


def _blanked(message: Message, spots: Sequence[Spot]) -> bytes:
    """The message without some fields."""
    lines = list(message.lines)
    for spot in spots:
        fields = lines[spot.line].split(message.separators.field)
        fields[spot.field - 1 if lines[spot.line].startswith("MSH") else spot.field] = ""
        lines[spot.line] = message.separators.field.join(fields)
    return "\r".join(lines).encode(message.codec)


def _told(take: Take, name: str) -> str:
    """The value taken, in words."""
    value = take.value
    if take.name == "person.telecom":  # of its fields, what this one told
        return ", ".join(_contact(points) for field, points in value if field == name)
    if take.name.startswith(("flags.", "visit_flags.")):
        return "holds" if value else "lifts"
    return ", ".join(_one(one) for one in value) if isinstance(value, tuple) else _one(value)


def _contact(points: tuple[ContactPoint, ...] | object) -> str:
    if not isinstance(points, tuple):
        return "removed" if points is CLEARED else ""
    return ", ".join(f"{point.use.value} {point.system.value} {point.value}" for point in points)


def _one(value: object) -> str:
    if value is CLEARED:
        return "removed"
    if isinstance(value, Identifier):
        return spoken.identifier(value)
    if isinstance(value, ConsentStatement):
        return spoken.consent(value)
    zone = f" {value.zone}" if isinstance(value, When) else ""
    return f"{spoken.value(value)}{zone}"
