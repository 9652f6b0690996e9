"""What callers may hold open before they have said who they are is bounded, in number and in time (F-12, F-14)."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.api.pace import caller_of, is_shared

MOST = 512  # connections at once; far below what a process may open, which the feeds and the database need too
MOST_OF_ONE = 128  # of these, of one caller: nobody alone keeps everybody else out
HEAD_SECONDS = 10.0  # in which a request's head must come; uvicorn itself would wait for ever


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, without its patience. A request in hand has the time limits of its route."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        """Somebody connected: one too many is turned away unheard."""
        super().connection_made(transport)
        self._before: Any = None
        self._look: asyncio.TimerHandle | None = None
        if len(self.connections) > MOST or self._is_greedy():
            transport.abort()
        else:
            self._look = self.loop.call_later(HEAD_SECONDS, self._look_again)

    def _is_greedy(self) -> bool:
        host = "" if self.client is None else self.client[0]
        if len(self.connections) <= MOST_OF_ONE or is_shared(host):
            return False
        own = caller_of(host)
        others = (one.client for one in self.connections if isinstance(one, BoundedProtocol))
        return sum(one is not None and caller_of(one[0]) == own for one in others) > MOST_OF_ONE

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _look_again(self) -> None:
        """Close where the last request, or none, is over since the last look; also where its answer is not read."""
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self.cycle is self._before:
            self.transport.abort()
            return
        self._before = self.cycle
        self._look = self.loop.call_later(HEAD_SECONDS, self._look_again)
