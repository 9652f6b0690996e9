"""Snowflake: a table is read by named columns alone, and how far it was read is committed with the rows (SN-11)."""

from connectors.sources.snowflake.source import SnowflakeSource

__all__ = ["SnowflakeSource"]
