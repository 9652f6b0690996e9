"""The FHIR server that notifies, as a program of its own: each connection posts, waits for its answer, posts again.

`python -m tests.bench.notify_load '{…}'` (see `Orders`) prints one JSON object. It shares the cores with what it
measures, so it does nothing per answer but look for 200.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from tests.bench import proc
from tests.bench.notices import PATH, notifications

_MOST = 60_000
_OK = b"HTTP/1.1 200"
_END = b"\r\n\r\n"


@dataclass(slots=True, kw_only=True)
class Orders:
    """What to play where; times in seconds. `again`: begin anew when all were sent, for what keeps nothing."""

    port: int
    pid: int
    connections: int
    warm: float
    measured: float
    again: bool = False


@dataclass(slots=True)
class _Play:
    """What all connections share."""

    bodies: list[bytes]
    begin: float
    end: float
    again: bool
    next: int = 0
    open: int = 0
    acked: int = 0
    refused: int = 0
    first_refusal: str = ""
    latencies: list[float] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def request(self) -> bytes | None:
        """The next request, None when all were sent."""
        if self.next == len(self.bodies):
            if not self.again:
                return None
            self.next = 0
        self.next += 1
        return self.bodies[self.next - 1]


class _Sender(asyncio.Protocol):
    """One closed-loop connection that is kept alive."""

    def __init__(self, play: _Play) -> None:
        self._play = play
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._play.open += 1
        self._send(time.perf_counter())

    def _send(self, now: float) -> None:
        request = self._play.request() if now < self._play.end else None
        if request is None:
            self._transport.close()
            return
        self._sent = now
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._held += data
        if not self._held.endswith(_END) and _OK in self._held:
            return
        now, play = time.perf_counter(), self._play
        if self._held.startswith(_OK):
            play.acked += 1
            if play.begin <= now < play.end:
                play.latencies.append(now - self._sent)
        else:
            play.refused += 1
            play.first_refusal = play.first_refusal or self._held.decode("latin-1")
            self._transport.close()
        self._held = b""
        self._send(now)

    def connection_lost(self, exc: Exception | None) -> None:
        self._play.open -= 1
        if not self._play.open:
            self._play.over.set()


def _posted(body: bytes) -> bytes:
    head = f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/fhir+json\r\nContent-Length: {len(body)}"
    return head.encode() + _END + body


async def play(orders: Orders) -> dict[str, object]:
    """Play on all connections at once; they all end after the measured part."""
    bodies = [_posted(one) for one in islice(notifications(datetime.now(UTC)), _MOST)]
    begin = time.perf_counter() + orders.warm
    shared = _Play(bodies, begin, begin + orders.measured, orders.again)
    for _ in range(orders.connections):
        await asyncio.get_running_loop().create_connection(lambda: _Sender(shared), "127.0.0.1", orders.port)
    await asyncio.sleep(max(0.0, shared.begin - time.perf_counter()))
    cpu = proc.seconds(orders.pid)
    await asyncio.sleep(max(0.0, shared.end - time.perf_counter()))
    cpu, rss = proc.seconds(orders.pid) - cpu, proc.rss_mb(orders.pid)
    await asyncio.wait_for(shared.over.wait(), 30)
    times = sorted(shared.latencies) or [0.0]
    return {
        "acked": shared.acked,
        "refused": shared.refused,
        "first_refusal": shared.first_refusal,
        "exhausted": shared.next == len(bodies) and not orders.again,
        "acked_per_s": round(len(shared.latencies) / orders.measured),
        "p50_ms": round(times[len(times) // 2] * 1_000, 2),
        "p99_ms": round(times[int(len(times) * 0.99)] * 1_000, 2),
        "cpu_us_per_message": round(cpu / max(len(shared.latencies), 1) * 1e6),
        "rss_mb": rss,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(play(Orders(**json.loads(sys.argv[1]))))))
