"""The lazy ER7 reader: a message is cut into segments once, and a segment into fields only when somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from gateway.er7.bounds import check_groups
from gateway.er7.charsets import decode
from gateway.er7.escape import unescape
from gateway.er7.header import Header, read_header, start_of
from gateway.er7.separators import Separators

NULL = '""'  # the delete indicator: remove our value; never text (C2 §2.5.3, N-01)

_NONE: frozenset[str] = frozenset()
_RESOURCES = frozenset({"RGS", "AIS", "AIG", "AIL", "AIP"})  # end the PATIENT groups of a SIU (C10 SIU_S12)


Pick = tuple[str, int, Callable[[Sequence[str]], tuple[str, ...]], tuple[str, ...]]
"""Segment id, the highest field wanted, what gets the wanted fields, and what stands for them when absent."""


class Message:
    """One message, or one PATIENT group of it together with the segments all groups share.

    A segment is the list of its raw fields: `segment[n]` is field n, `segment[0]` the segment id; in MSH
    too (P-02). Nothing is un-escaped until `text` (P-07: split first). Unknown segments, and lines that
    are no segment, are kept out of the way and never an error (P-15); a lower-case segment id is not
    folded, so it counts as unknown (P-22).
    """

    __slots__ = ("_first", "_split", "codec", "header", "lines", "repeated", "separators")

    def __init__(self, header: Header, lines: Sequence[str], codec: str) -> None:
        self.header = header
        self.separators: Separators = header.separators
        self.codec = codec
        self.lines = lines
        self._first = {line[:3]: line for line in reversed(lines)}
        self._split: dict[str, list[list[str]]] = {}
        self.repeated = _repeated(lines) if len(self._first) < len(lines) else _NONE

    def __contains__(self, segment_id: str) -> bool:
        return segment_id in self._first

    def all(self, segment_id: str) -> list[list[str]]:
        """Every segment of this id in order, each as its raw fields; empty when there is none."""
        found = self._split.get(segment_id)
        if found is None:
            field = self.separators.field
            if segment_id in self._first and segment_id not in self.repeated:
                found = [self._first[segment_id].split(field)]
            else:
                found = [line.split(field) for line in self.lines if line.startswith(segment_id)]
            if segment_id == "MSH":  # MSH-1 is the separator itself (P-02)
                found = [[fields[0], field, *fields[1:]] for fields in found]
            self._split[segment_id] = found
        return found

    def first(self, segment_id: str) -> list[str]:
        """The first segment of this id as its raw fields; an empty list when there is none."""
        return self.all(segment_id)[0] if segment_id in self._first else []

    def pick(self, picks: Sequence[Pick]) -> list[str]:
        """The raw fields of the first segment of each pick, in one go; `''` for each that is absent (P-16)."""
        found: list[str] = []
        first, separator = self._first, self.separators.field
        for segment_id, most, getter, absent in picks:
            segment = first.get(segment_id)
            if segment is None:
                found += absent
            elif segment_id == "MSH":
                header = self.header.fields  # field n stands at place n already (P-02)
                found += getter(header + ("",) * (most + 1 - len(header)))
            else:
                # As many separators as fields are wanted, so that no field wanted is ever missing.
                found += getter((segment + separator * most).split(separator, most + 1))
        return found

    def text(self, raw: str) -> str:
        """The text of one raw (sub)component: un-escaped (P-07 to P-12)."""
        escape = self.separators.escape
        return unescape(raw, self.separators, self.codec) if escape and escape in raw else raw

    def patients(self) -> tuple[Message, ...]:
        """The PATIENT groups, each with the shared segments: none, one (the message itself) or several.

        A group begins at PID; in a SIU it ends where the resources begin (SI-20; AD-18 for ADT_A39). Raises
        Unreadable (AE 198) when there are too many.
        """
        if "PID" not in self.repeated:
            return (self,) if "PID" in self._first else ()
        shared: list[str] = []
        groups: list[list[str]] = []
        target = shared
        for line in self.lines:
            if line.startswith("PID"):
                target = []
                groups.append(target)
            elif line[:3] in _RESOURCES:
                target = shared
            target.append(line)
        check_groups("PID", len(groups), len(shared))
        return tuple(Message(self.header, [*shared, *own], self.codec) for own in groups)


def parse(
    body: bytes,
    *,
    default_charset: str,
    fallbacks: Sequence[str] = (),
    header: Header | None = None,
    charset: str | None = None,
) -> Message:
    """Read one message without its framing bytes; `header` saves reading MSH again.

    `default_charset` and `fallbacks` are the feed's (C-02, C-03); `charset` is what the transport said, which goes
    before MSH-18 (H-03). Raises Unreadable as `read_header`
    (AR 100, 101, 102) and `decode` (AE 102, 103) do; any other fault of the text is read around.
    """
    if header is None:
        header = read_header(body)
    if not body.startswith(b"MSH"):  # the same start that the header was found at
        body = body[start_of(body) :]
    text, codec = decode(body, charset or header.charset, default=default_charset, fallbacks=fallbacks)
    message = Message(header, _lines(text), codec)
    if "ADD" in message:
        message = Message(header, _continued(message.lines, header.separators.field), codec)
    return message


def _repeated(lines: Sequence[str]) -> frozenset[str]:
    """Ids of the segments that occur more than once."""
    return frozenset(segment_id for segment_id, count in Counter(line[:3] for line in lines).items() if count > 1)


def _lines(text: str) -> list[str]:
    """Segments by P-05: CR ends one; LF only where no CR is at all; CRLF is tolerated, a bare LF is content."""
    text = text.rstrip("\r\n")  # what ends the last segment; blanks are content (P-21)
    if "\r" not in text:
        lines = text.split("\n")
    elif "\n" in text:
        # no segment begins or ends with LF: beside the end of one it is a blank line (P-22)
        lines = [line.strip("\n") for line in text.replace("\r\n", "\r").split("\r")]
    else:
        lines = text.split("\r")
    return [line for line in lines if line] if "" in lines else lines  # blank lines are skipped (P-22)


def _continued(lines: Sequence[str], field: str) -> list[str]:
    """ADD goes on with the segment before it, before anything is split (B-06, C2 §2.10.2).

    An MSH is never gone on with: behind it, ADD begins the next part of a message that was cut within a segment.
    """
    joined: list[list[str]] = []  # in pieces: each is copied once, however many there are
    for line in lines:
        if (line.startswith(f"ADD{field}") or line == "ADD") and joined and not joined[-1][0].startswith("MSH"):
            joined[-1].append(line[4:])
        else:
            joined.append([line])
    return ["".join(pieces) for pieces in joined]
