"""What a connection and its listener hand each other: a ticket is answered once, and only then is anything written (F-09)."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Protocol

from connectors.sources.mllp.options import MllpOptions
from connectors.sources.mllp.replies import Reply
from gateway.model.audit import NodeFailure

if TYPE_CHECKING:
    from connectors.sources.mllp.connection import Connection

_SILENT = Reply()


class Ticket:
    """One frame in hand: which connection it came on, and its reply once there is one."""

    __slots__ = ("alone", "answered", "body", "connection", "reply")

    def __init__(self, connection: Connection, body: bytes) -> None:
        self.connection = connection
        self.body = body
        self.alone = False  # the frames behind it wait for its answer
        self.answered = False
        self.reply = _SILENT

    def answer(self, reply: Reply) -> None:
        """Set what is written back."""
        self.reply = reply
        self.answered = True
        self.body = b""


class Port(Protocol):
    """What a connection needs of its listener."""

    options: MllpOptions
    loop: asyncio.AbstractEventLoop

    def admit(self, connection: Connection, host: str) -> bool:
        """Count it in, or say no."""

    def gone(self, connection: Connection) -> None:
        """Forget it."""

    def offer(self, ticket: Ticket) -> None:
        """Take a whole frame; the ticket is answered now or later."""

    def refuse_size(self, ticket: Ticket) -> None:
        """Answer a frame over the limit."""

    def witness(self, failure: NodeFailure, host: str) -> None:
        """Have it audited that somebody was turned away."""

    def tell(self, event: str, count: int = 1, **fields: object) -> None:
        """Count and log."""


def tune(transport: asyncio.Transport) -> None:
    """No delay for small replies; probes on silent flows before a firewall forgets them at ten minutes (F-13)."""
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 180), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):  # Linux names; elsewhere the system's own times hold
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
