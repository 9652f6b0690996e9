"""The lines of one file, packed or not, in bounded memory; where it is damaged, its last half line is nothing."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from pathlib import Path
from typing import BinaryIO, Self

from gateway.model.errors import Unusable
from gateway.rowjson import LONGEST

_BUFFER = 1 << 18
_DAMAGED = "it is damaged: what it packs cannot be unpacked to its end"
TOO_LONG = "it is longer than this source accepts"


def opened(path: Path) -> BinaryIO:
    """A regular file to read. Raises OSError, and Unusable for anything else that has taken its place."""
    # O_NOFOLLOW: it was a regular file when it was listed; O_NONBLOCK: a pipe in its place must not make us wait
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(handle, "rb", buffering=_BUFFER)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        file.close()
        raise Unusable("it is not a regular file")
    return file


class Lines:
    """A name that ends in `.gz` is unpacked while it is read, and never into more than `most` bytes.

    `offset`: of the next line, unpacked. `damage`: why there is no more, where that is not the end. `passed`: the quotes
    in all that was read and not told.
    """

    def __init__(self, path: Path, *, most: int) -> None:
        self._file = opened(path)
        self._most = most
        self._stream = gzip.GzipFile(fileobj=self._file) if path.name.endswith(".gz") else self._file
        self.offset = 0
        self.damage: str | None = None
        self.passed = 0

    def consumed(self) -> int:
        """Bytes of the file as it lies there that were read."""
        return self._file.tell()

    def seek(self, offset: int) -> None:
        """Go on at a line that was met before."""
        try:
            self._stream.seek(offset)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            self.damage = _DAMAGED
        self.offset = offset

    def line(self) -> tuple[bytes, bool]:
        """The next with its end, and whether it is whole: of one beyond `LONGEST` only the beginning. Empty: there is none."""
        raw = self._read()
        if len(raw) <= LONGEST or raw.endswith(b"\n"):
            return raw, True
        more = raw
        while more and not more.endswith(b"\n"):
            more = self._read()
            self.passed += more.count(b'"')
        return raw, False

    def _read(self) -> bytes:
        if self.damage is not None:
            return b""
        try:
            raw = self._stream.readline(LONGEST + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            self.damage = _DAMAGED
            return b""
        self.offset += len(raw)
        if self.offset > self._most:
            self.damage = TOO_LONG
            return b""
        return raw

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._file.close()
