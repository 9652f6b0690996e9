"""Where servers fetch our key set: public halves only, to be kept no longer than a rotation can wait (O-06)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from connectors.sources.fhir.client.keys import Key, key_set
from gateway.ports import Asgi

_KEPT = 300  # seconds


def jwks(keys: tuple[Key, ...]) -> Asgi:
    """An ASGI application that answers GET and HEAD with the key set; it says nothing that is not public."""
    body = key_set(keys)

    async def answer(
        scope: MutableMapping[str, Any],
        _receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        asked = scope.get("method") in ("GET", "HEAD")
        told = body if asked else b""
        headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", f"public, max-age={_KEPT}".encode()),
            (b"content-length", str(len(told)).encode()),
        ]
        start = {"status": 200, "headers": headers} if asked else {"status": 405, "headers": [(b"allow", b"GET, HEAD")]}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": b"" if scope.get("method") == "HEAD" else told})

    return answer
