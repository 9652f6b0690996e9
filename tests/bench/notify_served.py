"""What FHIR notifications are measured against, as a program of its own: the gateway, its door alone, or a bare route.

`python -m tests.bench.notify_served FULL|EMPTY|BARE CONFIG` prints {"port", "pid"} once it listens and ends on SIGTERM.
BARE is the least that FastAPI can do with such a body, on the server the gateway has: it reads the JSON and answers 200.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response

from gateway import app, settings, telemetry
from gateway.api.connections import BoundedProtocol
from tests.bench.notices import PATH
from tests.bench.served import Bare


def _bare() -> None:
    route = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @route.post(PATH)
    async def notified(request: Request) -> Response:
        await request.json()
        return Response()

    config = uvicorn.Config(
        route, lifespan="off", http=BoundedProtocol, access_log=False, log_config=None, server_header=False
    )
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    _say({"api": listening.getsockname()[1]})
    asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))


def _gateway(variant: str, config: Path) -> None:
    telemetry.configure()
    gateway = app.assemble(settings.load(config))
    if variant == "EMPTY":
        gateway.receiver = Bare(lambda _: None)  # type: ignore[assignment]  # all that the intake asks of a receiver
    try:
        gateway.run(app.ROLES if variant == "FULL" else ("listen",), ready=_say)
    finally:
        gateway.close()


def _say(opened: dict[str, Any]) -> None:
    print(json.dumps({"port": opened["api"], "pid": os.getpid()}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "BARE":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        _bare()
    else:
        _gateway(sys.argv[1], Path(sys.argv[2]))
