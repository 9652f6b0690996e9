"""A door before a Kafka of the tests: it may be cut, speak TLS, and ask for a user; what leaves through it names the door, not the broker behind."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_VERSIONS, _HANDSHAKE, _AUTHENTICATE = 18, 17, 36  # API keys
_REFUSED = 58  # SASL_AUTHENTICATION_FAILED


class Door:
    """Listens on loopback, and carries each connection to `port`.

    Clients go where metadata sends them, so that addresses in answers are made ours: they are of one length. `context`:
    TLS with it. `login`: a user and password, shown by SASL PLAIN; the broker behind knows none of it.
    """

    def __init__(
        self, port: int, *, context: ssl.SSLContext | None = None, login: tuple[str, str] | None = None
    ) -> None:
        self._to, self._context, self._login = port, context, login
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        self.made = 0  # connections that got through
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """For `servers`."""
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End every connection in the middle of whatever it carries."""
        open_, self._open = self._open, []
        for one in open_:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let nobody in any more."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._socket.accept()[0],), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError), plain:
            near = self._context.wrap_socket(plain, server_side=True) if self._context else plain
            with near, socket.create_connection(("127.0.0.1", self._to)) as far:
                self._open += [near, far]
                if self._login is None or self._admits(near, far):
                    self.made += 1
                    threading.Thread(target=_carry, args=(near, far), daemon=True).start()
                    self._answer(far, near)

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        """Whole answers, so that no address is cut in two."""
        theirs, ours = (b"127.0.0.1" + struct.pack(">i", port) for port in (self._to, self.port))
        while (frame := _frame(far)) is not None:
            near.sendall(frame.replace(theirs, ours))

    def _admits(self, near: socket.socket, far: socket.socket) -> bool:
        """SaslHandshake and SaslAuthenticate (KIP-43, KIP-152), version 0 or 1; before them ApiVersions, which offers both."""
        while (frame := _frame(near)) is not None:
            key, version, correlation = struct.unpack(">hhi", frame[4:12])
            if key == _VERSIONS:
                far.sendall(frame)
                told = _frame(far)
                assert told
                near.sendall(_offering(told, flexible=version >= 3))
            elif key == _HANDSHAKE:
                near.sendall(_framed(correlation, struct.pack(">hi", 0, 1) + _text("PLAIN")))
            elif key == _AUTHENTICATE:
                known = frame.endswith(b"\0%s\0%s" % tuple(one.encode() for one in self._login or ()))
                body = struct.pack(">h", 0 if known else _REFUSED) + struct.pack(">h", -1) + struct.pack(">i", 0)
                near.sendall(_framed(correlation, body + (struct.pack(">q", 0) if version else b"")))
                return known
        return False


def _text(told: str) -> bytes:
    return struct.pack(">h", len(told)) + told.encode()


def _framed(correlation: int, body: bytes) -> bytes:
    return struct.pack(">ii", len(body) + 4, correlation) + body


def _offering(frame: bytes, *, flexible: bool) -> bytes:
    """An answer to ApiVersions with two more requests in it."""
    head, error, rest = frame[4:8], frame[8:10], frame[10:]
    more = b"".join(struct.pack(">hhh", key, 0, 1) + b"\0" * flexible for key in (_HANDSHAKE, _AUTHENTICATE))
    if flexible:
        assert rest[0] < 0x7D, "a count in one byte"
        body = bytes([rest[0] + 2]) + more + rest[1:]
    else:
        body = struct.pack(">i", struct.unpack(">i", rest[:4])[0] + 2) + more + rest[4:]
    return struct.pack(">i", len(head + error + body)) + head + error + body


def _frame(one: socket.socket) -> bytes | None:
    """The next whole request or answer with its length; None at the end."""
    head = _exactly(one, 4)
    if head is None:
        return None
    body = _exactly(one, struct.unpack(">i", head)[0])
    return None if body is None else head + body


def _exactly(one: socket.socket, count: int) -> bytes | None:
    found = bytearray()
    while len(found) < count:
        part = one.recv(min(1 << 16, count - len(found)))
        if not part:
            return None
        found += part
    return bytes(found)


def _carry(near: socket.socket, far: socket.socket) -> None:
    with suppress(OSError):
        while part := near.recv(1 << 16):
            far.sendall(part)
    with suppress(OSError):
        far.shutdown(socket.SHUT_RDWR)


@contextmanager
def door(port: int, *, context: ssl.SSLContext | None = None, login: tuple[str, str] | None = None) -> Iterator[Door]:
    """One of a test's own."""
    made = Door(port, context=context, login=login)
    try:
        yield made
    finally:
        made.close()
