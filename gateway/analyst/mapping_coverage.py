"""Which lines of the mappings no test read: a fact nobody expects may be read from the wrong field for years."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.analyst.mapping_cases import EventExpected, MappingCase
from gateway.mapping.codes import NOTHING
from gateway.mapping.pack import files
from gateway.mapping.tables.kinds import ENDS
from gateway.mapping.tables.plan import SILENT
from gateway.model.event import PatientEvent, Reading
from gateway.yamlfile import Node
from gateway.yamlfile import load as read_yaml

_MESSAGES, _RESOURCES, _ROWS = "hl7v2", "fhir", "tables"
_KINDS = (_MESSAGES, _RESOURCES, _ROWS)
_SINGLES = ("key", "replaces", "consents", "representatives", "identity", "gone")
_SECTIONS = ("messages", "facts", "person", "flags", "visit_flags", "contact")
_OWN_KEYS = ("telecom", "identifiers", "merged_from")  # slots of `person` with a key of their own in a test


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Unread:
    """One line of a mapping that no test read."""

    file: str
    line: int
    column: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.sentence}"


@dataclass(slots=True)
class Tried:
    """What tests of mappings looked at: message types, what each of them came to, what each of them told of whom.

    `came`: by message type, the kinds of event and the reasons to ignore that were expected. `told`: by message type,
    facts, "key", "replaces" and "visit_flags.<reason>". `person`: by kind of mapping, slots and "flags.<reason>"; those hold
    for every type.
    """

    types: set[str] = field(default_factory=set)
    came: set[tuple[str, str]] = field(default_factory=set)
    told: set[tuple[str, str]] = field(default_factory=set)
    person: set[tuple[str, str]] = field(default_factory=set)

    def add(self, case: MappingCase, reading: Reading) -> None:
        """Count what a test expected of what was read."""
        self.types.add(reading.type)
        kind = _MESSAGES if case.message is not None else _RESOURCES if case.resource is not None else _ROWS
        if reading.ignored is not None and reading.ignored == case.expect.ignored:
            self.came.add((reading.type, reading.ignored))
        for wanted, event in zip(case.expect.every_event or [], reading.events, strict=False):
            if wanted.event is event.kind:
                self.came.add((reading.type, event.kind.value))
            self.told.update((reading.type, name) for name in wanted.facts if name in event.facts)
            self.told.update((reading.type, name) for name in (*_structural(wanted), *_named(wanted, event)))
            if kind == _ROWS:
                self.told.update((reading.type, name) for name in _of_a_row(wanted, event))
            self.person.update((kind, name) for name in _of_the_person(wanted, event))

    def update(self, other: Tried) -> None:
        """Count what other tests looked at as well."""
        self.types |= other.types
        self.came |= other.came
        self.told |= other.told
        self.person |= other.person


def _of_the_person(wanted: EventExpected, event: PatientEvent) -> Iterator[str]:
    """Slots and flags of the person that a test names."""
    yield from wanted.person
    yield from (name for name in _OWN_KEYS if getattr(wanted, name) is not None)
    yield from (f"flags.{reason}" for reason in wanted.flags or {} if reason in event.flags)


def _structural(wanted: EventExpected) -> Iterator[str]:
    """Facts that a test names as the occurrence's own: its start, end and status."""
    told = (("start", wanted.start), ("end", wanted.end), ("status", wanted.status))
    if wanted.event is not None:
        space = wanted.event.partition(".")[0]
        yield from (f"{space}.{name}" for name, value in told if value is not None)


def _named(wanted: EventExpected, event: PatientEvent) -> Iterator[str]:
    """What else a test names of the occurrence and the message told: its key, what it replaces, the visit's flags."""
    visit = event.occurrence
    if visit is not None and wanted.key is not None:
        yield "key"
    if visit is not None and visit.replaces is not None and wanted.replaces is not None:
        yield "replaces"
    if event.consents and wanted.consents is not None:
        yield "consents"
    if event.representatives and wanted.representatives is not None:
        yield "representatives"
    yield from (f"visit_flags.{reason}" for reason in wanted.visit_flags or {} if reason in event.visit_flags)


def _of_a_row(wanted: EventExpected, event: PatientEvent) -> Iterator[str]:
    """Parts of a table's mapping that a test names: whom a row is about, how they are reached, and that it is gone."""
    if wanted.identifiers is not None:
        yield "identity"
    if wanted.key is not None:  # of a table of contacts `none`: they are no occurrence
        yield "key"
    if wanted.event is event.kind in ENDS.values():
        yield "gone"
    if wanted.telecom is not None:
        yield from (f"contact.{field.rpartition('.')[2]}" for field, _ in event.demographics.telecom)


def unread(folders: Sequence[Path], tried: Sequence[Tried]) -> list[Unread]:
    """Every message type, fact and slot of the person in the mapping folders that no test read, sorted by place.

    `tried`: by folder. A test shows nothing of a folder that was laid over its own afterwards.
    """
    found: list[Unread] = []
    seen = Tried()
    for folder, looked in zip(reversed(folders), reversed(tried), strict=True):
        seen.update(looked)
        found += (line for kind in _KINDS for path in files(folder, kind) for line in _file(path, kind, seen))
    return sorted(found)


def percent(folders: Sequence[Path], open_: Sequence[Unread]) -> float:
    """How many of a hundred such lines were read; 100 when there are none."""
    every = ((kind, path) for folder in folders for kind in _KINDS for path in files(folder, kind))
    total = sum(len(_lines(read_yaml(path), kind, Tried())) for kind, path in every)
    return 100.0 if not total else 100.0 * (total - len(open_)) / total


def _file(path: Path, kind: str, tried: Tried) -> Iterator[Unread]:
    for (line, column), (known, sentence) in _lines(read_yaml(path), kind, tried).items():
        if not known:
            yield Unread(file=str(path), line=line, column=column, sentence=sentence)


def _lines(node: Node, kind: str, tried: Tried) -> dict[tuple[int, int], tuple[bool, str]]:
    """By place, every line that counts: whether a test read it, and what to say when none did.

    What an overlay takes out (nothing written) does not count. A line with several names (an alias) is read under any.
    """
    types = _types(node, kind) or tuple(tried.types)  # an overlay may name none of its own
    found: dict[tuple[int, int], tuple[bool, str]] = {}
    for place, known, sentence in (*_entries(node, kind, types, tried), *_words(node, kind, tried)):
        before = found.get(place, (False, sentence))
        found[place] = (known or before[0], before[1])
    return found


def _types(node: Node, kind: str) -> tuple[str, ...]:
    """The message types a mapping names, or the resource it reads, or the name of a table's own."""
    messages, resource = node.get("messages"), node.get("resource")
    if messages is not None:
        return tuple(messages.keys)
    if kind == _ROWS:
        return tuple(str(one.value) for one in (node.get("mapping"),) if one is not None)
    return () if resource is None else (str(resource.value),)


def _entries(node: Node, kind: str, types: Sequence[str], tried: Tried) -> Iterator[tuple[tuple[int, int], bool, str]]:
    for name in _SINGLES:
        if name in node.keys:
            known = any((type_, name) in tried.told for type_ in types)
            yield node.keys[name], known, f"no test expects `{name}`: name it in one"
    for section in _SECTIONS:
        found = node.get(section)
        for name, place in found.keys.items() if found is not None else ():
            entry = node.get(section, name)
            if entry is not None and entry.value is not None:
                yield place, *_entry(section, name, kind, types, tried)


def _entry(section: str, name: str, kind: str, types: Sequence[str], tried: Tried) -> tuple[bool, str]:
    """Whether a test read an entry of a section, and what to say when none did."""
    if section == "messages":
        return name in tried.types, f"no test reads a `{name}`"
    if section == "person":
        return (kind, name) in tried.person, f"no test expects the person's `{name}`"
    if section == "flags":
        return (kind, f"flags.{name}") in tried.person, f"no test expects `{name}`: name it under `flags` of one"
    fact = name if section == "facts" else f"{section}.{name}"
    known = any((type_, fact) in tried.told for type_ in types)
    return known, f"no test expects `{name}`: name it under `{section}` of one"


def _words(node: Node, kind: str, tried: Tried) -> Iterator[tuple[tuple[int, int], bool, str]]:
    """The words that decide, under `when`: read where a test of the message type or resource expects what they say."""
    messages = node.get("messages")
    for type_ in _types(node, kind):
        if kind == _ROWS:
            yield from _told_by_rows(node, type_, tried)
        when = node.get("when") if messages is None else messages.get(type_, "when")
        for word, place in when.keys.items() if when is not None else ():
            assert when is not None
            told = when.get(word, "event") or when.get(word, "ignored")
            known = told is not None and (type_, str(told.value)) in tried.came
            yield place, known, f"no test of a `{type_}` comes to `{word}`"


def _told_by_rows(node: Node, mapping: str, tried: Tried) -> Iterator[tuple[tuple[int, int], bool, str]]:
    """The event of a table, or what each word of its column means: read where a test expects that."""
    codes = node.get("event", "codes")
    holder, words = (node, ["event"]) if codes is None else (codes, list(codes.keys))
    for word in words if "event" in node.keys else ():
        told = holder.get(word)
        came = SILENT if told is None or told.value == NOTHING else str(told.value)
        yield holder.keys[word], (mapping, came) in tried.came, f"no test of a row of `{mapping}` comes to `{word}`"
