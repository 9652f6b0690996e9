"""Serves the API in a thread of its own beside the feeds; stopping finishes the requests in hand."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import uvicorn
from starlette.routing import BaseRoute

from gateway.api.certificates import Certificates
from gateway.api.connections import BoundedProtocol
from gateway.api.mounting import mounted
from gateway.api.readiness import Check, Readiness
from gateway.api.site import create
from gateway.model.errors import CommandError
from gateway.pipeline.queries import PEEK
from gateway.ports import Routes


class Unit(Protocol):
    """A read-only snapshot."""

    @property
    def now(self) -> int:
        """Millis UTC, read once."""
        ...

    def all(self, statement: Any, params: tuple[Any, ...] = ()) -> Sequence[Any]:
        """The rows of a query."""
        ...


class Readable(Protocol):
    """What readiness asks of the database."""

    def read(self) -> AbstractContextManager[Unit]:
        """A read-only snapshot."""
        ...


class Server:
    """A listening API. `port` is the bound one."""

    def __init__(
        self,
        store: Readable,
        bind: str,
        port: int,
        *,
        routes: Routes = (),
        own: Sequence[BaseRoute] = (),
        tls: Certificates | None = None,
        parts: Mapping[str, Check] | None = None,
    ) -> None:
        self._socket = _listen(bind, port)
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            create(
                Readiness({"database": lambda: _look(store), **(parts or {})}),
                routes=[*(mounted(one) for one in routes), *own],
            ),
            lifespan="off",
            http=BoundedProtocol,
            access_log=False,  # it would hold URLs
            log_config=None,  # logging is telemetry's
            server_header=False,
            proxy_headers=False,  # a caller's address is the one it calls from, not the one it tells
            timeout_graceful_shutdown=10,
        )
        if tls is not None:
            config.load()
            config.ssl = tls.context
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="caregate-api", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def stop(self, timeout: float = 15.0) -> None:
        """Accept nothing new, finish what is in hand. `timeout` in seconds."""
        self._server.should_exit = True
        self._thread.join(timeout)
        self._socket.close()


def serve(
    store: Readable,
    bind: str,
    port: int,
    *,
    routes: Routes = (),
    own: Sequence[BaseRoute] = (),
    tls: Certificates | None = None,
    parts: Mapping[str, Check] | None = None,
) -> Server:
    """Listen at once (port 0: any free one). Raises CommandError when the port cannot be had.

    `routes`: what connectors serve, called on the server's own loop; `own`: what we serve behind a sign-in. `tls`: HTTPS, and nothing else. `parts`: what
    must be fit for work beside the database before it is ready.
    """
    return Server(store, bind, port, routes=routes, own=own, tls=tls, parts=parts)


def _look(store: Readable) -> bool:
    """One small query; raises StoreError when the database does not answer it."""
    with store.read() as unit:
        unit.all(PEEK, (0, unit.now, 1))
    return True


def _listen(bind: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (bind, port), family=socket.AF_INET6 if ":" in bind else socket.AF_INET, backlog=128
        )
    except OSError as error:
        why = "is in use" if error.errno == errno.EADDRINUSE else "cannot be opened"
        raise CommandError(f"port {port} on {bind} {why}; choose another `api.port` or `api.bind`") from None
