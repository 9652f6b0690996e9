"""Where it is now, and until when a supply lasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from gateway.mapping.fhir.codings import codings_of
from gateway.mapping.fhir.references import refers_to
from gateway.mapping.fhir.register import resource_computed
from gateway.mapping.fhir.scope import Scope
from gateway.mapping.fhir.times import after
from gateway.model.facts import UNMAPPED, FactType
from gateway.model.when import DAY, HOUR, MINUTE, When

# UCUM codes of time, and words that stand for them (R4 datatypes.html#Duration).
_UNITS = {
    "min": MINUTE, "h": HOUR, "hr": HOUR, "d": DAY, "day": DAY, "days": DAY, "wk": 7 * DAY, "week": 7 * DAY, "weeks": 7 * DAY,
    "mo": 30 * DAY, "month": 30 * DAY, "months": 30 * DAY, "a": 365 * DAY,
}  # fmt: skip
_MOST = 10_000  # days: what is longer is no supply
_PLACES = 20  # of one resource that are looked at


def told_places(_: Scope, *places: list[Any]) -> list[Any]:
    """What the first path that tells a place tells."""
    return next(found for found in places if found)


def actor_places(_: Scope, actors: list[Any]) -> list[Any]:
    """The Locations among an appointment's actors."""
    return [one for one in actors[:_PLACES] if refers_to(one, "Location")]


def visit_places(scope: Scope, places: list[Any]) -> list[Any]:
    """Where the visit is now: the active place without an end, else the last one told."""
    told = [one for one in places if isinstance(one, dict)]
    here = [one for one in told if one.get("status") == "active"] or [
        one for one in told if not scope.past(one.get("period"))
    ]
    return [one.get("location") for one in (here or told)[-1:]]


PLACES: Mapping[str, Callable[..., list[Any]]] = {
    "location": told_places,
    "actor_location": actor_places,
    "visit_location": visit_places,
}
"""By computation, the places of a resource of which one must be in `locations`."""


@resource_computed(FactType.CODE)
def location(scope: Scope, *places: list[Any]) -> str:
    """Configured location id of the first place told, by `locations`: its logical id (`Location/5`), identifier or name."""
    return _known(scope, told_places(scope, *places))


@resource_computed(FactType.CODE)
def actor_location(scope: Scope, actors: list[Any]) -> str | None:
    """Configured location id of the first Location among an appointment's actors; None where none of them is a place."""
    here = actor_places(scope, actors)
    return _known(scope, here) if here else None


@resource_computed(FactType.CODE)
def visit_location(scope: Scope, places: list[Any]) -> str:
    """Configured location id of where the visit is now: the active place without an end, else the last one told."""
    return _known(scope, visit_places(scope, places))


def _known(scope: Scope, places: list[Any]) -> str:
    for place in places[:_PLACES]:
        for spelling in spellings(place):
            if spelling in scope.feed.locations:
                return scope.feed.locations[spelling]
    return UNMAPPED


def spellings(place: Any) -> list[str]:
    """How `codes` of a location may call a place: reference, identifiers, codes, names."""
    if not isinstance(place, dict):
        return [place] if isinstance(place, str) else []
    identifier = place.get("identifier")
    numbers = identifier if isinstance(identifier, list) else [identifier]
    values = [one.get("value") for one in numbers if isinstance(one, dict)]
    told = [
        place.get("reference"),
        *values,
        *(code for code, _ in codings_of(place)),
        place.get("display"),
        place.get("name"),
    ]
    return [one for one in told if isinstance(one, str) and one]


@resource_computed(FactType.DATETIME)
def supply_ends(scope: Scope, starts: list[Any], lengths: list[Any]) -> When | None:
    """When what was handed over is used up: its start and the length of the supply together, to the day; of a month or a year no end is known."""
    start = scope.when(starts[0]) if starts else None
    length = _length(lengths[0]) if lengths else None
    if start is None or length is None:
        return None
    return after(start, length)


def _length(told: Any) -> int | None:
    """Millis of a Quantity of time (UCUM); None of anything else."""
    value = told.get("value") if isinstance(told, dict) else None
    unit = _UNITS.get(str(told.get("code") or told.get("unit") or "d").lower()) if value is not None else None
    if unit is None or not isinstance(value, int | float | Decimal) or not 0 < value * unit <= _MOST * DAY:
        return None
    return int(value * unit)


@resource_computed(FactType.INTEGER)
def none_left(_: Scope, repeats: list[Any]) -> int | None:
    """0 where no repeat is allowed at all: what is allowed tells what is left only then (RX-01)."""
    return 0 if repeats[0] == 0 else None
