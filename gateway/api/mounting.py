"""A connector's ASGI application on its path: every method reaches it, and nothing of ours stands between."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.routing import Route as StarletteRoute

from gateway.ports import Asgi, Route


class _Application:
    """Starlette takes a function for a view of its own; an object is called as ASGI, whatever is in it."""

    def __init__(self, application: Asgi) -> None:
        self._application = application

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await self._application(scope, receive, send)


def mounted(route: Route) -> StarletteRoute:
    """What `site.create` takes as one of its routes."""
    return StarletteRoute(route.path, _Application(route.application), name=route.path)
