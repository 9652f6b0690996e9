"""What an element may hold, and whether one does: names, how many, which types; what is not known is left alone (S-37)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.mapping.fhir.primitives import Look, Wrong

MOST_WRONG: Final = 20
"""A sender is told so many; a body of nothing but mistakes costs no more than that."""

MOST_VALUES: Final = 10_000
"""In one list; what repeats beyond reason would cost more than its bytes (F-12)."""

_NOTHING: Final[tuple[Wrong, ...]] = ()
_NO_OBJECT = (Wrong(100, "an object belongs here"),)
_NO_LIST = (Wrong(100, "a list belongs here"),)
_TOO_MANY = (Wrong(100, "the list is longer than in any resource"),)
_A_LIST = (Wrong(100, "one value belongs here, not a list"),)
_NULL = (Wrong(100, "null belongs here only beside the extension of a simple value"),)
_MODIFIED = (Wrong(200, "an extension changes the meaning of the element, and none is known here"),)
_RULES = (Wrong(200, "the resource follows rules of its own, and none are known here"),)
_MISSING = Wrong(101, "the element is required")
_SEVERAL = Wrong(100, "only one type of this choice may be told")


@dataclass(frozen=True, slots=True)
class Element:
    """One name: how its values are looked at, whether they stand in a list, whether null may stand among them."""

    look: Look
    many: bool
    nulls: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """`value[x]`: the names of which one may be told, and whether one must be."""

    name: str
    keys: frozenset[str]
    required: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """The elements of a type, those that must be there (either of the names), and its choices."""

    elements: Mapping[str, Element]
    required: tuple[tuple[str, str], ...]
    choices: tuple[Choice, ...]

    def look(self, node: Any) -> tuple[Wrong, ...]:
        """What is wrong with an object of this type, in the order it tells it, missing ones last."""
        if type(node) is not dict:
            return _NO_OBJECT
        found: list[Wrong] = []
        elements = self.elements
        for key, value in node.items():
            element = elements.get(key)
            if element is not None and value is not None:
                wrong = _look_at_list(element, value) if element.many else element.look(value)
                if wrong:
                    told = _A_LIST if type(value) is list and not element.many else wrong
                    found += [one.below(key) for one in told]
                    if len(found) >= MOST_WRONG:
                        return tuple(found[:MOST_WRONG])
        for key, companion in self.required:
            if not _is_told(node, key, companion):
                found.append(_MISSING.below(key))
        for choice in self.choices:
            found += _look_at_choice(choice, node)
        return tuple(found) if found else _NOTHING


def _look_at_list(element: Element, values: Any) -> tuple[Wrong, ...]:
    if type(values) is not list:
        return _NO_LIST
    if len(values) > MOST_VALUES:
        return _TOO_MANY
    look = element.look
    found: list[Wrong] = []
    for place, value in enumerate(values):
        wrong = look(value) if value is not None else _NOTHING if element.nulls else _NULL
        if wrong:
            found += [one.below(f"[{place}]") for one in wrong]
            if len(found) >= MOST_WRONG:
                break
    return tuple(found) if found else _NOTHING


def _is_told(node: Mapping[str, Any], key: str, companion: str) -> bool:
    """Or its absence explained by an extension (R4 extensibility.html#Special-Case)."""
    if node.get(key) not in (None, []):
        return True
    explained = node.get(companion)
    explained = explained if isinstance(explained, list) else [explained]
    return any(isinstance(one, dict) and one.get("extension") for one in explained)


def _look_at_choice(choice: Choice, node: Mapping[str, Any]) -> Sequence[Wrong]:
    told = choice.keys & node.keys()
    if len(told) > 1 and sum(node[key] is not None for key in told) > 1:
        return [_SEVERAL.below(choice.name)]
    if not told and choice.required and not any(f"_{key}" in node for key in choice.keys):
        return [_MISSING.below(choice.name)]
    return ()


MODIFIERS: Final = {
    "modifierExtension": Element(lambda _: _MODIFIED, many=True, nulls=False),
    "implicitRules": Element(lambda _: _RULES, many=False, nulls=False),
}
"""What changes the meaning of all that stands beside it: whoever does not know it must not use that (R4 conformance-rules.html#isModifier)."""


def resource(shape_of: Callable[[str], Shape | None]) -> Look:
    """Looks at any resource, by the type it tells."""

    def look(node: Any) -> tuple[Wrong, ...]:
        if type(node) is not dict:
            return _NO_OBJECT
        kind = node.get("resourceType")
        if type(kind) is not str:
            return (_MISSING.below("resourceType"),)
        shape = shape_of(kind)
        if shape is None:
            return (Wrong(200, "this release of FHIR has no such type of resource", "resourceType"),)
        return shape.look(node)

    return look
