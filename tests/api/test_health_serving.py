"""The API as it really listens: a socket, a thread, a database that answers or does not."""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress

import httpx
import pytest

from gateway.api import serve
from gateway.model.errors import CommandError, StoreUnavailable


class Store:
    """A database that can be switched off."""

    def __init__(self):
        self.there = True
        self.asked = 0

    @contextmanager
    def read(self):
        if not self.there:
            raise StoreUnavailable("gone")
        yield self

    now = 0

    def all(self, statement, params=()):
        self.asked += 1
        return []


@pytest.fixture
def served():
    """A listening API on a free port, and its database."""
    store = Store()
    server = serve(store, "127.0.0.1", 0)
    yield store, f"http://127.0.0.1:{server.port}"
    server.stop()


def test_readiness_follows_the_database(served):
    """Ready, then not, then ready again, without a restart."""
    store, url = served
    assert httpx.get(f"{url}/health/ready").status_code == 200
    assert store.asked == 1
    store.there = False
    assert httpx.get(f"{url}/health/ready").status_code == 503
    assert httpx.get(f"{url}/health/live").status_code == 200
    store.there = True
    assert httpx.get(f"{url}/health/ready").status_code == 200


def test_a_busy_port_is_one_sentence(served):
    """It names the port and the setting."""
    _, url = served
    port = int(url.rpartition(":")[2])
    with pytest.raises(CommandError, match=f"port {port} on 127.0.0.1 is in use; choose another `api.port`"):
        serve(Store(), "127.0.0.1", port)


def test_a_caller_whose_request_does_not_come_is_not_waited_for(served, monkeypatch):
    """F-14 over HTTP: also when it sends a byte now and then, and after a request that was answered."""
    monkeypatch.setattr("gateway.api.connections.HEAD_SECONDS", 0.2)
    _, url = served
    for begun in (b"", b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 5) as raw:
            raw.sendall(begun)
            with suppress(ConnectionError):
                while raw.recv(1_000):
                    raw.sendall(b"G")


def test_what_tells_its_length_twice_is_refused_and_what_follows_is_not_heard(served):
    """RFC 9112 §11.2: a proxy that goes by the other length takes the second request for the first's body."""
    _, url = served
    smuggled = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    length = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 5) as raw:
        raw.sendall(b"POST /health/live HTTP/1.1\r\nHost: x\r\n" + length + smuggled)
        told = b""
        with suppress(ConnectionError):
            while piece := raw.recv(65_536):
                told += piece
    assert told.startswith(b"HTTP/1.1 400")
    assert told.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(("shared", "status"), [(False, None), (True, 200)])
def test_nobody_alone_takes_all_connections(served, monkeypatch, shared, status):
    """F-12 over HTTP: a stranger's many leave room for everybody else's; a proxy on this machine is everybody."""
    monkeypatch.setattr("gateway.api.connections.MOST_OF_ONE", 1)
    monkeypatch.setattr("gateway.api.connections.is_shared", lambda _host: shared)
    _, url = served
    with httpx.Client() as client:
        assert client.get(f"{url}/health/live").status_code == 200
        answered = None
        with suppress(httpx.TransportError):
            answered = httpx.get(f"{url}/health/live").status_code
        assert answered == status
        assert client.get(f"{url}/health/live").status_code == 200


def test_one_connection_too_many_is_turned_away(served, monkeypatch):
    """F-12 over HTTP: the feeds beside it need files and sockets too."""
    monkeypatch.setattr("gateway.api.connections.MOST", 1)
    _, url = served
    with httpx.Client() as client:
        assert client.get(f"{url}/health/live").status_code == 200
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url}/health/live")
        assert client.get(f"{url}/health/live").status_code == 200
