"""E-mail through a relay over SMTP, TLS verified; entry point `gateway.channels: email`."""

from connectors.channels.email.channel import EmailChannel

__all__ = ["EmailChannel"]
