"""Which of a person's names is which: an alias never greets anybody (PI-04, HL7 XPN and table 0200)."""

from __future__ import annotations

from gateway.er7.reader import NULL
from gateway.mapping.computed import Gives, computed
from gateway.mapping.scope import Scope
from gateway.model.facts import FactType
from gateway.model.party import CLEARED, Cleared

# Table 0200, best first: nickname, customary ("D"), legal, untyped, unspecified; then other true names.
_TO_GREET = ("N", "D", "L", "", "U", "R", "K", "C", "M", "I", "B", "T")
_TO_IDENTIFY = ("L", "D", "", "U", "R", "K", "C", "M", "I", "B", "T")
# A alias, S pseudonym, P partner, F father, G genealogic, MSK masked, NAV, NB newborn, NOUSE, BAD, ...: in neither list.


@computed(Gives.NAME)
def given_name(scope: Scope, names: str) -> str | Cleared | None:
    """Name to greet with: the preferred given name, else the legal one; never an alias (PID-5, PI-04)."""
    return _chosen(scope, names, _TO_GREET, 1)


@computed(Gives.NAME)
def family_name(scope: Scope, names: str) -> str | Cleared | None:
    """Family name as the law has it; XPN.1 may have subcomponents (FN), the first is the whole (PID-5, PI-04)."""
    return _chosen(scope, names, _TO_IDENTIFY, 0)


@computed(FactType.TEXT)
def person_name(scope: Scope, person: str) -> str | Cleared | None:
    """Prefix, given and family name of a practitioner (XCN.6, .3, .2); None when only an id is told."""
    if person == NULL:
        return CLEARED
    parts = scope.parts(scope.repetitions(person)[0])
    words = [scope.shown(parts[place]) for place in (5, 2, 1) if place < len(parts)]
    return " ".join(word for word in words if word and word != NULL) or None


def _chosen(scope: Scope, names: str, order: tuple[str, ...], place: int) -> str | Cleared | None:
    if names == NULL:
        return CLEARED
    if not scope.repetition or scope.repetition not in names:
        parts = scope.parts(names)
        if len(parts) > 6 and parts[6].strip(" ") not in order:
            return None
        raw = parts[place] if place < len(parts) else ""
        return raw if raw.isalnum() else _part(scope, parts, place)
    best: tuple[tuple[bool, int], str | Cleared] | None = None
    for repetition in scope.repetitions(names):
        parts = repetition.split(scope.component)
        kind = parts[6].strip(" ") if len(parts) > 6 else ""
        value = _part(scope, parts, place) if kind in order else None
        if value is None:
            continue
        rank = _expired(scope, parts), order.index(kind)
        if best is None or rank < best[0]:
            best = rank, value
    return None if best is None else best[1]


def _expired(scope: Scope, parts: list[str]) -> bool:
    """Whether it is somebody's name no longer (XPN.13): a maiden name does not greet a married woman."""
    until = scope.when(parts[12]) if len(parts) > 12 and parts[12] else None
    return until is not None and until.utc <= scope.moment


def _part(scope: Scope, parts: list[str], place: int) -> str | Cleared | None:
    raw = parts[place] if place < len(parts) else ""
    if raw == NULL:
        return CLEARED
    return (scope.shown(raw, "PID", 5) or None) if raw else None
