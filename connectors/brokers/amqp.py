"""Where a RabbitMQ is and who we are there: its certificate and name are always checked, every error is one of ours and quotes nobody.

AMQP 0-9-1, as RabbitMQ speaks it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, model_validator

from connectors.brokers.proof import Proof, client, loopback, revealed
from connectors.durations import Seconds
from gateway.model.errors import Busy, Denied, Missing, ServerError, Unusable

_PORTS: Final = {"amqp": 5672, "amqps": 5671}


def _url(value: str) -> str:
    """`amqp://` or `amqps://`, a host and perhaps a port and a virtual host; no credentials, which would be shown."""
    parts = urlsplit(value)
    if parts.scheme not in _PORTS or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write amqps://host:5671, with /name behind it for another virtual host than /")
    if parts.username is not None or parts.password is not None:
        raise ValueError("tell `user` and `password` beside it, the password as file: or env:")
    if "/" in parts.path[1:]:
        raise ValueError("write a slash in the name of a virtual host as %2F")
    _ = parts.port  # ValueError where it is none
    return value


class AmqpAddress(Proof):
    """The options of a connection; a source and a sink add theirs. `certificate` without `user` is our login (EXTERNAL)."""

    at = "url"
    encrypting = "amqps://"

    url: Annotated[str, Field(max_length=2_000), AfterValidator(_url)]
    heartbeat: Annotated[Seconds, Field(ge=2, le=3_600)] = 30.0  # half of it is how often each side says that it lives

    @property
    def encrypted(self) -> bool:
        """See `Proof`."""
        return self.url.startswith("amqps:")

    @property
    def here(self) -> bool:
        """See `Proof`."""
        return loopback(urlsplit(self.url).hostname)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.user is None and self.certificate is None and not self.here:
            raise ValueError("user: tell `user` and `password`, or `certificate` and `key`")
        return self


def parameters(address: AmqpAddress, name: str) -> Any:
    """How pika connects, once. `name`: as RabbitMQ lists the connection; no PHI. Raises ServerError."""
    pika = client("pika", "amqp")
    with ours():
        parts = urlsplit(address.url)
        host = parts.hostname or ""
        return pika.ConnectionParameters(
            host=host,
            port=parts.port or _PORTS[parts.scheme],
            virtual_host=unquote(parts.path[1:]) or "/",
            credentials=_login(address),
            ssl_options=pika.SSLOptions(_context(address), host) if address.encrypted else None,
            heartbeat=int(address.heartbeat),
            socket_timeout=address.timeout,
            stack_timeout=address.timeout,
            blocked_connection_timeout=None,  # a broker that is short of memory still gives, and is waited for
            connection_attempts=1,
            client_properties={"connection_name": name, "product": "Caregate"},
        )


def _login(address: AmqpAddress) -> Any:
    from pika.credentials import ExternalCredentials, PlainCredentials

    if address.user is not None and address.password is not None:
        return PlainCredentials(address.user, address.password.get_secret_value(), erase_on_connect=True)
    return PlainCredentials("guest", "guest") if address.certificate is None else ExternalCredentials()


def _context(address: AmqpAddress) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=address.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if address.certificate is not None and address.key is not None:
        phrase = revealed(address.passphrase) or ""  # else OpenSSL asks a terminal
        context.load_cert_chain(address.certificate, address.key, lambda: phrase)
    return context


@contextmanager
def ours() -> Iterator[None]:
    """Whatever pika raises, without a word of it: brokers quote names, and clients what they were given."""
    from pika.exceptions import AMQPError, ChannelError

    try:
        yield
    except (AMQPError, ChannelError, OSError, ValueError, ArithmeticError) as error:
        raise fault_of(error) from None


_NOT_BELIEVED = "it does not believe who we are: look at `user` and `password`, or at `certificate`"
_ANSWERS: Final[dict[int, tuple[type[ServerError], str]]] = {
    320: (Busy, "it is being stopped, or somebody closed the connection there"),
    402: (Unusable, "it cannot find where the message goes"),
    403: (Denied, "this user may not do what is needed there: look at its permissions and at the virtual host"),
    404: (Missing, "the queue or exchange is not there"),
    405: (Busy, "somebody else has the queue for itself at the moment"),
    406: (Unusable, "it is not what was asked for, or was not settled in the broker's time (consumer_timeout)"),
    530: (Denied, "there is no such virtual host, or it is full, or the user may not connect to it"),
    540: (Unusable, "the broker cannot do what was asked of this kind of queue"),
}
"""By reply code (AMQP 0-9-1 §1.2; 320: connection-forced)."""


def fault_of(error: BaseException) -> ServerError:
    """Ours for one of the client's errors. Its words are looked at and forgotten."""
    from pika import exceptions as said

    if isinstance(error, said.AuthenticationError):
        return Denied("it knows no login of this kind: `certificate` alone needs its EXTERNAL mechanism", 401)
    if isinstance(error, said.ProbableAuthenticationError) and "(403)" in str(error):  # else it was cut meanwhile
        return Denied(_NOT_BELIEVED, 401)
    if isinstance(error, said.ProbableAccessDeniedError) and "(530)" in str(error):
        return Denied(_ANSWERS[530][1], 403)
    if isinstance(error, said.ConnectionClosed | said.ChannelClosed):
        return _answered(error)
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return Denied("a file of `ca`, `certificate` or `key` cannot be read")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Denied("its certificate is not believed: look at `ca`, and at the name in `url`")
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Denied("no TLS could be agreed on: look at the port in `url`, at `certificate`, `key` and `passphrase`")
    return Busy("it cannot be reached, or the connection was lost")


def _answered(error: Any) -> ServerError:
    code = int(error.reply_code)
    fault, text = _ANSWERS.get(code, (Busy, f"it closed the connection ({code})"))
    return fault(text)
