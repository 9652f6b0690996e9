"""Messages on their way through the intake, for sources with an event loop: in order, few at a time, each with its outcome."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from gateway.model.event import Outcome, RawMessage
from gateway.ports import Intake
from gateway.telemetry import log

_AT_ONCE = 128  # two commits' worth: one is gathered while the other runs
_PAUSE, _LONGEST = 0.01, 0.25  # seconds between two tries at a full intake


class Offering:
    """Offers to one intake from one event loop, and is the `ReplyTo` of everything it offered.

    Make it on the loop that awaits it. What the intake says after that loop has ended is dropped: it is committed all
    the same, and a sender that asks again is told so (D-02).
    """

    def __init__(self, source: str, intake: Intake) -> None:
        self._source = source
        self._intake = intake
        self._loop = asyncio.get_running_loop()

    async def one(self, message: RawMessage) -> Outcome | None:
        """What became of one message; None when the intake takes none at the moment."""
        ticket: asyncio.Future[Outcome] = self._loop.create_future()
        return await ticket if self._intake.offer(message, ticket, self) else None

    async def all(
        self, messages: Iterable[RawMessage], *, patience: float, stopping: Callable[[], bool] = lambda: False
    ) -> list[Outcome]:
        """What became of the messages, in their order; shorter than they are when the rest was not taken.

        Waits at most `patience` seconds for a full intake to take the next one, and not at all while `stopping()`.
        """
        found: list[Outcome] = []
        pending: deque[asyncio.Future[Outcome]] = deque()
        for message in messages:
            if len(pending) >= _AT_ONCE:
                found.append(await pending.popleft())
            ticket: asyncio.Future[Outcome] = self._loop.create_future()
            if not await self._taken(message, ticket, patience, stopping):
                break
            pending.append(ticket)
        found += [await one for one in pending]
        return found

    def answered(self, outcomes: Sequence[tuple[object, Outcome]]) -> None:
        """Called on the intake thread after a commit: wake the loop once."""
        try:
            self._loop.call_soon_threadsafe(_settle, outcomes)
        except RuntimeError:
            log().warning("source.replies-dropped", source=self._source, count=len(outcomes))

    async def _taken(
        self, message: RawMessage, ticket: asyncio.Future[Outcome], patience: float, stopping: Callable[[], bool]
    ) -> bool:
        until, pause = self._loop.time() + patience, _PAUSE
        while not stopping():
            if self._intake.offer(message, ticket, self):
                return True
            if self._loop.time() >= until:
                break
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST)
        return False


def _settle(outcomes: Sequence[tuple[object, Outcome]]) -> None:
    for ticket, outcome in outcomes:
        assert isinstance(ticket, asyncio.Future)
        if not ticket.done():  # whoever waited for it may have gone
            ticket.set_result(outcome)
