"""One SMTP server as a conversation needs it: where, how protected, who we are there, and whether lacking TLS is for good."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

from pydantic import SecretStr

from connectors.channels.email.options import EmailOptions, Tls, is_loopback
from gateway.model.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """`context`: the same at every call. `addresses`: what `host` was resolved to, else the system's resolver is asked. `timeout` in seconds.

    `strict`: lacking TLS is the recipient's side's doing, so it raises Insecure; else it is our relay's, and Unavailable.
    """

    host: str
    port: int
    tls: Tls
    context: Callable[[], ssl.SSLContext] = field(repr=False)
    hello: str
    timeout: float
    messages: int
    addresses: tuple[str, ...] = ()
    username: str | None = None
    password: SecretStr | None = None
    strict: bool = False
    clear: bool = False  # unencrypted beyond loopback: only for who chose it (PH-01)

    def in_clear(self) -> Hop:
        """The same server without TLS."""
        return replace(self, tls=Tls.OFF, clear=True)


def relay_hop(options: EmailOptions) -> Hop:
    """The configured relay. Raises ConfigError when `ca_file` cannot be read."""
    assert options.host is not None
    return Hop(
        host=options.host,
        port=options.at_port,
        tls=options.tls,
        context=context_of(options),
        hello=options.hello,
        timeout=options.timeout,
        messages=options.messages_per_connection,
        username=options.username,
        password=options.password,
        clear=options.tls is Tls.OFF and is_loopback(options.host),
    )


def context_of(options: EmailOptions) -> Callable[[], ssl.SSLContext]:
    """`tls_context` with the first message: the system's authorities are many, and most commands send nothing.

    A `ca_file` is read at once, so that a wrong one stops the start with its ConfigError.
    """
    found = cache(lambda: tls_context(options))
    if options.ca_file is not None:
        found()
    return found


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


def unverified_context() -> ssl.SSLContext:
    """TLS with whoever answers, for a message that might go in clear as well (RFC 7435, opportunistic security)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
