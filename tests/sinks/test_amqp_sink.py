"""Outcomes are told to RabbitMQ once every one of them is confirmed there; what nobody would get is told to staff, and nothing hangs."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
from rabbit_parts import Queues, Wire, options

from connectors.sinks.amqp import AmqpSink
from gateway.model.errors import ConfigError, DeliveryError, Refused, Unavailable
from gateway.model.outcome import OutcomeKind, SinkRow
from gateway.ports import SystemClock

NOW = 1_772_463_600_000


def rows(count: int, kind: OutcomeKind = OutcomeKind.SENT, first: int = 0) -> list[SinkRow]:
    """Of one source, each with its own id."""
    return [
        SinkRow(id=f"row-{first + one}", kind=kind, at=NOW + one, patient="7", source="ehr") for one in range(count)
    ]


@pytest.fixture
def queues(amqp_url: str) -> Iterator[Queues]:
    """What the test sees of the broker."""
    made = Queues(amqp_url)
    yield made
    made.close()


@pytest.fixture
def exchange(queues: Queues) -> Iterator[str]:
    """A topic exchange to which nothing is bound."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    with queues.channel() as channel:
        channel.exchange_declare(name, "topic", durable=True)
    yield name
    with queues.channel() as channel:
        channel.exchange_delete(name)


@pytest.fixture
def sink(amqp_url: str, exchange: str) -> Callable[..., AmqpSink]:
    """`sink(**options)`."""

    def made(**told: Any) -> AmqpSink:
        return AmqpSink("bus", {**options(amqp_url), "exchange": exchange, **told}, SystemClock())

    return made


def bound(queues: Queues, exchange: str, key: str, **arguments: object) -> str:
    """A queue that gets what fits the key."""
    queue = queues.make("classic", **arguments)
    with queues.channel() as channel:
        channel.queue_bind(queue, exchange, key)
    return queue


def test_each_outcome_is_an_event_in_order_and_the_same_when_told_again(
    queues: Queues, exchange: str, sink: Callable[..., AmqpSink]
) -> None:
    """CloudEvents 1.0, structured; routed by type; persistent; its id is the message's."""
    queue = bound(queues, exchange, "org.caregate.communication.*")
    batch = rows(300)
    for _ in range(2):
        sink().write(batch)
    found = queues.all(queue)
    assert [told.message_id for _, told, _ in found] == 2 * [row.id for row in batch]
    assert {body for _, _, body in found[:300]} == {body for _, _, body in found[300:]}
    method, told, body = found[0]
    event = json.loads(body)
    assert (event["id"], event["type"], event["subject"]) == ("row-0", method.routing_key, "7")
    assert (told.delivery_mode, told.type, told.headers) == (2, event["type"], {"subject": "7"})
    assert told.content_type.startswith("application/cloudevents+json")


def test_what_no_queue_is_bound_for_is_refused_by_name(
    queues: Queues, exchange: str, sink: Callable[..., AmqpSink]
) -> None:
    """Nobody would ever hear of it; the others are there, and told again do no harm."""
    queue = bound(queues, exchange, "org.caregate.communication.*")
    with pytest.raises(Refused, match=r"org\.caregate\.consent\.opted-out: bind"):
        sink().write([*rows(2), *rows(1, OutcomeKind.OPTED_OUT, 2)])
    assert queues.left(queue) == 2


def test_what_the_broker_cannot_keep_is_told_later(
    queues: Queues, exchange: str, sink: Callable[..., AmqpSink]
) -> None:
    """A queue that is full and says so: basic.nack."""
    bound(queues, exchange, "#", **{"x-max-length": 1, "x-overflow": "reject-publish"})
    with pytest.raises(Unavailable, match="could not keep"):
        sink().write(rows(20))


def test_who_may_not_or_finds_no_exchange_waits_for_a_person(sink: Callable[..., AmqpSink]) -> None:
    """Never tried again by itself, and no password in what is said."""
    wrong: Sequence[dict[str, str]] = (
        {"password": "CANARY-1"},
        {"exchange": "test-nowhere"},
        {"url": f"{sink()._options.url}/CANARY"},
    )
    for told in wrong:
        with pytest.raises(Refused) as failed:
            sink(**told).write(rows(1))
        assert "CANARY" not in str(failed.value)


def test_a_broker_that_is_away_or_silent_is_tried_again(
    queues: Queues, exchange: str, amqp_url: str, sink: Callable[..., AmqpSink]
) -> None:
    """Away; taking the connection and saying nothing; cut, or silent, once the events are on their way. All within the time."""
    bound(queues, exchange, "#")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        _fails(sink(url=f"amqp://127.0.0.1:{free.getsockname()[1]}"))
        free.listen()
        _fails(sink(url=f"amqp://127.0.0.1:{free.getsockname()[1]}", timeout=1))
    wire, never = Wire(urlsplit(amqp_url).port or 5672), threading.Event()
    there = sink(url=f"amqp://127.0.0.1:{wire.port}", within=1)
    try:
        wire.carries = lambda data: b"row-0" not in data
        _fails(there)
        wire.carries = lambda data: b"row-0" not in data or never.wait()
        _fails(there)
        wire.carries = lambda _: True
        there.write(rows(5))
    finally:
        never.set()
        wire.close()


def _fails(sink: AmqpSink) -> None:
    with pytest.raises(DeliveryError) as failed:
        sink.write(rows(5))
    assert isinstance(failed.value, Unavailable)


@pytest.mark.parametrize("told", [{"exchange": ""}, {"url": "amqp://bus.example"}, {"key": "x"}, {"within": "soon"}])
def test_wrong_options_are_named(told: dict[str, str], sink: Callable[..., AmqpSink]) -> None:
    """And what is wrong is not repeated."""
    with pytest.raises(ConfigError, match=r"sinks\.bus"):
        sink(**told)
