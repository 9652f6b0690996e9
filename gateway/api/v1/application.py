"""The API as one application: errors are problem documents that repeat nothing of a request, and its description needs a token."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from gateway.api.access import Access, Denied
from gateway.api.bounds import Bounded
from gateway.api.problems import problem
from gateway.api.v1 import campaigns, extracts, outbox, people, replies, revocations, stories, suppression
from gateway.api.v1.guard import Guarded, guarded
from gateway.api.v1.shapes import PROBLEM
from gateway.model.access import Refusal, Right
from gateway.model.errors import CommandError, Conflict, Erased, StoreUnavailable
from gateway.pipeline.inspect import Unknown
from gateway.telemetry import log

PREFIX = "/api/v1"
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ROUTERS = (
    *(outbox.routes, people.routes, stories.routes, suppression.routes, replies.routes, revocations.routes),
    *(campaigns.routes, extracts.routes),
)
_SAID = {
    Refusal.NO_CREDENTIALS: "say who you are: `Authorization: Bearer` with an API key or a token",
    Refusal.NO_ROLE: "the token gives no role here",
    Refusal.NOT_ALLOWED: "your role does not allow this",
    Refusal.TOO_MANY: "too many requests: slow down",
}


def application(access: Access) -> ASGIApp:
    """To be mounted at PREFIX."""
    app = FastAPI(
        title="Caregate",
        version="1",
        description="Consents, stories of messages, suppression, replies, campaigns. Every look at a person is audited with who and why.",
        openapi_url=None,  # served below, behind a token
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the URL
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        exception_handlers={
            Denied: _denied,
            HTTPException: _http,
            RequestValidationError: _unfit,
            Unknown: _unknown,
            Erased: _erased,
            CommandError: _cannot,
            Conflict: _conflict,
            StoreUnavailable: _unavailable,
            Exception: _ours,
        },
        responses={"default": PROBLEM},
        servers=[{"url": PREFIX}],
    )
    app.state.access = access
    app.router.route_class = Guarded
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route(
        "/openapi.json", app.openapi, methods=["GET"], include_in_schema=False, **guarded(Right.DESCRIPTION_READ)
    )
    return Bounded(app, HEADERS, problem)


async def _denied(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Denied)
    answer = problem(error.status, _SAID.get(error.why, "these credentials do not open anything"), reason=error.why)
    if error.status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="caregate"'  # RFC 6750 §3
    if error.status == 429:
        answer.headers["Retry-After"] = "5"
    return answer


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    titles = {404: "there is nothing here", 405: "that method is not for this"}
    answer = problem(error.status_code, titles.get(error.status_code, "the request cannot be read"))
    answer.headers.update({name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"})
    return answer


async def _unfit(_request: Request, error: Exception) -> Response:
    """Which fields are wrong and how, in the framework's word for it; what was sent is not repeated."""
    assert isinstance(error, RequestValidationError)
    fields = [{"where": _where(one["loc"]), "what": str(one["type"])} for one in error.errors()[:20]]
    return problem(422, "the request is not as described in /api/v1/openapi.json", fields=fields)


def _where(place: tuple[object, ...]) -> str:
    """Names that the description has; a key that somebody made up is not one of them."""
    known = [str(one) for one in place if isinstance(one, str) and one in KNOWN]
    return ".".join(known) or "body"


KNOWN = frozenset(
    {
        *("body", "query", "path", "header", "identifier", "system", "type", "value", "permit", "purpose", "channel"),
        *("topic", "until", "evidence", "reason", "cursor", "limit", "decision", "request", "message", "address"),
        *(
            "reply",
            "x-reason",
            "idempotency-key",
            "rule",
            "facility",
            "date",
            "held_for",
            "everything",
            "held",
            "channel",
            "people",
            "source",
        ),
    }
)


async def _unknown(_request: Request, _error: Exception) -> Response:
    return problem(404, "nobody here has that identifier under that assigning authority and type")


async def _erased(_request: Request, _error: Exception) -> Response:
    return problem(410, "the content is gone for good")


async def _cannot(_request: Request, error: Exception) -> Response:
    return problem(404 if str(error).startswith("there is no ") else 409, str(error))  # our own words: no values


async def _conflict(_request: Request, _error: Exception) -> Response:
    return problem(409, "somebody else changed the same at this moment: look, and try again")


async def _unavailable(_request: Request, _error: Exception) -> Response:
    answer = problem(503, "something this needs is not there at this moment; nothing was done")
    answer.headers["Retry-After"] = "5"
    return answer


async def _ours(_request: Request, error: Exception) -> Response:
    log().error("api.failed", error=type(error).__name__)
    return problem(500, "an error of Caregate's own")


__all__ = ["HEADERS", "PREFIX", "application"]
