"""Batch acknowledgements: one batch back for one batch, whose BHS-12 names the batch it answers (B-03)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from gateway.er7.ack import carriable
from gateway.er7.batch import Envelope, Mismatch, Part, Piece
from gateway.er7.escape import escape
from gateway.er7.header import Header, read_header
from gateway.er7.separators import DEFAULT, Separators
from gateway.model.errors import Unreadable
from gateway.model.when import Millis, to_datetime


class BatchAck(StrEnum):
    """Which acknowledgements a batch reply holds, by agreement with the sender (B-03)."""

    ALL = "all"
    ERRORS = "errors"  # of the messages that were not accepted; none of them: an empty batch
    NONE = "none"  # an empty batch: that it came, and in BTS-2 how it fared


class BatchReply:
    """Writes a batch reply part by part, so that the reply to a large file needs no memory.

    Give it the request's envelope segments and the acknowledgements of its messages in the request's order, and
    `end` at the end; the bytes it returns, joined, are the reply: `[FHS]{BHS{MSH…}BTS}[FTS]`, each segment ended by CR
    (C2 §2.10.3). `ids` makes our control ids (BHS-11, FHS-11), `now` and `zone` BHS-7, as in an acknowledgement.
    What we say is ASCII and names counts, never a value.
    """

    def __init__(self, policy: BatchAck, *, ids: Callable[[], str], now: Millis, zone: str = "UTC") -> None:
        self._policy = policy
        self._ids = ids
        self._time = to_datetime(now // 1000 * 1000, zone).strftime("%Y%m%d%H%M%S%z")
        self._file: Envelope | None = None
        self._separators: Separators = DEFAULT
        self._begun = self._open = False
        self._batches = 0
        self._remarks: list[str] = []
        self._start_counts()

    def envelope(self, part: Envelope) -> bytes:
        """The reply's counterpart of one envelope segment."""
        if part.segment == "FHS":
            written = self._closed()
            self._file, self._batches = part, 0
            return written + self._head("FHS", part)
        if part.segment == "BHS":
            return self._closed() + self._opened(part)
        if part.segment == "BTS":
            return (b"" if self._open else self._opened(None)) + self._closed()
        return self._file_closed()

    def message(self, acks: Sequence[bytes], *, refused: bool, body: bytes | None = None) -> bytes:
        """The acknowledgements of one message, if the policy wants them; none where it asked for none (A-16).

        `body`: the message, from whose MSH a batch without BHS learns whom it answers.
        """
        begun = b"" if self._open else self._opened(None, _header(body))
        self._messages += 1
        self._refused += refused
        wanted = self._policy is BatchAck.ALL or (self._policy is BatchAck.ERRORS and refused)
        if not wanted:
            return begun
        self._written += len(acks)
        return begun + b"".join(acks)

    def remark(self, sentence: str) -> None:
        """Say something in the BTS-2 that comes next (B-02, B-05); ASCII, and never a value."""
        self._remarks.append(sentence)

    def end(self) -> bytes:
        """What is still open is closed; an answer to nothing at all is an empty batch."""
        return b"" if self._begun and self._file is None and not self._open else self._file_closed()

    def _opened(self, request: Envelope | None, header: Header | None = None) -> bytes:
        self._open = True
        return self._head("BHS", request or self._file, header, answers=request is not None)

    def _closed(self) -> bytes:
        if not self._open:
            return b""
        told = f"{self._messages} messages, {self._messages - self._refused} accepted, {self._refused} not accepted"
        comment = escape("; ".join((told, *self._remarks)), self._separators)
        count = str(self._written)
        self._open = False
        self._batches += 1
        self._remarks = []
        self._start_counts()
        return _segment("BTS", count, comment, separator=self._separators.field)

    def _file_closed(self) -> bytes:
        written = self._closed()
        if not self._batches:
            written = self._opened(None) + self._closed()
        if self._file is not None:
            written += _segment("FTS", str(self._batches), separator=self._separators.field)
        self._file, self._batches = None, 0
        return written

    def _start_counts(self) -> None:
        self._messages = self._refused = self._written = 0

    def _head(
        self, segment: str, request: Envelope | None, header: Header | None = None, *, answers: bool = True
    ) -> bytes:
        """FHS or BHS: names swapped, our time and id, and the request's id as the one referred to (field 12)."""
        self._begun = True
        told = request or header
        self._separators = told.separators if told is not None else DEFAULT
        names = ("", "", "", "") if told is None else (told.raw(5), told.raw(6), told.raw(3), told.raw(4))
        refers = request.raw(11) if request is not None and answers else ""
        values = (segment, self._separators.encoding, *names, self._time, "", "", "", self._ids(), refers)
        return _segment(*values, separator=self._separators.field)


Answered = tuple[Sequence[bytes], bool]
"""The acknowledgements of one message, and whether it was refused."""


def batch_acknowledgement(
    parts: Iterable[Part],
    answered: Callable[[Piece], Answered],
    policy: BatchAck,
    *,
    ids: Callable[[], str],
    now: Millis,
    zone: str = "UTC",
    remarks: Iterable[str] = (),
) -> bytes:
    """The whole reply to a batch in hand (B-03, B-04): see BatchReply. `answered` tells how each message fared.

    `remarks` are said in the first BTS-2; a count that does not match is said where it was found (B-02).
    """
    reply = BatchReply(policy, ids=ids, now=now, zone=zone)
    for one in remarks:
        reply.remark(one)
    written: list[bytes] = []
    for part in parts:
        if isinstance(part, Envelope):
            written.append(reply.envelope(part))
        elif isinstance(part, Mismatch):
            reply.remark(str(part))
        else:
            acks, refused = answered(part)
            written.append(reply.message(acks, refused=refused, body=part.body))
    return b"".join(written) + reply.end()


def _header(body: bytes | None) -> Header | None:
    try:
        return read_header(body) if body is not None else None
    except Unreadable:
        return None


def _segment(*values: str, separator: str) -> bytes:
    return carriable(separator.join(values).rstrip(separator) + "\r")
