"""Bytes to one server and back: verified TLS, no redirects, one deadline for the whole exchange, answers of bounded size.

httpcore is used without httpx's client, which logs URLs, and the URL of a search may hold a person's number.
"""

from __future__ import annotations

import ssl
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import httpcore
import httpx

from connectors.sources.fhir.client.hurrying import Hurry
from connectors.sources.fhir.client.options import ClientOptions
from gateway.model.errors import Busy, ConfigError, Unusable

_LOST = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol)
_STEP = 1 << 16  # bytes unpacked at a time: a bomb is noticed before it has grown


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`headers` in lower case; `body` unpacked."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An answer whose body is still on its way: `pieces` unpacked, each of 64 KiB at most; Busy when it is cut off."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    pieces: Iterator[bytes] = field(repr=False)


class Line:
    """HTTP connections of one source, kept and shared by its threads. `name` is the source's, for errors of its options."""

    def __init__(self, name: str, options: ClientOptions) -> None:
        self._timeout = options.timeout
        self._most = options.max_body
        self._hurry = Hurry()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_context(name, options),
            max_connections=options.connections,
            keepalive_expiry=30.0,
            network_backend=self._hurry,
        )

    def ask(self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """The whole answer. Raises Busy when there is none, Unusable when it is too large or packed as we cannot read."""
        with self._hurry.within(self._timeout), self._opened(method, url, headers, body) as stream:
            found = bytearray()
            for piece in stream.pieces:
                found += piece
                if len(found) > self._most:
                    raise Unusable("the server's answer is larger than `max_body`")
            return Answer(status=stream.status, headers=stream.headers, body=bytes(found))

    @contextmanager
    def opened(self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes = b"") -> Iterator[Stream]:
        """The beginning of an answer within `timeout`, the rest as it is read; each read waits so long. Raises as `ask`."""
        with ExitStack() as open_:
            with self._hurry.within(self._timeout):
                stream = open_.enter_context(self._opened(method, url, headers, body))
            yield stream

    @contextmanager
    def _opened(self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> Iterator[Stream]:
        response = self._begun(self._request(method, url, headers, body))
        told = httpx.Headers(response.headers)
        try:
            pieces = _unpacked(response, told.get("content-encoding", "identity"))
            yield Stream(
                status=response.status, headers={name.lower(): value for name, value in told.items()}, pieces=pieces
            )
        finally:
            response.close()

    def close(self) -> None:
        """Give back connections."""
        self._pool.close()

    def _request(self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> httpcore.Request:
        bounds = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout)
        told = {"Accept-Encoding": "gzip", "User-Agent": "caregate", **headers}
        content = body if body or method in ("POST", "PUT") else None
        whole = httpx.Request(method, url, headers=told, content=content)  # with Host and Content-Length
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        return httpcore.Request(
            method, target, headers=whole.headers.raw, content=whole.read(), extensions={"timeout": bounds}
        )

    def _begun(self, request: httpcore.Request) -> httpcore.Response:
        try:
            return self._pool.handle_request(request)
        except httpcore.ConnectError as error:
            raise Busy(_why(error)) from None
        except httpcore.TimeoutException:
            raise Busy("the server did not answer in time") from None
        except _LOST:  # its text may quote what was asked
            raise Busy("the connection to the server was lost") from None


def _pieces(response: httpcore.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_stream()
    except httpcore.TimeoutException:
        raise Busy("the server did not answer in time") from None
    except _LOST:
        raise Busy("the connection to the server was lost") from None


def _unpacked(response: httpcore.Response, coding: str) -> Iterator[bytes]:
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        yield from _pieces(response)
    elif coding in ("gzip", "x-gzip"):
        yield from _gunzipped(_pieces(response))
    else:
        raise Unusable("the server's answer is packed in a way that was not asked for")


def _gunzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    unpack = zlib.decompressobj(31)
    try:
        for piece in pieces:
            rest = piece
            while rest and not unpack.eof:
                yield unpack.decompress(rest, _STEP)
                rest = unpack.unconsumed_tail
    except zlib.error:
        raise Unusable("the server's answer is not the gzip it says it is") from None
    if not unpack.eof:
        raise Busy("the connection to the server was lost")


def _why(error: BaseException) -> str:
    """Why there is no connection, in words that quote nobody."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "the server's certificate is not one that we trust for this host"
        cause = cause.__cause__ or cause.__context__
    return "there is no connection to the server"


def _context(name: str, options: ClientOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(options.ca_file) if options.ca_file else None)
    except (OSError, ssl.SSLError):
        raise ConfigError(f"source {name}: client.ca_file: is not a file of PEM certificates") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
