"""The Parquet sink (`kind: parquet`): outcomes as files by day in a folder, each whole from the moment it has its name."""

from connectors.sinks.parquet.sink import ParquetSink

__all__ = ["ParquetSink"]
