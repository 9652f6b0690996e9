"""The webhook against real servers on loopback: signed, bounded in time, over verified TLS, and nothing of the answer is used."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from email_parts import Authority, free_port, script

from connectors.alerts.webhook import WebhookAlerts
from gateway.model.alert import Alert, AlertWord
from gateway.model.errors import ConfigError, Refused, Unavailable
from gateway.ports import SetClock

SECRET = "correct horse battery staple"
NOW = 1_772_467_200_000


class Desk:
    """A real HTTP server that remembers what it got and answers as told."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer = 204
        self.location = ""


@contextmanager
def served(desk: Desk, *, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Yields the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            desk.got.append((self.path, dict(self.headers), body))
            self.send_response(desk.answer)
            if desk.location:
                self.send_header("Location", desk.location)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def webhook(url: str, **options: object) -> WebhookAlerts:
    """A sink for a URL."""
    return WebhookAlerts("pager", {"url": url, "secret": SECRET, "timeout": 5, **options}, SetClock(NOW))


def test_an_alert_arrives_signed_and_without_a_person(alert: Alert) -> None:
    """Alerts: what the README's `genuine` accepts; closed words and times only."""
    with served(desk := Desk()) as port:
        webhook(f"http://127.0.0.1:{port}/hooks/a?team=7").tell(alert)
    ((path, headers, body),) = desk.got
    assert path == "/hooks/a?team=7"
    assert json.loads(body) == {
        "id": "feed-silent:ehr:1772463600000",
        "kind": "feed-silent",
        "word": "raised",
        "environment": "production",
        "source": "ehr",
        "host": None,
        "since": "2026-03-02T15:00:00+00:00",
        "at": "2026-03-02T16:00:00+00:00",
        "count": 0,
        "text": alert.text,
    }
    t, v1 = (part.partition("=")[2] for part in headers["Caregate-Signature"].split(","))
    assert int(t) == NOW // 1000
    assert v1 == hmac.new(SECRET.encode(), t.encode() + b"." + body, hashlib.sha256).hexdigest()


def test_the_same_alert_told_later_has_another_signature(alert: Alert) -> None:
    """Alerts: the time is signed, so that an old one cannot be played again."""
    clock = SetClock(NOW)
    with served(desk := Desk()) as port:
        sink = WebhookAlerts("pager", {"url": f"http://127.0.0.1:{port}/", "secret": SECRET}, clock)
        sink.tell(alert)
        clock.set(NOW + 60_000)
        sink.tell(replace(alert, word=AlertWord.RESOLVED))
    signatures = [headers["Caregate-Signature"] for _, headers, _ in desk.got]
    assert len({one.partition(",")[0] for one in signatures}) == 2


@pytest.mark.parametrize(
    ("answer", "failure"),
    [(200, None), (299, None), (302, Refused), (404, Refused), (410, Refused), (408, Unavailable), (429, Unavailable),
     (500, Unavailable), (503, Unavailable)],
)  # fmt: skip
def test_the_answer_decides_whether_it_was_told(alert: Alert, answer: int, failure: type[Exception] | None) -> None:
    """Alerts: 2xx; else in words of our own, the number and nothing else."""
    with served(desk := Desk()) as port:
        desk.answer = answer
        if failure is None:
            webhook(f"http://127.0.0.1:{port}/").tell(alert)
            return
        with pytest.raises(failure, match=f"^answered {answer}$"):
            webhook(f"http://127.0.0.1:{port}/").tell(alert)


def test_no_redirect_is_followed(alert: Alert) -> None:
    """Alerts: the signature is for one URL; another one could be anybody's."""
    with served(elsewhere := Desk()) as other, served(desk := Desk()) as port:
        desk.answer, desk.location = 307, f"http://127.0.0.1:{other}/"
        with pytest.raises(Refused):
            webhook(f"http://127.0.0.1:{port}/").tell(alert)
    assert elsewhere.got == []


def test_over_tls_the_name_and_the_authority_are_checked(alert: Alert, ca: Authority) -> None:
    """Alerts: our authority, the right name; not another's, not a wrong name."""
    with served(desk := Desk(), tls=ca.server(["127.0.0.1"])) as port:
        webhook(f"https://127.0.0.1:{port}/", ca_file=str(ca.file)).tell(alert)
        with pytest.raises(Unavailable, match="certificate is not valid"):
            webhook(f"https://127.0.0.1:{port}/").tell(alert)
    assert len(desk.got) == 1
    with (
        served(Desk(), tls=ca.server(["elsewhere.example"])) as port,
        pytest.raises(Unavailable, match="certificate is not valid"),
    ):
        webhook(f"https://127.0.0.1:{port}/", ca_file=str(ca.file)).tell(alert)


def test_nobody_there_is_no_answer(alert: Alert) -> None:
    """Alerts: tried again later by the ledger."""
    with pytest.raises(Unavailable, match=r"^no answer$"):
        webhook(f"http://127.0.0.1:{free_port()}/").tell(alert)


def test_a_server_that_drips_is_given_its_time_and_no_more(alert: Alert) -> None:
    """Alerts: the limit is for the whole, not for each byte; and no second telling hangs beside the first."""

    def drip(_reader: Any, sock: Any) -> None:
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
            sock.sendall(bytes([byte]))
            time.sleep(0.05)

    with script(drip) as port:
        sink = webhook(f"http://127.0.0.1:{port}/", timeout=0.5)
        started = time.monotonic()
        with pytest.raises(Unavailable, match="in time"):
            sink.tell(alert)
        assert time.monotonic() - started < 3
        assert sink._hanging is not None
        sink._hanging.join(5)
        assert not sink._hanging.is_alive(), "its socket was shut, so that the thread ends"


def test_a_telling_that_still_hangs_is_not_joined_by_another(alert: Alert) -> None:
    """Alerts: a name look-up cannot be ended; threads must not pile up."""
    sink = webhook("http://127.0.0.1:9/")
    hanging = threading.Event()
    sink._hanging = threading.Thread(target=hanging.wait, daemon=True)
    sink._hanging.start()
    with pytest.raises(Unavailable, match="still hangs"):
        sink.tell(alert)
    hanging.set()


def test_an_answer_that_is_no_http_is_no_answer(alert: Alert) -> None:
    """Alerts: nothing of it is repeated."""
    with script(lambda _, sock: sock.sendall(b"Smith, John\r\n\r\n")) as port, pytest.raises(Unavailable) as caught:
        webhook(f"http://127.0.0.1:{port}/").tell(alert)
    assert "Smith" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "http://ops.example/x"}, "url: must be https"),
        ({"url": "ftp://ops.example/x"}, "url: must be a URL like"),
        ({"url": "https://ops.example:port/x"}, "url: must be a URL like"),
        ({"url": "https://ops.example/a b"}, "url: must be a URL like"),
        ({"url": "https://ops.example/\r\nX: y"}, "url: must be a URL like"),
        ({"url": "https:///x"}, "url: must be a URL like"),
        ({"url": "https://me:geheim@ops.example/x"}, "url: must not carry a name or password"),
        ({"secret": "short"}, "secret: must have at least 16 characters"),
        ({"timeout": 0}, "timeout"),
        ({"colour": "red"}, "colour"),
        ({"ca_file": "/nowhere.pem"}, "ca_file"),
    ],
)
def test_what_would_not_be_safe_is_refused_without_quoting_it(options: dict[str, object], said: str) -> None:
    """Alerts: at the option's name; a URL may hold a token."""
    with pytest.raises(ConfigError) as caught:
        WebhookAlerts("pager", {"url": "https://ops.example/x", "secret": SECRET, **options}, SetClock(NOW))
    assert said in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_the_secrets_of_a_sink_are_in_no_repr() -> None:
    """Secrets stay out of logs and tracebacks."""
    sink = webhook("http://127.0.0.1:9/token-4711")
    assert "4711" not in repr(sink._options)
    assert SECRET not in repr(sink._options)


def test_plain_http_to_this_machine_by_name_is_allowed() -> None:
    """Alerts: an agent beside the gateway."""
    webhook("http://localhost:9/")
    webhook("http://[::1]:9/")
