"""kill -9 between a message's delivery and its offset, a wire that is cut, a broker that is away: each counts once, in order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from crash_parts import Child, House, wall

from gateway.store import tables
from tests.queues.kafka_there import Kafka, kafka

pytestmark = pytest.mark.slow

TOPIC, GROUP = "visits", "caregate"
FEED = """\
  queue:
    kind: kafka
    organization: lakeside
    authority: LAKESIDE
    servers: {address}
    topics: [visits]
    group: caregate
    session_timeout: 1s
    timeout: 2s
    batch: 4
    prefetch: 8
    reconnect: 500ms
"""
POINTS = ["after-taking", "during-receive-commit", "before-settling", "after-settling"]
"""All that a broker can tell apart: before our commit it is as after taking, behind it as before settling (what a database makes of
being killed there: test_kill.py)."""
POISON = b"this is no message"
VISITS = [f"2026-03-{day} 09:30" for day in range(20, 29)]


@pytest.fixture
def broker() -> Iterator[Kafka]:
    """A Kafka that outlives every gateway of the test."""
    with kafka() as made:
        made.topic(TOPIC)
        yield made


def feed(home: House) -> list[bytes]:
    """One visit, booked and then moved from day to day: only the order of the partition makes the last of them true. And poison."""
    visits = [
        home.booking("p1", when, appointment="A1", trigger="S13" if at else "S12") for at, when in enumerate(VISITS)
    ]
    return [*visits[:2], POISON, *visits[2:]]


def told_once(home: House, broker: Kafka, child: Child, count: int) -> None:
    """Each is stored once, the group is at the end, and the last word of the partition is what holds."""
    home.waits(lambda: broker.committed(GROUP, TOPIC) == [count], 60)
    (visit,) = home.every(tables.occurrence, "start_utc")
    assert visit["start_utc"] == wall(VISITS[-1])
    active = [one["step"] for one in home.every(tables.request, "step", "state") if one["state"] == "active"]
    assert len(active) == len(set(active)) == 2
    assert len(home.every(tables.raw, "id")) == count
    assert [one["state"] for one in home.every(tables.quarantine, "state")] == ["open"]
    child.terminate()
    assert child.gone() == 0, child.log()
    assert POISON.decode() not in child.log()
    assert home.verified().ok


@pytest.mark.parametrize("point", POINTS)
def test_a_gateway_that_is_killed_within_a_topic_loses_nothing_and_doubles_nothing(
    make_house: Callable[..., House], store_url: str, broker: Kafka, point: str
) -> None:
    """A-01, D-02: whoever comes after begins where the group stands, once the dead one's session is over."""
    home = make_house(store_url, feeds=FEED.format(address=broker.address))
    first, messages = home.starts(), feed(home)
    first.ask(kill=point)
    broker.gets(TOPIC, *messages)
    assert first.gone() == -signal.SIGKILL
    assert broker.committed(GROUP, TOPIC) != [len(messages)]
    told_once(home, broker, home.starts(), len(messages))
