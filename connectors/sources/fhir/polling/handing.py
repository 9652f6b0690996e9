"""Messages handed to the intake by threads that wait, as `Offering` does it for an event loop: nobody goes on before what was handed over is committed (law 1)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress

from gateway.model.errors import Busy
from gateway.model.event import Outcome, RawMessage, Result
from gateway.ports import Intake

_AT_ONCE = 128  # two commits' worth: one is gathered while the other runs
_PAUSE, _LONGEST = 0.01, 0.25  # seconds between two tries at a full intake


class Handing:
    """Offers to one intake and is the `ReplyTo` of everything it offered; used by any number of threads."""

    def __init__(self, intake: Intake, stopping: threading.Event) -> None:
        self._intake = intake
        self._stopping = stopping

    def all(self, messages: Iterable[RawMessage]) -> list[Outcome]:
        """What became of each, in their order. Raises Busy when one was not stored, or when we are stopping."""
        found: list[Outcome] = []
        pending: deque[Future[Outcome]] = deque()
        for message in messages:
            if len(pending) >= _AT_ONCE:
                found.append(self._heard(pending.popleft()))
            pending.append(self._offered(message))
        found += [self._heard(one) for one in pending]
        return found

    def answered(self, outcomes: Sequence[tuple[object, Outcome]]) -> None:
        """Called on the intake thread after a commit."""
        for ticket, outcome in outcomes:
            assert isinstance(ticket, Future)
            ticket.set_result(outcome)

    def _offered(self, message: RawMessage) -> Future[Outcome]:
        ticket: Future[Outcome] = Future()
        pause = _PAUSE
        while not self._intake.offer(message, ticket, self):
            if self._stopping.wait(pause):
                raise Busy("the source is stopping")
            pause = min(2 * pause, _LONGEST)
        return ticket

    def _heard(self, ticket: Future[Outcome]) -> Outcome:
        # an intake that ends answers what it took; one that does not is left behind when we stop
        while not ticket.done():
            with suppress(TimeoutError, CancelledError):
                ticket.result(0.25)
            if self._stopping.is_set() and not ticket.done():
                with suppress(TimeoutError, CancelledError):
                    ticket.result(2.0)
                break
        if not ticket.done() or ticket.result().result is Result.FAILED:
            raise Busy("the gateway could not store what was read")
        return ticket.result()
