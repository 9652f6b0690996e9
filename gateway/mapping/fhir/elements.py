"""The elements of a resource that its mapping reads: no others need be asked of a server (45 CFR 164.502(b))."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.mapping.fhir.family import ResourceFamily
from gateway.mapping.fhir.sources import paths_of
from gateway.mapping.fhir.syntax import Binary, Call, Index, Member, Node, Root, This
from gateway.mapping.fhir.validation import mandatory
from gateway.mapping.pack import Pack
from gateway.mapping.schema import Source
from gateway.model.event import Release


def elements_of(pack: Pack, release: Release) -> Mapping[str, tuple[str, ...]]:
    """By type what is read, and what must be there, sorted; nothing for a type that is read as a whole or not at all.

    As a whole is read what is weighed: of a consent or of a relative, what is not understood denies.
    """
    person = (*pack.resource_person.values(), *pack.resource_flags.values())
    return {
        kind: tuple(sorted(_read(family, person if kind == "Patient" else ()) | mandatory(kind, release)))
        for kind, family in ((one.resource, one) for one in pack.resources.values())
        if family.consents is None and family.representatives is None
    }


def _read(family: ResourceFamily, person: tuple[Source, ...]) -> set[str]:
    singles = (
        family.key,
        family.patient,
        family.decide,
        family.replaces,
        family.parent,
        family.changed,
        family.survivor,
    )
    told = (*family.facts.values(), *family.visit_flags.values(), *person, *(one for one in singles if one is not None))
    found = {name for source in told for path in paths_of(source) for name in _first(path.node, inside=False)}
    return found | {"identifier", "contained"}  # keys and references fall back on them


def _first(node: Node, *, inside: bool) -> Iterator[str]:
    """The elements of the resource itself that a path begins with. `inside`: `$this` is an element of it, no more it."""
    match node:
        case Member(of=of, name=name):
            yield from (name,) if _is_resource(of, inside=inside) else _first(of, inside=inside)
        case Index(of=of):
            yield from _first(of, inside=inside)
        case Call(of=of, name=name, arguments=arguments):
            if name == "extension" and _is_resource(of, inside=inside):
                yield name
            yield from _first(of, inside=inside)
            for one in arguments:
                yield from _first(one, inside=inside or not _is_resource(of, inside=inside))
        case Binary(left=left, right=right):
            yield from _first(left, inside=inside)
            yield from _first(right, inside=inside)
        case _:
            return


def _is_resource(node: Node, *, inside: bool) -> bool:
    return isinstance(node, Root) or (isinstance(node, This) and not inside)
