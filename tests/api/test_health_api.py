"""Health and metrics over HTTP, with a database that is there, and one that is not."""

from __future__ import annotations

import asyncio
import io
import json

import httpx
import pytest

from gateway import telemetry
from gateway.api import Readiness, create
from gateway.model.errors import StoreUnavailable


def _fine():
    return True


def _down():
    raise StoreUnavailable("the database is not there")


class Client:
    """Asks an application in this process, as a server would pass the request on."""

    def __init__(self, check, **parts):
        app = create(Readiness({"database": check, **parts}))
        self._transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)

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
    assert answer.json()["parts"] == ["database"]


def test_what_is_not_ready_is_named_in_closed_words_and_logged_once(ask):
    """The parts in order, in the body and in the log; a change is a line, a probe is none; a gauge for each."""
    log = io.StringIO()
    telemetry.configure(json=True, stream=log, hooks=False)
    there = {"broker": False, "intake": False}
    client = ask(_fine, broker=lambda: there["broker"], intake=lambda: there["intake"])
    try:
        for _ in range(3):
            assert client.get("/health/ready").json()["parts"] == ["broker", "intake"]
        there["intake"] = True
        assert client.get("/health/ready").json()["parts"] == ["broker"]
        metrics = client.get("/metrics").text
        there["broker"] = True
        assert client.get("/health/ready").json() == {"status": "ready"}
    finally:
        telemetry.reset()
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["event"], line["part"]) for line in lines] == [
        ("health.not-ready", "broker"),
        ("health.not-ready", "intake"),
        ("health.ready-again", "intake"),
        ("health.ready-again", "broker"),
    ]
    assert 'caregate_part_ready{part="broker"} 0.0' in metrics
    assert 'caregate_part_ready{part="intake"} 1.0' in metrics


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
    app = create(Readiness({"database": _fine}))
    config = getattr(app, "_telemetry", {"tracing": False})
    assert not config["tracing"]
