"""The API as it really listens: a socket, a thread, a database that answers or does not."""

from __future__ import annotations

from contextlib import contextmanager

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
