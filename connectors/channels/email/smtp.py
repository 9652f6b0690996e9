"""A few SMTP connections shared by the delivering threads, by server; a broken one is never lent again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from connectors.channels.email.compose import Composed
from connectors.channels.email.connection import Connection, Deadline, HungUp
from connectors.channels.email.hop import Hop
from gateway.model.errors import Unavailable

IDLE = 60.0  # seconds; servers hang up after five minutes (RFC 5321 §4.5.3.2.7)


class Pool:
    """At most `connections` conversations at a time, and as many that wait for the next message.

    What is kept for one hop is lent for that hop only: a conversation that may go in clear never carries what must not.
    """

    def __init__(self, connections: int, timeout: float) -> None:
        self._most = connections
        self._timeout = timeout
        self._slots = threading.BoundedSemaphore(connections)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []  # those that came back last at the end
        self._closed = False

    @contextmanager
    def slot(self) -> Iterator[None]:
        """The right to one conversation. Raises Unavailable when none becomes free in half the time."""
        if not self._slots.acquire(timeout=self._timeout / 2):  # the other half is for the conversation
            raise Unavailable("all connections were busy")
        try:
            yield
        finally:
            self._slots.release()

    def carry(self, hop: Hop, message: Composed, deadline: Deadline, patience: float | None = None) -> str | None:
        """Hand one message over within a `slot`; returns the server's queue id if it told one.

        `patience`: seconds to connect, if less than the deadline leaves. Raises Insecure, Refused, Unavailable or Unknown
        (see `Connection.carry`).
        """
        while (connection := self._take_idle(hop)) is not None:
            with suppress(HungUp):
                return self._carry(connection, message, deadline)
        return self._carry(
            Connection(hop, deadline if patience is None else deadline.within(patience)), message, deadline
        )

    def _carry(self, connection: Connection, message: Composed, deadline: Deadline) -> str | None:
        try:
            return connection.carry(message, deadline)
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Say goodbye on idle connections; those in use close when they come back. Never raises."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.quit()

    def _take_idle(self, hop: Hop) -> Connection | None:
        """One that still listens, that came back last of all; None when there is none."""
        while (connection := self._take(hop)) is not None:
            if time.monotonic() - connection.idle_since < IDLE and connection.ready():
                return connection
            connection.drop()
        return None

    def _take(self, hop: Hop) -> Connection | None:
        with self._lock:
            at = next((at for at in reversed(range(len(self._idle))) if self._idle[at].hop == hop), None)
            return None if at is None else self._idle.pop(at)

    def _give_back(self, connection: Connection) -> None:
        connection.idle_since = time.monotonic()
        leaving: list[Connection] = []
        with self._lock:
            (leaving if self._closed or not connection.open else self._idle).append(connection)
            while self._idle and (len(self._idle) > self._most or self._idle[0].idle_since < time.monotonic() - IDLE):
                leaving.append(self._idle.pop(0))
        for one in leaving:
            one.quit()
