"""Tells one URL, signed, within a time limit; no redirect is followed and nothing of the answer is kept.

Who receives it recomputes HMAC-SHA256 with the shared secret over `t`, a dot and the body as it came, compares in
constant time and refuses an old `t`. The same `id` and `word` may come twice: a telling whose answer was lost is
told again.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import queue
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

from connectors.alerts.webhook.options import WebhookOptions, read_options, split
from gateway.model.alert import Alert
from gateway.model.errors import ConfigError, DeliveryError, Refused, Unavailable
from gateway.model.when import SECOND, to_datetime
from gateway.ports import Clock, Options

SIGNATURE = "Caregate-Signature"


class WebhookAlerts:
    """`ports.AlertSink` over HTTP POST. Raises ConfigError for bad options."""

    section = WebhookOptions

    def __init__(self, name: str, options: Options, clock: Clock) -> None:
        self.name = name
        self._clock = clock
        self._options = read_options(name, options)
        self._context = _context(name, self._options)
        self._hanging: threading.Thread | None = None

    def tell(self, alert: Alert) -> None:
        """POST one alert. Raises Refused for an answer that asks not to come again (4xx, 3xx), else Unavailable."""
        if self._hanging is not None and self._hanging.is_alive():
            raise Unavailable("the last telling still hangs")
        body = payload(alert)
        status = self._bounded(lambda close: self._post(body, close))
        if 200 <= status < 300:
            return
        # RFC 9110: 408, 425 and 429 ask for another try, a redirect is not followed, any other 4xx says no
        again = status >= 500 or status in (408, 425, 429)
        raise (Unavailable if again else Refused)(f"answered {status}")

    def close(self) -> None:
        """Nothing is held open between two tellings."""

    def _post(self, body: bytes, opened: Callable[[http.client.HTTPConnection], None]) -> int:
        parts = split(self._options.url.get_secret_value())
        assert parts is not None, "it was checked"
        assert parts.hostname is not None
        timeout = self._options.timeout
        connection = (
            http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=self._context)
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        )
        opened(connection)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("POST", target, body, self._headers(body))
            return connection.getresponse().status
        finally:
            connection.close()

    def _headers(self, body: bytes) -> dict[str, str]:
        seconds = self._clock.now() // SECOND
        return {
            "Content-Type": "application/json",
            "User-Agent": "caregate",
            SIGNATURE: f"t={seconds},v1={signature(self._options.secret.get_secret_value(), seconds, body)}",
        }

    def _bounded(self, post: Callable[[Callable[[http.client.HTTPConnection], None]], int]) -> int:
        """Run on a thread of its own: a name look-up takes no time limit, and a socket's bounds one read only."""
        answer: queue.SimpleQueue[int | DeliveryError] = queue.SimpleQueue()
        opened: list[http.client.HTTPConnection] = []

        def run() -> None:
            try:
                answer.put(post(opened.append))
            except ssl.SSLCertVerificationError:
                answer.put(Unavailable("the certificate is not valid for the URL's name"))
            except (OSError, http.client.HTTPException, ValueError):
                answer.put(Unavailable("no answer"))

        thread = threading.Thread(target=run, name=f"alert-{self.name}", daemon=True)
        thread.start()
        try:
            told = answer.get(timeout=self._options.timeout)
        except queue.Empty:
            self._hanging = thread
            for connection in opened:
                _abandon(connection)
            raise Unavailable("no answer in time") from None
        if isinstance(told, DeliveryError):
            raise told
        return told


def payload(alert: Alert) -> bytes:
    """The alert as JSON: closed words, a feed's name, a host's, times in UTC and a count."""
    told = {
        "id": alert.id,
        "kind": alert.kind.value,
        "word": alert.word.value,
        "environment": alert.environment,
        "source": alert.source or None,
        "host": alert.host or None,
        "since": to_datetime(alert.since).isoformat(timespec="seconds"),
        "at": to_datetime(alert.at).isoformat(timespec="seconds"),
        "count": alert.count,
        "text": alert.text,
    }
    return json.dumps(told, separators=(",", ":")).encode()


def signature(secret: str, seconds: int, body: bytes) -> str:
    """HMAC-SHA256 in hex (RFC 2104) over the Unix time in decimal, a dot and the body."""
    return hmac.new(secret.encode(), b"%d." % seconds + body, hashlib.sha256).hexdigest()


def _context(name: str, options: WebhookOptions) -> ssl.SSLContext:
    """Verified certificates, host name checked, TLS 1.2 or later (BCP 195)."""
    try:
        context = ssl.create_default_context(cafile=str(options.ca_file) if options.ca_file else None)
    except (OSError, ssl.SSLError):
        raise ConfigError(f"alerts.{name}.ca_file: is not a file of PEM certificates") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _abandon(connection: http.client.HTTPConnection) -> None:
    """Wake the thread that waits for an answer."""
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(2)
