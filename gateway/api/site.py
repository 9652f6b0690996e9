"""The FastAPI application: only the routes named here, nothing that stores or shows a URL's query, errors as RFC 9457."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute

from gateway.api.framing import Framed
from gateway.api.problems import problem
from gateway.api.readiness import Readiness
from gateway.telemetry import exposition, log


def create(readiness: Readiness, *, routes: Iterable[BaseRoute] = ()) -> FastAPI:
    """Health and metrics, and what connectors mount.

    GET /health/live: the process answers. GET /health/ready: 200, or 503 with the parts that are not fit for work.
    GET /metrics: Prometheus text format.
    """
    app = FastAPI(
        title="Caregate",
        openapi_url=None,  # no schema, hence no documentation pages, which fetch scripts from elsewhere
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would lead, token and all, to whatever the Host header says
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
        },  # spans hold URL queries
        exception_handlers={HTTPException: _http, Exception: _ours},
        routes=list(routes),
    )
    app.add_middleware(Framed)
    app.add_api_route("/health/live", _live, methods=["GET"])
    app.add_api_route("/health/ready", _readiness(readiness), methods=["GET"])
    app.add_api_route("/metrics", _metrics, methods=["GET"])
    return app


def _live() -> dict[str, str]:
    return {"status": "live"}


def _readiness(readiness: Readiness) -> Callable[[], Response]:
    def ready() -> Response:  # synchronous: FastAPI runs it on a thread, so a slow database does not stop the loop
        lacking = readiness.lacking()
        return problem(503, "not ready", parts=lacking) if lacking else JSONResponse({"status": "ready"})

    return ready


def _metrics() -> Response:
    body, kind = exposition()
    return Response(body, media_type=kind)


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code, error.detail)
    answer.headers.update(error.headers or {})
    return answer


async def _ours(_request: Request, error: Exception) -> Response:
    log().error("api.failed", error=type(error).__name__)
    return problem(500, "an error of Caregate's own")
