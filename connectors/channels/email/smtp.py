"""A few SMTP connections shared by the delivering threads; a broken one is never lent again."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from connectors.channels.email.compose import Composed
from connectors.channels.email.connection import Connection, Deadline
from connectors.channels.email.options import EmailOptions
from gateway.model.errors import ConfigError, Unavailable

IDLE = 60.0  # seconds; relays hang up after five minutes (RFC 5321 §4.5.3.2.7)


class Pool:
    """At most `connections` conversations at a time. Raises ConfigError when `ca_file` cannot be read."""

    def __init__(self, options: EmailOptions) -> None:
        self._options = options
        self._context = tls_context(options) if options.ca_file else None  # what cannot be read stops the start
        self._slots = threading.BoundedSemaphore(options.connections)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False

    def carry(self, message: Composed) -> str | None:
        """Hand one message over within the options' timeout; returns the relay's queue id if it told one.

        Raises Refused, Unavailable or Unknown (see `Connection.carry`).
        """
        deadline = Deadline(self._options.timeout)
        with self._slot(), self._lent(deadline) as connection:
            return connection.carry(message, deadline)

    def close(self) -> None:
        """Say goodbye on idle connections; those in use close when they come back. Never raises."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.quit()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._options.timeout / 2):  # the other half is for the conversation
            raise Unavailable("all connections were busy")
        try:
            yield
        finally:
            self._slots.release()

    @contextmanager
    def _lent(self, deadline: Deadline) -> Iterator[Connection]:
        connection = self._fresh_or_idle(deadline)
        try:
            yield connection
        finally:
            self._give_back(connection)

    def _fresh_or_idle(self, deadline: Deadline) -> Connection:
        while (connection := self._take_idle()) is not None:
            if time.monotonic() - connection.idle_since < IDLE and connection.healthy():
                return connection
            connection.drop()
        if self._context is None:  # the system's authorities take their time: a command that sends nothing does without
            self._context = tls_context(self._options)
        return Connection(self._options, self._context, deadline)

    def _take_idle(self) -> Connection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _give_back(self, connection: Connection) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            keep = connection.open and not self._closed
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.quit()


def tls_context(options: EmailOptions) -> ssl.SSLContext:
    """Verified certificates, host name checked, TLS 1.2 or later (RFC 8314, BCP 195).

    `ca_file` replaces the system's authorities; raises ConfigError when it cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=str(options.ca_file) if options.ca_file else None)
    except (OSError, ssl.SSLError):
        raise ConfigError(f"channels: ca_file {options.ca_file} is not a file of PEM certificates") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
