"""What a file of HL7 v2 at hand is read with: its deployment, and the standard's tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from gateway.cli.deployment import deployment
from gateway.model.errors import CommandError, Unreadable
from gateway.model.event import Format

if TYPE_CHECKING:
    from gateway.analyst.hl7v2.standard import Standard
    from gateway.er7.reader import Message


class Bench:
    """A deployment and the standard's tables, for the length of a command."""

    def __init__(self, config: Path | None, source: str | None) -> None:
        from gateway.analyst.hl7v2.asking import Child
        from gateway.analyst.hl7v2.standard import Standard

        self.deployment = deployment(config, source, Format.HL7V2)
        self._stack = ExitStack()
        self.child = self._stack.enter_context(Child())
        self.standard: Standard = Standard(self.child)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def parsed(self, body: bytes) -> Message:
        """One message as the feed's reader parses it. Raises Unreadable."""
        from gateway.er7.reader import parse

        feed = self.deployment.feed
        return parse(body, default_charset=feed.charset, fallbacks=feed.charset_fallbacks)


def messages(file: str, index: int | None) -> Iterator[tuple[int, bytes | None, str | None]]:
    """(number, body, why there is none) of the messages asked for. Raises CommandError, OSError."""
    from gateway.er7.batch import Piece, split

    found = False
    with ExitStack() as stack:
        stream: BinaryIO = sys.stdin.buffer if file == "-" else stack.enter_context(Path(file).open("rb"))
        for part in split(stream):
            if isinstance(part, Piece) and index in (None, part.index):
                found = True
                yield part.index, part.body, part.problem
            if found and index is not None:
                return
    if not found:
        raise CommandError(f"{file} has no message {index}" if index else f"{file} has no message")


def readable(bench: Bench, body: bytes | None, problem: str | None) -> Message:
    """The parsed message; raises CommandError with what is wrong in words that quote nothing."""
    if body is None:
        raise CommandError(f"cannot be read: {problem}")
    try:
        return bench.parsed(body)
    except Unreadable as refusal:
        fault = refusal.fault
        raise CommandError(f"cannot be read: {refusal.ack} {fault.code} {fault.place or ''}: {fault.rule}") from None
