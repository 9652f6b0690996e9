"""Takes batches of HL7 v2 apart into messages, in memory bounded by one message: no byte vanishes without a word.

A batch is `[FHS]{[BHS]{MSH…}[BTS]}[FTS]` with any of the envelope segments left out (B-01), its segments ended by CR, LF
or CRLF; or MLLP frames that hold messages or batches. Text that belongs to no MSH is a message of its own: it will be
quarantined, not dropped.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from gateway.er7.header import BOM, start_of
from gateway.er7.separators import DEFAULT, Separators, separators_of
from gateway.model.errors import Unreadable

LIMIT = 16 * 2**20  # bytes of one message, as on the wire (F-11)
MOST_PARTS = 20_000  # of a batch in one frame or body: in a few bytes each, millions would fill the memory
_CHUNK = 2**18
_HEAD = 4_096  # bytes of an envelope segment that are looked at
_BLANK = b" \t\r\n"
_AROUND = _BLANK + b"\x0b\x1c"  # what framing and editors leave around a message and is no part of it
_BEFORE_SEGMENT = re.compile(rb"(?<!\r)\n(?=[A-Z][A-Z0-9]{2}[!-/:-@\[-`{-~])")
# a segment that starts a message or belongs to an envelope; its id is not continued by a letter or digit
_START = re.compile(rb"(MSH|FHS|BHS|BTS|FTS)(?![A-Za-z0-9])")
_ENVELOPE = (b"FHS", b"BHS", b"BTS", b"FTS")


@dataclass(frozen=True, slots=True)
class Piece:
    """One message. `index` counts from 1; `body` is None for one that was not taken, `problem` says why."""

    index: int
    body: bytes | None = field(repr=False)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An envelope's count is not what was found (B-02): the messages are read all the same. Told before its Envelope."""

    segment: str  # BTS or FTS
    said: int
    found: int

    def __str__(self) -> str:
        what = "messages" if self.segment == "BTS" else "batches"
        return f"{self.segment}-1 says {self.said} {what}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Envelope:
    """FHS, BHS, BTS or FTS as raw text, every byte one character: `raw(n)` is field n.

    In FHS and BHS field 1 is the separator itself and field 2 the encoding characters, as in MSH (P-02).
    """

    segment: str
    separators: Separators
    fields: tuple[str, ...] = field(repr=False)

    def raw(self, n: int) -> str:
        """Field n whole and byte for byte; `''` when absent."""
        return self.fields[n] if n < len(self.fields) else ""

    @property
    def identity(self) -> tuple[str, str, str]:
        """Sending application, facility and the batch's control id: what names one batch (B-05)."""
        return self.raw(3), self.raw(4), self.raw(11)


Part = Piece | Mismatch | Envelope


def split(stream: BinaryIO, *, limit: int = LIMIT) -> Iterator[Part]:
    """The messages of a file or body in order, its envelope segments, and envelopes whose count is wrong (B-01, B-02).

    A line that begins with MSH starts a message also after a bare LF: losing a message would be worse than splitting
    a field that quotes one (P-05 leaves bare LF to the agreement between two sides; a file has no other side to ask).
    `limit`: most bytes of one message; a longer one is told of and not taken. Raises what `stream` raises.
    """
    first = stream.read(_CHUNK)
    reading = _Reading(limit)
    if first.lstrip(_BLANK).startswith(b"\x0b"):
        yield from _framed(reading, first, stream)
    else:
        yield from reading.lines(_lines(first.removeprefix(BOM), stream, limit))


def split_frame(body: bytes, *, limit: int = LIMIT) -> list[Part]:
    """The parts of one message body that holds several; a bare LF is content where there is any CR (P-05). As `bounded`."""
    return bounded(_Reading(limit).body(body))


def bounded(parts: Iterable[Part]) -> list[Part]:
    """The parts of what is answered as a whole; of more than MOST_PARTS nothing is taken, and one Piece says so."""
    found = list(islice(parts, MOST_PARTS + 1))
    return found if len(found) <= MOST_PARTS else [Piece(1, None, "too-many-parts")]


def holds_batch(body: bytes) -> bool:
    """Whether a message body is a batch: it begins with a segment of an envelope, or holds more than one MSH (B-01)."""
    if body.rfind(b"MSH") == 0:  # nearly every message: one look, and the cheapest there is
        return False
    starts = _START.match(body, start_of(body))
    return starts is not None and (starts[1] in _ENVELOPE or _another(body, starts.end()))


def _another(body: bytes, at: int) -> bool:
    """Whether an MSH begins a segment after the first."""
    ends = (b"\rMSH", b"\r\nMSH") if b"\r" in body else (b"\nMSH",)
    for end in ends:
        found = body.find(end, at)
        while found >= 0:
            if _START.match(body, found + len(end) - 3):
                return True
            found = body.find(end, found + 1)
    return False


def _framed(reading: _Reading, held: bytes, stream: BinaryIO) -> Iterator[Part]:
    """MLLP release 1: 0B … 1C 0D; bytes between frames are ignored (F-01, F-03)."""
    while held:
        _, start, held = held.partition(b"\x0b")
        if start:
            body, held, problem = _frame(held, stream, reading.limit)
            if problem is None and holds_batch(body):
                yield from reading.body(body)
            else:
                yield reading.piece(None if problem else body, problem)
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


class _Reading:
    """Gathers lines into messages and checks the envelopes' counts on the way."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._index = 0
        self._messages = 0  # since the last envelope segment
        self._batches = 0  # ended since FHS
        self._open = False  # a batch was begun and not ended
        self._loose = False  # messages came that belong to no batch
        self._kept = bytearray()
        self._size = 0
        self._lf_ends = True

    def piece(self, body: bytes | None, problem: str | None = None) -> Piece:
        """The next message; text that is none is no message to who counted them."""
        self._index += 1
        self._messages += body is None or body.startswith(b"MSH")
        return Piece(self._index, body, problem)

    def body(self, body: bytes) -> Iterator[Part]:
        """The parts of what one frame held."""
        yield from self.lines(_lines(b"", io.BytesIO(body.removeprefix(BOM)), self.limit), lf_ends=b"\r" not in body)

    def lines(self, lines: Iterable[bytes], *, lf_ends: bool = True) -> Iterator[Part]:
        """Parts in order; what was gathered ends with the lines. `lf_ends`: a bare LF ends a segment."""
        self._lf_ends = lf_ends
        within = False  # the line before this one was cut at an LF that is content
        for line in lines:
            start = None if within else _START.match(line)
            bare = not lf_ends and line.endswith(b"\n") and not line.endswith(b"\r\n")
            within = bare and (within or line != b"\n")  # after the end of a segment it is a blank line (P-22)
            if start is None:
                self._keep(line)
                continue
            yield from self._ended()
            if start[1] == b"MSH":
                self._keep(line)
            else:
                yield from self._envelope(start[1], line[:_HEAD])
        yield from self._ended()

    def _keep(self, line: bytes) -> None:
        self._size += len(line)
        if self._size <= self.limit:
            self._kept += line

    def _ended(self) -> Iterator[Piece]:
        """What was gathered is one message, unless it is nothing but blanks."""
        body, too_long = bytes(self._kept).strip(_AROUND), self._size > self.limit
        self._kept, self._size = bytearray(), 0
        if too_long:
            yield self.piece(None, "message-too-long")
        elif body:
            yield self.piece(_one_style(body) if self._lf_ends else body + b"\r")

    def _envelope(self, segment: bytes, line: bytes) -> Iterator[Part]:
        envelope = _read_envelope(segment.decode(), line)
        if segment == b"BTS":
            yield from self._checked(envelope, self._messages)
            self._batches += 1
        else:
            self._loose = self._loose or (self._messages > 0 and not self._open)
            self._batches += self._open  # a batch whose BTS was left out ends where the next begins, or the file
        if segment == b"FTS":
            yield from self._checked(envelope, self._batches)
        if segment in (b"FHS", b"FTS"):
            self._batches, self._loose = 0, False
        self._messages, self._open = 0, segment == b"BHS"
        yield envelope

    def _checked(self, envelope: Envelope, found: int) -> Iterator[Mismatch]:
        """BTS-1 counts messages, FTS-1 batches; an empty count asks for no check (B-02)."""
        told = envelope.raw(1).strip()[:18]
        said = int(told) if told.isascii() and told.isdigit() else found
        # messages outside of BHS and BTS are counted as a batch by some and not by others
        also = found + 1 if envelope.segment == "FTS" and self._loose else found
        if said not in (found, also):
            yield Mismatch(envelope.segment, said, found)


def _read_envelope(segment: str, line: bytes) -> Envelope:
    text = line.rstrip(b"\r\n").decode("latin-1")
    separator = text[3:4] or DEFAULT.field
    parts = text.split(separator)
    if segment in ("BTS", "FTS"):
        return Envelope(segment, DEFAULT, tuple(parts))
    try:
        separators = separators_of(separator, parts[1] if len(parts) > 1 else "")
    except Unreadable:  # its messages declare their own; what we say in reply is said with the usual ones
        separators = DEFAULT
    return Envelope(segment, separators, (segment, separator, *parts[1:]))
