"""An SMTP server on loopback that takes everything and counts; it runs while the bench itself only waits."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

_DOT = b"\r\n.\r\n"
_ANSWERS = {b"QUIT": b"221 bye\r\n", b"EHLO": b"250-bench.example\r\n250 PIPELINING\r\n"}  # as any server in use


class _Conversation(asyncio.Protocol):
    """One sender's; answers every command, takes every message. It parses no more than that needs: it is not what is measured."""

    def __init__(self, taken: list[float]) -> None:
        self._taken = taken
        self._unread = b""
        self._writing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 bench.example\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer what is complete (RFC 5321 §3.3)."""
        self._unread += data
        while (end := self._unread.find(_DOT if self._writing else b"\r\n")) >= 0:
            if self._writing:
                self._unread, self._writing = self._unread[end + len(_DOT) :], False
                self._taken.append(time.perf_counter())
                self._transport.write(b"250 OK\r\n")
            else:
                line, self._unread = self._unread[:end], self._unread[end + 2 :]
                self._answer(line[:4].upper())

    def _answer(self, verb: bytes) -> None:
        self._writing = verb == b"DATA"
        self._transport.write(b"354 go on\r\n" if self._writing else _ANSWERS.get(verb, b"250 OK\r\n"))


class Post:
    """Listens on a free port of 127.0.0.1 inside a `with` block, in a thread of its own."""

    def __init__(self) -> None:
        self.port = 0
        self._times: list[float] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bench-smtp", daemon=True)

    @property
    def count(self) -> int:
        """How many came so far."""
        return len(self._times)

    def taken(self, seconds: float) -> int:
        """How many messages came in the last so many seconds."""
        since = time.perf_counter() - seconds
        return sum(at >= since for at in self._times)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Conversation(self._times), "127.0.0.1", 0)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for left in asyncio.all_tasks(self._loop):
            left.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


@contextmanager
def apart() -> Iterator[int]:
    """The same in a process of its own, so that none of its time is counted where a send is profiled; its port."""
    with subprocess.Popen([sys.executable, "-m", "tests.bench.post"], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield int(running.stdout.readline())
        finally:
            running.terminate()


if __name__ == "__main__":
    with Post() as alone:
        print(alone.port, flush=True)
        signal.pause()
