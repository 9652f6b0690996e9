"""One file, read once from its start to its end in bounded memory; where it is damaged, its last half message is nothing."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self, cast

from connectors.sources.drops.ripening import Stamp, stamp_of
from gateway import fhirfile
from gateway.er7.batch import Part, Piece, split
from gateway.model.event import Format

_CHUNK = 1 << 18
_TOO_LONG = "it is longer than this folder accepts"


@dataclass(frozen=True, slots=True)
class Damage:
    """Why the rest of a file could not be read; `problem` in our own words."""

    problem: str


class Reading:
    """An open file. `digest` is SHA-256 over what was read of it so far, unpacked. Raises OSError when it cannot be opened.

    A name that ends in `.gz` is unpacked while it is read, and never into more than `most` bytes.
    """

    def __init__(self, path: Path, *, limit: int, most: int, of: Format = Format.HL7V2) -> None:
        # O_NOFOLLOW: it was a regular file when it was listed; O_NONBLOCK: a pipe in its place must not make us wait
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        self._file = os.fdopen(handle, "rb", buffering=_CHUNK)
        told = os.fstat(handle)
        self.stamp: Stamp = stamp_of(told)
        self._regular = stat.S_ISREG(told.st_mode)
        self._packed = path.name.endswith(".gz")
        self._limit = limit
        self._name = path.name if of is Format.FHIR else None
        self._too_long = not self._packed and told.st_size > most
        self._unpacked: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=self._file) if self._packed else self._file
        self._stream = _Measured(self._unpacked, most)

    @property
    def digest(self) -> bytes:
        """SHA-256, 32 bytes."""
        return self._stream.digest.digest()

    def parts(self) -> Iterator[Part | Damage]:
        """The file taken apart (`er7.batch.split`, `fhirfile.split`), and last why the rest of it cannot be. Raises OSError."""
        if not self._regular:
            yield Damage("it is not a regular file")
            return
        if self._too_long:
            yield Damage(_TOO_LONG)
            return
        last: Piece | None = None  # it is half a message if the file turns out to be damaged behind it
        for part in self._split(cast(BinaryIO, self._stream)):
            if last is not None:
                yield last
            last = part if isinstance(part, Piece) else None
            if last is None:
                yield part
        if self._stream.damage is not None:
            yield Damage(self._stream.damage)
        elif last is not None:
            yield last

    def _split(self, stream: BinaryIO) -> Iterator[Part]:
        if self._name is not None:
            return fhirfile.split(stream, limit=self._limit, name=self._name)
        return split(stream, limit=self._limit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._unpacked.close()
        self._file.close()


class _Measured(io.RawIOBase):
    """Digests what is read; what cannot be read on ends, and `damage` says why."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile, most: int) -> None:
        super().__init__()
        self._inner = stream
        self._left = most
        self.digest = hashlib.sha256()
        self.damage: str | None = None

    def read(self, size: int = _CHUNK) -> bytes:
        """`size` bytes; fewer only at the end, or before what is damaged.

        Not what one call gives: of many small packed members that is a byte, and each read costs whoever gathers
        a long line all that he has of it.
        """
        found = bytearray()
        while len(found) < size and (more := self._some(size - len(found))):
            found += more
        return bytes(found)

    def _some(self, size: int) -> bytes:
        if self.damage is not None:
            return b""
        try:
            # read1 gives what there is before it meets what is damaged
            found = self._inner.read1(size) if isinstance(self._inner, gzip.GzipFile) else self._inner.read(size)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            self.damage = "it is damaged: what it packs cannot be unpacked to its end"
            return b""
        self._left -= len(found)
        if self._left < 0:
            self.damage = _TOO_LONG
            return b""
        self.digest.update(found)
        return found
