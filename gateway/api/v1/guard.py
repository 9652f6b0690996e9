"""What stands before every route: no route is made without the right it asks for, and none is read before that is granted."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from gateway.api.access import Access
from gateway.api.dryruns import DryRuns
from gateway.api.problems import problem
from gateway.model.access import Caller, Right
from gateway.model.errors import CommandError, Conflict
from gateway.pipeline import inspect

RIGHT = "x-caregate-right"
LONGEST_KEY = 200
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def guarded(right: Right) -> dict[str, Any]:
    """What a route is declared with: `@routes.get("/…", **guarded(Right.STORY_READ))`."""
    return {"openapi_extra": {RIGHT: right.value}}


class Guarded(APIRoute):
    """A route that asks who calls, and whether they may, before it reads the request's body."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.right = Right((self.openapi_extra or {})[RIGHT])  # a KeyError: it was made without a right

    def get_route_handler(self) -> _Handler:
        """As FastAPI's, behind the guard."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            access: Access = request.app.state.access
            name = f"{request.method} {self.path_format}"
            host = request.client.host if request.client else ""
            caller = await run_in_threadpool(access.bearer, request.headers.get("authorization"), host, name)
            await run_in_threadpool(access.allow, caller, self.right, name)
            request.state.caller = caller
            if request.method in ("GET", "HEAD"):
                return await inner(request)
            return await _once(access, caller, name, request, inner)

        return handler


async def _once(access: Access, caller: Caller, name: str, request: Request, inner: _Handler) -> Response:
    """With an Idempotency-Key: done once, however often it is said (draft-ietf-httpapi-idempotency-key-header)."""
    key = request.headers.get("idempotency-key")
    if key is None or request.url.path.endswith("/search"):
        return await inner(request)
    if not key or len(key) > LONGEST_KEY or not key.isascii():
        return problem(400, f"an Idempotency-Key is 1 to {LONGEST_KEY} ASCII characters")
    asked = b"\x00".join((name.encode(), request.url.path.encode(), await request.body()))
    store = access.gateway.store
    known = await run_in_threadpool(inspect.once_begin, store, caller.account.partition(" jti=")[0], key, asked)
    if not isinstance(known, bytes):
        return _again(known)
    try:
        answer = await inner(request)
    except (CommandError, Conflict, RequestValidationError, HTTPException):
        await run_in_threadpool(inspect.once_forget, store, known)  # refused: nothing was done
        raise  # whatever else happened, it is not known whether it was done, and stays so
    await run_in_threadpool(inspect.once_end, store, known, answer.status_code, bytes(answer.body).decode())
    return answer


def _again(known: inspect.Said) -> Response:
    if not known.same:
        return problem(422, "this Idempotency-Key was used for something else")
    if known.status is None:
        return problem(409, "this was asked before, and it is not known to be over: look before you ask anew")
    answer = Response(known.answer, status_code=known.status, media_type="application/json")
    answer.headers["Idempotency-Replayed"] = "true"
    return answer


# -- what routes are given


def _who(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def _gateway(request: Request) -> inspect.Inspectable:
    access: Access = request.app.state.access
    return access.gateway


def _dry_runs(request: Request) -> DryRuns:
    access: Access = request.app.state.access
    return access.dry_runs


Who = Annotated[Caller, Depends(_who)]
Site = Annotated[inspect.Inspectable, Depends(_gateway)]
Runs = Annotated[DryRuns, Depends(_dry_runs)]
Why = Annotated[
    str, Header(alias="X-Reason", min_length=3, max_length=500, description="Why you look or decide; it is audited.")
]
