"""Whom a resource is about: a Patient told in full, or only where one is told; nobody is made of a reference (S-33)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gateway.mapping.check import SLOTS
from gateway.mapping.computed import Gives
from gateway.mapping.fhir.codings import codes_of
from gateway.mapping.fhir.contacts import FIELD
from gateway.mapping.fhir.holds import TEST
from gateway.mapping.fhir.people import named_by
from gateway.mapping.fhir.references import contained, logical
from gateway.mapping.fhir.scope import Resource, Scope
from gateway.mapping.fhir.sources import Extract, Sources, compile_source
from gateway.mapping.pack import Pack
from gateway.mapping.schema import Source
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Person, Place, Told
from gateway.model.facts import FactType
from gateway.model.party import CLEARED, Demographics, Identifier
from gateway.model.verdict import Reason

# Of a Patient, what no slot of the person reads; a slot that did would be read again only with something else.
_NOT_THE_PERSON = frozenset({"meta", "text", "identifier", "link", "contained"})
_READING = 1
"""Raised whenever this version reads the same Patient differently than the one before."""


class Who(NamedTuple):
    """One patient, as far as the resource tells."""

    identifiers: tuple[Identifier, ...]
    person: Person
    by_reference: bool

    @classmethod
    def referred(cls, identifiers: tuple[Identifier, ...], *, unclear: bool = False) -> Who:
        """Somebody of whom nothing is told but where; `unclear`: a person must read what they consented to."""
        return cls(identifiers, _UNCLEAR if unclear else _UNTOLD, by_reference=True)


def _alike(flags: dict[Reason, bool]) -> Person:
    told = Told(Demographics(), flags)
    return Person(b"", repr(sorted(flags)).encode() if flags else b"", lambda: told)


_UNTOLD, _UNCLEAR = _alike({}), _alike({Reason.CONSENT_UNCLEAR: True})
"""Of whom nothing is told, one is as good as another: one for all of them, which another process is sent once."""


class Persons:
    """How Patients are read; compiled once per plan."""

    def __init__(self, pack: Pack) -> None:
        person = {slot: (source, SLOTS[slot]) for slot, source in pack.resource_person.items()}
        self._identifiers: Extract = compile_source(*person.pop("identifiers"), pack.tables)
        self.merged_from: Extract = compile_source(*person.pop("merged_from"), pack.tables)
        self._person = Sources(person, pack.tables, clears=True)
        self._flags = Sources(flagging(pack.resource_flags), pack.tables)
        self._meant = f"{_READING} {pack.digest}"

    def this(self, scope: Scope, node: Resource) -> Who:
        """A Patient: its numbers first, its logical id last, so that who is known by number is known so to every feed.

        Raises Unreadable (AE 101) without any.
        """
        inner = scope if node is scope.node else scope.at(node)
        own = node.get("id") if node is scope.resource else None  # the id of what is contained is nobody's outside
        ids: tuple[Identifier, ...] = self._identifiers(inner) or ()
        if isinstance(own, str) and own:
            ids += (logical(scope.feed, own),)
        if not ids:
            raise missing(scope, "identifier", "no identifier that may match a person")
        told = repr({name: value for name, value in node.items() if name not in _NOT_THE_PERSON})
        meant = f"{self._meant}\x1e{scope.zone}\x1e{scope.feed.default_region}\x1e{scope.whole}\x1e"
        labels = labels_of(node)
        marks = f"{meant}{labels!r}".encode() if labels else b""
        return Who(ids, Person(f"{meant}{told}".encode(), marks, lambda: self._read(inner)), by_reference=False)

    def referred(self, scope: Scope, reference: Any) -> Who | None:
        """Whom a Reference means: the Patient contained, else by logical id or identifier; None: nobody we may look for."""
        inside = contained(scope, reference)
        if inside is not None and inside.get("resourceType") == "Patient":
            return self.this(scope, inside)
        identifiers = tuple(named_by(scope, reference))
        return Who.referred(identifiers) if identifiers else None

    def _read(self, scope: Scope) -> Told:
        """Names, address, contact points and holds; the warnings are the person's own."""
        before, scope.faults = scope.faults, []
        told = self._person.told(scope)
        if told.get("telecom") is CLEARED:
            told["telecom"] = ((FIELD, CLEARED),)
        flags = self._flags.told(scope)
        faults, scope.faults = tuple(scope.faults), before
        return Told(Demographics(**told), flags, faults)


def flagging(sources: Mapping[str, Source]) -> dict[Reason, tuple[Source, FactType | Gives]]:
    """The flags of a mapping, ready to be compiled."""
    return {Reason(name): (source, Gives.FLAG) for name, source in sources.items()}


def labels_of(node: Resource) -> list[Any]:
    """The security labels of a resource (meta.security)."""
    meta = node.get("meta")
    told = meta.get("security") if isinstance(meta, dict) else None
    return told if isinstance(told, list) else []


def is_production(scope: Scope, identifiers: tuple[Identifier, ...]) -> bool:
    """Whether this may ever reach a patient: not labelled as test data (HTEST), and not a known test patient (X-05)."""
    meta = scope.resource.get("meta")
    if isinstance(meta, dict) and TEST in _marks(meta):
        return False
    tests = scope.feed.test_identifiers
    return not tests or not any(one.value in tests or f"{one.system}|{one.value}" in tests for one in identifiers)


def _marks(meta: Resource) -> Iterator[str]:
    yield from codes_of([*(meta.get("security") or ()), *(meta.get("tag") or ())])


def missing(scope: Scope, element: str, rule: str) -> Unreadable:
    """The refusal of a resource without what it needs: AE 101 with its place (E-08)."""
    place = Place(f"{scope.type}.{element}" if element else scope.type)
    return Unreadable(Fault(code=101, rule=rule, place=place), AckCode.AE)
