"""One queue in one thread: taken in batches, offered in order, settled behind our commit and nothing else (law 1).

While our database is away nothing is settled and nothing more is taken; the connection is kept alive. Killed anywhere,
whatever was not settled comes again, and is a duplicate without effect if it was stored (D-02).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from connectors.sources.queues.flight import Desk, Flight
from connectors.sources.queues.link import Link
from connectors.sources.queues.options import QueueOptions
from connectors.sources.queues.payload import Payload
from connectors.sources.tally import Tally
from gateway.model.errors import Denied, ServerError
from gateway.ports import Clock, Intake, QueueState
from gateway.telemetry import log

_WAIT = 0.5  # seconds that an idle queue is waited for at once
_TURN = 0.02  # seconds between two looks while something is in hand
_LOOK = 15.0  # seconds between two looks at what waits at the broker
_BYTES = 32 << 20  # in hand at once, about: long messages are taken fewer at a time
_SHORTEST, _PATIENCE, _LONGEST = 0.2, 0.5, 30.0  # seconds of pauses: first reconnect, first and last retry of ours


class Pump:
    """Takes from links that `connect` makes, until it is stopped. Everything but `stop` and `queue` is its own thread's."""

    def __init__(
        self,
        name: str,
        connect: Callable[[], Link],
        options: QueueOptions,
        payload: Payload,
        intake: Intake,
        *,
        clock: Clock,
        tally: Tally,
    ) -> None:
        self._name, self._connect, self._options, self._payload = name, connect, options, payload
        self._intake, self._clock, self._tally = intake, clock, tally
        self._stopping = threading.Event()
        self._bell = threading.Event()
        self._desk = Desk(self._bell)
        self._flights: deque[Flight] = deque()
        self._pause = _PATIENCE
        self._retry_at = 0.0
        self._look_at = 0.0
        self._length = 1  # bytes of a message, as the last ones had on average
        self.queue = QueueState()

    def stop(self) -> None:
        """Take nothing new; what is in hand is settled if it is committed soon."""
        self._stopping.set()
        self._bell.set()

    def run(self) -> None:
        """Until `stop`: connect, pump, and connect again after a pause that grows."""
        pause = _SHORTEST
        while not self._stopping.is_set():
            began = time.monotonic()
            self._once()
            pause = _SHORTEST if time.monotonic() - began > self._options.reconnect else pause
            self._stopping.wait(pause)
            pause = min(2 * pause, self._options.reconnect)

    def _once(self) -> None:
        """One connection, from its making to its loss."""
        link = self._connect()
        self._flights.clear()
        try:
            link.open()
            log().info("queue.connected", source=self._name)
            self.queue = replace(self.queue, connected=True, said="")
            self._pump(link)
        except Denied as error:
            self._lost("queue.denied", error)
        except ServerError as error:
            self._lost("queue.lost", error, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 -- a client's own errors may quote what it was given
            log().error("queue.crashed", source=self._name, error=type(error).__name__)
            self.queue = replace(self.queue, said=f"a fault of ours ({type(error).__name__}): look at the log")
        finally:
            self.queue = replace(self.queue, connected=False)
            link.close()

    def _lost(self, event: str, why: ServerError, **fields: object) -> None:
        self._tally.tell(event, 1, said=why, **fields)
        self.queue = replace(self.queue, said=str(why))

    def _pump(self, link: Link) -> None:
        until = None
        while True:
            if self._stopping.is_set():
                until = until or time.monotonic() + self._options.stop_timeout / 2
                if not self._flights or time.monotonic() > until:
                    self._settle(link)
                    return
            self._bell.clear()
            self._settle(link)
            self._look(link)
            if self._offer() and self._take(link):
                continue
            if self._flights:
                self._bell.wait(_TURN)
                link.idle(0.0)

    def _settle(self, link: Link) -> None:
        """What is stored, oldest first; behind one that is not stored nothing is settled."""
        while self._flights and self._flights[0].stored:
            link.settle(self._flights[0].deliveries)
            self._flights.popleft()
            self._pause = _PATIENCE

    def _offer(self) -> bool:
        """Offer what is in hand, in order; False: the intake takes no more now, or trouble of ours is waited out."""
        if any(one.failed for one in self._flights) and not self._tried_again():
            return False
        for flight in self._flights:
            while (one := flight.next()) is not None:
                if not self._intake.offer(*one, self._desk):
                    return False
                flight.offered()
        return True

    def _tried_again(self) -> bool:
        """Whether what met trouble of ours is offered again now, all of it; the pauses between grow."""
        now = time.monotonic()
        if not self._retry_at:
            self._tally.tell("queue.waits-for-us")
            self._retry_at = now + self._pause
            self._pause = min(2 * self._pause, _LONGEST)
        if now < self._retry_at:
            return False
        self._retry_at = 0.0
        for flight in self._flights:
            if flight.failed:
                flight.again()
        return True

    def _take(self, link: Link) -> bool:
        """Take what there is; whether there was anything."""
        held = sum(len(one.deliveries) for one in self._flights)
        room = min(self._options.batch, self._options.prefetch - held, max(1, _BYTES // self._length) - held)
        if room <= 0 or self._stopping.is_set():
            return False
        found = link.take(room, 0.0 if self._flights else _WAIT)
        if not found:
            return False
        self._length = max(1, sum(len(one.body) for one in found) // len(found))
        messages = [message for one in found for message in self._payload.messages(one)]
        if not messages:
            self._intake.heard(self._name)
        again = sum(one.again for one in found)
        self.queue = replace(self.queue, taken=self.queue.taken + len(found), again=self.queue.again + again)
        self._flights.append(Flight(found, messages))
        return True

    def _look(self, link: Link) -> None:
        """Now and then, at what waits at the broker."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK
        told, now = link.waiting(), self._clock.now()
        since = None if told is None else told.since
        if since is not None and not 0 < since <= now:
            since = None  # a sender made it up, and it would hide that the queue stands
        self.queue = replace(self.queue, at=now, waiting=None if told is None else told.messages, since=since)
