"""Every element that a shipped path names is in some release of FHIR: a misspelt one would never tell anything."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import pytest

from gateway.mapping.fhir.choices import CHOICES
from gateway.mapping.fhir.paths import compile_path
from gateway.mapping.fhir.syntax import Binary, Call, Index, Member, Node, Root
from gateway.mapping.pack import load_pack
from gateway.mapping.schema import Source
from gateway.packs import shipped

MODULES = ("fhir.resources", "fhir.resources.R4B", "fhir.resources.STU3")


def told() -> Iterator[tuple[str, str]]:
    """Every path with the type of resource it is read in."""
    pack = load_pack((shipped("mappings"),))
    sources: list[tuple[str, Source | None]] = [("Patient", one) for one in pack.resource_person.values()]
    sources += [("Patient", one) for one in pack.resource_flags.values()]
    for family in pack.resources.values():
        singles = (
            family.patient,
            family.decide,
            family.key,
            family.replaces,
            family.survivor,
            family.consents,
            family.representatives,
        )
        every = (*family.facts.values(), *family.visit_flags.values(), *singles)
        sources += [(family.resource, one) for one in every]
    yield from sorted({(kind, path) for kind, one in sources if one is not None for path in one.every_path})


def inner(annotation: Any) -> Any:
    """The class of an element's values; None of a simple value, Any of any resource."""
    while get_origin(annotation) in (Union, UnionType, list):
        annotation = next(one for one in get_args(annotation) if one is not NoneType)
    try:
        return annotation.get_model_klass()
    except AttributeError:
        return None
    except (TypeError, ValueError, NotImplementedError):
        return Any


class Walk:
    """Goes a path through the classes of one release; `strange`: names that are nowhere."""

    def __init__(self, resource: Any) -> None:
        self.resource = resource
        self.strange: list[str] = []

    def go(self, node: Node, this: set[Any]) -> set[Any]:
        match node:
            case Root():
                return {self.resource}
            case Member(of=of, name=name):
                return this if name == self.resource.__name__ else self.member(self.go(of, this), name)
            case Index(of=of):
                return self.go(of, this)
            case Binary(left=left, right=right):
                return self.go(left, this) | self.go(right, this)
            case Call(of=of, name=name, arguments=arguments):
                return self.called(self.go(of, this), name, arguments)
        return this

    def called(self, found: set[Any], name: str, arguments: tuple[Node, ...]) -> set[Any]:
        if name == "ofType":  # its argument is the name of a type
            return found
        told = [self.go(one, found) for one in arguments]
        return {Any} if name == "resolve" else set().union(*told) if name == "coalesce" else found

    def member(self, found: set[Any], name: str) -> set[Any]:
        kinds: set[Any] = {Any} & found
        for declared in found - {Any, None}:
            fields = {field.alias or key: field.annotation for key, field in declared.model_fields.items()}
            kinds |= {inner(fields[one]) for one in (name, *CHOICES.get(name, {}).values()) if one in fields}
        if not kinds:
            self.strange.append(name)
        return kinds


@pytest.mark.parametrize(("kind", "path"), list(told()))
def test_every_element_of_a_shipped_path_is_in_some_release(kind: str, path: str) -> None:
    """R4 (as R4B), R5 or STU3."""
    strange = []
    for name in MODULES:
        try:
            walk = Walk(import_module(name).get_fhir_model_class(kind))
        except (KeyError, ValueError):
            continue
        walk.go(compile_path(path).node, {walk.resource})
        strange.append(walk.strange)
    assert strange
    assert [] in strange, strange


def test_a_misspelt_element_is_found() -> None:
    """The check can fail."""
    walk = Walk(import_module(MODULES[0]).get_fhir_model_class("Encounter"))
    walk.go(compile_path("admission.dischargeDispositon").node, {walk.resource})
    assert walk.strange == ["dischargeDispositon"]
