"""A feed's place codes become configured location ids, most specific first; an unknown place is "unmapped" (PV-08)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from gateway.er7.bounds import CACHED
from gateway.er7.reader import NULL
from gateway.mapping.computed import computed
from gateway.mapping.feed import Feed
from gateway.mapping.scope import Scope
from gateway.model.facts import UNMAPPED, FactType
from gateway.model.party import CLEARED, Cleared


@computed(FactType.CODE)
def location(scope: Scope, *places: str) -> str | Cleared:
    """Configured location id of the first place told (PL: AIL-3, PV1-3) through the feed's `locations`."""
    place = places[0] or next(place for place in places if place)
    if place == NULL:
        return CLEARED
    read = _configured if len(place) <= CACHED else _configured.__wrapped__
    found = read(scope.feed, place, scope.message.header.fields[2])
    return _meant(scope, place) if found == UNMAPPED and scope.message.separators.escape in place else found


def _meant(scope: Scope, place: str) -> str:
    """Of a place that no configuration spells as it comes, its escape sequences resolved (P-07)."""
    told = [scope.text(part) for part in scope.repetitions(place)[0].split(scope.component)[:4]]
    return next((scope.feed.locations[code] for code in spellings(*told) if code in scope.feed.locations), UNMAPPED)


@lru_cache(maxsize=8192)
def _configured(feed: Feed, place: str, encoding: str) -> str:
    """`encoding` is MSH-2: component separator first, then repetition, escape and subcomponent (C2 §2.5.4)."""
    for separator in encoding[1:2]:
        place = place.split(separator, 1)[0]
    parts = place.split(encoding[0])[:4]
    for separator in encoding[3:4]:
        parts = [part.split(separator, 1)[0] for part in parts]
    told = [part.strip(" ") for part in parts]
    return next((feed.locations[code] for code in spellings(*told) if code in feed.locations), UNMAPPED)


def spellings(point: str = "", room: str = "", bed: str = "", facility: str = "") -> Iterator[str]:
    """The ways `Feed.locations` may name a place, the most specific first.

    "CARD^201^1^GENHOSP", "CARD^201^^GENHOSP", "CARD^^^GENHOSP", then without the facility "CARD^201^1",
    "CARD^201", "CARD", then the facility alone: "^^^GENHOSP" or "GENHOSP" (PL.1, .2, .3, .4).
    """
    if point:
        if facility:
            yield f"{point}^{room}^{bed}^{facility}"
            yield f"{point}^{room}^^{facility}"
            yield f"{point}^^^{facility}"
        yield f"{point}^{room}^{bed}".rstrip("^")
        yield f"{point}^{room}".rstrip("^")
        yield point
    if facility:
        yield f"^^^{facility}"
        yield facility
