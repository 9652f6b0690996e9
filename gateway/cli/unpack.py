"""Takes files of HL7 v2 apart into messages, in memory bounded by one message: no byte of a file vanishes without a word.

A file is MLLP-framed (it begins with 0B), or segments ended by CR, LF or CRLF with any number of MSH, with or without
batch envelopes (conformance B-01). Text that belongs to no MSH is a message of its own: it will be quarantined, not dropped.
A line that begins with MSH starts a message also after a bare LF: losing a message would be worse than splitting a
field that quotes one (P-05 leaves bare LF to the agreement between two sides; a file has no other side to ask).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.model.errors import CommandError

LIMIT = 16 * 2**20  # bytes of one message, as on the wire (F-11)
_CHUNK = 2**18
_BLANK = b" \t\r\n"
_AROUND = _BLANK + b"\x0b\x1c"  # what framing and editors leave around a message and is no part of it
_BOM = b"\xef\xbb\xbf"
_BEFORE_SEGMENT = re.compile(rb"(?<!\r)\n(?=[A-Z][A-Z0-9]{2}[!-/:-@\[-`{-~])")
# a segment that starts a message or belongs to an envelope; its id is not continued by a letter or digit
_START = re.compile(rb"(MSH|FHS|BHS|BTS|FTS)(?![A-Za-z0-9])")


@dataclass(frozen=True, slots=True)
class Piece:
    """One message of a file. `index` counts from 1; `body` is None for one that was not taken, `problem` says why."""

    file: str
    index: int
    body: bytes | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An envelope's count is not what was found (B-02): the messages are read all the same."""

    file: str
    segment: str  # BTS or FTS
    said: int
    found: int

    def __str__(self) -> str:
        what = "messages" if self.segment == "BTS" else "batches"
        return f"{self.segment}-1 says {self.said} {what}, found {self.found}"


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

    `limit`: most bytes of one message; a longer one is told of and not taken.
    """
    with path.open("rb") as stream:
        first = stream.read(_CHUNK)
        if first.lstrip(_BLANK).startswith(b"\x0b"):
            yield from _framed(str(path), first, stream, limit)
        else:
            yield from _Plain(str(path), limit).read(_lines(first.removeprefix(_BOM), stream, limit))


def _framed(name: str, held: bytes, stream: BinaryIO, limit: int) -> Iterator[Piece]:
    """MLLP release 1: 0B … 1C 0D; bytes between frames are ignored (F-01, F-03)."""
    index = 0
    while held:
        _, start, held = held.partition(b"\x0b")
        if start:
            index += 1
            body, held, problem = _frame(held, stream, limit)
            yield Piece(name, index, None if problem else body, problem)
        held = held or stream.read(_CHUNK)


def _frame(held: bytes, stream: BinaryIO, limit: int) -> tuple[bytes, bytes, str | None]:
    """The body of a frame whose 0B was read, what follows it, and why it was not taken, if so."""
    buffer, searched, too_long = bytearray(held), 0, False
    while (end := buffer.find(b"\x1c\r", searched)) < 0:
        if too_long := too_long or len(buffer) > limit:
            del buffer[:-1]
        searched = max(0, len(buffer) - 1)
        if not (more := stream.read(_CHUNK)):
            # a dump may lack the last CR; half a frame would have been sent again (F-06)
            whole = buffer.endswith(b"\x1c") and not too_long
            return bytes(buffer[:-1]), b"", None if whole else "message-too-long" if too_long else "frame-not-ended"
        buffer += more
    return bytes(buffer[:end]), bytes(buffer[end + 2 :]), "message-too-long" if too_long or end > limit else None


def _lines(held: bytes, stream: BinaryIO, limit: int) -> Iterator[bytes]:
    """Lines with their ends, CR, LF or CRLF; one longer than the limit comes in parts."""
    while more := stream.read(_CHUNK):
        lines = held.splitlines(keepends=True)
        # the last line may go on, and its CR may be half of a CRLF
        held = lines.pop() if lines and len(lines[-1]) <= limit else b""
        yield from lines
        held += more
    yield from held.splitlines(keepends=True)


def _one_style(body: bytes) -> bytes:
    """A file that mixes line ends (an editor was there) gets CR before every segment; other LF stay content (P-05)."""
    if b"\r" not in body and b"\n" in body:
        return body + b"\n"
    return _BEFORE_SEGMENT.sub(b"\r", body) + b"\r"


class _Plain:
    """Gathers lines into messages and checks the envelopes' counts on the way."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._index = 0
        self._messages = self._batches = 0
        self._kept = bytearray()
        self._size = 0

    def read(self, lines: Iterable[bytes]) -> Iterator[Piece | Mismatch]:
        """Pieces and mismatches in the order of the file."""
        for line in lines:
            start = _START.match(line)
            if start is None:
                self._keep(line)
                continue
            yield from self._ended()
            if start[1] == b"MSH":
                self._messages += 1
                self._keep(line)
            else:
                yield from self._envelope(start[1], line)
        yield from self._ended()

    def _keep(self, line: bytes) -> None:
        self._size += len(line)
        if self._size <= self._limit:
            self._kept += line

    def _ended(self) -> Iterator[Piece]:
        """What was gathered is one message, unless it is nothing but blanks."""
        body, too_long = bytes(self._kept).strip(_AROUND), self._size > self._limit
        self._kept, self._size = bytearray(), 0
        if body or too_long:
            self._index += 1
            problem = "message-too-long" if too_long else None
            yield Piece(self._name, self._index, None if too_long else _one_style(body), problem)

    def _envelope(self, segment: bytes, line: bytes) -> Iterator[Mismatch]:
        """FHS and BHS begin, BTS-1 counts messages, FTS-1 counts batches; an empty count asks for no check (B-02)."""
        found = {b"BTS": self._messages, b"FTS": self._batches}.get(segment)
        told = line[4:].split(line[3:4], 1)[0].strip() if len(line) > 4 else b""
        if found is not None and told.isdigit() and int(told) != found:
            yield Mismatch(self._name, segment.decode(), int(told), found)
        self._batches += segment == b"BTS"
        self._messages = 0
