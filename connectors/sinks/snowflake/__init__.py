"""The Snowflake sink (`kind: snowflake`): outcomes into a table of our own schema, once by id (SN-39)."""

from connectors.sinks.snowflake.sink import SnowflakeSink

__all__ = ["SnowflakeSink"]
