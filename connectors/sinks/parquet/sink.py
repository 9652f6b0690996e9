"""A file has its name only once it is whole and on disk, and is called after its first and last row: told again, it takes its own place.

A batch that is told again begins with the same row, but may go further: the file that begins with it is the one it replaces.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.sinks.events import facts_of, is_wide
from gateway.model.errors import ConfigError, Refused, Unavailable
from gateway.model.outcome import SinkRow
from gateway.model.when import to_datetime
from gateway.ports import Clock

COLUMNS = ("id", "kind", "at", "patient", "source", "row_key", "rule", "variant", "step", "channel", "topic", "reason")
"""As written; `at` is a timestamp in UTC, the others are text, and what is empty is null."""
EVENTS = ("event", "occurrence", "facts")
"""More of them in a file that tells of events or facts; `facts` is a JSON object."""
_FOR_A_PERSON = (PermissionError, NotADirectoryError)


class ParquetOptions(BaseModel):
    """`path`: a folder that is there; the folders of its days (`day=2026-03-02`, UTC) are made in it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    path: Path


class ParquetSink:
    """Writes one file a day and batch, readable by its owner and group."""

    section = ParquetOptions

    def __init__(self, name: str, options: Mapping[str, object], clock: Clock) -> None:  # noqa: ARG002 - as every sink is made
        try:
            self._path = ParquetOptions.model_validate(options).path
        except ValidationError:
            raise ConfigError(f"sinks.{name}.path: tell the folder, and no other option") from None
        self.name = name

    def write(self, batch: Sequence[SinkRow]) -> None:
        """See `Sink`."""
        days: dict[str, list[SinkRow]] = {}
        for row in batch:
            days.setdefault(to_datetime(row.at).strftime("%Y-%m-%d"), []).append(row)
        try:
            for day, rows in days.items():
                self._keep(self._folder(f"day={day}"), rows)
        except _FOR_A_PERSON:
            raise Refused("the folder cannot be written to") from None
        except OSError:
            raise Unavailable("the folder is away, or its disk is full") from None

    def close(self) -> None:
        """See `Sink`."""

    def _folder(self, day: str) -> Path:
        """The day's; `path` itself is not made: where it is missing, a disk is not mounted."""
        folder = self._path / day
        if folder.is_symlink():
            raise NotADirectoryError  # somebody would have what we tell elsewhere
        if not folder.is_dir():
            folder.mkdir()
            _on_disk(self._path)
        return folder

    def _keep(self, folder: Path, rows: Sequence[SinkRow]) -> None:
        first, last = rows[0].id, rows[-1].id
        made, name = folder / f".{first}.tmp", folder / f"{first}_{last}.parquet"
        _write(made, rows)
        for older in folder.glob(f"{first}_*.parquet"):
            if older != name:  # told before our place was noted; nobody is ever shown both
                older.unlink()
        made.replace(name)
        _on_disk(folder)


def _write(path: Path, rows: Sequence[SinkRow]) -> None:
    import pyarrow as pa  # here: only a process that has such a sink pays for it
    import pyarrow.parquet as pq

    names = COLUMNS + EVENTS if is_wide(rows) else COLUMNS
    kinds = {name: pa.timestamp("ms", tz="UTC") if name == "at" else pa.string() for name in names}
    told = pa.Table.from_pylist([_row(one) for one in rows], schema=pa.schema(list(kinds.items())))
    path.unlink(missing_ok=True)  # never through a name that somebody else has made, a link say
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640), "wb") as file:
        pq.write_table(told, file)
        file.flush()
        os.fsync(file.fileno())


def _row(one: SinkRow) -> dict[str, Any]:
    told = {name: getattr(one, name) or None for name in (*COLUMNS, *EVENTS)}
    return {**told, "facts": facts_of(one) or None}


def _on_disk(folder: Path) -> None:
    """The folder's own entries, so that a name survives a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
