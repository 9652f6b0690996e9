"""JSON of any size is walked through by its brackets alone; nothing is kept of it but the one value in hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_BRACKET = re.compile(rb'((?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+)([{}\[\]])', re.DOTALL)
_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')
_META, _LABELS = re.compile(rb'"meta"\s*:\s*\Z'), re.compile(rb'"security"\s*:\s*\Z')
_ENTRIES = re.compile(rb'"entry"\s*:\s*\Z')
_BETWEEN = b" \t\r\n,"


class Found(NamedTuple):
    """One value as it was written, or why it was not taken. `entry`: it is an entry of a Bundle, not a resource; `meta`: that of the Bundle."""

    body: bytes | None
    problem: str | None = None
    entry: bool = False
    meta: bytes = b""


def texts(pieces: Iterable[bytes], *, limit: int) -> Iterator[Found]:
    """The objects of a text, those of its lists, and of a Bundle its entries; each of `limit` bytes at most.

    What stands between them and is no object is told as it is, and so is a last one that does not end.
    """
    scan = _Scan(limit)
    for piece in pieces:
        yield from scan.feed(piece)
        if scan.stuck:
            yield Found(None, f"a text is longer than {limit} bytes; what follows it is not read")
            return
    yield from scan.end()


class _Scan:
    """Where we are. Values are taken at `_level` brackets; the value in hand begins at `_start` of the buffer."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = b""
        self._at = self._need = 0  # walked through up to here; not worth another look before it is so long
        self._depth = self._level = self._outer = 0
        self._start: int | None = None
        self._type = self._meta = b""  # of the outermost object
        self._meta_at: int | None = None  # where it begins, while it is in hand
        self._lost = False  # what is in hand is too long, and forgotten already

    @property
    def stuck(self) -> bool:
        """Whether a single text is longer than anything that is taken."""
        return len(self._buffer) - self._at > self._limit

    def feed(self, piece: bytes) -> Iterator[Found]:
        """What has become whole."""
        self._buffer += piece
        if len(self._buffer) < self._need:
            return
        while (match := _BRACKET.match(self._buffer, self._at)) is not None:
            if match[2] in b"{[":
                yield from self._opened(match)
            else:
                yield from self._closed(match)
            self._at = match.end()
        self._forget()
        self._need = self._at + 2 * (len(self._buffer) - self._at)

    def end(self) -> Iterator[Found]:
        """What is left: the file ended within it."""
        self._need = 0
        yield from self.feed(b"")
        if self._start is not None:
            yield self._whole(len(self._buffer))
        elif rest := self._buffer[self._at :].strip(_BETWEEN):
            yield Found(rest)
        elif self._depth:
            yield Found(None, "the file ends in the middle of a list")

    def _opened(self, match: re.Match[bytes]) -> Iterator[Found]:
        if self._start is None and self._depth == self._level:
            yield from _between(match[1])
            if match[2] == b"[" and not self._depth:
                self._level = self._outer = 1
            else:
                self._start, self._type = match.start(2), b""
                self._meta = self._meta if self._level > self._outer else b""
        elif self._start is not None and self._depth == self._level + 1 and self._level == self._outer:
            self._learn(match)
        elif self._start is None and self._depth == self._level + 2 and _LABELS.search(match[1][-64:]):
            yield Found(None, "a Bundle tells its security labels behind its entries: they were not held for them")
        self._depth += 1

    def _learn(self, match: re.Match[bytes]) -> None:
        """Of the outermost object: what it is, and whether here the entries of a Bundle begin."""
        if not self._type and (told := _TYPE.search(match[1])) is not None:
            self._type = told[1]
        if match[2] == b"{" and _META.search(match[1][-64:]):
            self._meta_at = match.start(2)
        if match[2] == b"[" and self._type == b"Bundle" and _ENTRIES.search(match[1][-64:]):
            self._start, self._lost = None, False
            self._level = self._depth + 1

    def _closed(self, match: re.Match[bytes]) -> Iterator[Found]:
        if self._start is None and self._depth == self._level:
            yield from _between(match[1])
        if not self._depth:
            yield Found(match[2])
            return
        self._depth -= 1
        if self._meta_at is not None and self._depth == self._level + 1:
            self._meta, self._meta_at = self._buffer[self._meta_at : match.end()], None
        if self._start is not None and self._depth == self._level:
            yield self._whole(match.end())
        elif self._start is None and self._depth < self._level:
            self._level = self._outer = min(self._outer, self._depth)

    def _whole(self, end: int) -> Found:
        start, self._start, lost, self._lost = self._start, None, self._lost, False
        if lost or end - (start or 0) > self._limit:
            return Found(None, f"a resource is longer than {self._limit} bytes")
        return Found(self._buffer[start:end], entry=self._level > self._outer, meta=self._meta)

    def _forget(self) -> None:
        if self._start is not None and self._at - self._start > self._limit:
            self._lost = True
        keep = self._at if self._start is None or self._lost else self._start
        self._buffer = self._buffer[keep:]
        self._at -= keep
        self._meta_at = None if self._meta_at is None or self._lost else self._meta_at - keep
        if self._start is not None:
            self._start = 0 if not self._lost else self._at


def _between(told: bytes) -> Iterator[Found]:
    if rest := told.strip(_BETWEEN):
        yield Found(rest)
