"""What the mapping makes of one FHIR resource: the reading is the real one; beside each value stand the paths that told it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from gateway.analyst import spoken
from gateway.fhirjson import parse
from gateway.mapping.feed import Feed
from gateway.mapping.fhir.elements import elements_of
from gateway.mapping.fhir.family import ResourceFamily
from gateway.mapping.fhir.reader import FhirReader
from gateway.mapping.fhir.scope import Scope
from gateway.mapping.fhir.sources import paths_of
from gateway.mapping.fhir.unknown import Found, unknown
from gateway.mapping.pack import Pack
from gateway.mapping.schema import Source
from gateway.model.errors import Unreadable
from gateway.model.event import Fault, Format, PatientEvent, RawMessage, Reading
from gateway.model.party import CLEARED
from gateway.model.when import Millis, When

_NO_MEANING = frozenset({"resourceType", "id", "meta", "text", "implicitRules"})  # read, or left, by the reader itself
_KEPT = frozenset({"start", "end", "location", "status"})  # of any occurrence, whatever rules use


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that is taken. `places`: the paths that told something; none: it follows from the resource as a whole."""

    name: str
    value: str = field(repr=False)
    places: tuple[str, ...]
    used: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One resource. `codes`: those no table knows of facts in use; `systems`: (place, identifier system) that `systems` does not name.

    `unread`: its elements that nothing here reads, hence dropped (law 5).
    """

    reading: Reading
    faults: tuple[Fault, ...]
    rows: tuple[Row, ...] = ()
    codes: tuple[Found, ...] = ()
    systems: tuple[tuple[str, str], ...] = ()
    unread: tuple[str, ...] = ()


class Showing:
    """Shows resources of one feed under one pack: read once as deployed, once as if every fact were used."""

    def __init__(self, pack: Pack, feed: Feed, facts: frozenset[str]) -> None:
        self._pack, self._feed, self._facts = pack, feed, facts
        self._used, self._every = FhirReader(pack, feed, facts=facts), FhirReader(pack, feed)
        self._families = {one.resource: one for one in pack.resources.values()}
        self._elements = elements_of(pack, feed.release)

    def shown(self, body: bytes, now: Millis) -> Shown:
        """What becomes of one resource, or of the DELETE of one, when it is received `now`; it never raises on foreign input."""
        message = RawMessage(source=self._feed.name, format=Format.FHIR, body=body, received=now)
        reading = self._used(message)
        family = self._families.get(reading.type)
        try:
            told = parse(body)
        except Unreadable:
            return Shown(reading=reading, faults=reading.faults)
        if family is None or told["resourceType"] != reading.type or not reading.events:
            return Shown(reading=reading, faults=reading.faults)
        scope = Scope(told, self._feed, now)
        rows = _Rows(scope, _sources(family, self._pack), reading.events, self._every(message).events)
        persons = tuple(fault for event in reading.events for fault in event.person.told.faults)
        return Shown(
            reading=reading,
            faults=tuple(dict.fromkeys((*reading.faults, *persons))),
            rows=tuple(rows()),
            codes=tuple(dict.fromkeys(unknown(self._pack, self._feed, body, self._facts))),
            systems=tuple(dict.fromkeys(_strange(told, self._feed))),
            unread=self._unread(told),
        )

    def _unread(self, told: Mapping[str, Any]) -> tuple[str, ...]:
        """Nothing of a type that is weighed as a whole."""
        read = self._elements.get(told["resourceType"])
        names = dict.fromkeys(name.lstrip("_") for name in told)
        return () if read is None else tuple(one for one in names if one not in _NO_MEANING and one not in read)


class _Rows:
    """The rows of one resource; of several patients each has identifiers, and the rest is told once."""

    def __init__(
        self,
        scope: Scope,
        sources: Mapping[str, Source],
        events: tuple[PatientEvent, ...],
        every: tuple[PatientEvent, ...],
    ) -> None:
        self._scope, self._sources = scope, sources
        self._events, self._event, self._whole = events, events[0], every[0]

    def __call__(self) -> Iterator[Row]:
        for event in self._events:
            yield self._row("identifiers", _many(map(spoken.identifier, event.identifiers)))
        if self._event.merged_from:
            yield self._row("merged_from", _many(map(spoken.identifier, self._event.merged_from)))
        yield from self._occurrence()
        kept = {*self._event.facts, *(() if self._event.occurrence is None else _KEPT)}
        for name, value in self._whole.facts.items():
            yield self._row(name, _word(value), used=name in kept or name.rpartition(".")[2] in kept)
        yield from self._person()
        for reason, holds in {**self._event.flags, **self._event.visit_flags}.items():
            yield self._row(reason.value, "holds" if holds else "lifts")
        yield from (self._row("consents", spoken.consent(one)) for one in self._event.consents)
        yield from (self._row("representatives", spoken.representative(one)) for one in self._event.representatives)

    def _occurrence(self) -> Iterator[Row]:
        occurrence = self._event.occurrence
        if occurrence is None:
            return
        yield self._row("key", occurrence.key)
        for name, value in (("parent", occurrence.parent), ("replaces", occurrence.replaces)):
            if value is not None:
                yield self._row(name, value)

    def _person(self) -> Iterator[Row]:
        told = self._event.demographics
        for slot in fields(told):
            value = getattr(told, slot.name)
            if slot.name == "telecom":
                points = [spoken.point(place, one) for place, every in value if every is not CLEARED for one in every]
                yield from (self._row("telecom", one) for one in points)
            elif value is not None and value is not CLEARED:
                yield self._row(slot.name, _word(value))

    def _row(self, name: str, value: str, *, used: bool = True) -> Row:
        source, scope = self._sources.get(name), self._scope
        paths = () if source is None else zip(source.every_path, paths_of(source), strict=True)
        places = tuple(f"{scope.type}.{text}" for text, path in paths if path(scope.node, scope.around))
        return Row(name=name, value=value, places=places, used=used)


def _sources(family: ResourceFamily, pack: Pack) -> dict[str, Source]:
    """By the name of a row, where the mapping takes it from."""
    own = {"key": family.key, "parent": family.parent, "replaces": family.replaces, "merged_from": family.survivor}
    own |= {"consents": family.consents, "representatives": family.representatives, "identifiers": family.patient}
    person = {**pack.resource_person, **pack.resource_flags} if family.patient is None else {}
    told = {name: source for name, source in own.items() if source is not None}
    status = {f"{family.about.lower()}.status": family.decide} if family.decide is not None else {}
    return {**person, **told, **status, **family.visit_flags, **family.facts}


def _strange(told: Mapping[str, Any], feed: Feed) -> Iterator[tuple[str, str]]:
    """Identifier systems that no other feed knows by a name: their numbers are nobody else's."""
    numbers = told.get("identifier")
    for one in numbers if isinstance(numbers, list) else [numbers]:
        system = one.get("system") if isinstance(one, dict) else None
        if isinstance(system, str) and system not in feed.systems:
            yield f"{told['resourceType']}.identifier", system


def _many(words: Iterable[str]) -> str:
    return ", ".join(words)


def _word(value: object) -> str:
    zone = f" {value.zone}" if isinstance(value, When) else ""
    return f"{spoken.value(value)}{zone}"
