"""An SMTP door for what comes back: a report is accepted once it is committed, and for no other address of ours."""

from __future__ import annotations

import asyncio
import ssl
import threading
from concurrent.futures import Future
from functools import partial
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from connectors.channels.email.bounces.options import ListenOptions
from connectors.channels.email.bounces.reading import Reading
from gateway.model.errors import CommandError, ConfigError, StoreError

_SILENCE = 60  # seconds without a word
_WHOLE = 300.0  # seconds of one connection
_COMMANDS = {"*": 50}  # of each kind in one connection


class Listener:
    """Listens from `start` to `stop`, on a thread and an event loop of its own. Raises ConfigError for a bad certificate."""

    def __init__(self, place: str, options: ListenOptions, hello: str, reading: Reading) -> None:
        self._options = options
        self._handler = _Handler(reading, options.max_size)
        self._open: set[_Smtp] = set()
        self._told: dict[str, Any] = {
            "data_size_limit": options.max_size,
            "enable_SMTPUTF8": True,
            "ident": "ready",
            "hostname": hello,
            "timeout": _SILENCE,
            "tls_context": _context(place, options),
            "require_starttls": options.tls is not None,
            "auth_exclude_mechanism": ["LOGIN", "PLAIN"],
            "command_call_limit": _COMMANDS,
        }
        self._thread: threading.Thread | None = None
        self.port = options.port

    def start(self) -> None:
        """Begin to listen; `port` is the real one then. Raises CommandError when it is not to be had."""
        opened: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(opened)), name="bounces", daemon=True)
        self._thread.start()
        self._loop, self._enough, self.port = opened.result(timeout=30)

    def stop(self) -> None:
        """Stop listening, finish what is being committed; never raises."""
        if self._thread is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._enough.set)
            self._thread.join(timeout=30)

    async def _serve(self, opened: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]]) -> None:
        loop, enough = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await loop.create_server(self._one, self._options.bind, self._options.port)
        except OSError:
            where = f"{self._options.bind}:{self._options.port}"
            opened.set_exception(CommandError(f"bounces: cannot listen on {where}: is the port taken?"))
            return
        opened.set_result((loop, enough, server.sockets[0].getsockname()[1]))
        await enough.wait()
        server.close()
        for one in list(self._open):
            one.end()

    def _one(self) -> _Smtp:
        return _Smtp(self._handler, self._open, self._options.connections, asyncio.get_running_loop(), **self._told)


class _Smtp(SMTP):
    """aiosmtpd's conversation, of which there are only so many, each only for so long."""

    def __init__(
        self, handler: _Handler, others: set[_Smtp], most: int, loop: asyncio.AbstractEventLoop, **told: Any
    ) -> None:
        super().__init__(handler, loop=loop, **told)
        self._others = others
        self._most = most
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are enough; after STARTTLS it is made a second time."""
        if self not in self._others and len(self._others) >= self._most:
            assert isinstance(transport, asyncio.WriteTransport)
            transport.write(b"421 4.3.2 too many connections\r\n")
            transport.close()
            return
        self._others.add(self)
        self._late = self._late or self.loop.call_later(_WHOLE, self.end)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """What a connection says that was not taken is not heard."""
        if self.session is not None:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        """Same."""
        return None if self.session is None else super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """Give the place back."""
        self._others.discard(self)
        if self._late is not None:
            self._late.cancel()
        if self.session is not None:
            super().connection_lost(error)

    def end(self) -> None:
        """Hang up."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


class _Handler:
    """Answers for aiosmtpd; `take` runs on another thread, for it waits for the database."""

    def __init__(self, reading: Reading, most: int) -> None:
        self._reading = reading
        self._most = most

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Bounces come to return paths that we made, complaints to the address they are made of (EM-25)."""
        del server, session, options
        if not self._reading.tokens.ours(address):
            return "550 5.1.1 no such address"
        if len(envelope.rcpt_tos) >= 10:
            return "452 4.5.3 too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """250 after the commit; 451 while the database is away, so that the other side tells it again."""
        del session
        raw = envelope.original_content or b""
        take = partial(self._reading.take, raw, list(envelope.rcpt_tos), most=self._most)
        try:
            await server.loop.run_in_executor(None, take)
        except StoreError:
            return "451 4.3.0 try again later"
        return "250 2.0.0 OK"

    async def handle_exception(self, error: Exception) -> str:
        """What aiosmtpd meets is answered without its words."""
        del error
        return "451 4.3.0 try again later"


def _context(place: str, options: ListenOptions) -> ssl.SSLContext | None:
    if options.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.tls.certificate, options.tls.key)
    except (OSError, ssl.SSLError):
        raise ConfigError(f"{place}.tls: certificate and key are not a pair of PEM files") from None
    return context
