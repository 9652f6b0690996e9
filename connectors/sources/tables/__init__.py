"""Rows in files that are dropped into a folder: a file is moved away only after every row in it is committed (law 1)."""

from connectors.sources.tables.source import TablesSource

__all__ = ["TablesSource"]
