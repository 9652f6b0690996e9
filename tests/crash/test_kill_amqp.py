"""kill -9 at every point between a delivery of RabbitMQ and its acknowledgement: received once in effect, and nothing is left there."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from crash_parts import Child, House, wall
from rabbit_parts import Queues, options

from gateway.model.when import SECOND
from gateway.store import tables

pytestmark = pytest.mark.slow

FEED = """\
  engine:
    kind: amqp
    organization: lakeside
    authority: LAKESIDE
    url: {url}
    user: {user}
    password: file:rabbit.secret
    queue: {queue}
    batch: 2
    prefetch: 4
    reconnect: 0.5
"""
POINTS = ["after-taking", "during-receive-commit", "before-settling", "after-settling"]
"""All that a broker can tell apart: before our commit it is as after taking, behind it as before settling (what a database makes of
being killed there: test_kill.py)."""
PATIENTS = range(8)
VISIT = "2026-03-20 09:30"


@pytest.fixture
def fed(
    amqp_url: str, make_house: Callable[..., House], store_url: str, tmp_path: Any
) -> Iterator[tuple[House, Queues, str]]:
    """A site that is fed by a queue."""
    queues, told = Queues(amqp_url), options(amqp_url)
    queue = queues.make()
    (tmp_path / "rabbit.secret").write_text(told["password"])
    yield make_house(store_url, feeds=FEED.format(queue=queue, **told)), queues, queue
    queues.close()


@pytest.mark.parametrize("point", POINTS)
def test_a_gateway_that_is_killed_before_it_acknowledged_loses_nothing_and_doubles_nothing(
    fed: tuple[House, Queues, str], point: str
) -> None:
    """Law 1, A-01, D-02: the broker gives again what was not acknowledged, and what was stored has no second effect."""
    house, queues, queue = fed
    messages = [house.booking(f"P{one}", VISIT) for one in PATIENTS]
    first = house.starts()
    queues.put(queue, messages[:2])
    house.waits(lambda: _stored(house) == 2)
    first.ask(kill=point)
    queues.put(queue, messages[2:])
    assert first.gone() == -signal.SIGKILL
    second = house.starts()
    _everybody_is_told_once(house, second, queues, queue)


def test_while_the_database_is_away_nothing_is_acknowledged_whoever_dies_meanwhile(
    fed: tuple[House, Queues, str],
) -> None:
    """A-04: all of it is in the queue again; when there is a database it is taken, once."""
    house, queues, queue = fed
    first = house.starts()
    with _locked(house.database):
        queues.put(queue, [house.booking(f"P{one}", VISIT) for one in PATIENTS])
        house.waits(lambda: queues.left(queue) == len(PATIENTS) - 4)
        first.terminate(signal.SIGKILL)
        first.gone()
        house.waits(lambda: queues.left(queue) == len(PATIENTS))
    _everybody_is_told_once(house, house.starts(), queues, queue)


def _locked(url: str) -> closing[Any]:
    """Somebody else holds what `receive` needs to write, until the end of the block."""
    if url.startswith("sqlite"):
        link = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        link.execute("BEGIN IMMEDIATE")
        return closing(link)
    import psycopg

    server = psycopg.connect(url)
    server.execute("LOCK TABLE raw IN ACCESS EXCLUSIVE MODE")
    return closing(server)


def _stored(house: House) -> int:
    return len(house.every(tables.raw, "id"))


def _everybody_is_told_once(house: House, child: Child, queues: Queues, queue: str) -> None:
    house.waits(lambda: len(house.every(tables.request, "id")) == 2 * len(PATIENTS))
    for table in (tables.raw, tables.occurrence):
        assert len(house.every(table, "id")) == len(PATIENTS)
    house.goes_to(wall("2026-03-13 09:30") + SECOND, child)
    assert sorted(house.mails().values()) == [1] * len(PATIENTS)
    child.terminate()
    assert child.gone() == 0, child.log()
    house.waits(lambda: queues.left(queue) == 0)
    assert house.verified().ok
