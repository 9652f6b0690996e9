"""One PATIENT group becomes one event: the mapping's closures run in order, and only wanted facts are read (law 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import itemgetter
from typing import NamedTuple

from gateway.er7.paths import Path, parse_path
from gateway.er7.reader import Message
from gateway.mapping.actions import without_deleted
from gateway.mapping.appointments import TERMINAL
from gateway.mapping.check import SLOTS
from gateway.mapping.computed import Gives
from gateway.mapping.consents import statements
from gateway.mapping.encounters import finished, is_placeholder
from gateway.mapping.envelope import first_of
from gateway.mapping.feed import Feed
from gateway.mapping.fields import Fields
from gateway.mapping.identifiers import adopted
from gateway.mapping.pack import Family, Pack
from gateway.mapping.schema import Source, Trigger
from gateway.mapping.scope import Scope
from gateway.mapping.sources import Sources, compile_source, paths_of
from gateway.mapping.subjects import SUBJECTS
from gateway.model.consent import ConsentStatement
from gateway.model.errors import Unreadable
from gateway.model.event import (
    SERIES,
    AckCode,
    EventKind,
    Fault,
    Occurrence,
    OccurrenceKind,
    PatientEvent,
    Person,
    Place,
    Told,
)
from gateway.model.facts import UNMAPPED, VOCABULARY, FactType
from gateway.model.party import CLEARED, Demographics, Identifier
from gateway.model.verdict import Reason
from gateway.model.when import Millis, When

# Members by module constants: an attribute of an Enum class costs seven times as much (Python 3.11).
_APPOINTMENT, _ENCOUNTER = OccurrenceKind.APPOINTMENT, OccurrenceKind.ENCOUNTER
_UNCERTAIN = Reason.TIME_UNCERTAIN
_RESCHEDULED = EventKind.APPOINTMENT_RESCHEDULED
_PLACEHOLDER = parse_path("PV1-2")

_NONE: frozenset[str] = frozenset()
_OF_ONE_KNOWN = frozenset(  # what may befall an appointment of which only the number is told (SI-20)
    {
        EventKind.APPOINTMENT_RESCHEDULED,
        EventKind.APPOINTMENT_MODIFIED,
        EventKind.APPOINTMENT_CANCELLED,
        EventKind.APPOINTMENT_DELETED,
        EventKind.APPOINTMENT_MISSED,
    }
)
_GONE = frozenset({"cancelled", "entered-in-error"})  # what takes the parts of an appointment with it (SI-22)
_NAMES_ANOTHER = frozenset(  # kinds whose MRG-1 is read
    {
        EventKind.PATIENT_MERGED,
        EventKind.PATIENT_IDENTIFIER_CHANGED,
        EventKind.PATIENT_IDENTIFIER_MOVED,
        EventKind.ENCOUNTER_MOVED,
    }
)
# Of a visit that nobody can tell from another, these hold the person (law 6; PV-01 to PV-05).
_RESTRICTS = frozenset(
    {
        Reason.CONFIDENTIAL_VISIT,
        Reason.PROTECTION_INDICATOR,
        Reason.PUBLICITY_RESTRICTED,
        Reason.ACCESS_RESTRICTION,
    }
)
_OF_A_VISIT = frozenset({"PV1", "PV2"})  # any other segment, a site's own too, tells the person by itself
_READING = 1
"""Raised whenever this version reads the same text about a person differently than the one before."""


class Moments(NamedTuple):
    """The times of the message itself, in Millis: EVN-6, EVN-2 or MSH-7 (AD-36, N-06)."""

    occurred: Millis
    recorded: Millis


class Who(NamedTuple):
    """Who a message is about: the identifiers, and the person as far as anybody asks."""

    identifiers: tuple[Identifier, ...]
    person: Person
    consents: tuple[ConsentStatement, ...] = ()


_NOBODY = Who((), Person(b"", b"", lambda: Told(Demographics(), {}, ())))


@dataclass(slots=True)
class Heard:
    """What a message told so far: events, warnings, and why parts of it are no event."""

    events: list[PatientEvent] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


class Plan:
    """How one message type of a family becomes events; compiled once per reader.

    `facts`: what is wanted of the visit; the directory's part of the person is always read.
    """

    def __init__(self, family: Family, trigger: Trigger, pack: Pack, facts: frozenset[str] | None) -> None:
        assert trigger.event is not None
        self.kind = trigger.event
        self._names_another = self.kind in _NAMES_ANOTHER
        self._status = trigger.status
        self._about = None if family.about == "Patient" else OccurrenceKind(family.about)
        self._always = family.participant == "always"
        self._structural = SUBJECTS[family.about].structural
        self._numbered = family.replaces is not None and family.about == "Encounter"
        self._replacing = trigger.replaces == "yes"
        self._stays = trigger.stays == "yes"
        self._resources = family.about == "Appointment"
        self._consents = pack.tables.get("consent")
        holds = _holds_of_a_visit(family, pack)
        self._unwanted = frozenset(self._structural) - (facts or frozenset()) if facts is not None else _NONE
        used = {
            name: source
            for name, source in family.facts.items()
            if facts is None or name in facts or name in self._structural
        }
        sources = _sources(family, pack, (used, holds), self.kind, replacing=self._replacing)
        self._fields = self._picking([_PLACEHOLDER, *(path for source in sources for path in paths_of(source))])
        self._class = self._fields.place(_PLACEHOLDER)
        self._visit_flags = self._flagging(holds, pack)
        self._visit_flagged = _getter(
            self._fields.place(path) for source in holds.values() for path in paths_of(source)
        )
        self._flags_of_person = frozenset(Reason(name) for name in pack.flags)
        self._compile(family, pack, used)

    def _picking(self, paths: Iterable[Path]) -> Fields:
        """What picks the fields these paths name; a tracing plan (`trace.py`) picks so that it sees who asks."""
        return Fields(paths)

    def _compile(self, family: Family, pack: Pack, used: Mapping[str, Source]) -> None:
        person = {slot: (source, SLOTS[slot]) for slot, source in pack.person.items()}
        identifiers, merged_from = person.pop("identifiers"), person.pop("merged_from")
        self._identifiers = compile_source(*identifiers, pack.tables, self._fields)
        if self._names_another:
            self._merged_from = compile_source(*merged_from, pack.tables, self._fields)
        self._person = Sources(person, pack.tables, self._fields)
        self._flags = self._flagging(pack.flags, pack)
        paths = [path for source, _ in person.values() for path in paths_of(source)]
        self._own = _getter(self._fields.place(path) for path in paths if path.segment not in _OF_A_VISIT)
        # What a visit tells of the person (PV1-36, AD-03) holds for this message and depends on its event.
        self._elsewhere = _getter(self._fields.place(path) for path in paths if path.segment in _OF_A_VISIT)
        self._flagged = _getter(self._fields.place(path) for source in pack.flags.values() for path in paths_of(source))
        self._reading = f"{_READING} {pack.digest}"
        facts = {name: (source, VOCABULARY[name].type) for name, source in used.items()}
        self._facts = Sources(facts, pack.tables, self._fields)
        if family.key is not None:
            self._key = compile_source(family.key, Gives.KEY, pack.tables, self._fields)
        self._parent = (
            None if family.parent is None else compile_source(family.parent, Gives.KEY, pack.tables, self._fields)
        )
        self._named = (
            None if family.named is None else compile_source(family.named, Gives.KEYS, pack.tables, self._fields)
        )
        if family.replaces is not None and self._replacing:
            self._replaced = compile_source(family.replaces, Gives.KEY, pack.tables, self._fields)
        self._changed = (
            None
            if family.changed is None
            else compile_source(family.changed, FactType.DATETIME, pack.tables, self._fields)
        )

    def _flagging(self, sources: Mapping[str, Source], pack: Pack) -> Sources:
        named = {Reason(name): (source, Gives.FLAG) for name, source in sources.items()}
        return Sources(named, pack.tables, self._fields, rare=True)

    def scope(self, message: Message, feed: Feed, *, zone: str, moments: Moments, place: int) -> Scope:
        """What this plan's closures read of one PATIENT group, the `place`-th (1-based) of the message."""
        if self._resources:
            message = without_deleted(message)
        raws = self._fields.pick(message)
        return Scope(message, feed, kind=self.kind, zone=zone, moment=moments.recorded, place=place, raws=raws)

    def read(
        self, message: Message, feed: Feed, moments: Moments, told: Heard, *, zone: str, place: int, several: bool
    ) -> None:
        """Add the event of one PATIENT group, the `place`-th of the message, to `told`. Raises Unreadable."""
        scope = self.scope(message, feed, zone=zone, moments=moments, place=place)
        told.events.append(self.event(scope, moments, several=several))
        told.faults += scope.faults

    def read_without_patient(self, message: Message, feed: Feed, moments: Moments, told: Heard, *, zone: str) -> None:
        """Add what a message without a PATIENT group does to the appointment whose number it tells, if anything (SI-20)."""
        if self.kind in _OF_ONE_KNOWN and not self._always:
            scope = self.scope(message, feed, zone=zone, moments=moments, place=1)
            key = self._key(scope)
            if key is not None:
                told.events.append(replace(self._about_visit(key, _NOBODY, scope, moments), by_reference=True))
                told.faults += scope.faults

    def event(self, scope: Scope, moments: Moments, *, several: bool) -> PatientEvent:
        """The event of one PATIENT group. Raises Unreadable (AE 101) when person or appointment have no id (E-08)."""
        identifiers = self._identifiers(scope)
        if not identifiers:
            raise missing("PID", scope.place, 3, "no identifier that may match a person")
        consents, unclear = self._statements(scope) if "CON" in scope.message else ((), False)
        key = self._identity(scope, identifiers, several=several)
        who = Who(identifiers, self._who(scope, unclear=unclear, alone=key is None), consents)
        if self._about is None and self._names_another:
            return self._merger(who, scope, moments)
        if key is None:
            return _event(self._kind_without_visit(), scope, moments, who)
        return self._about_visit(key, who, scope, moments)

    def _statements(self, scope: Scope) -> tuple[tuple[ConsentStatement, ...], bool]:
        return statements(scope, self._consents)

    def _who(self, scope: Scope, *, unclear: bool, alone: bool) -> Person:
        """The person with the keys of what is told: raw fields, how they are spelt and meant, the mapping itself.

        `alone`: no occurrence is told beside them, so what restricts a visit restricts them.
        """
        message, raws = scope.message, scope.raws
        header = message.header.fields
        meant = (self._reading, header[1], header[2], message.codec, scope.zone, scope.feed.default_region)
        told = "\x1e".join((*meant, *self._own(raws)))
        flags = [*self._flagged(raws)]
        if "ARV" in message:
            flags += [line for line in message.lines if line.startswith(("ARV", "PV1"))]
        if unclear:
            flags += [line for line in message.lines if line.startswith("CON")]
        alone = alone and any(self._visit_flagged(raws))
        if alone:
            flags += ["alone", *self._visit_flagged(raws)]
        marks = "\x1e".join((*meant, *flags)) if any(flags) else ""
        passing = any(self._elsewhere(raws))
        read = partial(self._read_person, scope, unclear=unclear, alone=alone)
        return Person(told.encode(), marks.encode(), read, passing=passing)

    def _read_person(self, scope: Scope, *, unclear: bool, alone: bool) -> Told:
        """Names, address, contact points and holds; the warnings are the person's own."""
        scope.faults = []
        demographics = Demographics(**self._person.told(scope))
        flags = self._flags.told(scope)
        if alone:
            self._restrict(flags, self._visit_flags.told(scope))
        if unclear:
            flags[Reason.CONSENT_UNCLEAR] = True
        return Told(demographics, flags, tuple(scope.faults))

    def _restrict(self, flags: dict[Reason, bool], visit: Mapping[Reason, bool]) -> None:
        """Put what restricts a visit nobody can find on the person; it lifts nothing that is told of persons, too."""
        for reason in _RESTRICTS & visit.keys():
            if visit[reason] or reason not in self._flags_of_person:
                flags[reason] = visit[reason]

    def _merger(self, who: Who, scope: Scope, moments: Moments) -> PatientEvent:
        """MRG-1 dies into PID-3, never the reverse (AD-18, AD-30); what PID-3 repeats of MRG-1 is the loser's.

        The same reading of MRG-1 tells the old number of a change of identifiers (AD-21) and a move (AD-20).
        """
        told = self._merged_from(scope)
        if not told:
            raise missing("MRG", scope.place, 1, "no identifier that was merged away")
        losers = adopted(told, who.identifiers)
        if self.kind is EventKind.PATIENT_IDENTIFIER_MOVED:  # the standard has both sides name the same identifier
            return _event(self.kind, scope, moments, who, losers)
        survivors = tuple(one for one in who.identifiers if one not in losers)
        if not survivors:
            scope.warn(199, "PID", 3, "the identifier merged away is the surviving one: nothing is merged")
            return _event(EventKind.PATIENT_UPDATED, scope, moments, who)
        return _event(self.kind, scope, moments, who._replace(identifiers=survivors), losers)

    def _identity(self, scope: Scope, identifiers: tuple[Identifier, ...], *, several: bool) -> str | None:
        if self._about is None:
            return None
        if self._about is _ENCOUNTER and not self._numbered and is_placeholder(scope, scope.raws[self._class]):
            if self.kind is not EventKind.ENCOUNTER_UPDATED:
                scope.warn(101, "PV1", 2, "a visit event without a visit: only the person is updated")
            return None
        key: str | None = self._key(scope)
        if key is None and self._about is _APPOINTMENT:
            raise missing("SCH", 1, 2, "the appointment has no identity")
        if key is None:
            segment, field_ = _IDENTIFIED_BY[self._about]
            scope.warn(101, segment, field_, "what the message is about has no number: only the person is updated")
            return None
        return f"{key}|{participant(identifiers)}" if several or self._always else key

    def _kind_without_visit(self) -> EventKind:
        return self.kind if self._about is None else EventKind.PATIENT_UPDATED  # AD-15

    def _about_visit(self, key: str, who: Who, scope: Scope, moments: Moments) -> PatientEvent:
        assert self._about is not None
        told = self._facts.told(scope)
        start, end, place, state = map(told.get, self._structural)
        changed = None if self._changed is None else self._changed(scope)
        status = self._resolved(scope, state, ended=isinstance(end, When))
        if status is not None and state != UNMAPPED:
            told[self._structural[3]] = status
        elif self._stays and state in TERMINAL:
            del told[self._structural[3]]  # of a resource, not of the appointment (SI-07)
        known_place = isinstance(place, str) and place != UNMAPPED
        occurrence = Occurrence(
            kind=self._about,
            key=key,
            status=status,
            start=start if isinstance(start, When) else None,
            end=end if isinstance(end, When) else None,
            facility=place if known_place else scope.feed.organization,
            replaces=self._replaced(scope) if self._replacing else None,
            parent=None if self._parent is None else self._above(key, who, scope),
            named=() if self._named is None or status not in _GONE else self._names(who, scope),
            version=changed.utc if isinstance(changed, When) else None,
        )
        visit_flags = self._visit_flags.told(scope)
        if self.kind is _RESCHEDULED and scope.time_uncertain is None and self._structural[0] not in told:
            scope.warn(101, "SCH", 11, "the appointment is moved, and no time is told")
            scope.time_uncertain = True  # whatever it is, it is not what was told before (SI-02)
        if scope.time_uncertain is not None:
            visit_flags[_UNCERTAIN] = scope.time_uncertain
        facts, cleared = {}, _NONE
        for name, value in told.items():
            if value is CLEARED:
                cleared |= {name}
            elif name not in self._unwanted:
                facts[name] = value
        return PatientEvent(
            kind=self.kind,
            identifiers=who.identifiers,
            person=who.person,
            occurred=moments.occurred,
            recorded=moments.recorded,
            production=is_production(scope, who.identifiers),
            occurrence=occurrence,
            facts=facts,
            cleared=cleared,
            visit_flags=visit_flags,
            merged_from=self._merged_from(scope) or () if self._names_another else (),
            consents=who.consents,
        )

    def _above(self, key: str, who: Who, scope: Scope) -> str | None:
        """The appointment this one is a part of, or the series whose occurrence it is (SI-21, SI-22)."""
        assert self._parent is not None
        told: str | None = self._parent(scope)
        if told is None:
            return None
        whole = key.removesuffix(f"|{participant(who.identifiers)}") if who.identifiers else key
        own = whole.rpartition("|")[0] + "|"  # without SCH-3
        return self._with_participant(f"{SERIES}{own}" if told in (SERIES, own) else told, who)

    def _names(self, who: Who, scope: Scope) -> tuple[str, ...]:
        """Under which keys the parts of this one may name it."""
        assert self._named is not None
        return tuple(self._with_participant(one, who) for one in self._named(scope) or ())

    def _with_participant(self, key: str, who: Who) -> str:
        return f"{key}|{participant(who.identifiers)}" if self._always else key

    def _resolved(self, scope: Scope, told: object, *, ended: bool) -> str | None:
        """The status: the trigger decides existence, SCH-25 decides state (SI-25); PV1-45 ends a visit (AD-35)."""
        if self._about is _ENCOUNTER:
            return "finished" if ended and finished(self.kind) else self._status
        if self._about is not _APPOINTMENT:
            return self._status  # the event decided it
        if not isinstance(told, str) or told in (UNMAPPED, self._status):
            return self._status
        if self._status in TERMINAL or told in TERMINAL:
            scope.warn(199, "SCH", 25, "the filler status contradicts the trigger event")
        if self._stays and told in TERMINAL:
            return self._status  # only a resource went (SI-07)
        return self._status if self._status in TERMINAL else told


def _getter(places: Iterable[int]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """Picks these places, however many there are."""
    found = sorted(set(places))
    if not found:
        return lambda _: ()
    if len(found) == 1:
        return lambda raws: (raws[found[0]],)
    return itemgetter(*found)


def participant(identifiers: tuple[Identifier, ...]) -> str:
    """Whose part in a group visit it is: the medical record number, else the first identifier (SI-21)."""
    one = next((one for one in identifiers if one.type == "MR"), identifiers[0])
    return f"{one.system}|{one.type}|{one.value}"


def is_production(scope: Scope, identifiers: tuple[Identifier, ...]) -> bool:
    """Whether this may ever reach a patient: MSH-11 = P and not a known test patient (X-05)."""
    header = scope.message.header
    if first_of(header.raw(11), header.fields[2]) != "P":
        return False
    tests = scope.feed.test_identifiers
    return not tests or not any(one.value in tests or f"{one.system}|{one.value}" in tests for one in identifiers)


def missing(segment: str, sequence: int, field: int, rule: str) -> Unreadable:
    """The refusal of a message without a required field: AE 101 with its place (E-08)."""
    return Unreadable(Fault(code=101, rule=rule, place=Place(segment, sequence, field)), AckCode.AE)


def _event(
    kind: EventKind, scope: Scope, moments: Moments, who: Who, merged_from: tuple[Identifier, ...] = ()
) -> PatientEvent:
    return PatientEvent(
        kind=kind,
        identifiers=who.identifiers,
        person=who.person,
        occurred=moments.occurred,
        recorded=moments.recorded,
        production=is_production(scope, who.identifiers),
        merged_from=merged_from,
        consents=who.consents,
    )


# Where the number of each kind of occurrence should have been.
_IDENTIFIED_BY = {
    OccurrenceKind.ENCOUNTER: ("PV1", 19),
    OccurrenceKind.DIAGNOSTIC_REPORT: ("OBR", 3),
    OccurrenceKind.MEDICATION_REQUEST: ("ORC", 2),
    OccurrenceKind.MEDICATION_DISPENSE: ("RXD", 7),
    OccurrenceKind.DOCUMENT_REFERENCE: ("TXA", 12),
    OccurrenceKind.IMMUNIZATION: ("ORC", 3),
}


def _holds_of_a_visit(family: Family, pack: Pack) -> dict[str, Source]:
    """The holds its messages may tell of an occurrence; those about a person, or where a visit goes, tell a visit's."""
    if family.visit_flags or family.about not in ("Patient", "Encounter"):
        return dict(family.visit_flags)
    visits = (one.visit_flags for one in pack.families.values() if one.about == "Encounter")
    return {name: source for flags in visits for name, source in flags.items()}


def _sources(
    family: Family, pack: Pack, named: Iterable[Mapping[str, Source]], kind: EventKind, *, replacing: bool
) -> Iterator[Source]:
    for slot, source in pack.person.items():
        if slot != "merged_from" or kind in _NAMES_ANOTHER:  # MRG is not even looked for elsewhere
            yield source
    for sources in (pack.flags, *named):
        yield from sources.values()
    ours = (family.key, family.changed, family.parent, family.named)
    for single in (*ours, family.replaces if replacing else None):
        if single is not None:
            yield single
