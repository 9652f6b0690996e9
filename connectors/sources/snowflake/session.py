"""One session at Snowflake: nothing of an answer is read into memory whole, and every error is one of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from connectors.snowflake.account import connected, ours
from connectors.snowflake.names import Name
from connectors.sources.arrowvalues import values_of
from connectors.sources.snowflake.options import SnowflakeOptions

Values = Sequence[object]


class Answer(Protocol):
    """What a query gives. `total`: how many rows that is, told before the first."""

    total: int

    def batches(self, most: int) -> Iterator[Sequence[Values]]:
        """The rows in their order, at most so many at a time. Raises ServerError, at any of them."""
        ...


class Warehouse(Protocol):
    """The little of Snowflake that is used; every call blocks and raises ServerError."""

    def columns(self, sql: str) -> Mapping[str, str]:
        """What a query would give: name → type in Snowflake's words. Nothing is read."""
        ...

    def ask(self, sql: str, binds: Sequence[str] = ()) -> Answer:
        """A query's rows. `binds`: for its question marks."""
        ...

    def tell(self, sql: str, binds: Sequence[str] = ()) -> None:
        """A statement that changes something of ours; committed when it returns."""
        ...

    def close(self) -> None:
        """End the session; never raises."""
        ...


class Session:
    """`Warehouse` by snowflake-connector-python, 4.x or 5.x. `tag`: what the statements are known by there; no PHI. Raises ServerError."""

    def __init__(self, options: SnowflakeOptions, tag: str) -> None:
        self._connection = connected(options, Name(options.table.parts[:2]), tag)

    def columns(self, sql: str) -> Mapping[str, str]:
        """See Warehouse."""
        from snowflake.connector.constants import FIELD_ID_TO_NAME

        with ours(), self._connection.cursor() as cursor:
            return {one.name: FIELD_ID_TO_NAME[one.type_code] for one in cursor.describe(sql)}

    def ask(self, sql: str, binds: Sequence[str] = ()) -> Answer:
        """See Warehouse."""
        with ours():
            return _Rows(self._connection.cursor().execute(sql, tuple(binds) or None))

    def tell(self, sql: str, binds: Sequence[str] = ()) -> None:
        """See Warehouse."""
        with ours(), self._connection.cursor() as cursor:
            cursor.execute(sql, tuple(binds) or None)

    def close(self) -> None:
        """See Warehouse."""
        with suppress(Exception):
            self._connection.close()


class _Rows:
    """The connector fetches the parts of a result as they are read, a few ahead: memory does not grow with the table (SN-33)."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.total = int(cursor.rowcount or 0)

    def batches(self, most: int) -> Iterator[Sequence[Values]]:
        """See Answer: as Arrow batches where pyarrow is there, else row by row."""
        with ours():
            yield from self._arrow(most) if _arrow_is_there() else self._plain(most)
            self._cursor.close()

    def _arrow(self, most: int) -> Iterator[Sequence[Values]]:
        for table in self._cursor.fetch_arrow_batches(force_microsecond_precision=True):
            for batch in table.to_batches(max_chunksize=most):
                yield list(zip(*map(values_of, batch.columns), strict=True))

    def _plain(self, most: int) -> Iterator[Sequence[Values]]:
        while rows := self._cursor.fetchmany(most):
            yield rows


def _arrow_is_there() -> bool:
    try:
        import pyarrow  # noqa: F401, ICN001 - a question
    except ImportError:
        return False
    return True
