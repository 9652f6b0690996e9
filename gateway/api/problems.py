"""Errors as RFC 9457 problem documents; neither path nor query nor body of a request is repeated."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response


def problem(status: int, title: str, **more: object) -> Response:
    """One problem document, `more` its extension members."""
    body = {"type": "about:blank", "title": title, "status": status, **more}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
