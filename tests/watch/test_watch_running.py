"""The running gateway: readiness names the part that is missing, and an alert reaches a real server, signed."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from watch_site import OpenSite

from gateway import worker
from gateway.app import Gateway
from gateway.app.watching import Reach
from gateway.model.event import Format, RawMessage
from gateway.pipeline.conditions import GROWING

pytestmark = pytest.mark.slow
WEBHOOK = """\
alerts:
  to:
    pager: {{kind: webhook, url: 'http://127.0.0.1:{port}/hook', secret: 'file:secret.txt'}}
"""


@contextmanager
def running(gateway: Gateway, *roles: str) -> Iterator[dict[str, Any]]:
    """The gateway runs in a thread; yields what it opened."""
    stop, opened = threading.Event(), threading.Event()
    told: dict[str, Any] = {}

    def ready(what: dict[str, Any]) -> None:
        told.update(what)
        opened.set()

    thread = threading.Thread(target=lambda: gateway.run(roles, ready=ready, stop=stop))
    thread.start()
    try:
        assert opened.wait(30), "the gateway did not start"
        yield told
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def dead_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def readiness(opened: dict[str, Any]) -> tuple[int, list[str]]:
    """Status, and the parts that are missing."""
    answer = httpx.get(f"http://127.0.0.1:{opened['api']}/health/ready", timeout=30)
    return answer.status_code, answer.json().get("parts", [])


def eventually(so: Callable[[], bool]) -> None:
    """Wait for it."""
    for _ in range(300):
        if so():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come about")


def test_without_its_broker_who_sends_is_not_ready_who_listens_is(open_site: OpenSite) -> None:
    """Law 4: a lost doorbell makes a send late; a gateway that cannot send must say so, one that only listens need not."""
    away = f"redis://127.0.0.1:{dead_port()}/0"
    with running(open_site(broker=away), "work", "api") as opened:
        assert readiness(opened) == (503, ["broker"])
    with running(open_site(broker=away), "listen", "api") as opened:
        assert readiness(opened) == (200, [])


def test_with_everything_there_it_is_ready_and_its_feeds_are_metrics(open_site: OpenSite, redis_url: str) -> None:
    """All roles, a real broker; gauges of both feeds after the first round."""
    with running(open_site(broker=redis_url), "listen", "api", "work") as opened:
        assert readiness(opened) == (200, [])
        metrics = f"http://127.0.0.1:{opened['api']}/metrics"
        eventually(lambda: 'caregate_feed_silent{source="lab"} 0.0' in httpx.get(metrics, timeout=30).text)
        assert 'caregate_part_ready{part="broker"} 1.0' in httpx.get(metrics, timeout=30).text


def test_an_alert_reaches_the_configured_url_once(open_site: OpenSite, tmp_path: Any) -> None:
    """Feed watch: configured in caregate.yaml, its secret in a file; a restart tells nothing again."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    (tmp_path / "secret.txt").write_text("correct horse battery staple\n")
    try:
        more = WEBHOOK.format(port=server.server_address[1])
        gateway = open_site(more)
        now = gateway.clock.now()
        batch = [
            RawMessage(source="ehr", format=Format.HL7V2, body=b"garbage %d" % number, received=now)
            for number in range(GROWING)
        ]
        gateway.receiver.receive(batch)
        with running(gateway, "work"):
            eventually(lambda: bool(got))
        with running(open_site(more), "work", "api") as opened:
            metrics = f"http://127.0.0.1:{opened['api']}/metrics"
            line = 'caregate_alert_active{kind="quarantine-growing",source="ehr"} 1.0'
            eventually(lambda: line in httpx.get(metrics, timeout=30).text)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    told = [(one["kind"], one["source"], one["word"], one["count"]) for one in got]
    assert told == [("quarantine-growing", "ehr", "raised", GROWING)]


@pytest.mark.parametrize("kind", ["memory", "redis", "amqp"])
def test_a_broker_that_answers_is_reachable(kind: str, request: pytest.FixtureRequest) -> None:
    """Over a connection of its own, given back at once."""
    broker = worker.broker_for("memory://" if kind == "memory" else request.getfixturevalue(f"{kind}_url"))
    assert worker.reachable(broker)
    worker.close(broker)


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{port}/0", "amqp://guest:guest@127.0.0.1:{port}/"])
def test_a_broker_that_is_not_there_is_not_reachable_and_said_so_soon(url: str) -> None:
    """A probe must not wait for the operating system; and it does not ask at every probe."""
    broker = worker.broker_for(url.format(port=dead_port()))
    started = time.monotonic()
    reach = Reach(broker)
    assert [reach() for _ in range(20)] == [False] * 20
    assert time.monotonic() - started < 10
    worker.close(broker)


def test_a_broker_that_hangs_is_not_reachable() -> None:
    """It takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        broker = worker.broker_for(f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
        started = time.monotonic()
        assert not worker.reachable(broker)
        assert time.monotonic() - started < 8
        worker.close(broker)
