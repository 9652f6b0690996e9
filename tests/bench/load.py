"""The sending systems, as a program of its own: each connection sends, waits for its acknowledgement, sends again.

`python -m tests.bench.load '{…}'` (see `Orders`) prints one JSON object. It shares the cores with what it measures,
so it does nothing per message but find MSA-1 and MSA-2.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.bench import corpus, proc

_END = b"\x1c\r"


@dataclass(slots=True, kw_only=True)
class Orders:
    """What to play where, connections in turn over `ports`. Times in seconds.

    `watched`: pids whose processor time is taken, `server`: that of a database (0: none).
    """

    ports: list[int]
    connections: int
    feed: str
    warm: float
    measured: float
    watched: list[int]
    server: int = 0
    again: bool = False  # begin the feed anew when it is over: only for what keeps no control ids


@dataclass(slots=True, kw_only=True)
class Played:
    """What came of it. Latencies in seconds, of the measured part only."""

    acked: int = 0
    refused: int = 0
    lost: int = 0
    in_window: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    cpu: float = 0.0
    server_cpu: float = 0.0
    own_cpu: float = 0.0
    rss_mb: float = 0.0
    exhausted: bool = False
    first_refusal: str = ""


class _Play:
    """What all connections share."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.frames = corpus.frames(Path(orders.feed))
        self.next = 0
        self.begin = self.end = 0.0
        self.told = Played()
        self.open = 0
        self.over = asyncio.Event()

    def frame(self) -> bytes | None:
        """The next message, None when it is over."""
        at = self.next
        if at == len(self.frames):
            if not self.orders.again:
                self.told.exhausted = True
                return None
            at = 0
        self.next = at + 1
        return self.frames[at]


class _Sender(asyncio.Protocol):
    """One closed-loop connection."""

    def __init__(self, play: _Play) -> None:
        self._play = play
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._write = transport.write
        self._close = transport.close
        self._play.open += 1
        self._send(time.perf_counter())

    def _send(self, now: float) -> None:
        play = self._play
        frame = play.frame() if now < play.end else None
        if frame is None:
            self._close()
            return
        self._sent = now
        at = frame.index(b"|P|2.")
        self._expected = b"\rMSA|AA|" + frame[frame.rindex(b"|", 0, at) + 1 : at]
        self._write(frame)

    def data_received(self, data: bytes) -> None:
        if self._held:
            data, self._held = self._held + data, b""
        if not data.endswith(_END):
            self._held = data
            return
        now = time.perf_counter()
        play = self._play
        told = play.told
        if self._expected in data:
            told.acked += 1
            if play.begin <= now < play.end:
                told.latencies.append(now - self._sent)
        else:
            told.refused += 1
            told.first_refusal = told.first_refusal or data.decode("latin-1")
        self._send(now)

    def connection_lost(self, exc: Exception | None) -> None:
        play = self._play
        play.told.lost += time.perf_counter() < play.end and not play.told.exhausted
        play.open -= 1
        if not play.open:
            play.over.set()


async def play(orders: Orders) -> Played:
    """Play the feed on all connections at once; they all end after the measured part."""
    loop = asyncio.get_running_loop()
    shared = _Play(orders)
    shared.begin = time.perf_counter() + orders.warm
    shared.end = shared.begin + orders.measured
    for number in range(orders.connections):
        port = orders.ports[number % len(orders.ports)]
        await loop.create_connection(lambda: _Sender(shared), "127.0.0.1", port)
    told = shared.told
    await asyncio.sleep(max(0.0, shared.begin - time.perf_counter()))
    before = _times(orders)
    await asyncio.sleep(max(0.0, shared.end - time.perf_counter()))
    after = _times(orders)
    told.rss_mb = max(map(proc.rss_mb, orders.watched))
    await asyncio.wait_for(shared.over.wait(), 30)
    told.in_window, told.seconds = len(told.latencies), orders.measured
    told.cpu, told.server_cpu, told.own_cpu = (two - one for one, two in zip(before, after, strict=True))
    return told


def _times(orders: Orders) -> tuple[float, float, float]:
    server = proc.tree_seconds(orders.server) if orders.server else 0.0
    return sum(map(proc.seconds, orders.watched)), server, time.process_time()


def main() -> None:
    """Play what the argument says."""
    told = asdict(asyncio.run(play(Orders(**json.loads(sys.argv[1])))))
    latencies = sorted(told.pop("latencies"))
    for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99)):
        told[name] = round(latencies[int(len(latencies) * share)] * 1000, 2) if latencies else None
    print(json.dumps(told))


if __name__ == "__main__":
    main()
