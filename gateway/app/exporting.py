"""A FHIR server's export taken in by a command: the same source, the same intake, the same memory as in `caregate run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.app.assembly import Gateway, intake_of
from gateway.app.sections import made
from gateway.model.errors import CommandError
from gateway.pipeline.fetching import FetchList
from gateway.pipeline.noting import NoteBook
from gateway.ports import Exporting, Exports, ExportStep, Remembers


@contextmanager
def exporting(gateway: Gateway, name: str, step: Callable[[ExportStep], None]) -> Iterator[Exporting]:
    """The exports of one source. Raises CommandError for one that has none."""
    told = gateway.settings.sources.get(name)
    if told is None:
        known = ", ".join(sorted(gateway.settings.sources)) or "(none)"
        raise CommandError(f"there is no source {name}; known are {known}")
    source = made(told.section, gateway.clock)
    if not (isinstance(source, Exports) and isinstance(source, Remembers)):
        raise CommandError(f"the source {name} has no server that could export")
    entry = gateway.site.sources[name]
    source.remember(NoteBook(gateway.store, entry), FetchList(gateway.store, entry))
    intake = intake_of(gateway)
    intake.start()
    try:
        with source.exporting(intake, step) as server:
            yield server
    finally:
        intake.close()
