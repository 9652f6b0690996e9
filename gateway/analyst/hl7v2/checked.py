"""What deviates in a message, and whether it matters here: a place, a rule in words, and who reads that place; never a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.analyst.hl7v2.asking import Child, NoAnswer
from gateway.analyst.hl7v2.lineage import Lineage, spoken
from gateway.analyst.hl7v2.segments import structure_of
from gateway.analyst.hl7v2.standard import nearest
from gateway.er7.charsets import codec_of
from gateway.er7.dtm import dtm_gap, parse_dtm
from gateway.er7.paths import compile_path
from gateway.er7.reader import NULL, Message
from gateway.mapping.feed import Feed
from gateway.mapping.identifiers import NEVER_MATCHES
from gateway.mapping.scope import message_zone
from gateway.mapping.sources import paths_of
from gateway.mapping.trace import Traced
from gateway.model.event import Fault, Place, Severity
from gateway.model.facts import UNMAPPED, VOCABULARY, FactType
from gateway.model.when import When

_STANDARD, _OURS = "hl7", "caregate"
_IDENTIFIERS = ("PID", 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One thing that is not as the standard, or as we, want it. `by`: "hl7" (hl7apy's tables) or "caregate".

    `why`: what reads the place, or why nothing depends on it.
    """

    place: str
    rule: str
    by: str
    matters: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The message that is checked: parsed, as the mapping read it, and as this deployment means it."""

    message: Message
    traced: Traced
    lineage: Lineage
    feed: Feed
    configured: bool  # the feed is a site's own, not one assumed for the occasion


def check(subject: Subject, child: Child) -> list[Deviation]:
    """Everything that deviates, what matters first. Whatever hl7apy cannot judge is told as such, and matters not."""
    found = [*_ours(subject), *_standard(subject, child)]
    return sorted(dict.fromkeys(found), key=lambda one: not one.matters)


# -- by the standard's tables


def _standard(subject: Subject, child: Child) -> Iterator[Deviation]:
    header, separators = subject.message.header, subject.message.separators
    version = nearest(header.version)
    question = {
        "ask": "deviations",
        "version": version,
        "structure": structure_of(subject.traced.reading.type, header.structure),
        "marks": [separators.field, separators.component, separators.repetition, separators.subcomponent],
        "lines": list(subject.message.lines),
    }
    try:
        answer = child.ask(question)
    except NoAnswer as trouble:
        yield Deviation(
            place="MSH", rule=str(trouble), by=_STANDARD, matters=False, why="the structure was not checked"
        )
        return
    for segment, sequence, field, repetition, component, subcomponent, rule in answer:
        place = Place(segment, sequence, field, repetition, component, subcomponent)
        matters, why = _read(subject, place)
        yield Deviation(place=str(place), rule=f"{rule} (HL7 {version})", by=_STANDARD, matters=matters, why=why)


def _read(subject: Subject, place: Place) -> tuple[bool, str]:
    """Whether anything reads the place, and what."""
    readers = subject.lineage.readers(place.segment, place.field, place.component)
    used = [spoken(name) for name, is_used in readers.items() if is_used]
    if used:
        return True, f"read for {', '.join(used)}"
    if readers:
        return False, f"{', '.join(map(spoken, readers))} would come from here, but nothing in force uses it"
    if not subject.lineage.asks:
        return False, "messages of this type are not mapped"
    return False, "nothing reads it"


# -- by what we need of a message


def _ours(subject: Subject) -> Iterator[Deviation]:
    for fault in subject.traced.reading.faults:
        yield _told(subject, fault)
    yield from _unmapped(subject)
    yield from _times(subject)
    yield from _authorities(subject)
    yield from _charset(subject)


def _told(subject: Subject, fault: Fault) -> Deviation:
    refused = fault.severity is Severity.ERROR
    place = fault.place or Place("MSH")
    _, why = _read(subject, place)
    if refused:
        why = f"the message is refused: {subject.traced.reading.ack}"
    return Deviation(place=str(place), rule=fault.rule, by=_OURS, matters=True, why=why)


def _unmapped(subject: Subject) -> Iterator[Deviation]:
    sources = {one.name: one.source for one in subject.lineage.asks}
    for take in subject.traced.takes:
        if take.value == UNMAPPED and take.name in sources:
            spot = take.spots[0]
            line = subject.message.lines[spot.line]
            table = sources[take.name].codes
            where = f"add the code to the table `{table}`" if table else "name the place under `locations:`"
            place = _place(subject.message, spot.line, line[:3], spot.field)
            rule = f"the code is not known: {spoken(take.name)} is `{UNMAPPED}`"
            yield Deviation(place=str(place), rule=rule, by=_OURS, matters=True, why=f"it waits for a person; {where}")


def _times(subject: Subject) -> Iterator[Deviation]:
    """Times that take their zone from the feed (T-02), and local times that are none, or two (T-06)."""
    message, feed = subject.message, subject.feed
    zone = message_zone(message.header.time, feed.zone)
    told = {take.name for take in subject.traced.takes}
    without = False
    for one in subject.lineage.asks:
        fact = VOCABULARY.get(one.name)
        if one.name not in told or (one.name != "changed" and (fact is None or fact.type is not FactType.DATETIME)):
            continue
        for path, text in zip(paths_of(one.source), one.source.every_path, strict=True):
            raw = _first(compile_path(text)(message), message)
            if raw == NULL or not raw[:4].isdigit() or raw[-5:-4] in ("+", "-"):
                continue
            without = without or len(raw) > 8
            place = Place(path.segment, 1, path.field)
            yield from _clock(place, raw, zone, spoken(one.name))
    if without and zone == feed.zone and message.header.time[-5:-4] not in ("+", "-"):
        yield _zone(subject)


def _zone(subject: Subject) -> Deviation:
    zone = subject.feed.zone
    why = f"read in {zone}, the zone of the source" if subject.configured else f"no site says which: read in {zone}"
    return Deviation(place="MSH^1^7", rule="times come without a zone", by=_OURS, matters=False, why=why)


def _clock(place: Place, raw: str, zone: str, name: str) -> Iterator[Deviation]:
    when = parse_dtm(raw, zone=zone)
    if when is None:
        return
    if dtm_gap(raw, zone):
        rule = f"a time that {zone} skips when clocks are put forward"
        yield Deviation(place=str(place), rule=rule, by=_OURS, matters=True, why=f"{name} is uncertain")
    elif when.has_clock and _comes_twice(when):
        rule = f"a time that comes twice in {zone} when clocks are put back"
        yield Deviation(
            place=str(place), rule=rule, by=_OURS, matters=True, why=f"{name} is taken as the first of them"
        )


def _comes_twice(when: When) -> bool:
    local = when.local()
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def _authorities(subject: Subject) -> Iterator[Deviation]:
    """PID-3 repetitions without CX.4: the feed's authority is taken, if it has one (PI-01)."""
    message = subject.message
    own = subject.feed.default_authority
    segment, field = _IDENTIFIERS
    for sequence, fields in enumerate(message.all(segment), 1):
        text = fields[field] if field < len(fields) else ""
        for number, repetition in enumerate(_repetitions(text, message), 1):
            parts = repetition.split(message.separators.component)
            if not parts[0] or parts[0] == NULL or (len(parts) > 3 and parts[3]):
                continue
            if len(parts) > 4 and parts[4].strip(" ") in NEVER_MATCHES:
                continue
            place = Place(segment, sequence, field, number, 4)
            why = (
                f"{own} is taken, the authority of the source"
                if own
                else "numbers of two facilities would be one person"
            )
            rule = "an identifier without its assigning authority"
            yield Deviation(place=str(place), rule=rule, by=_OURS, matters=not own, why=why)


def _charset(subject: Subject) -> Iterator[Deviation]:
    """Text beyond ASCII whose character set is not told, or is another than told (C-02, C-03)."""
    message = subject.message
    if message.header.charset or all(line.isascii() for line in message.lines):
        return
    codec = message.codec
    agreed = codec == codec_of(subject.feed.charset)
    why = f"read as {codec}, {'the charset of the source' if agreed else 'a fallback of the source'}"
    rule = "text beyond ASCII without a character set"
    yield Deviation(place="MSH^1^18", rule=rule, by=_OURS, matters=not agreed, why=why)


def _repetitions(text: str, message: Message) -> Sequence[str]:
    mark = message.separators.repetition
    return text.split(mark) if mark else [text]


def _first(raw: str, message: Message) -> str:
    text = _repetitions(raw, message)[0].split(message.separators.component)[0]
    mark = message.separators.subcomponent
    return text.split(mark)[0] if mark else text


def _place(message: Message, line: int, segment: str, field: int) -> Place:
    sequence = sum(other.startswith(segment) for other in message.lines[: line + 1])
    return Place(segment, sequence, field)
