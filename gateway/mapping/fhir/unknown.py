"""Which codes of a resource no table knows, where they decided a fact; looked for when a person asks, never on the way in."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from gateway.fhirjson import parse
from gateway.mapping.feed import Feed
from gateway.mapping.fhir.codings import codes_of, word_of
from gateway.mapping.fhir.occasions import PLACES, spellings
from gateway.mapping.fhir.scope import Scope
from gateway.mapping.fhir.sources import paths_of
from gateway.mapping.pack import Pack
from gateway.mapping.schema import Source
from gateway.model.errors import Unreadable
from gateway.model.facts import UNMAPPED

Found = tuple[str, str, str]
"""Fact, place as a path, code as it was told."""


def unknown(pack: Pack, feed: Feed, body: bytes, wanted: AbstractSet[str]) -> Iterator[Found]:
    """Of the facts that are wanted, each code that keeps one from a word; nothing of what cannot be read."""
    try:
        resource = parse(body)
    except Unreadable:
        return
    scope = Scope(resource, feed, 0)
    for family in pack.resources.values():
        if family.resource == scope.type:
            for fact, source in family.facts.items():
                if fact in wanted and source.codes is not None:
                    yield from _of(fact, source, scope, pack)
                elif fact in wanted and source.compute in PLACES:
                    yield from _places(fact, source, scope)


def _of(fact: str, source: Source, scope: Scope, pack: Pack) -> Iterator[Found]:
    """Those of the first path that tells something, as the reader decides."""
    table = pack.tables[source.codes or ""]
    for text, path in zip(source.every_path, paths_of(source), strict=True):
        values = path(scope.node, scope.around)
        strange = [one for one in values if word_of(one, table) == UNMAPPED]
        for code in codes_of(strange):
            yield fact, f"{scope.type}.{text}", code
        if values:
            return


def _places(fact: str, source: Source, scope: Scope) -> Iterator[Found]:
    """The places of which `locations` knows none, each by the first of its names."""
    every = [path(scope.node, scope.around) for path in paths_of(source)]
    if not any(every):
        return
    text = next(text for text, found in zip(source.every_path, every, strict=True) if found)
    named = [names for one in PLACES[source.compute or ""](scope, *every) if (names := spellings(one))]
    if not any(one in scope.feed.locations for names in named for one in names):
        for names in named:
            yield fact, f"{scope.type}.{text}", names[0]
