"""One HTTP request and its answer apart from what is in them: bounded in size and time, and half a body is nothing (F-06)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from enum import Enum
from typing import Any

_LONGEST_TYPE = 200  # characters of a Content-Type; reading a long list of parameters takes quadratic time

_MOST_DROPPED = 256 * 1024  # bytes that are dropped for the sake of an answer
_DROPPED_WITHIN = 1.0  # seconds
_TOO_SLOW = 408

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CLOSE = ("connection", "close")
"""The header for a caller whose body, or the rest of it, is not read."""


class Unread(Enum):
    """Why there is no body."""

    TOO_LARGE = "too-large"
    TOO_SLOW = "too-slow"
    GONE = "gone"  # the caller went away


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. `told` names an event for the log."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    told: str = ""


class Request:
    """The head of one request; header names in lower case."""

    def __init__(self, scope: MutableMapping[str, Any]) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        client = scope.get("client")
        self.host = str(client[0]) if client else ""
        self._headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            self._headers.setdefault(name, []).append(value)

    def all(self, name: bytes) -> Sequence[bytes]:
        """The values of a header."""
        return self._headers.get(name, ())

    @property
    def length(self) -> int | None:
        """Content-Length, where it is told."""
        told = self.all(b"content-length")
        return int(told[0][:18]) if told and told[0].isdigit() else None

    @property
    def encodings(self) -> list[bytes]:
        """Values of Content-Encoding in lower case, without those that change nothing."""
        if b"content-encoding" not in self._headers:
            return []
        return [
            one for value in self.all(b"content-encoding") if (one := value.strip().lower()) not in (b"", b"identity")
        ]

    @property
    def content_type(self) -> Message | None:
        """The one Content-Type, to ask for its type and parameters; None: not told once, or far too long."""
        told = self.all(b"content-type")
        if len(told) != 1 or len(told[0]) > _LONGEST_TYPE:
            return None
        header = Message()
        header["content-type"] = told[0].decode("latin-1").replace("\n", "").replace("\r", "")
        return header


async def read_body(receive: Receive, request: Request, *, limit: int, within: float) -> bytes | Unread:
    """The whole body, or why there is none.

    `limit` in bytes is kept while reading, `within` seconds for the body as a whole.
    """
    length = request.length
    if length is not None and length > limit:
        return Unread.TOO_LARGE
    body = bytearray()
    try:
        async with asyncio.timeout(within):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return Unread.GONE
                body += message.get("body", b"")
                if len(body) > limit:
                    return Unread.TOO_LARGE
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return Unread.TOO_SLOW


class Incoming:
    """What a caller sends, with whether the end of it was seen."""

    __slots__ = ("_receive", "ended")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def __call__(self) -> MutableMapping[str, Any]:
        """The next piece."""
        message = await self._receive()
        self.ended = message["type"] != "http.request" or not message.get("more_body", False)
        return message


async def _pass_over(incoming: Incoming) -> None:
    """Drop what a caller who is turned away is still sending, if it is little and comes at once.

    A connection closed on unread bytes is reset, and the caller never sees the answer (RFC 9112 §9.6).
    """
    size = 0
    try:
        async with asyncio.timeout(_DROPPED_WITHIN):
            while not incoming.ended and size <= _MOST_DROPPED:
                size += len((await incoming()).get("body", b""))
    except TimeoutError:
        return


async def write(send: Send, answer: Answer, incoming: Incoming) -> None:
    """Send an answer; a caller that has gone is not told."""
    if CLOSE in answer.headers and answer.status != _TOO_SLOW:
        await _pass_over(incoming)
    headers = [(b"content-length", str(len(answer.body)).encode())] if answer.status != 204 else []
    headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def problem(status: int, title: str, *headers: tuple[str, str], told: str = "") -> Answer:
    """A fault of transport or access as RFC 9457; nothing of the request is repeated (H-02)."""
    body = json.dumps({"type": "about:blank", "title": title, "status": status}).encode()
    return Answer(status, (("content-type", "application/problem+json"), *headers), body, told)
