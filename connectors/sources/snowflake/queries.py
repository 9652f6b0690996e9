"""The statements: columns by name, values by bind, one row of a key, in an order that is the same each time (SN-11, SN-38)."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.snowflake.names import Name, quoted
from connectors.sources.snowflake.layout import Column, Layout

ACTION = "METADATA$ACTION"
NOW = "SELECT CURRENT_TIMESTAMP()"


def everything(table: Name) -> str:
    """For its columns alone: it is described, never run."""
    return f"SELECT * FROM {table.sql}"  # noqa: S608 - quoted names


def snapshot(table: Name, layout: Layout) -> str:
    """Every row, by key."""
    return f"SELECT {_read(layout)} FROM {table.sql} {_newest(layout)} ORDER BY {_order(layout.keys)}"  # noqa: S608


def newer(table: Name, layout: Layout, version: Column, *, since: bool) -> str:
    """Every row, or those not older than the one bind, oldest first: `>=`, for equal ones may have come late (SN-11)."""
    kind = version.kept if version.kind != "DATE" else "TIMESTAMP_NTZ"
    where = f"WHERE {version.sql} >= CAST(? AS {kind})" if since else ""
    return (
        f"SELECT {_read(layout)} FROM {table.sql} {where} {_newest(layout)} "  # noqa: S608
        f"ORDER BY {_order((version, *layout.keys))}"
    )


def undated(table: Name, version: Column) -> str:
    """How many rows no watermark would ever find (SN-12)."""
    return f"SELECT COUNT(*) FROM {table.sql} WHERE {version.sql} IS NULL"  # noqa: S608


def changed(table: Name, layout: Layout) -> str:
    """What changed between two binds, both of Snowflake's own clock; what is gone only if no row has its key (SN-14)."""
    source = (
        f"{table.sql} CHANGES(INFORMATION => DEFAULT) "
        "AT(TIMESTAMP => CAST(? AS TIMESTAMP_LTZ)) END(TIMESTAMP => CAST(? AS TIMESTAMP_LTZ))"
    )
    read = ", ".join(f"{column.read} AS {column.sql}" for column in layout.columns)
    return _settled(f"(SELECT {read}, {ACTION} AS {quoted(ACTION)} FROM {source})", table, layout)  # noqa: S608


def staged(staging: Name, table: Name, layout: Layout) -> str:
    """What the stream told, from where it was put; what is gone only if no row has its key (SN-18)."""
    return _settled(staging.sql, table, layout)


def make_staging(staging: Name, layout: Layout) -> str:
    """An empty table of ours for what the stream tells, that keeps nothing beyond (no Time Travel)."""
    columns = ", ".join(f"{column.sql} {column.kept}" for column in layout.columns)
    return (
        f"CREATE OR REPLACE TRANSIENT TABLE {staging.sql} "
        f"({columns}, {quoted(ACTION)} VARCHAR) DATA_RETENTION_TIME_IN_DAYS = 0"
    )


def consume(staging: Name, stream: Name, layout: Layout) -> str:
    """Take over what the stream tells. One statement is one transaction: its place moves with it and not otherwise (SN-17)."""
    columns = ", ".join((*(column.sql for column in layout.columns), quoted(ACTION)))
    read = ", ".join((*(column.read for column in layout.columns), ACTION))
    return f"INSERT INTO {staging.sql} ({columns}) SELECT {read} FROM {stream.sql}"  # noqa: S608


def count(table: Name) -> str:
    """How many rows a table has."""
    return f"SELECT COUNT(*) FROM {table.sql}"  # noqa: S608


def emptied(staging: Name) -> str:
    """Nothing of it stays."""
    return f"TRUNCATE TABLE {staging.sql}"


def make_stream(stream: Name, table: Name, *, view: bool) -> str:
    """A stream from now on, in place of one that was."""
    return f"CREATE OR REPLACE STREAM {stream.sql} ON {'VIEW' if view else 'TABLE'} {table.sql}"


def _settled(source: str, table: Name, layout: Layout) -> str:
    """Insertions, and deletions of keys that no row has now: of an update's two halves the deletion is no exit."""
    columns = ", ".join((*(f"s.{column.sql}" for column in layout.columns), f"s.{quoted(ACTION)}"))
    same = " AND ".join(f"EQUAL_NULL({_of('t', column)}, s.{column.sql})" for column in layout.keys)
    return (
        f"SELECT {columns} FROM {source} s WHERE s.{quoted(ACTION)} = 'INSERT' "  # noqa: S608
        f"OR NOT EXISTS (SELECT 1 FROM {table.sql} t WHERE {same}) "
        f"ORDER BY {', '.join(f's.{column.sql}' for column in _by_key(layout))}"
    )


def _of(alias: str, column: Column) -> str:
    return column.read.replace(column.sql, f"{alias}.{column.sql}")


def _by_key(layout: Layout) -> Sequence[Column]:
    """By key, and of one key by version."""
    return (*layout.keys, *([layout.version] if layout.version is not None else []))


def _read(layout: Layout) -> str:
    return ", ".join(f"{column.read} AS c{place}" for place, column in enumerate(layout.columns))


def _newest(layout: Layout) -> str:
    """Of several rows with one key the newest; which of two equally new ones, their columns decide and not chance."""
    keys = ", ".join(column.sql for column in layout.keys)
    version = [f"{layout.version.sql} DESC NULLS LAST"] if layout.version is not None else []
    others = [f"{one.sql} NULLS LAST" for one in layout.columns if one not in layout.keys and one is not layout.version]
    order = ", ".join((*version, *others)) or keys
    return f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {keys} ORDER BY {order}) = 1"


def _order(columns: Sequence[Column]) -> str:
    return ", ".join(f"{column.sql} NULLS LAST" for column in columns)
