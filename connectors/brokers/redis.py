"""Where a Redis or Valkey is and who we are there: one connection that is never made again behind our back, every error one of ours.

A client that repeats a command by itself would leave what the first answer held with us unseen, out of its order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLError
from typing import Annotated, Any
from urllib.parse import urlsplit

import redis
from pydantic import AfterValidator
from redis import exceptions as said
from redis.backoff import NoBackoff
from redis.retry import Retry

from connectors.brokers.proof import Proof, loopback, revealed
from gateway.model.errors import Busy, Denied, Missing, ServerError, Unusable

_PORT = 6379


def _url(value: str) -> str:
    """`redis://` or `rediss://`, a host and perhaps a port and the number of a database; no credentials, which would be logged."""
    parts = urlsplit(value)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write rediss://host:6379, with /1 behind it for another database than 0")
    if parts.username is not None or parts.password is not None:
        raise ValueError("tell `user` and `password` beside it, the password as file: or env:")
    if not parts.path.strip("/").isdecimal() and parts.path not in ("", "/"):
        raise ValueError("behind the slash stands the number of a database")
    _ = parts.port  # ValueError where it is none
    return value


class RedisAddress(Proof):
    """The options of a connection; a source and a sink add theirs. `user`: of its ACL; else the default one."""

    at = "url"
    encrypting = "rediss://"
    nameless = True

    url: Annotated[str, AfterValidator(_url)]

    @property
    def encrypted(self) -> bool:
        """See `Proof`."""
        return self.url.startswith("rediss:")

    @property
    def here(self) -> bool:
        """See `Proof`."""
        return loopback(urlsplit(self.url).hostname)


def connected(address: RedisAddress, name: str) -> redis.Redis:
    """A client with one connection, open and proven. `name`: as `CLIENT LIST` shows it. Raises ServerError."""
    parts = urlsplit(address.url)
    with ours():
        client = redis.Redis(
            host=parts.hostname or "",
            port=parts.port or _PORT,
            db=int(parts.path.strip("/") or 0),
            username=address.user,
            password=revealed(address.password),
            socket_timeout=address.timeout,
            socket_connect_timeout=address.timeout,
            client_name=name,
            single_connection_client=True,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            **_tls(address),
        )
        client.ping()
        return client


def _tls(address: RedisAddress) -> dict[str, Any]:
    """The server's certificate and name are always checked; nothing switches that off. TLS 1.2 at least, as Python has it."""
    if not address.encrypted:
        return {}
    return {
        "ssl": True,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_ca_certs": _path(address.ca),
        "ssl_certfile": _path(address.certificate),
        "ssl_keyfile": _path(address.key),
        "ssl_password": revealed(address.passphrase),
    }


def _path(told: Path | None) -> str | None:
    return None if told is None else str(told)


@contextmanager
def ours() -> Iterator[None]:
    """Whatever the client raises, without a word of it: it may quote what it was given."""
    try:
        yield
    except (said.RedisError, OSError, ValueError) as error:
        raise fault_of(error) from None


_FAULTS: tuple[tuple[tuple[type[Exception], ...], type[ServerError], str], ...] = (
    (
        (said.AuthenticationError, said.AuthorizationError, said.AuthenticationWrongNumberOfArgsError),
        Denied,
        "it does not believe who we are: look at `user` and `password`",
    ),
    ((said.NoPermissionError,), Denied, "its ACL does not let us do what is needed; the README lists the commands"),
    ((said.ReadOnlyError,), Busy, "it is a replica that nothing can be written to"),
    ((said.OutOfMemoryError,), Busy, "its memory is full"),
    ((said.MovedError, said.ClusterCrossSlotError), Unusable, "it is a cluster, and the stream lies on another node"),
    ((said.ClusterDownError, said.TryAgainError), Busy, "it takes nothing at the moment"),
    ((said.ConnectionError, said.TimeoutError), Busy, "it cannot be reached, or gave no answer"),
)
_NOT_THERE = "the stream or its group is not there: make it, or say declare: yes"
_WORDS: dict[str, tuple[type[ServerError], str]] = {
    "NOGROUP": (Missing, _NOT_THERE),
    "no such key": (Missing, _NOT_THERE),
    "UNBLOCKED": (Missing, "the stream was removed while it was read"),
    "WRONGTYPE": (Unusable, "what lies under this name is no stream"),
    "MISCONF": (Busy, "it cannot keep anything on disk at the moment"),
    "NOREPLICAS": (Busy, "it has too few replicas at the moment"),
    "DENIED": (Denied, "it lets nobody in from elsewhere (protected mode)"),
}


def fault_of(error: Exception) -> ServerError:
    """Ours for one of the client's errors. Its words are looked into and forgotten."""
    if _within(error, FileNotFoundError) or _within(error, PermissionError):
        return Denied("a file of `ca`, `certificate` or `key` cannot be read")
    if _within(error, SSLError) and "CERTIFICATE" in str(error).upper():
        return Denied("its certificate, or ours, is not believed: look at `ca`, `certificate` and the name in `url`")
    for kinds, fault, text in _FAULTS:
        if isinstance(error, kinds):
            return fault(text)
    if isinstance(error, OSError):
        return Busy("it cannot be reached")
    words = str(error).removeprefix("ERR ")
    fault, text = next((_WORDS[one] for one in _WORDS if words.startswith(one)), (Unusable, "it refuses a command"))
    return fault(text)


def _within(error: BaseException | None, kind: type[Exception]) -> bool:
    """Whether it is of that kind, or came of one."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error is not None
