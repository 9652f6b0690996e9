"""The start of a TLS connection: until the other side has proved who it is, no byte of it is looked at as HL7 (TL-04)."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from connectors.sources.mllp.connection import Connection
from connectors.sources.mllp.port import Port
from connectors.sources.mllp.tls import Credentials, failure_of
from gateway.model.audit import NodeFailure

_CLOSING = 1.0  # seconds for the last bytes and the other side's close_notify; few senders send one


class Handshake(asyncio.Protocol):
    """Stands in for a `Connection` until the handshake is done, then hands the encrypted transport over.

    It has its own time limit, and its place under the connection cap: a scanner can hold neither for long.
    """

    def __init__(self, port: Port, credentials: Credentials, *, timeout: float) -> None:
        self._port = port
        self._credentials = credentials
        self._timeout = timeout
        self._connection = Connection(port)
        self._early: list[bytes] = []  # decrypted in the same turn of the loop in which the handshake ended
        self._ended = False
        self._shaking: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A sender connected: admit it, then the handshake."""
        transport = cast(asyncio.Transport, transport)
        if self._shaking is not None:
            return
        if not self._connection.admitted(transport):
            return
        transport.pause_reading()  # the first bytes are the handshake's
        self._connection.await_handshake(transport)
        self._shaking = self._port.loop.create_task(self._shake(transport))

    def data_received(self, data: bytes) -> None:
        """Only after the handshake: `start_tls` puts another protocol before this one at once."""
        self._early.append(data)

    def eof_received(self) -> bool:
        """The sender ended it; told to the connection once that is there."""
        self._ended = True
        return False

    async def _shake(self, transport: asyncio.Transport) -> None:
        host = str((transport.get_extra_info("peername") or ("",))[0])
        try:
            secured = await self._port.loop.start_tls(
                transport,
                self,
                self._credentials.context,
                server_side=True,
                ssl_handshake_timeout=self._timeout,
                ssl_shutdown_timeout=_CLOSING,
            )
        except OSError as error:  # SSLError, resets and time-outs are all of this kind
            if (failure := failure_of(error)) is not None:
                self._port.witness(failure, host)
            self._refuse(transport, "mllp.tls-refused", host, type(error).__name__)
            return
        if secured is None or secured.is_closing():
            self._refuse(transport, "mllp.tls-refused", host, "ConnectionResetError")
            return
        self._hand_over(secured, host)

    def _hand_over(self, secured: asyncio.Transport, host: str) -> None:
        peer = self._credentials.peer(cast(ssl.SSLObject, secured.get_extra_info("ssl_object")))
        if peer is None:
            self._port.witness(NodeFailure.CERTIFICATE_UNKNOWN, host)
            self._refuse(secured, "mllp.certificate-refused", host, "SSLCertVerificationError")
            return
        if self._credentials.ends_soon(peer):
            self._port.tell("mllp.peer-certificate-expiring", host=host, until=peer.expires)
        secured.set_protocol(self._connection)
        self._connection.begin(secured, peer)
        for data in self._early:
            self._connection.data_received(data)
        if self._ended:
            self._connection.eof_received()
            secured.close()

    def _refuse(self, transport: asyncio.Transport, event: str, host: str, error: str) -> None:
        self._port.tell(event, host=host, error=error)
        self._port.gone(self._connection)
        transport.abort()
