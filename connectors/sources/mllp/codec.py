"""MLLP framing apart from I/O: the same bytes give the same events however they are cut into reads (F-01 to F-07)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

START = 0x0B
END = 0x1C
RETURN = 0x0D
_START = bytes([START])
_END = bytes([END])
_HEAD = 4_096  # of an oversized frame: enough for its MSH, so that it can be refused by control id (F-11)


class Broken(StrEnum):
    """The ways a frame can be broken."""

    RESTARTED = "restarted"  # a second 0B before the end: the first frame was abandoned (F-05)
    BAD_END = "bad-end"  # 1C not followed by 0D (F-04)
    EMPTY = "empty"  # 0B 1C 0D (F-07)
    TRUNCATED = "truncated"  # the connection ended within a frame (F-06)


@dataclass(frozen=True, slots=True)
class Frame:
    """The bytes between 0B and 1C 0D, exactly as they came."""

    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Junk:
    """How many bytes outside any frame were passed over (F-03); told when the next frame begins, or at the end."""

    count: int


@dataclass(frozen=True, slots=True)
class FramingError:
    """A frame that will not be handed on."""

    kind: Broken


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A frame over the limit: its first bytes (at most 4,096); the rest is passed over up to its end (F-11)."""

    head: bytes = field(repr=False)


Event = Frame | Junk | FramingError | TooLarge
_ERRORS = {kind: FramingError(kind) for kind in Broken}


def frame(content: bytes) -> bytes:
    """0B content 1C 0D (F-08). Content must hold neither 0B nor 1C; ValueError, because a reply of ours never does."""
    if _START in content or _END in content:
        raise ValueError("a frame's content holds framing bytes")
    return b"\x0b%b\x1c\r" % content


def unframed(block: bytes) -> bytes:
    """The content of what `frame` made."""
    return block[1:-2]


def _is_one_frame(data: bytes) -> bool:
    """Whether a read is one whole frame and nothing else, as nearly every one is."""
    whole = data[:1] == _START and data[-1:] == b"\r" and data.find(_END) == len(data) - 2
    return whole and len(data) > 3 and data.find(_START, 1) < 0


class Decoder:
    """Bytes in, events out; each byte is looked at a fixed number of times and at most `limit` are held.

    After a frame with a bad end it resumes at the next 0B; closing instead is the caller's choice (F-04).
    """

    __slots__ = ("_ending", "_inside", "_junk", "_limit", "_overflowed", "_partial")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._partial = bytearray()
        self._junk = 0
        self._inside = False
        self._ending = False  # the last byte seen was 1C
        self._overflowed = False

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and not ended: the in-frame timer runs (F-14)."""
        return self._inside

    @property
    def held(self) -> int:
        """How many bytes of an unfinished frame are held (F-12)."""
        return len(self._partial)

    def feed(self, data: bytes) -> list[Event]:
        """The events these bytes complete, in order. Never raises."""
        if not self._inside and not self._junk and len(data) <= self._limit and _is_one_frame(data):
            return [Frame(data[1:-2])]
        return list(self._events(data))

    def end(self) -> list[Event]:
        """The events of the connection's end: what is unfinished is discarded (F-06)."""
        events: list[Event] = [*self._told_junk()]
        if self._inside:
            events.append(_ERRORS[Broken.TRUNCATED])
            self._leave()
        return events

    def _events(self, data: bytes) -> Iterator[Event]:
        at, size, end = 0, len(data), -1
        while at < size:
            if not self._inside:
                start = data.find(_START, at)
                self._junk += (size if start < 0 else start) - at
                if start < 0:
                    return
                yield from self._told_junk()
                self._inside = True
                at = start + 1
            elif self._ending:
                if data[at] == RETURN:
                    yield from self._finished()
                    at += 1
                else:  # the byte is looked at again: it may be the 0B of the next frame
                    yield _ERRORS[Broken.BAD_END]
                self._leave()
            else:
                if end < at:  # found once for all the 0B before it: a chunk of nothing but 0B stays linear
                    end = data.find(_END, at)
                    end = size if end < 0 else end
                start = data.find(_START, at, end)
                stop = end if start < 0 else start
                yield from self._take(data, at, stop)
                at = stop + 1
                if start >= 0:
                    yield _ERRORS[Broken.RESTARTED]
                    self._forget()
                else:
                    self._ending = stop < size

    def _take(self, data: bytes, at: int, stop: int) -> Iterator[Event]:
        if self._overflowed:
            return
        if len(self._partial) + stop - at <= self._limit:
            self._partial += memoryview(data)[at:stop]
            return
        self._partial += memoryview(data)[at : min(stop, at + _HEAD)]
        yield TooLarge(bytes(self._partial[:_HEAD]))
        self._partial = bytearray()
        self._overflowed = True

    def _finished(self) -> Iterator[Event]:
        if self._overflowed:
            return
        yield Frame(bytes(self._partial)) if self._partial else _ERRORS[Broken.EMPTY]

    def _told_junk(self) -> Iterator[Event]:
        if self._junk:
            yield Junk(self._junk)
            self._junk = 0

    def _forget(self) -> None:
        self._partial = bytearray()
        self._overflowed = False

    def _leave(self) -> None:
        self._forget()
        self._inside = False
        self._ending = False
