"""Sources of rows are told where their rows go and what they are; a command reads one once, and gives it back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.app.assembly import Gateway
from gateway.app.sections import made
from gateway.app.servers import remember
from gateway.model.errors import CommandError
from gateway.model.event import RawMessage, Reading
from gateway.pipeline.extracting import Guards, RowBook, TrialBook, meaning_of
from gateway.ports import Extracts, Rows, Source, TableShape, TakesRows
from gateway.settings.sections import GuardSection


def extract(gateway: Gateway, sources: Sequence[Source]) -> None:
    """Those that bring rows get their place; those to which rows come one by one are told what a row is."""
    for source in sources:
        if isinstance(source, Extracts):
            source.extract_into(rows_of(gateway, source.name), shape_of(gateway, source.name))
        elif isinstance(source, TakesRows) and gateway.settings.sources[source.name].mapping:
            source.rows_are(shape_of(gateway, source.name))


@contextmanager
def extracts_of(gateway: Gateway, name: str, *, dry: bool = False, again: bool = False) -> Iterator[Extracts]:
    """A source to be read once. `dry`: nothing of it is written; `again`: what says nothing new is taken too. Raises CommandError, ConfigError."""
    section = gateway.settings.sources.get(name)
    if section is None:
        known = ", ".join(gateway.settings.sources) or "none"
        raise CommandError(f"there is no source {name} in caregate.yaml; it has {known}")
    source: Source = made(section.section, gateway.clock)
    if not isinstance(source, Extracts):
        raise CommandError(f"source {name} brings no rows of a table: it is of kind {section.kind}")
    remember(gateway, [source])
    source.extract_into(rows_of(gateway, name, dry=dry, again=again), shape_of(gateway, name))
    try:
        yield source
    finally:
        asyncio.run(source.stop())


def rows_of(gateway: Gateway, name: str, *, dry: bool = False, again: bool = False) -> Rows:
    """Where the rows of a source go."""
    entry, guards = gateway.site.sources[name], guards_of(gateway.settings.sources[name].guard)

    def read(message: RawMessage) -> Reading:
        return gateway.readers[name](message)

    if dry:
        return TrialBook(gateway.store, entry, read, guards, again=again)
    return RowBook(
        gateway.store,
        entry,
        gateway.receiver,
        read,
        guards,
        meaning=lambda: meaning_of(gateway.readers.get(name)),
        again=again,
    )


def guards_of(told: GuardSection) -> Guards:
    """What a source's section tells of its guards, and what it does not as it is."""
    return Guards(**told.model_dump(exclude_none=True))


def shape_of(gateway: Gateway, name: str) -> TableShape:
    """What the mapping of a source declares of its table."""
    from gateway.mapping.tables.family import shape_of

    return shape_of(gateway.pack.of(name).rows[gateway.settings.sources[name].mapping])
