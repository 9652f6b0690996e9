"""One resource becomes the events of its patients: the mapping's closures run in order, and only wanted facts are read (law 5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from gateway.mapping.computed import Gives
from gateway.mapping.events import participant
from gateway.mapping.fhir.family import ResourceFamily
from gateway.mapping.fhir.keys import resource_key
from gateway.mapping.fhir.references import ID, home_of, is_urn, logical
from gateway.mapping.fhir.schema import DELETED
from gateway.mapping.fhir.scope import Scope
from gateway.mapping.fhir.sources import Extract, Sources, compile_source, paths_of
from gateway.mapping.fhir.whose import Persons, Who, flagging, is_production, missing
from gateway.mapping.pack import Pack
from gateway.mapping.schema import OTHERWISE, Source, Trigger
from gateway.mapping.subjects import SUBJECTS
from gateway.model.consent import ConsentStatement
from gateway.model.event import EventKind, Occurrence, OccurrenceKind, PatientEvent
from gateway.model.facts import REFERENCE, UNMAPPED, VOCABULARY, FactType, FactValue
from gateway.model.party import CLEARED, Identifier, RepresentativeStatement
from gateway.model.verdict import Reason
from gateway.model.when import Millis, When

Read = tuple[tuple[PatientEvent, ...], str | None]
"""The events of a resource, or the reason why there are none."""

_MERGED = EventKind.PATIENT_MERGED
_NONE: frozenset[str] = frozenset()
_MOST_PATIENTS = 100  # of one resource; each gets an event of their own
NOBODY = "it is about no patient"
WHOSE = "it is gone, and nothing tells whose it was"


class Said(NamedTuple):
    """What a resource tells besides an occurrence. `unclear`: a person must read what was consented to."""

    consents: tuple[ConsentStatement, ...] = ()
    unclear: bool = False
    representatives: tuple[RepresentativeStatement, ...] = ()


_NOTHING_SAID = Said()


class Plan:
    """How the resources of one type become events; compiled once per reader.

    `facts`: what is wanted of the occurrence; the directory's part of the person is always read.
    """

    def __init__(self, family: ResourceFamily, pack: Pack, facts: frozenset[str] | None) -> None:
        self._family = family
        self._about = None if family.about == "Patient" else OccurrenceKind(family.about)
        self._structural = SUBJECTS[family.about].structural
        self._unwanted = frozenset(self._structural) - facts if facts is not None else _NONE
        self._gone = family.when.get(DELETED) or family.when[OTHERWISE]
        self._always = family.participant == "always"
        self._persons = Persons(pack)
        self._patient = None if family.patient is None else paths_of(family.patient)
        used = {
            name: (source, VOCABULARY[name].type)
            for name, source in family.facts.items()
            if facts is None or name in facts or name in self._structural
        }
        self._facts = Sources(used, pack.tables, clears=True)
        self._visit_flags = Sources(flagging(family.visit_flags), pack.tables)

        def single(source: Source | None, gives: FactType | Gives) -> Extract:
            return _nothing if source is None else compile_source(source, gives, pack.tables)

        self._decide = single(family.decide, FactType.CODE)
        self._key = single(family.key, Gives.KEY)
        self._replaced = single(family.replaces, Gives.KEY)
        self._parent = single(family.parent, Gives.KEY)
        self._changed = single(family.changed, FactType.DATETIME)
        self._survivor = single(family.survivor, Gives.IDENTIFIERS)
        self._consents = single(family.consents, Gives.CONSENTS)
        self._representatives = single(family.representatives, Gives.REPRESENTATIVES)

    def read(self, scope: Scope) -> Read:
        """What a resource comes to. Raises Unreadable (AE)."""
        trigger = self._trigger(scope, self._decide(scope))
        if trigger.event is None:
            return (), trigger.ignored
        everybody = tuple(self._everybody(scope))
        if not everybody:
            return (), NOBODY
        statements, unclear = self._consents(scope) or ((), False)
        said = Said(statements, unclear, self._representatives(scope) or ())
        if self._about is None or trigger.event.value.startswith("patient."):
            return self._about_people(trigger.event, everybody, said, scope)
        return tuple(self._about_occurrence(self._about, trigger, everybody, said, scope)), None

    def gone(self, scope: Scope) -> Read:
        """What it means that a resource is gone of which only type and id are told."""
        trigger = self._gone
        if trigger.event is None:
            return (), trigger.ignored
        if self._about is None:
            if self._patient is not None:
                return (), WHOSE
            who = (logical(scope.feed, scope.node["id"]),)
            return (_event(trigger.event, Who.referred(who), scope),), None
        taken_back = self.rest(scope)
        assert taken_back is not None
        return (taken_back,), None

    def rest(self, scope: Scope) -> PatientEvent | None:
        """What becomes of all that a version of the resource does not tell any more, and earlier ones told: as if it were deleted.

        None: nothing is found by its id, or it is only a part of the resource, which takes nothing back (K-10).
        """
        kind, key = self._gone.event, resource_key(scope)
        if kind is None or key is None or self._about is None or not scope.whole:
            return None
        occurrence = Occurrence(kind=self._about, key=key, status=self._gone.status)
        return _event(kind, Who.referred(()), scope, occurrence=occurrence)

    def _trigger(self, scope: Scope, word: Any) -> Trigger:
        when = self._family.when
        if word == UNMAPPED:
            scope.warn(103, "", "the code that decides is not in its table")
        return when[word] if word in when else when[OTHERWISE]

    def _everybody(self, scope: Scope) -> Iterator[Who]:
        """Each patient once: the resource itself, or whom it refers to. Raises Unreadable where nobody may be looked for."""
        if self._patient is None:
            yield self._persons.this(scope, scope.node)
            return
        references = [one for path in self._patient for one in path(scope.node, scope.around)]
        found = {who.identifiers: who for one in references[:_MOST_PATIENTS] if (who := self._whom(scope, one))}
        if not found and any(map(_means_a_patient, references)):
            raise missing(scope, "", "no reference leads to a Patient of this server, and no identifier tells them")
        yield from found.values()

    def _whom(self, scope: Scope, reference: Any) -> Who | None:
        """Whom a Reference means; an actor of an appointment who is only called by a number may be anybody."""
        if self._about is OccurrenceKind.APPOINTMENT and not _says_to_what(reference):
            return None
        return self._persons.referred(scope, reference)

    # -- what is told of the person alone

    def _about_people(self, kind: EventKind, everybody: tuple[Who, ...], said: Said, scope: Scope) -> Read:
        if kind is _MERGED:
            return (self._merger(everybody[0], scope),), None
        if self._family.consents is not None and not said.consents and not said.unclear:
            return (), "it says nothing about messages to the patient"
        told = [Who.referred(who.identifiers, unclear=True) if said.unclear else who for who in everybody]
        return tuple(_event(kind, who, scope, said=said) for who in told), None

    def _merger(self, who: Who, scope: Scope) -> PatientEvent:
        """Who was replaced dies into whom the link names; who replaces others takes them in (Q-11)."""
        survivors: tuple[Identifier, ...] = self._survivor(scope) or ()
        if survivors:  # what is told of the person here is told of the one who is no more
            return _event(_MERGED, Who.referred(survivors), scope, merged_from=who.identifiers)
        told: tuple[Identifier, ...] = self._persons.merged_from(scope) or ()
        losers = tuple(one for one in told if one not in who.identifiers)
        if losers:
            return _event(_MERGED, who, scope, merged_from=losers)
        scope.warn(199, "link", "a link names nobody who could be looked for: nothing is merged")
        gone = scope.node.get("active") is False  # and whoever took their place is nobody here
        return _event(EventKind.PATIENT_DELETED if gone else EventKind.PATIENT_UPDATED, who, scope)

    # -- what is told of an occurrence

    def _about_occurrence(
        self, about: OccurrenceKind, trigger: Trigger, everybody: tuple[Who, ...], said: Said, scope: Scope
    ) -> Iterator[PatientEvent]:
        key: str | None = self._key(scope)
        if key is None:
            raise missing(scope, "id", "what the resource is about has no identity")
        assert trigger.event is not None
        told = self._facts.told(scope)
        start, end, place = map(told.get, self._structural[:3])
        if trigger.status is not None:
            told[self._structural[3]] = trigger.status
        facts, cleared = self._kept(told)
        if scope.feed.refers:
            facts |= _reference(scope)
        changed = self._changed(scope)
        flags = self._visit_flags.told(scope)
        own, replaced = resource_key(scope), self._replaced(scope) if trigger.replaces == "yes" else None
        parent = self._parent(scope)
        for who in everybody:
            part = participant(who.identifiers) if len(everybody) > 1 or (self._always and key != own) else None
            whole = key if part is None else f"{key}|{part}"
            occurrence = Occurrence(
                kind=about,
                key=whole,
                status=trigger.status,
                start=start if isinstance(start, When) else None,
                end=end if isinstance(end, When) else None,
                facility=place if isinstance(place, str) and place != UNMAPPED else scope.feed.organization,
                replaces=replaced,
                parent=parent,
                version=changed.utc if isinstance(changed, When) else None,
                also=() if own is None or own == whole else (own,),
            )
            yield _event(trigger.event, who, scope, occurrence, facts, cleared, flags, said)

    def _kept(self, told: dict[str, Any]) -> tuple[dict[str, FactValue], frozenset[str]]:
        """The facts that are wanted, and the names of those that are gone."""
        cleared = frozenset(name for name, value in told.items() if value is CLEARED)
        unwanted = self._unwanted | cleared
        return {name: value for name, value in told.items() if name not in unwanted}, cleared


def _reference(scope: Scope) -> dict[str, FactValue]:
    """Where the resource lies: its server is told what was sent about it (W-01)."""
    id_ = scope.node.get("id")
    named = isinstance(id_, str) and ID.fullmatch(id_) is not None
    return {REFERENCE: f"{home_of(scope.feed)}/{scope.type}/{id_}"} if named else {}


def _means_a_patient(reference: Any) -> bool:
    """Whether a Reference is to some Patient that is not ours to look for, rather than to a group or a device."""
    told = reference.get("reference") if isinstance(reference, dict) else None
    return isinstance(told, str) and ("Patient/" in told or told.startswith("urn:"))


def _says_to_what(reference: Any) -> bool:
    told = reference if isinstance(reference, dict) else {}
    return told.get("type") == "Patient" or ("reference" in told and not is_urn(told["reference"]))


def _nothing(_: Scope) -> None:
    """What a mapping does not tell where from."""


def _event(
    kind: EventKind,
    who: Who,
    scope: Scope,
    occurrence: Occurrence | None = None,
    facts: dict[str, FactValue] | None = None,
    cleared: frozenset[str] = _NONE,
    flags: dict[Reason, bool] | None = None,
    said: Said = _NOTHING_SAID,
    *,
    merged_from: tuple[Identifier, ...] = (),
) -> PatientEvent:
    moment: Millis = scope.moment
    return PatientEvent(
        kind=kind,
        identifiers=who.identifiers,
        person=who.person,
        occurred=moment,
        recorded=moment,
        production=is_production(scope, who.identifiers),
        occurrence=occurrence,
        facts=facts or {},
        cleared=cleared,
        visit_flags=flags or {},
        merged_from=merged_from,
        consents=said.consents,
        by_reference=who.by_reference,
        representatives=said.representatives,
    )
