"""A batch is staged under a name of its own and merged by id in one statement: all of it is there, once, or nothing is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from connectors.sinks.events import is_wide
from connectors.sinks.faults import told
from connectors.sinks.options import read
from connectors.sinks.snowflake import layout
from connectors.snowflake.account import Account, connected, ours
from connectors.snowflake.faults import Expired
from connectors.snowflake.names import Name, Table
from gateway.model.outcome import SinkRow
from gateway.model.when import DAY
from gateway.ports import Clock


class SnowflakeSinkOptions(Account):
    """A login, and the table: DATABASE.SCHEMA.TABLE, as `caregate sinks ddl` prints it."""

    table: Table


class SnowflakeSink:
    """Keeps its session between batches and opens another when it has ended; connects when the first batch comes."""

    section = SnowflakeSinkOptions

    def __init__(self, name: str, options: Mapping[str, object], clock: Clock) -> None:
        self._options = read(SnowflakeSinkOptions, name, options)
        self.name = name
        self._clock = clock
        self._connection: Any = None

    def ddl(self) -> str:
        """See `Lays`."""
        return layout.ddl(self._options.table, self._options.role)

    def write(self, batch: Sequence[SinkRow]) -> None:
        """See `Sink`."""
        with told():
            try:
                self._write(batch)
            except Expired:  # once (SN-35): a login that fails again is no accident
                self._write(batch)

    def _write(self, batch: Sequence[SinkRow]) -> None:
        table, now, wide = self._options.table, self._clock.now(), is_wide(batch)
        try:
            if self._connection is None:
                within = Name(table.parts[:-1])
                self._connection = connected(self._options, within, f"caregate sink {self.name}")
            with ours(), self._connection.cursor() as cursor:
                name, old = f"{now:015d}-{uuid4().hex}", f"{now - DAY:015d}"  # names tell their time
                rows = [(name, *layout.values(row, wide=wide)) for row in batch]
                cursor.executemany(layout.insert(table, wide=wide), rows)
                cursor.execute(layout.merge(table, wide=wide), (name,))
                cursor.execute(layout.clear(table), (name, old))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """See `Sink`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()
