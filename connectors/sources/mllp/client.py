"""A small MLLP sender: one message outstanding, and a reply counts only if it acknowledges that message (A-28, A-30)."""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from types import TracebackType
from typing import Self

from connectors.sources.mllp.codec import Decoder, Frame, frame
from gateway.er7.header import Header, read_header
from gateway.model.errors import Unavailable, Unknown, Unreadable

_LARGEST_REPLY = 1 << 20
_COMMITTED, _NOT_COMMITTED = b"\x06", b"\x15"  # MLLP release 2


class _Late(Unknown):
    """Nothing came in time; the connection stands."""


class MllpClient:
    """A blocking connection to an MLLP receiver. `timeout` in seconds, for the connection and per message.

    `context`: TLS with these certificates; the receiver's must fit `host` if the context checks names (TL-02).
    `release` 2: each block is repeated up to `retries` times until the receiver has committed it (M2-04).
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout: float = 5.0,
        context: ssl.SSLContext | None = None,
        release: int = 1,
        retries: int = 2,
    ) -> None:
        self._timeout = timeout
        self._release = release
        self._retries = retries
        self._decoder = Decoder(_LARGEST_REPLY)
        self._replies: deque[bytes] = deque()
        try:
            plain = socket.create_connection((host, port), timeout)
        except OSError:
            raise Unavailable("no MLLP receiver could be reached there") from None
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = plain if context is None else _secured(plain, context, host)

    def send(self, message: bytes) -> bytes:
        """Send one message without framing bytes and return its acknowledgement, also without.

        Replies whose MSA-2 is another control id are passed over (A-28). Raises Unknown when none came in time
        or the connection ended: the receiver may have taken it, so send the same message again (A-29). Release 2:
        raises Unavailable when the receiver said, to the last repetition, that it could not store it.
        """
        if self._release == 1:
            self.write(frame(message))
        else:
            self._write_until_committed(frame(message))
        until = time.monotonic() + self._timeout
        control_id = control_id_of(message)
        while True:
            reply = self.receive(max(0.001, until - time.monotonic()))
            if control_id is None or _acknowledged(reply) in (control_id, "", None):
                return reply

    def write(self, raw: bytes) -> None:
        """Write bytes as they are, framed or not. Raises Unknown if the connection is gone."""
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(raw)
        except OSError:
            raise Unknown("the connection ended while the message was written") from None

    def receive(self, timeout: float | None = None) -> bytes:
        """The next frame's content. Raises Unknown on time-out (seconds) and on a closed connection.

        Release 2: a commit byte that comes late is passed over, and what is returned was committed to its sender.
        """
        reply = self._next(self._timeout if timeout is None else timeout)
        while self._release == 2 and reply in (_COMMITTED, _NOT_COMMITTED):
            reply = self._next(self._timeout if timeout is None else timeout)
        if self._release == 2:
            self.write(frame(_COMMITTED))
        return reply

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _write_until_committed(self, block: bytes) -> None:
        refused = False
        for _ in range(1 + self._retries):
            self.write(block)
            answer = self._commit()
            if answer == _COMMITTED:
                return
            refused = answer == _NOT_COMMITTED
        if refused:
            raise Unavailable("the receiver could not store the message")
        raise Unknown("the receiver did not say whether it stored the message")

    def _commit(self) -> bytes | None:
        """06, 15, or None in time; an HL7 block that comes meanwhile is kept for its reader (M2-05)."""
        until = time.monotonic() + self._timeout
        kept: list[bytes] = []
        try:
            while True:
                answer = self._next(max(0.001, until - time.monotonic()))
                if answer in (_COMMITTED, _NOT_COMMITTED):
                    return answer
                kept.append(answer)
        except _Late:
            return None
        finally:
            self._replies.extendleft(reversed(kept))

    def _next(self, timeout: float) -> bytes:
        until = time.monotonic() + timeout
        while not self._replies:
            chunk = self._read(max(0.001, until - time.monotonic()))
            self._replies.extend(event.body for event in self._decoder.feed(chunk) if isinstance(event, Frame))
        return self._replies.popleft()

    def _read(self, timeout: float) -> bytes:
        try:
            self._socket.settimeout(timeout)
            chunk = self._socket.recv(65_536)
        except TimeoutError:
            raise _Late("no acknowledgement came in time") from None
        except OSError:
            raise Unknown("the connection broke before the acknowledgement") from None
        if not chunk:
            raise Unknown("the receiver closed the connection without an acknowledgement")
        return chunk

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def acknowledgement(reply: bytes) -> tuple[str, str] | None:
    """MSA-1 and MSA-2 of a reply; None where it has no readable MSA."""
    return _msa(reply)


def _secured(plain: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except OSError:
        plain.close()
        raise Unavailable("the TLS handshake with the MLLP receiver failed") from None


def control_id_of(message: bytes) -> str | None:
    """MSH-10 of a message; None where it has no readable header."""
    header = _header(message)
    return header.control_id if header else None


def _acknowledged(reply: bytes) -> str | None:
    # MSA-2; None where the reply has no readable MSA, which is then the caller's to judge.
    found = _msa(reply)
    return found[1] if found else None


def _msa(reply: bytes) -> tuple[str, str] | None:
    header = _header(reply)
    if header is None:
        return None
    for segment in reply.decode("latin-1").split("\r"):
        parts = [*segment.split(header.separators.field), "", ""]
        if parts[0] == "MSA":
            return parts[1], parts[2]
    return None


def _header(message: bytes) -> Header | None:
    try:
        return read_header(message)
    except Unreadable:
        return None
