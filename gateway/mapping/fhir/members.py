"""One step into a resource's JSON: a member, of whichever type a choice has, and the extensions of either."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from gateway.mapping.fhir.around import Around
from gateway.mapping.fhir.choices import CHOICES
from gateway.mapping.fhir.values import Value

Step: TypeAlias = Callable[[list[Value], Around], list[Value]]
"""Looks at nothing around; takes it, so that a step alone is a path already."""


def into(name: str) -> Step:
    """`.name`: all there is under the name, lists taken apart; of a choice the type that is there."""
    keys = frozenset(CHOICES.get(name, {}).values())
    if keys:
        return _into_choice(name, keys)

    def step(found: list[Value], _: Around) -> list[Value]:
        told: list[Value] = []
        for value in found:
            if type(value) is dict:
                member = value.get(name)
                if type(member) is list:
                    told += [one for one in member if one is not None and type(one) is not list]  # `_listed`, hot
                elif member is not None:
                    told.append(member)
        return told

    return step


def into_type(name: str, kind: str) -> Step:
    """`.name.ofType(kind)`. ValueError: there is no such type in that choice, or no such choice."""
    keys = CHOICES.get(name)
    if keys is None:
        if not kind[0].isupper():
            raise ValueError(f"`{name}` is no choice of types: write it without ofType({kind})")
        member = into(name)
        return lambda found, around: of_resource(member(found, around), kind)
    key = keys.get(kind[0].upper() + kind[1:])
    if key is None:
        raise ValueError(f"`{name}` has no {kind}: there are {', '.join(sorted(keys))}")
    return into(key)


def of_resource(found: Iterable[Value], kind: str) -> list[Value]:
    """Those that are resources of a type."""
    return [one for one in found if type(one) is dict and one.get("resourceType") == kind]


def extensions(name: str | None, url: str) -> Step:
    """`.name.extension(url)`, of the element itself and of the companion a simple value has (`_birthDate`).

    Without a name: of what is found already.
    """
    if name is None:
        return lambda found, _: [one for value in found for one in _of_url(value, url)]
    keys = (name, *CHOICES.get(name, {}).values())
    both = {key: None for one in keys for key in (one, f"_{one}")}.keys()  # in their order

    def step(found: list[Value], _: Around) -> list[Value]:
        told = [value for value in found if type(value) is dict and not both.isdisjoint(value)]
        members = (value[key] for value in told for key in both if key in value)
        return [one for member in members for element in _each(member) for one in _of_url(element, url)]

    return step


def _into_choice(name: str, keys: frozenset[str]) -> Step:
    def step(found: list[Value], _: Around) -> list[Value]:
        told: list[Value] = []
        for value in found:
            if type(value) is dict:
                told += _each(value.get(name))
                told += [one for key in value if key in keys for one in _each(value[key])]
        return told

    return step


def _each(member: Any) -> list[Value]:
    if type(member) is list:
        return _listed(member)
    return [] if member is None else [member]


def _listed(members: list[Any]) -> list[Value]:
    """Without the nulls that stand for what only `_name` tells (R4 json.html#primitive)."""
    return [one for one in members if one is not None and type(one) is not list]


def _of_url(value: Value, url: str) -> Iterator[Value]:
    if type(value) is dict:
        for one in _each(value.get("extension")):
            if type(one) is dict and one.get("url") == url:
                yield one
