"""A resource has the structure its release of FHIR gives it, or what is wrong is told by place and rule, never by value.

The structure is the one declared by the classes of fhir.resources. Their own validation takes 0.5 to 1.5 ms a resource,
quotes what it refuses and refuses what is merely unknown; so the declarations are compiled, a type when it first comes, and nothing of that package is loaded before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from types import ModuleType, NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

from gateway.mapping.fhir.primitives import PRIMITIVES, Look, Wrong
from gateway.mapping.fhir.shapes import MODIFIERS, Choice, Element, Shape, resource
from gateway.model.event import Fault, Place, Release

_MODULES: Final = {
    Release.STU3: "fhir.resources.STU3",
    Release.R4: "fhir.resources.R4B",  # R4 and R4B differ in resources no mapping reads, and there only by additions
    Release.R4B: "fhir.resources.R4B",
    Release.R5: "fhir.resources",
}


def validate(told: dict[str, Any], release: Release) -> tuple[Fault, ...]:
    """What is structurally wrong with a resource; empty when nothing is.

    Codes as table 0357: 100 structure, 101 required, 102 value, 200 a type or modifier extension that is not known.
    Profiles, terminology, invariants and hashes are not looked at; elements that are not known are left alone (S-37).
    """
    wrong = _looking(release)(told)
    if not wrong:
        return ()
    name = _name(told.get("resourceType"), release)
    return tuple(Fault(code=one.code, rule=one.rule, place=Place(one.below(name).place)) for one in wrong)


def _name(kind: Any, release: Release) -> str:
    """The type as a place begins with it; a word that is no type is the sender's, and not repeated."""
    known = isinstance(kind, str) and _structure(_MODULES[release]).shape_of(kind) is not None
    return str(kind) if known else "Resource"


def prepare(release: Release, kinds: Iterable[str]) -> None:
    """Compile these types now, so that no message waits half a second for them."""
    for kind in kinds:
        shape = _structure(_MODULES[release]).shape_of(kind)
        if shape is not None:
            shape.look({})


def mandatory(kind: str, release: Release) -> frozenset[str]:
    """The elements without which a resource of this type is none, a choice by its name alone (`medication`)."""
    shape = _structure(_MODULES[release]).shape_of(kind)
    if shape is None:
        return frozenset()
    return frozenset([name for name, _ in shape.required] + [one.name for one in shape.choices if one.required])


@cache
def _looking(release: Release) -> Look:
    return resource(_structure(_MODULES[release]).shape_of)


@cache
def _structure(module: str) -> _Structure:
    return _Structure(import_module(module))


class _Structure:
    """The types of one release, each compiled when it is first seen; names that are none leave nothing behind."""

    def __init__(self, module: ModuleType) -> None:
        from fhir_core.constraints import FHIR_PRIMITIVES_MAPS
        from fhir_core.types import FhirElementOrResourceBase

        self._module = module
        self._primitives: Mapping[Any, str] = FHIR_PRIMITIVES_MAPS
        self._any_resource = FhirElementOrResourceBase
        self._resources: dict[str, Shape] = {}
        self._shapes: dict[type, Shape] = {}
        self._look_at_resource = resource(self.shape_of)

    def shape_of(self, kind: str) -> Shape | None:
        """The shape of a type of resource; None when this release has none of that name."""
        found = self._resources.get(kind)
        if found is None:
            declared = self._declared(kind)
            if declared is None:
                return None
            found = self._resources[kind] = self._shape(declared)
        return found

    def _declared(self, kind: str) -> Any:
        if kind in _ABSTRACT:
            return None
        try:
            declared = self._module.get_fhir_model_class(kind)
        except ValueError:
            return None
        return declared if declared.has_resource_base() else None

    def _shape(self, declared: Any) -> Shape:
        found = self._shapes.get(declared)
        if found is None:
            found = self._shapes[declared] = Shape(
                elements=self._elements(declared), required=_required(declared), choices=_choices(declared)
            )
        return found

    def _elements(self, declared: Any) -> dict[str, Element]:
        own = {
            name: self._element(name, field.annotation)
            for name, field in _fields(declared)
            if name != "fhir_comments"  # of DSTU2, and not to be read
        }
        return own | MODIFIERS  # wherever they stand, also where this release has none

    def _element(self, name: str, annotation: Any) -> Element:
        kind = _without_none(annotation)
        many = get_origin(kind) is list
        if many:
            kind = _without_none(get_args(kind)[0])
        primitive = self._primitives.get(kind)
        if primitive is not None:
            return Element(PRIMITIVES[primitive], many, nulls=True)
        return Element(self._look_of(kind), many, nulls=name.startswith("_"))

    def _look_of(self, kind: Any) -> Look:
        """Compiled when it first occurs: types hold each other."""
        if issubclass(kind, self._any_resource):
            return self._look_at_resource
        looks: list[Look] = []

        def look(value: Any) -> tuple[Wrong, ...]:
            if not looks:
                looks.append(self._shape(kind.get_model_klass()).look)
            return looks[0](value)

        return look


_ABSTRACT: Final = frozenset({"Resource", "DomainResource", "CanonicalResource", "MetadataResource"})


def _fields(declared: Any) -> Iterator[tuple[str, Any]]:
    """Its fields by the names in the JSON."""
    return ((field.alias or name, field) for name, field in declared.model_fields.items())


def _without_none(annotation: Any) -> Any:
    """`X` of `X | None`."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    return next(one for one in get_args(annotation) if one is not NoneType)


def _required(declared: Any) -> tuple[tuple[str, str], ...]:
    names = {name: field.alias or name for name, field in declared.model_fields.items()}
    simple = [names[name] for name, _ in declared.get_required_fields(None)]
    whole = [name for name, field in _fields(declared) if field.is_required()]
    return tuple((name, f"_{name}") for name in (*whole, *simple))


def _choices(declared: Any) -> tuple[Choice, ...]:
    fields = declared.model_fields
    return tuple(
        Choice(name, frozenset(keys), fields[keys[0]].json_schema_extra["one_of_many_required"] is True)
        for name, keys in declared.get_one_of_many_fields(None).items()
    )
