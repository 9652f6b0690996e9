"""What changed since last time, as Snowflake tracked it: a row's deletion is its exit only where no row bears its key (SN-14 to SN-19)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from connectors.snowflake.faults import Stale
from connectors.sources.snowflake import queries
from connectors.sources.snowflake.pouring import Pouring, whole
from connectors.sources.snowflake.reading import Reading, snapshot
from connectors.sources.snowflake.session import Answer, Values
from connectors.sources.snowflake.watermark import clock
from gateway.ports import ExtractMode, ExtractState, Row


def changed(reading: Reading) -> ExtractState:
    """By the CHANGES clause, between two times of Snowflake's own clock. Where that cannot be had any more: all, as a baseline."""
    now = clock(
        reading
    ).isoformat()  # before anything is read: what comes meanwhile is read twice, and has no second effect
    since = None if begun_anew(reading) else _told(reading.rows.cursor())
    cursor: dict[str, object] = {"mode": "changes", "to": now}
    if since is None:
        return snapshot(reading, cursor)
    try:
        answer = reading.warehouse.ask(queries.changed(reading.options.table, reading.layout), (since, now))
    except Stale as error:
        reading.tally.tell("snowflake.changes-lost", error=error)
        return snapshot(reading, cursor, baseline=True)
    return pour(reading, answer, cursor)


def begun_anew(reading: Reading) -> bool:
    """Whether all of the table was being read, and is not yet."""
    under_way = reading.rows.open()
    return under_way is not None and under_way.mode is ExtractMode.SNAPSHOT


def pour(reading: Reading, answer: Answer, cursor: dict[str, object]) -> ExtractState:
    """Changes in the order of their keys, as one extract."""
    state = reading.rows.begin(ExtractMode.CHANGES, expected=answer.total, baseline=reading.baseline)
    pouring = reading.pouring(state)
    rows = _settled(whole(answer, reading.options.chunk), pouring)
    pouring.all(_chunks(rows, reading.options.chunk), lambda: cursor)
    return pouring.finish(None)


def _settled(batches: Iterator[Sequence[Values]], pouring: Pouring) -> Iterator[Row]:
    """One row of each key: the last one inserted, else it is gone. The action is the last value of each."""
    every = (values for batch in batches for values in batch)
    for _, same in groupby(every, key=pouring.maker.key):
        last: Values | None = None
        for values in same:
            if last is None or values[-1] == _INSERT or last[-1] != _INSERT:
                last = values
        assert last is not None
        yield pouring.row(last) if last[-1] == _INSERT else pouring.maker.gone(last)


def _chunks(rows: Iterator[Row], most: int) -> Iterator[Sequence[Row]]:
    while chunk := list(islice(rows, most)):
        yield chunk


def _told(cursor: str | None) -> str | None:
    """The end of the last window; none where the last extract was of another mode."""
    found = json.loads(cursor) if cursor else {}
    told = found.get("to") if found.get("mode") == "changes" else None
    return str(told) if told else None


_INSERT = "INSERT"
