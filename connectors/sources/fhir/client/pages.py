"""The pages of a search: links are followed as they are told, to the end, at the same host and never in a circle (Q-03, Q-05)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.sources.fhir.client.addresses import Parameters
from connectors.sources.fhir.client.resources import Resource, has_one_meaning, link_of, members, text_of
from connectors.sources.fhir.client.server import FhirServer, Reply, bundle_of
from connectors.sources.fhir.client.waiting import patiently
from connectors.sources.tally import Tally
from gateway.fhirjson import MODIFIERS
from gateway.fhirlabels import labelled, labels_of
from gateway.model.errors import Missing, Unusable
from gateway.model.when import Millis

_MOST = 100_000  # pages: a server that goes on for ever is noticed


class Expired(Missing):
    """A paging link is no longer good: the whole search must be asked again (Q-08)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page. `matches`: what was searched for. `related`: what was included. `date`: the server's clock, else None.

    `itself`: the query the server says it has answered (link `self`), None when it says nothing. `clear`: every reader
    reads all of it alike; otherwise what is told in it is asked for by itself.
    """

    matches: tuple[Resource, ...] = field(repr=False)
    related: tuple[Resource, ...] = field(repr=False)
    entries: tuple[Resource, ...] = field(repr=False)
    date: Millis | None
    itself: str | None = field(repr=False)
    clear: bool = True


def pages(
    server: FhirServer, path: str, parameters: Parameters, *, headers: Mapping[str, str], tally: Tally
) -> Iterator[Page]:
    """All pages of a search or history. Busy is waited for, as long as `patience` says; then, as every ServerError, raised.

    Raises Expired when a link in the middle is gone, Unusable for a foreign or repeated link.
    """
    told: set[int] = set()  # hashes: a link may be 64 KiB long
    reply = _patient(server, lambda: server.get(path, parameters, headers=headers))
    while True:
        bundle = bundle_of(reply)
        yield _page(bundle, reply, tally)
        link = link_of(bundle, "next")
        if link is None:
            return
        if hash(link) in told or len(told) > _MOST:
            raise Unusable("the server's pages lead in a circle")
        told.add(hash(link))
        reply = _next(server, link, headers)


def _next(server: FhirServer, link: str, headers: Mapping[str, str]) -> Reply:
    try:
        return _patient(server, lambda: server.follow(link, headers=headers))
    except Missing as error:
        raise Expired("a link to a further page is no longer good", error.status) from None


def _patient(server: FhirServer, ask: Callable[[], Reply]) -> Reply:
    return patiently(ask, server.stopping, server.options.patience)


def _labelled(entry: Resource, labels: Sequence[Any]) -> Resource:
    resource = entry.get("resource")
    return {**entry, "resource": labelled(resource, labels)} if labels and isinstance(resource, Mapping) else entry


def _page(bundle: Resource, reply: Reply, tally: Tally) -> Page:
    labels = labels_of(bundle.get("meta"))
    entries = tuple(_labelled(one, labels) for one in members(bundle, "entry"))
    if any(MODIFIERS & one.keys() for one in (bundle, *entries)):
        raise Unusable("the server's Bundle has a meaning that is not known here", reply.status)
    matches: list[Resource] = []
    related: list[Resource] = []
    for entry in entries:
        resource = entry.get("resource")
        if not isinstance(resource, Mapping):
            continue
        mode = text_of(entry, "search", "mode")
        if mode == "outcome" or resource.get("resourceType") == "OperationOutcome":
            tally.tell("fhir.search-outcome")  # a warning about the search, told in words we do not log
        else:
            (related if mode == "include" else matches).append(resource)
    return Page(
        matches=tuple(matches),
        related=tuple(related),
        entries=entries,
        date=reply.date,
        itself=link_of(bundle, "self"),
        clear=has_one_meaning(reply.body),
    )
