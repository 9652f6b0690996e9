"""Files of HL7 v2 as messages, each with the name of its file: what `er7.batch` takes apart, for commands."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.er7 import batch
from gateway.er7.batch import LIMIT
from gateway.model.errors import CommandError


@dataclass(frozen=True, slots=True)
class Piece:
    """One message of a file. `index` counts from 1; `body` is None for one that was not taken, `problem` says why."""

    file: str
    index: int
    body: bytes | None = field(repr=False)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An envelope's count is not what was found (B-02): the messages are read all the same."""

    file: str
    what: batch.Mismatch

    def __str__(self) -> str:
        return str(self.what)


def files_under(paths: Iterable[Path]) -> list[Path]:
    """The regular files named or below the folders named, sorted within each, hidden ones left out.

    Raises CommandError naming the first path that does not exist.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise CommandError(f"{path}: no such file or folder")
        found.extend(_walk(path) if path.is_dir() else [path])
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(here, name)
            if not name.startswith(".") and path.is_file():
                yield path


def unpack(path: Path, *, limit: int = LIMIT) -> Iterator[Piece | Mismatch]:
    """The messages of one file in order, and envelopes whose count is wrong. Raises OSError when it cannot be read.

    `limit`: most bytes of one message; a longer one is told of and not taken (`er7.batch.split`).
    """
    name = str(path)
    with path.open("rb") as stream:
        for part in batch.split(stream, limit=limit):
            if isinstance(part, batch.Piece):
                yield Piece(name, part.index, part.body, part.problem)
            elif isinstance(part, batch.Mismatch):
                yield Mismatch(name, part)
