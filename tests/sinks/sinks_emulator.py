"""fakesnow as a process of its own: `python sinks_emulator.py PORT`. It takes any key (FK-02) and knows no secondary roles (FK-03)."""

from __future__ import annotations

import gzip
import json
import sys
from typing import Any

import fakesnow.server as emulator
import uvicorn
from starlette.requests import Request

_UNKNOWN = "USE SECONDARY ROLES NONE"


async def door(scope: Any, receive: Any, send: Any) -> None:
    """What the emulator does not know, and we do not depend on here, is a query that gives nothing."""
    if scope["type"] != "http":
        await emulator.app(scope, receive, send)
        return
    body = await Request(scope, receive).body()
    plain = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    if plain and _UNKNOWN in json.loads(plain).get("sqlText", ""):
        plain = json.dumps({**json.loads(plain), "sqlText": "SELECT 1"}).encode()
    headers = [one for one in scope["headers"] if one[0] not in (b"content-encoding", b"content-length")]

    async def told() -> Any:
        return {"type": "http.request", "body": plain, "more_body": False}

    await emulator.app({**scope, "headers": headers}, told, send)


if __name__ == "__main__":
    uvicorn.run(door, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
