"""What stands before every page: headers that let nothing else in, bounds on what is sent, and no form from another site."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

LONGEST_BODY = 32 << 10  # bytes; the longest answer is a quarter of it
WITHIN = 10.0  # seconds for a whole body
_MOST_FIELDS = 300
_FORM, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_ONE_CLICK = ("List-Unsubscribe", "One-Click")

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # a link's token stands in the address
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Permissions-Policy": "interest-cohort=(), browsing-topics=()",
}
"""Of every answer."""
HSTS = "max-age=31536000"


def form_token(session: str) -> str:
    """What a session's forms carry: nobody without its cookie can make it (a second lock beside SameSite)."""
    return hmac.new(session.encode(), b"caregate portal form", hashlib.sha256).hexdigest()


def is_ours(session: str, told: str) -> bool:
    """Whether a form was made for this session."""
    return hmac.compare_digest(form_token(session).encode(), told.encode("utf-8", "replace"))


def is_from_elsewhere(request: Request) -> bool:
    """Whether the browser says that another site sent it (Fetch Metadata); what says nothing is judged by its token."""
    return request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


async def fields_of(request: Request) -> dict[str, list[str]] | None:
    """The fields of a posted form; None for what is too long, too slow or none."""
    body = await _body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body is None or kind not in (_FORM, _MULTIPART):
        return None
    if kind == _MULTIPART:
        return _one_click(body)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        return None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def is_one_click(fields: Mapping[str, list[str]]) -> bool:
    """RFC 8058 §3.2: the one pair that the header promises."""
    name, value = _ONE_CLICK
    return fields.get(name) == [value]


def _one_click(body: bytes) -> dict[str, list[str]] | None:
    """RFC 8058 lets mail providers send multipart; its one pair is all we read of it."""
    name, value = _ONE_CLICK
    head, _, rest = body.replace(b"\r\n", b"\n").partition(b"\n\n")
    named = f'name="{name}"'.lower().encode() in head.lower()
    return {name: [value]} if named and rest.split(b"\n", 1)[0].strip() == value.encode() else None


async def _body(request: Request) -> bytes | None:
    body = bytearray()
    try:
        async with asyncio.timeout(WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LONGEST_BODY:
                    return None
    except (TimeoutError, ClientDisconnect):
        return None
    return bytes(body)
