"""Where a request ends is told once, or it is not heard: else a proxy may see another request in it than we do."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.problems import problem


class Framed:
    """ASGI: refuses what tells both Content-Length and Transfer-Encoding, and hangs up (RFC 9112 §6.1, §11.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        names = {name for name, _ in scope.get("headers", ())}
        if scope["type"] != "http" or not names.issuperset((b"content-length", b"transfer-encoding")):
            await self._app(scope, receive, send)
            return
        answer = problem(400, "the request tells its length twice")
        answer.headers["connection"] = "close"  # what follows may be somebody else's
        await answer(scope, receive, send)
