"""MSH read from raw bytes before the charset is known: raises Unreadable or gives a header, never anything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from gateway.er7.separators import Separators, separators_of
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Place

BOM = b"\xef\xbb\xbf"
_USUAL = 1_024  # bytes of an MSH worth remembering
_MOST_FIELDS = 64  # v2.9 defines 28; a frame of nothing but separators must not become a million strings
_NULL = '""'  # the delete indicator (C2 §2.5.3) deletes nothing in a header: it reads as absent


@dataclass(frozen=True, slots=True)
class Header:
    """MSH as raw text: every byte one character (latin-1), nothing un-escaped; `fields[n]` is MSH-n (P-02).

    `fields[1]` is the field separator itself and `fields[2]` the encoding characters, unsplit (P-06).
    """

    separators: Separators
    fields: tuple[str, ...] = field(repr=False)

    def get(self, n: int, component: int = 1) -> str:
        """Raw component (1-based) of the first repetition of MSH-n; `''` when absent or `""` (P-16, P-17)."""
        text = self.raw(n)
        if not text:
            return ""
        separators = self.separators
        if separators.repetition and separators.repetition in text:
            text = text[: text.index(separators.repetition)]
        if separators.component in text:
            parts = text.split(separators.component)
            text = parts[component - 1] if component <= len(parts) else ""
        elif component > 1:
            return ""
        return "" if text == _NULL else text

    def raw(self, n: int) -> str:
        """MSH-n whole and byte for byte; `''` when absent (P-16)."""
        return self.fields[n] if n < len(self.fields) else ""

    @property
    def sending_application(self) -> str:
        """MSH-3, whole (HD): namespace and universal id together name the application (D-01)."""
        return self.raw(3)

    @property
    def sending_facility(self) -> str:
        """MSH-4, whole (HD)."""
        return self.raw(4)

    @property
    def receiving_application(self) -> str:
        """MSH-5, whole (HD)."""
        return self.raw(5)

    @property
    def receiving_facility(self) -> str:
        """MSH-6, whole (HD)."""
        return self.raw(6)

    @property
    def time(self) -> str:
        """MSH-7.1, a DTM whose offset is the message's default (T-02)."""
        return self.get(7)

    @property
    def message_code(self) -> str:
        """MSH-9.1 (table 0076)."""
        return self.get(9)

    @property
    def trigger(self) -> str:
        """MSH-9.2 (table 0003); `''` in old messages with the code only."""
        return self.get(9, 2)

    @property
    def structure(self) -> str:
        """MSH-9.3 (table 0354); `''` before v2.3.1 (P-20)."""
        return self.get(9, 3)

    @property
    def control_id(self) -> str:
        """MSH-10, whole and byte for byte: no trimming, no number parsing (A-22); `''` when missing (D-05)."""
        text = self.raw(10)
        return "" if text == _NULL else text

    @property
    def processing_id(self) -> str:
        """MSH-11.1 (table 0103)."""
        return self.get(11)

    @property
    def version(self) -> str:
        """MSH-12.1 (table 0104), blanks at its ends taken off: it is a code (P-21)."""
        return self.get(12).strip(" ")

    @property
    def accept_ack(self) -> str:
        """MSH-15 (table 0155)."""
        return self.get(15)

    @property
    def application_ack(self) -> str:
        """MSH-16 (table 0155)."""
        return self.get(16)

    @property
    def charset(self) -> str:
        """First repetition of MSH-18 (table 0211, C-05): the charset of the message; `''` when blank (C-02)."""
        return self.get(18)


def start_of(body: bytes) -> int:
    """Offset of the first byte after blank lines (P-22) and a UTF-8 byte order mark (C-07)."""
    start = 0
    while True:
        if body.startswith(BOM, start):
            start += len(BOM)
        elif body[start : start + 1] in (b"\r", b"\n"):
            start += 1
        else:
            return start


def read_header(body: bytes) -> Header:
    """The header of one message without its framing bytes (C2 §2.5.4, C-06).

    The segment ends at the first CR, at the first LF only where there is no CR at all (P-05). Raises
    Unreadable: AR 100 when the first segment is not MSH, AR 101/102 on MSH-1/MSH-2 for delimiters (P-04).
    """
    start = 0 if body.startswith(b"MSH") else start_of(body)
    end = body.find(b"\r", start)
    if end < 0:
        end = body.find(b"\n", start)
    line = body[start:end] if end >= 0 else body[start:]
    return _remembered(line) if len(line) <= _USUAL else _header(line)


def _header(segment: bytes) -> Header:
    line = segment.decode("latin-1").rstrip("\n")  # beside the end of a segment LF is a blank line (P-22)
    if len(line) < 4 or not line.startswith("MSH"):
        raise Unreadable(Fault(code=100, rule="the message does not begin with MSH", place=Place("MSH")), AckCode.AR)
    separator = line[3]
    parts = line.split(separator, _MOST_FIELDS)
    separators = separators_of(separator, parts[1])
    return Header(separators, ("MSH", separator, *parts[1:_MOST_FIELDS]))


# A header is read again for its acknowledgement: those in hand are remembered, a quarter of a megabyte of them at most.
_remembered = lru_cache(maxsize=256)(_header)
