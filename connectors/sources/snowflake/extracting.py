"""One round: a session, the columns looked at before a row is read, and one new session if the first ends under it (SN-02, SN-35)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from connectors.snowflake.faults import Expired
from connectors.sources.snowflake import queries
from connectors.sources.snowflake.changes import changed
from connectors.sources.snowflake.layout import lay
from connectors.sources.snowflake.options import Mode, SnowflakeOptions
from connectors.sources.snowflake.pouring import Step
from connectors.sources.snowflake.reading import Reading, snapshot
from connectors.sources.snowflake.session import Session, Warehouse
from connectors.sources.snowflake.stream import streamed
from connectors.sources.snowflake.watermark import newer
from connectors.sources.tally import Tally
from gateway.model.errors import Busy
from gateway.ports import Clock, ExtractState, Notes, Rows, TableShape

Open = Callable[[SnowflakeOptions, str], Warehouse]

_WAYS: Mapping[Mode, Callable[[Reading], ExtractState]] = {
    Mode.SNAPSHOT: snapshot,
    Mode.WATERMARK: newer,
    Mode.CHANGES: changed,
    Mode.STREAM: streamed,
}


class Extracting:
    """Of one source; of several processes one extracts. `notes`: where they agree on that, None where there is one only."""

    def __init__(
        self,
        source: str,
        options: SnowflakeOptions,
        rows: Rows,
        shape: TableShape,
        *,
        clock: Clock,
        tally: Tally,
        notes: Notes | None = None,
        stopping: threading.Event | None = None,
        open_: Open = Session,
    ) -> None:
        self._source = source
        self._options = options
        self._rows = rows
        self._shape = shape
        self._clock = clock
        self._tally = tally
        self._notes = notes
        self._stopping = stopping or threading.Event()
        self._open = open_

    def once(self, step: Step, *, baseline: bool | None = None) -> ExtractState:
        """Read once to the end, or go on with what was begun. Raises ServerError, GuardError and StoreError."""
        self._alive()
        try:
            return self._round(step, baseline)
        except Expired:
            self._tally.tell("snowflake.session-ended")
        return self._round(step, baseline)

    def held(self) -> bool:
        """Whether we are the one that extracts; for as long as one statement may take, with what is around it."""
        if self._notes is None:
            return True
        told = self._options
        wait = told.statement_timeout + told.network_timeout + told.login_timeout + 60
        return self._notes.hold(_LEASE, self._clock.now() + int(1000 * wait))

    def release(self) -> None:
        """Another process need not wait for the end of the lease. Raises StoreError."""
        if self._notes is not None and self.held():
            self._notes.hold(_LEASE, self._clock.now())

    def _round(self, step: Step, baseline: bool | None) -> ExtractState:
        warehouse = self._open(self._options, f"caregate:{self._source}")
        try:
            layout = lay(self._shape, warehouse.columns(queries.everything(self._options.table)))
            return _WAYS[self._options.mode](
                Reading(
                    source=self._source,
                    options=self._options,
                    warehouse=warehouse,
                    layout=layout,
                    rows=self._rows,
                    tally=self._tally,
                    alive=self._alive,
                    step=step,
                    baseline=baseline,
                )
            )
        finally:
            warehouse.close()

    def _alive(self) -> None:
        if self._stopping.is_set():
            raise Busy("the source is stopping")
        if not self.held():
            raise Busy("another process extracts")


_LEASE = "extract"
