"""How many rows a file has, before one of them is taken: what is out of proportion is stopped whole, not after the part that was not (SN-03)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from connectors.sources.tables.lines import Lines
from connectors.sources.tables.options import TablesOptions, Written


def rows(path: Path, options: TablesOptions) -> int | None:
    """Rows of a CSV or NDJSON file; None where that cannot be told, for it is damaged or no such file. Raises OSError, Unusable."""
    with Lines(path, most=options.max_file) as lines:
        text = iter(
            lambda: lines.line()[0].decode("latin-1"), ""
        )  # of every byte; line ends, quotes and commas are ASCII
        try:
            counted = _records(text, options) if options.files is Written.CSV else _told(text)
        except csv.Error:
            return None
        return None if lines.damage else counted


def _records(text: Iterator[str], options: TablesOptions) -> int:
    """Without the header, as the rows themselves are told apart, but for those that are none."""
    found = csv.reader(text, delimiter=options.delimiter, escapechar=options.escape, doublequote=options.escape is None)
    return max(sum(1 for one in found if one) - 1, 0)


def _told(text: Iterator[str]) -> int:
    return sum(1 for one in text if not one.isspace())
