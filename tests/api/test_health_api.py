"""Health and metrics over HTTP, with a database that is there, and one that is not."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from gateway.api import create
from gateway.model.errors import StoreUnavailable


def _fine():
    pass


def _down():
    raise StoreUnavailable("the database is not there")


class Client:
    """Asks an application in this process, as a server would pass the request on."""

    def __init__(self, check):
        self._transport = httpx.ASGITransport(app=create(check), raise_app_exceptions=False)

    def get(self, path):
        async def asked():
            async with httpx.AsyncClient(transport=self._transport, base_url="http://caregate.example") as client:
                return await client.get(path)

        return asyncio.run(asked())


@pytest.fixture
def ask():
    """A client of an application whose database is as told."""
    return Client


def test_a_gateway_with_a_database_is_live_and_ready(ask):
    """Both probes answer 200."""
    client = ask(_fine)
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready"}


def test_a_gateway_without_its_database_lives_but_takes_no_traffic(ask):
    """503 with a problem document; restarting the process would not help, so it stays live."""
    client = ask(_down)
    assert client.get("/health/live").status_code == 200
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"


def test_metrics_are_prometheus_text(ask):
    """The counters of this process."""
    answer = ask(_fine).get("/metrics")
    assert answer.status_code == 200
    assert "caregate_messages" in answer.text


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/", "/nope?name=Smith"])
def test_nothing_else_is_there_and_nothing_of_the_request_comes_back(ask, path):
    """No documentation pages, and an error that does not repeat the query."""
    answer = ask(_fine).get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Smith" not in answer.text


def test_an_error_of_our_own_says_nothing_about_its_cause(ask):
    """Foreign texts may quote a patient."""

    def broken():
        raise ValueError("Smith")

    answer = ask(broken).get("/health/ready")
    assert answer.status_code == 500
    assert "Smith" not in answer.text


def test_the_framework_records_no_url_query(ask):
    """Its own tracing, metrics and logs are off."""
    app = create(_fine)
    config = getattr(app, "_telemetry", {"tracing": False})
    assert not config["tracing"]
