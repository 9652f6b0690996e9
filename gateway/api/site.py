"""The FastAPI application: only the routes named here, nothing that stores or shows a URL's query, errors as RFC 9457."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute

from gateway.model.errors import CaregateError
from gateway.telemetry import exposition, log

Check = Callable[[], None]
"""Raises CaregateError when what it looks at is not fit for work."""


def create(check: Check, *, routes: Iterable[BaseRoute] = ()) -> FastAPI:
    """Health and metrics, and what connectors mount. `check` looks at the database and raises CaregateError.

    GET /health/live: the process answers. GET /health/ready: 200, or 503 while `check` raises.
    GET /metrics: Prometheus text format.
    """
    app = FastAPI(
        title="Caregate",
        openapi_url=None,  # no schema, hence no documentation pages, which fetch scripts from elsewhere
        docs_url=None,
        redoc_url=None,
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
        },  # spans hold URL queries
        exception_handlers={HTTPException: _http, Exception: _ours},
        routes=list(routes),
    )
    app.add_api_route("/health/live", _live, methods=["GET"])
    app.add_api_route("/health/ready", _readiness(check), methods=["GET"])
    app.add_api_route("/metrics", _metrics, methods=["GET"])
    return app


def _live() -> dict[str, str]:
    return {"status": "live"}


def _readiness(check: Check) -> Callable[[], Response]:
    def ready() -> Response:  # synchronous: FastAPI runs it on a thread, so a slow database does not stop the loop
        try:
            check()
        except CaregateError as error:
            log().warning("health.not_ready", error=type(error).__name__)
            return problem(503, "not ready")
        return JSONResponse({"status": "ready"})

    return ready


def _metrics() -> Response:
    body, kind = exposition()
    return Response(body, media_type=kind)


def problem(status: int, title: str) -> Response:
    """RFC 9457 problem details; neither path nor query of the request is repeated."""
    body = {"type": "about:blank", "title": title, "status": status}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code, error.detail)
    answer.headers.update(error.headers or {})
    return answer


async def _ours(_request: Request, error: Exception) -> Response:
    log().error("api.failed", error=type(error).__name__)
    return problem(500, "an error of Caregate's own")
