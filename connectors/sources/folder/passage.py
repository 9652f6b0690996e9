"""One file on its way through the intake: in order, a window at a time, each part told to the report and to the reply."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from connectors.sources.acks import Replier
from connectors.sources.folder.patience import Patience, Through
from connectors.sources.folder.reading import Damage, Reading
from connectors.sources.folder.report import Report
from connectors.sources.refusals import not_taken
from gateway.er7.batch import Envelope, Mismatch, Part, Piece
from gateway.model.event import Outcome

_MESSAGES, _BYTES = 64, 8 << 20  # of one window


class Passage:
    """Takes the parts of one file through. `reply`: where a reply is to be written, if one is wanted (B-03)."""

    def __init__(self, report: Report, patience: Patience, replier: Replier, reply: Path | None) -> None:
        self._report = report
        self._patience = patience
        self._replier = replier
        self._path = reply
        self._reply = replier.begun()

    async def through(self, reading: Reading) -> Through:
        """Offer everything. Raises OSError when the file cannot be read on, or the reply not be written."""
        with ExitStack() as stack:
            out = stack.enter_context(self._path.open("wb")) if self._path else None
            for window in _windows(reading.parts()):
                outcomes = Through.STOPPED if self._patience.stopping else await self._window(window)
                if isinstance(outcomes, Through):
                    return outcomes
                for part in window:
                    self._tell(part, outcomes)
                    if out is not None:
                        out.write(self._replied(part, outcomes))
            if out is not None:
                out.write(self._reply.end())
                out.flush()
                os.fsync(out.fileno())
        return Through.WHOLE

    async def _window(self, window: Sequence[Part | Damage]) -> dict[int, Outcome] | Through:
        pieces = [part for part in window if isinstance(part, Piece)]
        bodies = {piece.index: piece.body for piece in pieces if piece.body is not None}
        told = await self._patience.stored(list(bodies.values())) if bodies else []
        if isinstance(told, Through):
            return told
        outcomes = dict(zip(bodies, told, strict=True))
        return outcomes | {one.index: not_taken(one.problem) for one in pieces if one.index not in outcomes}

    def _tell(self, part: Part | Damage, outcomes: dict[int, Outcome]) -> None:
        match part:
            case Damage():
                self._report.problem(part.problem)
            case Mismatch():
                self._report.mismatch(part)
            case Envelope():
                self._report.envelope(part)
            case Piece():
                self._report.message(part, outcomes[part.index])

    def _replied(self, part: Part | Damage, outcomes: dict[int, Outcome]) -> bytes:
        match part:
            case Damage():
                self._reply.remark("the rest of the file could not be read")
            case Mismatch():
                self._reply.remark(str(part))
            case Envelope():
                return self._reply.envelope(part)
            case Piece():
                acks, refused = self._replier.answered(part, outcomes[part.index])
                return self._reply.message(acks, refused=refused, body=part.body)
        return b""


def _windows(parts: Iterator[Part | Damage]) -> Iterator[list[Part | Damage]]:
    """The parts in order, at most so many messages and bytes at a time; each window is used before the next is read."""
    window: list[Part | Damage] = []
    size = 0
    for part in parts:
        window.append(part)
        size += len(part.body or b"") if isinstance(part, Piece) else 0
        if len(window) >= _MESSAGES or size >= _BYTES:
            yield window
            window, size = [], 0
    if window:
        yield window
