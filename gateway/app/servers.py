"""Sources outside a running gateway: made like there, remembering the same, and given back when a command is done with one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

from gateway.app.assembly import Gateway
from gateway.app.sections import made
from gateway.mapping.fhir.elements import elements_of
from gateway.model.errors import CommandError
from gateway.model.when import Millis
from gateway.pipeline.fetching import FetchList
from gateway.pipeline.noting import NoteBook
from gateway.ports import AsksAgain, ElementsOf, Remembers, Source, Sparing, Subscribes, Subscriptions


def remember(gateway: Gateway, sources: Sequence[Source]) -> None:
    """Those that keep something between their starts are told where; those that ask, for what (45 CFR 164.502(b))."""
    for source in sources:
        if isinstance(source, Remembers):
            entry = gateway.site.sources[source.name]
            source.remember(NoteBook(gateway.store, entry), FetchList(gateway.store, entry))
        if isinstance(source, Sparing):
            source.only(_read_by(gateway, source.name))


def ask_again(gateway: Gateway, since: Millis) -> list[str]:
    """After a restore: servers are searched for what changed since the copy was made (law 1). Those of which nothing says what. StoreError."""
    left = []
    for name, told in gateway.settings.sources.items():
        source: Source = made(told.section, gateway.clock)
        if not isinstance(source, AsksAgain):
            continue
        remember(gateway, [source])
        try:
            if not source.ask_again(since):
                left.append(name)
        finally:
            asyncio.run(source.stop())
    return left


def _read_by(gateway: Gateway, name: str) -> ElementsOf:
    """By type the elements that the mappings of a source read, found when the first is asked for."""

    @cache
    def read() -> Mapping[str, Sequence[str]]:
        return elements_of(gateway.pack.of(name), gateway.settings.sources[name].release)

    return lambda kind: read().get(kind, ())


@contextmanager
def subscriptions_of(gateway: Gateway, name: str) -> Iterator[Subscriptions]:
    """What the server of a source can be asked to notify of. Raises CommandError, ConfigError."""
    section = gateway.settings.sources.get(name)
    if section is None:
        known = ", ".join(gateway.settings.sources) or "none"
        raise CommandError(f"there is no source {name} in caregate.yaml; it has {known}")
    source: Source = made(section.section, gateway.clock)
    if not isinstance(source, Subscribes):
        raise CommandError(f"source {name} cannot subscribe to anything: it is of kind {section.kind}")
    remember(gateway, [source])
    try:
        yield source.subscriptions()
    finally:
        asyncio.run(source.stop())


def subscribing(gateway: Gateway) -> list[str]:
    """The sources that a server is asked to notify, by the part `subscribe` of their section."""
    return [name for name, one in gateway.settings.sources.items() if "subscribe" in one.options]
