"""What met trouble of ours is offered again; whose fault it is decides whether the feed waits for it or goes on (A-04, A-08)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum, auto

from connectors.sources.offering import Offering
from gateway.model.event import Outcome, RawMessage, Result

_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)  # seconds between tries


class Through(Enum):
    """How far a file came."""

    WHOLE = auto()  # to its end: it may be moved
    STOPPED = auto()  # we stop: it stays, is read again from its start, and what is stored is a duplicate (D-02)
    TROUBLE = auto()  # trouble of ours: it stays


class Patience:
    """Offers the messages of one folder until they are stored, or until we stop.

    A message that still fails while others beside it are stored, or after others have been since its file was put
    back, is at fault itself: it is given up and told, and the feed goes on. Otherwise the fault is ours and its file
    waits.
    """

    def __init__(self, offering: Offering, stopping: asyncio.Event, message: Callable[[bytes], RawMessage]) -> None:
        self._offering = offering
        self._stopping = stopping
        self._message = message
        self._stored = 0
        self._stored_before: dict[str, int] = {}  # file in trouble → how much was stored when it was put back

    @property
    def stopping(self) -> bool:
        """Whether to begin nothing new."""
        return self._stopping.is_set()

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than until we stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def stored(self, name: str, bodies: Sequence[bytes]) -> list[Outcome] | Through:
        """What became of each message of file `name`, FAILED only where it was given up; or why it cannot be told."""
        found: dict[int, Outcome] = {}
        for pause in (*_PAUSES, 0.0):
            left = [at for at in range(len(bodies)) if at not in found or found[at].result is Result.FAILED]
            fresh = await self._offered([bodies[at] for at in left])
            found |= dict(zip(left, fresh, strict=False))
            self._stored += sum(one.result is not Result.FAILED for one in fresh)
            if len(fresh) < len(left):
                return Through.STOPPED
            if not _failed(found):
                break
            await self.pause(pause)
        if _failed(found) and not self._at_fault(name, stored_beside=_failed(found) < len(found)):
            return Through.TROUBLE
        return [found[at] for at in range(len(bodies))]

    def through(self, name: str) -> None:
        """A file is through: what was remembered of its trouble is not needed any more."""
        self._stored_before.pop(name, None)

    def _at_fault(self, name: str, *, stored_beside: bool) -> bool:
        before = self._stored_before.setdefault(name, self._stored)
        return stored_beside or self._stored > before

    async def _offered(self, bodies: Sequence[bytes]) -> list[Outcome]:
        messages = (self._message(one) for one in bodies)
        return await self._offering.all(messages, patience=float("inf"), stopping=self._stopping.is_set)


def _failed(found: dict[int, Outcome]) -> int:
    return sum(one.result is Result.FAILED for one in found.values())
