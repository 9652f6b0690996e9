"""Delivery through one relay: what needs TLS is handed over only if the relay is known to go on with it (EM-09)."""

from __future__ import annotations

from dataclasses import replace

from connectors.channels.email.compose import Composed
from connectors.channels.email.connection import Deadline
from connectors.channels.email.hop import relay_hop
from connectors.channels.email.limits import Limits
from connectors.channels.email.options import EmailOptions
from connectors.channels.email.smtp import Pool
from gateway.model.errors import Insecure


class Relay:
    """The conversation with the relay is protected as the options say in every case. Raises ConfigError."""

    def __init__(self, options: EmailOptions) -> None:
        self._options = options
        self._hop = relay_hop(options)
        self._pool = Pool(options.connections, options.timeout)
        self._limits = Limits(
            at_a_time=options.domain_connections, per_minute=options.domain_per_minute, patience=options.timeout / 2
        )

    def carry(self, message: Composed, *, open_allowed: bool) -> str | None:
        """Hand one message over within the options' timeout; returns the relay's queue id if it told one.

        `open_allowed`: it may go on in clear. Raises Insecure, Refused, Unavailable or Unknown.
        """
        if not open_allowed and not (self._options.relay_enforces_tls or self._options.requiretls):
            raise Insecure("the relay is not known to enforce TLS onward")
        if self._options.requiretls and not open_allowed:
            message = replace(message, require_tls=True)
        deadline = Deadline(self._options.timeout)
        with self._limits.turn(message.domain), self._pool.slot():
            return self._pool.carry(self._hop, message, deadline)

    def close(self) -> None:
        """Give back connections."""
        self._pool.close()
