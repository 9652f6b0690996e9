"""One resource, version by version: what the newest does not tell any more is withdrawn (Q-06)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from gateway.pipeline.batch import Batch
from gateway.pipeline.preparing import Prepared, PreparedEvent
from gateway.pipeline.rows import OccurrenceRow, PatientRow


def earlier(batch: Batch, one: Prepared, *, told: Collection[int] = ()) -> list[OccurrenceRow]:
    """What earlier versions came to, but for the occurrences that this one `told` of; nothing, for anything but a resource that has an id."""
    return [] if one.rest is None else _rows(batch, one, one.rest, but=told)


def _rows(batch: Batch, one: Prepared, rest: PreparedEvent, *, but: Collection[int] = ()) -> list[OccurrenceRow]:
    named = {row.occurrence for row in batch.resources.known(one.resource) if row.occurrence}.difference(but)
    own = batch.occurrence(rest.keys)
    rows = [row for row in batch.occurrences.values() if row.id in named] if named else []
    return rows if own is None or own.id in named or own.id in but else [*rows, own]


def is_overtaken(batch: Batch, one: Prepared, prepared: PreparedEvent, source: int) -> bool:
    """Whether a newer version is known: who is in this one alone was dropped by it (N-06)."""
    if one.rest is None:
        return False
    told = prepared.event.occurrence
    version = prepared.event.recorded if told is None or told.version is None else told.version
    return any(row.version > version for row in _rows(batch, one, one.rest) if row.source == source)


def dropped(
    batch: Batch, one: Prepared, source: int, told: Collection[int]
) -> Sequence[tuple[PatientRow, PreparedEvent]]:
    """What this version takes back, with the patients: everything of the earlier ones but the occurrences it `told` of.

    Of another feed only what is told of nobody here any more: a number less makes no two of one thing. What another resource
    tells as well, a number that two had by mistake, stays with that one.
    """
    if one.rest is None:
        return ()
    rows = earlier(batch, one, told=told)
    if not rows:
        return ()
    still = {batch.directory.root(row.patient).token for row in batch.occurrences.values() if row.id in told}
    whose = [(row, batch.directory.root(row.patient)) for row in rows]
    return [
        (patient, replace(one.rest, keys=(row.key,)))
        for row, patient in whose
        if (row.source == source or patient.token not in still)
        and not batch.resources.shared(one.resource, row.id, batch.directory.family(row.patient))
    ]
