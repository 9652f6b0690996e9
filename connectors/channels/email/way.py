"""The way messages leave, as the options say."""

from __future__ import annotations

from typing import Protocol

from connectors.channels.email.compose import Composed
from connectors.channels.email.options import Delivery, EmailOptions
from connectors.channels.email.relay import Relay


class Way(Protocol):
    """Hands messages over, from any thread."""

    def carry(self, message: Composed, *, open_allowed: bool) -> str | None:
        """Hand one message over within the options' timeout; returns the other side's queue id if it told one.

        `open_allowed`: it may go unencrypted. Raises Insecure, Refused, Unavailable or Unknown.
        """
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


def way(options: EmailOptions) -> Way:
    """The relay's, or straight to the recipient's servers. Raises ConfigError."""
    if options.delivery is Delivery.RELAY:
        return Relay(options)
    from connectors.channels.email.direct import Direct  # dnspython is loaded only where it is used

    return Direct(options)
