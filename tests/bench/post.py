"""A real SMTP server on loopback that takes everything and counts; it runs while the bench itself only waits."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Self

from aiosmtpd.smtp import SMTP


class Post:
    """Listens on a free port of 127.0.0.1 inside a `with` block, in a thread of its own."""

    def __init__(self) -> None:
        self.port = 0
        self._times: list[float] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bench-smtp", daemon=True)

    async def handle_DATA(self, _server: Any, _session: Any, _envelope: Any) -> str:
        """Take one message over."""
        self._times.append(time.perf_counter())
        return "250 OK"

    def taken(self, seconds: float) -> int:
        """How many messages came in the last so many seconds."""
        since = time.perf_counter() - seconds
        return sum(at >= since for at in self._times)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: SMTP(self, hostname="bench.example", loop=self._loop), "127.0.0.1", 0)
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
