"""A deadline for a whole exchange: who sends a byte now and then, or says "still at it" for ever, is not waited for.

Timeouts of a socket are for each read alone, and httpcore passes over any number of interim answers (RFC 9110 §15.2).
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore


class Hurry(httpcore.NetworkBackend):
    """Connections whose every step ends by the deadline of the thread that makes it."""

    def __init__(self) -> None:
        self._network = httpcore.SyncBackend()
        self._own = threading.local()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What this thread does inside ends so soon, or raises httpcore.TimeoutException."""
        self._own.until = time.monotonic() + seconds
        try:
            yield
        finally:
            self._own.until = None

    def left(self, timeout: float | None) -> float | None:
        """Seconds for one step. Raises httpcore.ReadTimeout when there are none."""
        until: float | None = getattr(self._own, "until", None)
        if until is None:
            return timeout
        rest = until - time.monotonic()
        if rest <= 0:
            raise httpcore.ReadTimeout("the deadline has passed")
        return rest if timeout is None else min(rest, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """As of `httpcore.NetworkBackend`."""
        return _Hurried(self, self._network.connect_tcp(host, port, self.left(timeout), local_address, socket_options))


class _Hurried(httpcore.NetworkStream):
    def __init__(self, hurry: Hurry, stream: httpcore.NetworkStream) -> None:
        self._hurry = hurry
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._hurry.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._hurry.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Hurried(self._hurry, self._stream.start_tls(ssl_context, server_hostname, self._hurry.left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
