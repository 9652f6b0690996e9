"""Application acknowledgements on a connection of their own: each is repeated, unchanged, until it is acknowledged (A-13)."""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable

from connectors.sources.mllp.client import MllpClient, acknowledgement, control_id_of
from gateway.model.errors import DeliveryError
from gateway.telemetry import log

_MOST = 10_000
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds between tries
_POSITIVE = ("AA", "CA")


class AckSender:
    """One thread, one connection, strictly in order (A-30). `offer` may be called from any thread.

    What waits is kept in memory only: after a restart it is not sent, and a sender that misses an application
    acknowledgement repeats its message and gets one again (D-02). At most 10,000 wait; the oldest gives way.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        *,
        context: Callable[[], ssl.SSLContext] | None,
        release: int = 1,
        timeout: float = 10.0,
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        self._name = name
        self._host = host
        self._port = port
        self._context = context
        self._release = release
        self._timeout = timeout
        self._first_pause = first_pause
        self._waiting: deque[bytes] = deque()
        self._lock = threading.Condition()
        self._until: float | None = None  # set when stopping: when to give up
        self._client: MllpClient | None = None
        self._thread = threading.Thread(target=self._run, name=f"mllp-acks-{name}", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def offer(self, message: bytes) -> None:
        """Queue one acknowledgement, without framing."""
        with self._lock:
            full = len(self._waiting) >= _MOST
            if full:
                self._waiting.popleft()
            self._waiting.append(message)
            self._lock.notify()
        if full:
            log().error("mllp.app-ack-dropped", source=self._name, count=1)

    def stop(self, timeout: float) -> None:
        """Send what waits for at most `timeout` seconds, then stop."""
        with self._lock:
            self._until = time.monotonic() + timeout
            self._lock.notify()
        if self._thread.is_alive():
            self._thread.join(timeout + self._timeout + 1)
        with self._lock:
            lost = len(self._waiting)
        if lost:
            log().warning("mllp.app-ack-dropped", source=self._name, count=lost)

    def _run(self) -> None:
        pause = self._first_pause
        while (message := self._next()) is not None:
            if self._sent(message):
                pause = self._first_pause
                with self._lock:
                    if self._waiting and self._waiting[0] is message:
                        self._waiting.popleft()
            else:
                self._wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        self._drop()

    def _next(self) -> bytes | None:
        with self._lock:
            while not self._waiting and self._until is None:
                self._lock.wait()
            over = self._until is not None and time.monotonic() >= self._until
            return None if over or not self._waiting else self._waiting[0]

    def _wait(self, seconds: float) -> None:
        with self._lock:
            if self._until is not None:
                seconds = min(seconds, max(0.0, self._until - time.monotonic()))
            before = self._until
            self._lock.wait_for(lambda: self._until is not before, seconds)

    def _sent(self, message: bytes) -> bool:
        """Whether it is settled: a refusal is an answer too, and would be repeated for ever."""
        try:
            if self._client is None:
                context = self._context() if self._context else None
                self._client = MllpClient(
                    self._host, self._port, timeout=self._timeout, context=context, release=self._release
                )
            answer = acknowledgement(self._client.send(message))
        except DeliveryError as error:
            log().warning("mllp.app-ack-unsent", source=self._name, error=type(error).__name__)
            self._drop()
            return False
        if answer is None or answer[1] != control_id_of(message):  # not the answer to this one
            self._drop()
            return False
        if answer[0] not in _POSITIVE:
            log().error("mllp.app-ack-refused", source=self._name)
        return True

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
