"""What every way to read a table is given, and the simplest of them: all of it (SN-03)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connectors.sources.rows import RowMaker
from connectors.sources.snowflake import queries
from connectors.sources.snowflake.layout import Layout
from connectors.sources.snowflake.options import SnowflakeOptions
from connectors.sources.snowflake.pouring import Pouring, Step, whole
from connectors.sources.snowflake.session import Warehouse
from connectors.sources.tally import Tally
from gateway.ports import ExtractMode, ExtractState, Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One round at one table."""

    source: str
    options: SnowflakeOptions
    warehouse: Warehouse
    layout: Layout
    rows: Rows
    tally: Tally
    alive: Callable[[], None]
    step: Step
    baseline: bool | None = None

    def pouring(self, state: ExtractState) -> Pouring:
        """Into an extract."""
        return Pouring(self.rows, state, RowMaker(self.layout.shape), self.tally, self.alive, self.step)


def snapshot(
    reading: Reading, cursor: dict[str, object] | None = None, *, baseline: bool | None = None
) -> ExtractState:
    """All of the table in one statement, so that it is one state of it. `cursor`: kept beside its rows.

    One that was interrupted begins anew: how far it was could only be told by a key, which is PHI, and rows that are
    known cost little. How many there are is known before the first is taken, and asked of the guard.
    """
    answer = reading.warehouse.ask(queries.snapshot(reading.options.table, reading.layout))
    asked = reading.baseline if baseline is None else baseline
    under_way = reading.rows.open()
    if asked is None and under_way is not None:
        asked = under_way.baseline
    state = reading.rows.begin(ExtractMode.SNAPSHOT, expected=answer.total, baseline=asked)
    pouring = reading.pouring(state)
    told = cursor or {"mode": "snapshot"}
    chunks = ([pouring.row(one) for one in batch] for batch in whole(answer, reading.options.chunk))
    pouring.all(chunks, lambda: told)
    return pouring.finish(pouring.taken)
