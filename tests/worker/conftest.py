"""Every worker test runs on every broker that can be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from dramatiq.broker import Broker

from gateway import worker


@pytest.fixture(params=["memory", "redis", "amqp"])
def broker_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty broker, once for each kind."""
    if request.param == "memory":
        return "memory://"
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def broker(broker_url: str) -> Iterator[Broker]:
    """An empty broker; connections are given back at the end."""
    made = worker.broker_for(broker_url)
    yield made
    if broker_url.startswith("amqp"):
        made.flush(worker.QUEUE)
    worker.close(made)


Work = Callable[..., worker.Ring]


@pytest.fixture
def work(broker: Broker) -> Iterator[Work]:
    """Declares `deliver`, starts two threads, returns the bell; the worker is stopped at the end."""
    started = []

    def _work(deliver: Callable[[int], None], *, time_limit: int = 60_000) -> worker.Ring:
        ring = worker.declare(broker, deliver, time_limit=time_limit)
        started.append(worker.start(broker, 2))
        return ring

    yield _work
    for one in started:
        worker.stop(one, timeout=10_000)
