"""Files as messages, each with the name of its file: what `er7.batch` and `fhirfile` take apart, for commands."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from gateway import fhirfile
from gateway.er7 import batch
from gateway.er7.batch import LIMIT
from gateway.model.errors import CommandError
from gateway.model.event import Format


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


def patients_first(files: Iterable[Path]) -> list[Path]:
    """Files of FHIR as an export names them, those of patients before what refers to them."""
    return sorted(files, key=lambda path: not path.name.startswith("Patient"))


def unpack(
    path: Path, *, of: Format = Format.HL7V2, limit: int = LIMIT, read: Callable[[int], None] = lambda _: None
) -> Iterator[Piece | Mismatch]:
    """The messages of one file in order, and envelopes whose count is wrong. Raises OSError when it cannot be read.

    `of`: what they are. `limit`: most bytes of one message; a longer one is told of and not taken (`er7.batch.split`). A name that ends in
    `.gz` is unpacked while it is read. `read` is told how many bytes of the file were, as they are.
    """
    name = str(path)
    with _opened(path, read) as stream:
        parts = (
            fhirfile.split(stream, limit=limit, name=name) if of is Format.FHIR else batch.split(stream, limit=limit)
        )
        for part in parts:
            if isinstance(part, batch.Piece):
                yield Piece(name, part.index, part.body, part.problem)
            elif isinstance(part, batch.Mismatch):
                yield Mismatch(name, part)


@contextmanager
def _opened(path: Path, read: Callable[[int], None]) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        counted = cast(BinaryIO, _Counted(file, read))
        if path.suffix != ".gz":
            yield counted
            return
        try:
            with gzip.GzipFile(fileobj=counted) as unpacked:
                yield cast(BinaryIO, unpacked)
        except (EOFError, zlib.error):
            raise OSError("it is damaged: what it packs cannot be unpacked to its end") from None


class _Counted(io.RawIOBase):
    def __init__(self, file: BinaryIO, read: Callable[[int], None]) -> None:
        super().__init__()
        self._file = file
        self._read = read

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(size)
        self._read(len(found))
        return found
