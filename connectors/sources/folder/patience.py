"""What met trouble of ours is offered again, and until it is stored its file waits (A-04)."""

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
    """Offers the messages of one folder until they are stored, or until we stop."""

    def __init__(self, offering: Offering, stopping: asyncio.Event, message: Callable[[bytes], RawMessage]) -> None:
        self._offering = offering
        self._stopping = stopping
        self._message = message

    @property
    def stopping(self) -> bool:
        """Whether to begin nothing new."""
        return self._stopping.is_set()

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than until we stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def stored(self, bodies: Sequence[bytes]) -> list[Outcome] | Through:
        """What became of each message, none of it FAILED; or why it cannot be told."""
        found: dict[int, Outcome] = {}
        for pause in (*_PAUSES, 0.0):
            left = [at for at in range(len(bodies)) if at not in found or found[at].result is Result.FAILED]
            fresh = await self._offered([bodies[at] for at in left])
            found |= dict(zip(left, fresh, strict=False))
            if len(fresh) < len(left):
                return Through.STOPPED
            if not any(one.result is Result.FAILED for one in fresh):
                return [found[at] for at in range(len(bodies))]
            await self.pause(pause)
        return Through.TROUBLE

    async def _offered(self, bodies: Sequence[bytes]) -> list[Outcome]:
        messages = (self._message(one) for one in bodies)
        return await self._offering.all(messages, patience=float("inf"), stopping=self._stopping.is_set)
