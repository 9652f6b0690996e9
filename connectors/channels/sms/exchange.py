"""One HTTP exchange under one deadline that knows whether the request can have been understood (SM-07).

httpx bounds a single read, not the whole, and a name look-up not at all; so each exchange has a thread of its own and
a gate before the body: what was given up before the gate will never be sent, what passed it may have been.
"""

from __future__ import annotations

import base64
import json
import queue
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from connectors.channels.sms.options import SmsOptions
from gateway.model.errors import ConfigError, Unavailable, Unknown

_LONGEST = 4 << 20  # bytes of an answer
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the provider answered: HTTP status, its JSON object ({} for anything else), seconds of Retry-After."""

    status: int
    told: Mapping[str, Any] = field(repr=False)
    retry_after: float | None = None

    @property
    def code(self) -> int | None:
        """The provider's error code, if it told one."""
        code = self.told.get("code")
        return code if isinstance(code, int) and 0 < code < 1_000_000 else None


class _TooLateError(Exception):
    """The exchange was given up before its body left."""


class _Gate:
    """Stands before the body: it passes or is shut, never both."""

    def __init__(self, until: float) -> None:
        self._lock = threading.Lock()
        self._until = until  # of the monotonic clock: later there would be no time to hear an answer
        self._shut = False
        self._passed = False

    def enter(self) -> None:
        """Pass; raises _TooLateError once it is shut or late."""
        with self._lock:
            if self._shut or time.monotonic() > self._until:
                raise _TooLateError
            self._passed = True

    def shut(self) -> bool:
        """Let nothing pass any more; whether something has."""
        with self._lock:
            self._shut = True
            return self._passed


class _Body(httpx.SyncByteStream):
    """A request's body that leaves through the gate; httpcore asks for it after the headers were written."""

    def __init__(self, body: bytes, gate: _Gate) -> None:
        self._body = body
        self._gate = gate

    def __iter__(self) -> Iterator[bytes]:
        self._gate.enter()
        yield self._body


class Line:
    """HTTP to one provider: verified TLS 1.2 or later, no redirects, no proxies of the environment, few at a time.

    httpx's transport is used without its client, which logs URLs, and a look-up's URL holds a number.
    """

    def __init__(self, name: str, options: SmsOptions) -> None:
        self._timeout = options.timeout
        self._base = options.base_url
        self._slots = threading.BoundedSemaphore(options.connections)
        user, password = options.credentials
        self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        limits = httpx.Limits(max_connections=options.connections, keepalive_expiry=15.0)
        self._transport = httpx.HTTPTransport(verify=_context(name, options), limits=limits, trust_env=False)

    def post(self, path: str, form: Mapping[str, str], *, base: str | None = None) -> Answer:
        """POST a form, to another host of the provider's if `base` is told.

        Raises Unavailable when it provably never arrived whole, Unknown when it may have.
        """
        return self._ask("POST", (base or self._base) + path, urlencode(form).encode())

    def get(self, path: str, query: Mapping[str, str]) -> Answer:
        """GET, to look something up. Raises Unavailable."""
        return self._look(f"{self._base}{path}?{urlencode(query)}")

    def follow(self, target: str) -> Answer:
        """GET a further page, told as a path on the same host. Raises Unavailable."""
        parts = urlsplit(self._base)
        if not target.startswith("/") or target.startswith("//"):
            raise Unavailable("looking up: the next page is not on the same host")
        return self._look(f"{parts.scheme}://{parts.netloc}{target}")

    def close(self) -> None:
        """Give back connections."""
        self._transport.close()

    def _look(self, url: str) -> Answer:
        try:
            return self._ask("GET", url, b"")
        except Unknown:  # nobody minds whether a question was understood
            raise Unavailable("looking up: no answer") from None

    def _ask(self, method: str, url: str, body: bytes) -> Answer:
        end = time.monotonic() + self._timeout
        if not self._slots.acquire(timeout=self._timeout / 2):  # the other half is for the exchange
            raise Unavailable("all connections were busy")
        gate = _Gate(end - self._timeout / 10)
        heard: queue.SimpleQueue[Answer | str] = queue.SimpleQueue()
        request = self._request(method, url, body, gate)
        thread = threading.Thread(target=self._run, args=(request, end, heard), daemon=True, name="sms-exchange")
        try:
            thread.start()
        except RuntimeError:
            self._slots.release()
            raise Unavailable("no thread could be started") from None
        try:
            answer = heard.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            answer = "no answer in time"
        if isinstance(answer, Answer):
            return answer
        if gate.shut():
            raise Unknown(f"the request was sent: {answer}")
        raise Unavailable(f"the request was not sent: {answer}")

    def _request(self, method: str, url: str, body: bytes, gate: _Gate) -> httpx.Request:
        headers = {
            "Host": urlsplit(url).netloc,
            "Authorization": self._authorization,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "caregate",
            "Content-Length": str(len(body)),
            **({"Content-Type": _FORM} if body else {}),
        }
        bounds = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout)
        return httpx.Request(method, url, headers=headers, stream=_Body(body, gate), extensions={"timeout": bounds})

    def _run(self, request: httpx.Request, end: float, heard: queue.SimpleQueue[Answer | str]) -> None:
        try:
            heard.put(_answer(self._transport.handle_request(request), end))
        except httpx.ConnectError as error:
            heard.put(_why(error))
        except Exception as error:  # noqa: BLE001 - its text quotes the URL or the other side; the gate tells the rest
            heard.put("too late" if isinstance(error, _TooLateError) else "the line was lost")
        finally:
            self._slots.release()


def _answer(response: httpx.Response, end: float) -> Answer:
    body = bytearray()
    try:
        for piece in response.stream:  # type: ignore[union-attr]
            body += piece
            if len(body) > _LONGEST or time.monotonic() > end:
                raise _TooLateError
    finally:
        response.close()
    return Answer(
        status=response.status_code,
        told=_object(bytes(body)),
        retry_after=_seconds(response.headers.get("retry-after", "")),
    )


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _seconds(text: str) -> float | None:
    return float(text[:6]) if text.isascii() and text.isdigit() else None


def _why(error: httpx.ConnectError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "the certificate is not valid for the provider's name"
        cause = cause.__cause__ or cause.__context__
    return "no connection"


def _context(name: str, options: SmsOptions) -> ssl.SSLContext:
    """Verified certificates, host name checked, TLS 1.2 or later (BCP 195)."""
    try:
        context = ssl.create_default_context(cafile=str(options.ca_file) if options.ca_file else None)
    except (OSError, ssl.SSLError):
        raise ConfigError(f"channels.{name}.ca_file: is not a file of PEM certificates") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
