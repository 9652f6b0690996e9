"""A real SMTP server on loopback that keeps all it ever took, and misbehaves in one way when told."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections import Counter
from contextlib import suppress
from enum import StrEnum
from typing import Any, Self

from aiosmtpd.smtp import SMTP

_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)
_TO = re.compile(rb"^To:\s*(?:.*<)?([^\s<>]+@[^\s<>]+)", re.IGNORECASE | re.MULTILINE)


class Mood(StrEnum):
    """How it answers."""

    KIND = "takes everything"
    REFUSING = "550 to RCPT"
    LATER = "451 to the final dot"
    LATER_AFTER_ALL = "451 to the final dot, and it took the message all the same"
    SILENT = "takes the message and never answers the final dot"


class PostOffice:
    """Listens on one port of 127.0.0.1, also after it was closed and opened again."""

    def __init__(self) -> None:
        self.mood = Mood.KIND
        self.taken: list[bytes] = []
        self.port = 0
        self._sockets: set[Any] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="post-office", daemon=True)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        """Refuse, or note the recipient."""
        if self.mood is Mood.REFUSING:
            return "550 5.1.1 there is no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Take one message over, or say later, or take it and say nothing."""
        if self.mood is Mood.LATER:
            return "451 4.3.0 try again later"
        self.taken.append(bytes(envelope.content))
        if self.mood is Mood.LATER_AFTER_ALL:
            return "451 4.3.0 try again later"
        while self.mood is Mood.SILENT:  # noqa: ASYNC110  # the mood is changed by another thread
            await asyncio.sleep(0.05)
        return "250 2.0.0 OK: queued as A1"

    # -- doors

    def open(self) -> None:
        """Listen, on the same port as before."""
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)

    def shut(self) -> None:
        """Refuse connections, and drop those that are open."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(10)

    async def _open(self) -> None:
        self._server = await self._loop.create_server(self._conversation, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _conversation(self) -> SMTP:
        office = self

        class Conversation(SMTP):
            def connection_made(self, transport: Any) -> None:
                office._sockets.add(transport)
                super().connection_made(transport)

        return Conversation(self, hostname="relay.example", loop=self._loop)

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in self._sockets:
            transport.abort()
        self._sockets.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.mood = Mood.KIND
        self.shut()
        asyncio.run_coroutine_threadsafe(_end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # -- what arrived

    def ids(self) -> Counter[str]:
        """How often each Message-ID was taken."""
        return Counter(_found(_MESSAGE_ID, one) for one in list(self.taken))

    def recipients(self) -> Counter[str]:
        """How many messages were taken for each address."""
        return Counter(_found(_TO, one).casefold() for one in list(self.taken))


def _found(pattern: re.Pattern[bytes], content: bytes) -> str:
    match = pattern.search(content)
    assert match is not None, "every message has it"
    return match[1].decode()


async def _end() -> None:
    left = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
    for one in left:
        one.cancel()
    for one in left:
        with suppress(asyncio.CancelledError, Exception):
            await one


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
