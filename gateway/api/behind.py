"""What lies behind a sign-in, the API and the staff pages, is served over TLS or on this machine alone."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from gateway.api import staff, v1
from gateway.api.access import Access
from gateway.api.oidc import Tokens
from gateway.pipeline.inspect import Inspectable
from gateway.ports import Clock, Door
from gateway.telemetry import log


def behind(
    gateway: Inspectable, clock: Clock, door: Door, tokens: Tokens | None
) -> tuple[list[BaseRoute], Callable[[], None]]:
    """What to mount, and what to call when the server has stopped. Nothing on a door that others can listen at (law 6)."""
    if not (door.tls or door.loopback):
        log().warning("api.not-served")
        return [], lambda: None
    access = Access.of(gateway, clock, tokens)
    routes: list[BaseRoute] = [
        Mount(v1.PREFIX, app=v1.application(access)),
        Route(staff.PREFIX, _home),  # a mount answers only below its path
        Mount(staff.PREFIX, app=staff.application(access, secure=door.tls)),
    ]
    return routes, access.refusals.flush


async def _home(_request: Request) -> Response:
    return RedirectResponse(f"{staff.PREFIX}/", status_code=303)  # a path: the Host header says nothing here
