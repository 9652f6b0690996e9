"""What is newer than the newest that was read: nothing late is passed over, and the mark never runs ahead of the warehouse's clock (SN-11, SN-12)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from connectors.sources.snowflake import queries
from connectors.sources.snowflake.layout import watermarked
from connectors.sources.snowflake.pouring import Pouring, whole
from connectors.sources.snowflake.reading import Reading
from gateway.model.errors import Unusable
from gateway.ports import ExtractMode, ExtractState, Row
from gateway.rowcells import ColumnType, cell


def newer(reading: Reading) -> ExtractState:
    """Every row from the last mark on, less the overlap; what was interrupted goes on at its own mark, for rows come in its order."""
    version = watermarked(reading.layout)
    table = reading.options.table
    if count := single(reading, queries.undated(table, version)):
        raise Unusable(
            f"{count} rows have no {version.name}: a watermark would never find them; fill it, or choose another mode"
        )
    now = clock(reading)
    state, since = _begun(reading)
    binds = () if since is None else (_bind(since, aware=version.kind not in ("DATE", "TIMESTAMP", "TIMESTAMP_NTZ")),)
    answer = reading.warehouse.ask(queries.newer(table, reading.layout, version, since=since is not None), binds)
    fresh = state is None
    if state is None:
        state = reading.rows.begin(ExtractMode.CHANGES, expected=answer.total, baseline=reading.baseline)
    pouring = reading.pouring(state)
    mark = _Mark(reading, pouring, since, now)
    pouring.all(mark.chunks(whole(answer, reading.options.chunk)), mark.cursor)
    return pouring.finish(pouring.taken if fresh else None)


class _Mark:
    """The newest time that was read, for the cursor."""

    def __init__(self, reading: Reading, pouring: Pouring, since: datetime | None, now: datetime) -> None:
        self._pouring = pouring
        place = reading.layout.at
        assert place is not None
        self._place = place
        self._now = now
        self._at = since

    def chunks(self, batches: Iterator[Sequence[Sequence[object]]]) -> Iterator[Sequence[Row]]:
        """The rows; the mark moves with each chunk."""
        for batch in batches:
            self._at = min(_instant(batch[-1][self._place]), self._now)
            yield [self._pouring.row(one) for one in batch]

    def cursor(self) -> dict[str, object]:
        """As JSON: a time of the table's clock, nothing of a person."""
        return {"mode": "watermark"} if self._at is None else {"mode": "watermark", "at": self._at.isoformat()}


def _begun(reading: Reading) -> tuple[ExtractState | None, datetime | None]:
    """The extract that goes on, if there is one, and from when to read."""
    under_way = reading.rows.open()
    if under_way is not None and under_way.mode is ExtractMode.CHANGES and (at := _told(under_way.cursor)) is not None:
        return under_way, at
    at = _told(reading.rows.cursor())
    return None, None if at is None else at - timedelta(seconds=reading.options.overlap)


def _told(cursor: str | None) -> datetime | None:
    """The mark of a cursor; none in one of another mode, so a change of `mode` reads everything once."""
    found = json.loads(cursor) if cursor else {}
    return datetime.fromisoformat(found["at"]) if found.get("mode") == "watermark" and "at" in found else None


def _instant(value: object) -> datetime:
    """In UTC; what tells no zone as if it were UTC: only ever compared with its like, or held back by the clock."""
    text = cell(ColumnType.TEXT, value)
    found = datetime.fromisoformat(str(text))
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _bind(at: datetime, *, aware: bool) -> str:
    return at.isoformat() if aware else at.replace(tzinfo=None).isoformat()


def clock(reading: Reading) -> datetime:
    """Snowflake's own (SN-14)."""
    return _instant(_first(reading, queries.NOW)[0])


def single(reading: Reading, sql: str) -> int:
    """The number a query tells."""
    return int(str(_first(reading, sql)[0]))


def _first(reading: Reading, sql: str) -> Sequence[object]:
    return next(iter(next(iter(reading.warehouse.ask(sql).batches(1)))))
