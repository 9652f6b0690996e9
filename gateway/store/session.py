"""What a database driver must offer the unit of work; SQLite and PostgreSQL each keep it in their own way.

A session belongs to one thread. Every method raises StoreUnavailable (Conflict for a taken unique key) when a
retry may help and StoreError when it cannot; driver texts, which quote values, never get out.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import sqlalchemy as sa

from gateway.model.errors import StoreUnavailable
from gateway.store.statement import DialectName, Row, Rows, Statement


class LeaseLost(StoreUnavailable):
    """The writer's lease went to somebody else: this unit must not commit; a retry runs under a new lease."""

    def __init__(self) -> None:
        super().__init__("the writer lease was lost to somebody else; nothing was committed")


class Session(Protocol):
    """One thread's way to the database; at most one transaction is open in it."""

    def begin(self, *, write: bool) -> None:
        """Open a transaction: the only writer on SQLite, READ COMMITTED on PostgreSQL; readers see one snapshot."""
        ...

    def commit(self) -> None:
        """Make it durable: when this returns the rows survive power loss."""
        ...

    def rollback(self) -> None:
        """Undo; never raises."""
        ...

    def all(self, statement: Statement, params: Row) -> list[Row]:
        """The rows of a query."""
        ...

    def run(self, statement: Statement, params: Row) -> int:
        """Run a change; returns how many rows it touched."""
        ...

    def lookup(
        self, table: Rows, columns: tuple[str, ...], key: str, values: Sequence[Any], *, lock: bool
    ) -> list[Row]:
        """Rows whose `key` is one of `values`, in no particular order."""
        ...

    def lock(self, table: sa.Table, key: str, values: Sequence[Any]) -> None:
        """Keep the rows whose `key` is one of `values` from every other unit, taken in key order."""
        ...

    def insert(self, table: sa.Table, columns: tuple[str, ...], rows: Sequence[Row], *, missing: bool) -> None:
        """Insert rows; `missing` skips those whose unique key exists. A conflict may show up as late as commit."""
        ...

    def update(self, table: sa.Table, key: tuple[str, ...], columns: tuple[str, ...], rows: Sequence[Row]) -> int:
        """Update by key; rows hold new values, then key values. Returns how many rows were touched."""
        ...

    def delete(self, table: sa.Table, key: str, values: Sequence[Any]) -> int:
        """Delete the rows whose `key` is one of `values`. Returns how many there were."""
        ...

    def expect(self, statement: Statement, params: Row, value: int) -> None:
        """Ask for one number; LeaseLost at once or with a later call, commit at the latest, when it is another."""
        ...

    def keep_out(self, writer: int) -> None:
        """Register this transaction as one of writer `writer`: nobody takes its lease before it ends."""
        ...

    def claim(self, writer: int, *, wait: bool) -> bool:
        """Until the end of this transaction keep every unit of that writer out; False: one is open (and not `wait`)."""
        ...

    def among(self, what: str, *, alone: bool) -> None:
        """Until the end of this transaction no other is `alone` at `what`; `alone`: no other is at it at all."""
        ...

    def close(self) -> None:
        """Give the connection back; an open transaction is undone."""
        ...


class Database(Protocol):
    """Where sessions come from."""

    dialect: DialectName

    def session(self) -> Session:
        """The calling thread's session, reconnected when the connection was lost."""
        ...

    def reader(self) -> Session:
        """The calling thread's session for reading, apart from the writing one."""
        ...

    def shredding(self) -> AbstractContextManager[None]:
        """While open, what this thread overwrites is also wiped from the free pages (destroyed keys)."""
        ...

    def close(self) -> None:
        """Close the sessions of all threads."""
        ...
