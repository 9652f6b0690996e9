"""RabbitMQ gets its acknowledgement behind our commit and nothing else, whatever happens to the connection, the queue or the broker."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pika
import pika.data
import pytest
from mllp_certificates import Authority
from rabbit_parts import OwnRabbit, Queues, Wire, options
from test_pump import FAILED, STORED, Intake, until

from connectors.sources.amqp import AmqpSource
from connectors.sources.amqp import link as amqp_link
from connectors.sources.amqp.link import AmqpLink
from gateway import telemetry
from gateway.model.errors import ConfigError
from gateway.model.when import DAY
from gateway.ports import SystemClock

Starts = Callable[..., AmqpSource]
COUNT = 60


@pytest.fixture
def starts(amqp_url: str) -> Iterator[Starts]:
    """`starts(intake, queue, **options)`: a source that runs until the end of the test."""
    running: list[AmqpSource] = []

    def start(intake: Intake, queue: str, **told: Any) -> AmqpSource:
        about = {**options(amqp_url), "reconnect": 0.2, "stop_timeout": 2, "queue": queue, **told}
        source = AmqpSource("engine", {name: value for name, value in about.items() if value}, SystemClock())
        asyncio.run(source.start(intake))
        running.append(source)
        return source

    yield start
    for source in running:
        asyncio.run(source.stop())


def bodies(count: int = COUNT) -> list[bytes]:
    """Told apart by their number."""
    return [b"MSH|^~\\&|%d\r" % one for one in range(count)]


def test_what_is_committed_is_acknowledged_and_in_the_order_of_the_queue(rabbit: Queues, starts: Starts) -> None:
    """Law 1, of both kinds of queue; how a sender packed it is unpacked."""
    for kind in ("quorum", "classic"):
        queue, intake = rabbit.make(kind), Intake()
        rabbit.put(queue, bodies())
        source = starts(intake, queue, batch=7, prefetch=20)
        until(lambda found=intake: len(found.seen) == COUNT)
        asyncio.run(source.stop())
        assert intake.seen == bodies()
        assert rabbit.left(queue) == 0
        assert source.queue.taken == COUNT
        assert not source.queue.again


def test_while_our_database_is_away_nothing_is_acknowledged(rabbit: Queues, starts: Starts) -> None:
    """A-04: no more than `prefetch` is in hand, and all of it goes back when we go; the broker says that it comes again."""
    queue, intake = rabbit.make(), Intake(lambda _: FAILED)
    rabbit.put(queue, bodies())
    source = starts(intake, queue, batch=5, prefetch=20, heartbeat=2)
    until(lambda: len(intake.seen) > 20)  # tried again, too
    assert rabbit.left(queue) == COUNT - 20
    assert source.queue.connected
    asyncio.run(source.stop())
    assert rabbit.left(queue) == COUNT
    again = Intake()
    second = starts(again, queue)
    until(lambda: len(again.seen) == COUNT)
    until(lambda: rabbit.left(queue) == 0)
    assert again.seen == bodies()
    assert second.queue.again == 20


def test_a_cut_connection_is_made_again_and_what_was_not_acknowledged_comes_again(
    rabbit: Queues, amqp_url: str, starts: Starts, wires: Callable[[int], Wire]
) -> None:
    """D-02: also where it is cut on the very acknowledgement, which never arrives."""
    wire, intake, queue = wires(urlsplit(amqp_url).port or 5672), Intake(), rabbit.make()
    acknowledged = iter([True, True, False])
    wire.carries = lambda data: not _acknowledges(data) or next(acknowledged, True)
    rabbit.put(queue, bodies())
    source = starts(intake, queue, batch=6, prefetch=12, url=f"amqp://127.0.0.1:{wire.port}")
    until(lambda: {*intake.seen} == {*bodies()})
    asyncio.run(source.stop())
    assert rabbit.left(queue) == 0
    assert wire.made == 2
    assert source.queue.again > 0
    assert source.counts["queue.lost"] == 1


def _acknowledges(data: bytes) -> bool:
    """A frame of basic.ack (AMQP 0-9-1: class 60, method 80)."""
    return b"\x00\x3c\x00\x50" in data


def test_a_subscription_that_the_broker_ends_is_made_again_when_the_queue_is_there(
    rabbit: Queues, starts: Starts
) -> None:
    """A queue that was removed, or failed over: the channel stays open, and nothing would ever come."""
    queue, intake = rabbit.make("classic"), Intake()
    source = starts(intake, queue)
    rabbit.put(queue, bodies(3))
    until(lambda: len(intake.seen) == 3)
    rabbit.remove(queue)
    until(lambda: source.counts.get("queue.lost", 0) > 1)  # it is not there, and not made by us
    with rabbit.channel() as channel:
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "classic"})
    rabbit.put(queue, bodies(3))
    until(lambda: len(intake.seen) == 6)


def test_a_queue_is_made_only_where_that_is_asked_for(rabbit: Queues, starts: Starts) -> None:
    """`declare: yes`, durable; one that is there otherwise is left as it is."""
    name = rabbit.make()
    rabbit.remove(name)
    source = starts(Intake(), name, declare=True)
    until(lambda: source.queue.connected)
    other = rabbit.make("classic")
    refused = starts(Intake(), other, declare=True)
    until(lambda: refused.counts.get("queue.lost", 0) > 0)
    assert not refused.queue.connected


def test_a_stream_is_refused(rabbit: Queues, starts: Starts) -> None:
    """It keeps no account of who had what: what came while we were away would be left out."""
    source = starts(Intake(), rabbit.make("stream"))
    until(lambda: source.counts.get("queue.lost", 0) > 0)
    assert not source.queue.connected


def test_what_waits_is_told_with_what_is_in_hand(rabbit: Queues) -> None:
    """Lag: all that is not acknowledged."""
    queue = rabbit.make()
    rabbit.put(queue, bodies())
    with opened(rabbit, queue) as link:
        taken = link.take(5, 5.0)
        assert link.waiting().messages == COUNT
        link.settle(taken[2:3])  # out of turn: it alone
        link.settle(taken[:2])
        assert link.waiting().messages == COUNT - 3
    assert rabbit.left(queue) == COUNT - 3


def test_documents_that_are_sent_ahead_do_not_fill_our_memory(rabbit: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    """`prefetch` counts messages; beyond some bytes nothing is read, until what is here was taken."""
    monkeypatch.setattr(amqp_link, "_AHEAD", 1 << 20)
    queue, document = rabbit.make(), b"MSH|" + b"x" * (256 << 10)
    rabbit.put(queue, [document] * 40)
    with opened(rabbit, queue) as link:
        for _ in range(30):
            link.idle(0.01)
        assert link._bytes < 5 << 20
        found = 0
        while found < 40:
            found += len(link.take(3, 5.0))
        assert not link._bytes


@contextmanager
def opened(rabbit: Queues, queue: str) -> Iterator[AmqpLink]:
    """A link alone."""
    link = AmqpLink("engine", AmqpSource.section.model_validate({**options(rabbit._url), "queue": queue}))
    link.open()
    try:
        yield link
    finally:
        link.close()


def test_to_look_at_what_waits_reads_nothing_that_was_sent_ahead(
    rabbit: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer would stand behind all of it: a thousand long messages, in our memory every quarter of a minute."""
    monkeypatch.setattr(amqp_link, "_AHEAD", 1 << 20)
    queue = rabbit.make("classic")
    rabbit.put(queue, [bytes(256 << 10)] * 40)
    with opened(rabbit, queue) as link:
        while link._bytes <= 1 << 20:
            link.idle(0.1)
        assert link.waiting().messages > 0
        link._bytes = 0  # as if it had been taken
        link.idle(0.0)
        assert link._bytes < 3 << 20


def _nested(kind: bytes) -> bytes:
    """Lists in lists, or tables in tables, deeper than Python goes."""
    found = b"V"
    for _ in range(3_000):
        within = found if kind == b"A" else b"\x01a" + found
        found = kind + len(within).to_bytes(4, "big") + within
    return found


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"T" + (1_772_463_600_000).to_bytes(8, "big"), id="a time in milliseconds where seconds belong"),
        pytest.param(_nested(b"A"), id="lists in lists"),
        pytest.param(_nested(b"F"), id="tables in tables"),
    ],
)
def test_a_header_that_cannot_be_read_blocks_nothing(
    rabbit: Queues, starts: Starts, monkeypatch: pytest.MonkeyPatch, header: bytes
) -> None:
    """Pika alone would give up the connection, and the same message would come again, for ever."""
    queue, intake, encode = rabbit.make(), Intake(), pika.data.encode_value

    def encoded(pieces: list[bytes], value: object) -> int:
        if value != "HERE":
            return int(encode(pieces, value))
        pieces.append(header)
        return len(header)

    with monkeypatch.context() as patch:
        patch.setattr(pika.data, "encode_value", encoded)
        rabbit.put(queue, bodies(1), headers={"sent": "HERE"})
    rabbit.put(queue, bodies(2)[1:])
    starts(intake, queue)
    until(lambda: intake.seen == bodies(2))


def test_a_wrong_password_is_told_and_never_shown(rabbit: Queues, starts: Starts) -> None:
    """A person must look; nothing we were given, and nothing the broker said, is in the log."""
    lines = io.StringIO()
    telemetry.configure(json=True, level="DEBUG", stream=lines, hooks=False)
    try:
        source = starts(Intake(), rabbit.make(), user="guest", password="CANARY-1")
        until(lambda: source.counts.get("queue.denied", 0) > 1)
    finally:
        telemetry.reset()
    assert "does not believe who we are" in lines.getvalue()
    assert "CANARY" not in lines.getvalue()
    assert "ACCESS_REFUSED" not in lines.getvalue()
    assert "CANARY" not in repr(source.options)


@pytest.mark.slow
def test_a_restart_of_the_broker_loses_and_doubles_nothing_in_effect(own_rabbit: OwnRabbit, starts: Starts) -> None:
    """It takes its time; we wait for it, and everything is acknowledged in the end."""
    queues, intake = Queues(own_rabbit.url), Intake()
    queue = queues.make()
    waits = threading.Event()
    intake.outcome = lambda _: STORED if len(intake.seen) < 20 or waits.is_set() else FAILED
    queues.put(queue, bodies())
    source = starts(intake, queue, batch=5, prefetch=30, **options(own_rabbit.url))
    until(lambda: len(intake.seen) > 20)
    own_rabbit.stop()
    waits.set()
    until(lambda: not source.queue.connected)
    own_rabbit.start()
    until(lambda: {*intake.seen} == {*bodies()})
    until(lambda: queues.left(queue) == 0)
    asyncio.run(source.stop())
    assert queues.left(queue) == 0


@pytest.mark.slow
def test_tls_shows_our_certificate_and_checks_theirs(
    own_rabbit: OwnRabbit, starts: Starts, authority: Authority
) -> None:
    """With a password, or with the certificate as the only login (EXTERNAL); a stranger is refused, and so is a broker we do not know."""
    queues, ours = Queues(own_rabbit.url), authority.issue("gateway")
    url = f"amqps://localhost:{own_rabbit.tls}"
    shown = {"url": url, "ca": authority.path, "certificate": ours.certificate, "key": ours.key}
    nobody = {"user": None, "password": None}
    for login in ({"user": "guest", "password": "guest"}, nobody):
        queue, intake = queues.make(), Intake()
        queues.put(queue, bodies(3))
        source = starts(intake, queue, **shown, **login)
        until(lambda found=intake: len(found.seen) == 3)
    assert source.certificate_ends is not None  # staff are told before
    assert abs(source.certificate_ends - SystemClock().now() - 365 * DAY) < DAY
    stranger = authority.issue("stranger", file="other")
    doubted = [
        {**shown, **nobody, "certificate": stranger.certificate, "key": stranger.key},
        {**shown, **nobody, "ca": None},
    ]
    for told in doubted:
        source = starts(Intake(), queue, **told)
        until(lambda found=source: found.counts.get("queue.denied", 0) > 0)


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ({"url": "amqp://engine.example"}, "plaintext: yes"),
        ({"url": "amqp://a:b@127.0.0.1"}, "beside it"),
        ({"url": "http://127.0.0.1"}, "amqps://"),
        ({"url": "amqps://engine.example"}, "`user` and `password`"),
        ({"url": "amqps://engine.example", "user": "a"}, "belong together"),
        ({"url": "amqp://127.0.0.1", "ca": "ca.pem"}, "amqps://"),
        ({"url": "amqp://127.0.0.1", "queues": "x"}, "no such setting"),
    ],
)
def test_wrong_options_are_told(told: dict[str, Any], place: str) -> None:
    """What is not safe does not start."""
    with pytest.raises(ConfigError, match=place):
        AmqpSource("engine", {"queue": "x", **told}, SystemClock())
