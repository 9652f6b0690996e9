"""A request's body is bounded in size and time before anything is made of it, and every answer says how it may be used."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import Response

MOST_BYTES = 64 * 1024
BODY_SECONDS = 10.0
_DRAINED = 1024 * 1024
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]


class Bounded:
    """ASGI: reads the whole body first; `refuse(status)` makes the answer to one that is too long or too slow."""

    def __init__(self, app: _App, headers: Mapping[str, str], refuse: Callable[[int, str], Response]) -> None:
        self._app = app
        self._headers = dict(headers)
        self._refuse = refuse

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """One request."""
        if scope["type"] != "http":  # a web socket, say: nothing of ours speaks that
            await send({"type": "websocket.close", "code": 1003})
            return

        async def marked(message: _Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in self._headers.items():
                    headers[name] = value
            await send(message)

        try:
            body = await asyncio.wait_for(_body(scope, receive), BODY_SECONDS)
        except TimeoutError:
            await self._answer(408, "the request's body did not come in time", scope, receive, marked)
            return
        if body is None:
            await self._answer(413, f"the request's body is longer than {MOST_BYTES} bytes", scope, receive, marked)
            return
        await self._app(scope, _once(body, receive), marked)

    async def _answer(self, status: int, title: str, scope: _Message, receive: _Receive, send: _Send) -> None:
        answer = self._refuse(status, title)
        answer.headers["connection"] = "close"
        await answer(scope, receive, send)


async def _body(scope: _Message, receive: _Receive) -> bytes | None:
    """All of it, or None when it is too long. Somewhat too long is read and thrown away: else the answer may be lost."""
    told = dict(scope["headers"]).get(b"content-length", b"0")
    if not told.isdigit() or len(told) > 9 or int(told) > _DRAINED:
        return None
    body, size, more = b"", 0, True
    while more and size <= _DRAINED:
        message = await receive()
        if message["type"] != "http.request":
            return b""  # they are gone
        piece = message.get("body", b"")
        size, more = size + len(piece), message.get("more_body", False)
        if size <= MOST_BYTES:
            body += piece
    return body if size <= MOST_BYTES else None


def _once(body: bytes, receive: _Receive) -> _Receive:
    told = False

    async def again() -> _Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
