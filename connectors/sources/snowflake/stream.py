"""A stream of ours: what it tells is put into a table of ours in one statement, and removed there only when it is committed here (SN-17 to SN-19)."""

from __future__ import annotations

import json

from connectors.snowflake.faults import Stale
from connectors.snowflake.names import Name
from connectors.sources.snowflake import queries
from connectors.sources.snowflake.changes import begun_anew, pour
from connectors.sources.snowflake.reading import Reading, snapshot
from connectors.sources.snowflake.watermark import single
from gateway.model.errors import Missing, Unusable
from gateway.ports import ExtractMode, ExtractState

_CURSOR: dict[str, object] = {"mode": "stream"}


def streamed(reading: Reading) -> ExtractState:
    """What the stream tells; all of the table, as a baseline, where there is no stream yet or it lost its place (SN-16, SN-19)."""
    if not reading.rows.keeps:  # all there is tells the same beside what is known, and takes nothing from the stream
        return snapshot(reading, _CURSOR)
    if begun_anew(reading) or not _follows(reading.rows.cursor()):
        return _anew(reading, baseline=None)
    try:
        return _told(reading)
    except (Stale, Missing) as error:
        reading.tally.tell("snowflake.stream-lost", error=error)
    return _anew(reading, baseline=True)


def _told(reading: Reading) -> ExtractState:
    """What was taken over and not yet committed comes first; only then is more taken over."""
    staging, stream = _ours(reading)
    if not _left_over(reading, staging):
        reading.warehouse.tell(queries.make_staging(staging, reading.layout))
        reading.warehouse.tell(queries.consume(staging, stream, reading.layout))
    answer = reading.warehouse.ask(queries.staged(staging, reading.options.table, reading.layout))
    state = pour(reading, answer, _CURSOR)
    reading.warehouse.tell(queries.emptied(staging))
    return state


def _left_over(reading: Reading, staging: Name) -> bool:
    """Whether something waits there. Stale if the mapping reads other columns now: what waits lacks them."""
    if not single(reading, queries.count(staging)):
        return False
    there = reading.warehouse.columns(queries.everything(staging))
    if {column.there for column in reading.layout.columns} - set(there):
        raise Stale("the mapping has changed while changes waited")
    return True


def _anew(reading: Reading, *, baseline: bool | None) -> ExtractState:
    """The stream first, then all there is: what comes between the two is told twice and has no second effect.

    The extract is begun before the stream is: a stop in between would else leave a stream that knows nothing of what
    was missed, and nobody who knows that.
    """
    asked = reading.baseline if baseline is None else baseline
    under_way = reading.rows.open()
    if asked is None and under_way is not None:
        asked = under_way.baseline
    reading.rows.begin(ExtractMode.SNAPSHOT, baseline=asked)
    staging, stream = _ours(reading)
    try:
        reading.warehouse.tell(queries.make_stream(stream, reading.options.table, view=reading.options.view))
        reading.warehouse.tell(queries.make_staging(staging, reading.layout))
    except Missing:
        raise Unusable("`own` is not there, or the role may not make a stream and a table in it") from None
    return snapshot(reading, _CURSOR, baseline=asked)


def _ours(reading: Reading) -> tuple[Name, Name]:
    own = reading.options.own
    assert own is not None
    stem = f"CAREGATE_{reading.source.upper()}"
    return own / f"{stem}_ROWS", own / f"{stem}_STREAM"


def _follows(cursor: str | None) -> bool:
    """Whether the last extract left a stream behind."""
    return bool(cursor) and json.loads(cursor or "{}").get("mode") == "stream"
