"""A doorbell is a hint: an id and nothing more, late when lost, harmless when doubled."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.broker import Broker
from dramatiq.brokers.stub import StubBroker

from gateway import telemetry, worker
from gateway.model.errors import CommandError, ConfigError

NAME = "Zyxxel Quarrelmonger"
Work = Callable[..., worker.Ring]


class Bells:
    """Remembers who rang; waits until enough did."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self._changed = threading.Condition()

    def __call__(self, id_: int) -> None:
        with self._changed:
            self.heard.append(id_)
            self._changed.notify_all()

    def wait(self, count: int, seconds: float = 20) -> bool:
        """Whether `count` bells rang in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.heard) >= count, seconds)


def test_every_request_rung_for_is_delivered(work: Work) -> None:
    """Ring, answer, done; on every broker."""
    ring = work(bells := Bells())
    ring.ring(range(1, 41))
    ring.ring([])
    assert bells.wait(40)
    assert sorted(bells.heard) == list(range(1, 41))


def test_a_failing_delivery_is_answered_once_and_stops_nobody(work: Work, broker: Broker) -> None:
    """The database is the one retry authority: nothing is retried, dead-lettered or kept by the broker."""
    bells = Bells()

    def deliver(id_: int) -> None:
        bells(id_)
        if id_ == 1:
            raise ValueError(NAME)

    ring = work(deliver)
    ring.ring([1, 2])
    assert bells.wait(2)
    time.sleep(0.3)
    assert sorted(bells.heard) == [1, 2]
    if isinstance(broker, StubBroker):
        assert broker.dead_letters == []


def test_a_delivery_that_takes_too_long_is_interrupted(work: Work) -> None:
    """The actor's time limit works without dramatiq's command line, and the thread lives on."""
    bells, interrupted = Bells(), threading.Event()

    def deliver(id_: int) -> None:
        if id_ == 1:
            try:
                for _ in range(2000):
                    time.sleep(0.01)
            except BaseException:
                interrupted.set()
                raise
        bells(id_)

    ring = work(deliver, time_limit=300)
    ring.ring([1])
    assert interrupted.wait(10)
    ring.ring([2, 3])
    assert bells.wait(2)


def test_what_lies_on_the_broker_is_an_id(broker: Broker) -> None:
    """Law 4: no PHI on the broker; a rung request is one integer and dramatiq's own labels."""
    ring = worker.declare(broker, lambda _id: None, time_limit=1000)
    ring.ring([81_985_529_216_486_895])
    (message,) = _contents(broker)
    assert message["args"] == [81_985_529_216_486_895]
    assert message["kwargs"] == {}
    assert (message["queue_name"], message["actor_name"]) == ("caregate", "deliver")
    assert set(message) == {"queue_name", "actor_name", "args", "kwargs", "options", "message_id", "message_timestamp"}
    assert set(message["options"]) <= {"redis_message_id"}


def test_a_broker_holds_nothing_once_all_is_answered(work: Work, broker: Broker) -> None:
    """Also after a failure whose exception quotes the patient: neither text nor traceback is left."""
    bells = Bells()

    def deliver(id_: int) -> None:
        bells(id_)
        raise ValueError(NAME)

    work(deliver).ring([1, 2, 3])
    assert bells.wait(3)
    for _ in range(100):
        if not _contents(broker):
            break
        time.sleep(0.05)
    assert _contents(broker) == []


def _contents(broker: Broker) -> list[dict[str, Any]]:
    if isinstance(broker, StubBroker):
        return [json.loads(raw) for queue in broker.queues.values() for raw in queue.queue]
    if hasattr(broker, "client"):
        found = []
        for key in broker.client.keys("*"):
            if broker.client.type(key) == b"hash":
                found += [json.loads(raw) for raw in broker.client.hvals(key)]
        return found
    _method, _properties, body = broker.channel.basic_get(worker.QUEUE, auto_ack=True)  # type: ignore[attr-defined]
    return [json.loads(body)] if body else []


def test_a_message_that_is_not_ours_harms_nobody(work: Work, broker: Broker) -> None:
    """Foreign arguments and unknown actors: answered, not quoted, not kept."""
    stream = io.StringIO()
    telemetry.configure(json=True, stream=stream, hooks=False, level="DEBUG")
    try:
        ring = work(bells := Bells())
        for args in ((NAME,), (), (1, NAME), (True,)):
            broker.enqueue(dramatiq.Message(worker.QUEUE, worker.ACTOR, args, {}, {}))
        broker.enqueue(dramatiq.Message(worker.QUEUE, worker.ACTOR, (1,), {"name": NAME}, {}))
        broker.enqueue(dramatiq.Message(worker.QUEUE, "unknown", (NAME,), {}, {}))
        ring.ring([7])
        assert bells.wait(1)
        time.sleep(0.3)
    finally:
        telemetry.reset()
    assert bells.heard == [7]
    assert NAME not in stream.getvalue()
    assert "doorbell.unreadable" in stream.getvalue()


def test_a_graceful_stop_finishes_what_runs_and_begins_nothing_new(broker: Broker) -> None:
    """SIGTERM: what is in hand is settled; the rest is rung again by dispatch, or waits on the broker."""
    begun, go_on, done = threading.Event(), threading.Event(), []

    def deliver(id_: int) -> None:
        begun.set()
        go_on.wait(10)
        done.append(id_)

    ring = worker.declare(broker, deliver, time_limit=60_000)
    running = worker.start(broker, 1)
    ring.ring([1, 2, 3])
    assert begun.wait(10)
    stopper = threading.Thread(target=worker.stop, args=(running,), kwargs={"timeout": 10_000})
    stopper.start()
    time.sleep(0.2)
    go_on.set()
    stopper.join(20)
    assert not stopper.is_alive()
    assert done == [1]


def test_a_worker_can_be_started_again(broker: Broker) -> None:
    """Restart within a process: one consumer, not two."""
    ring = worker.declare(broker, bells := Bells(), time_limit=60_000)
    worker.stop(worker.start(broker, 1), timeout=5000)
    again = worker.start(broker, 1)
    ring.ring([5])
    assert bells.wait(1)
    worker.stop(again, timeout=5000)
    assert bells.heard == [5]


# -- brokers that are not there


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://guest:s3cret@127.0.0.1:1/"])
def test_a_broker_that_is_down_is_told_once_and_raises_nothing(url: str) -> None:
    """A lost bell makes a send late: dispatch polls again. One line per outage."""
    stream = io.StringIO()
    telemetry.configure(json=True, stream=stream, hooks=False)
    broker = worker.broker_for(url)
    try:
        ring = worker.declare(broker, lambda _id: None, time_limit=1000)
        for _ in range(5):
            ring.ring([1, 2, 3])
    finally:
        telemetry.reset()
        worker.close(broker)
    told = [json.loads(line) for line in stream.getvalue().splitlines() if "doorbell.lost" in line]
    assert [(one["event"], one["lost"]) for one in told] == [("doorbell.lost", 3)]
    assert "s3cret" not in stream.getvalue()


def test_a_broker_that_comes_back_is_told_too(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator sees the end of an outage, and the next outage again."""
    stream = io.StringIO()
    telemetry.configure(json=True, stream=stream, hooks=False)
    broker = worker.broker_for(redis_url)
    ring = worker.declare(broker, lambda _id: None, time_limit=1000)
    try:
        for _ in range(2):
            with monkeypatch.context() as broken:
                broken.setattr(broker, "enqueue", _down)
                ring.ring([1])
                ring.ring([1])
            ring.ring([1])
    finally:
        telemetry.reset()
        worker.close(broker)
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["doorbell.lost", "doorbell.restored"] * 2


def _down(_message: object) -> None:
    raise redis.ConnectionError(NAME)


def test_a_consumer_waits_out_a_redis_that_does_not_answer(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A time-out while acknowledging is tried again, not dropped and logged as a bug."""
    broker = worker.broker_for(redis_url)
    consumer = broker.consume(worker.QUEUE)

    def slow(*_args: object) -> None:
        raise redis.TimeoutError(NAME)

    for call in ("ack", "nack"):
        monkeypatch.setattr(consumer._inner, call, slow)  # type: ignore[attr-defined]
        with pytest.raises(dramatiq.errors.ConnectionClosed) as closed:
            getattr(consumer, call)(None)
        assert NAME not in str(closed.value)
    worker.close(broker)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The in-memory broker takes no more doorbells than it can hold; the rest are rung again."""
    monkeypatch.setattr(worker, "MOST_WAITING", 10)
    broker = worker.broker_for("memory://")
    ring = worker.declare(broker, lambda _id: None, time_limit=1000)
    ring.ring(range(100))
    assert broker.queues[worker.QUEUE].qsize() == 10


@pytest.mark.parametrize("url", ["", "memory", "kafka://x", "redis://host:s3cret/0", "amqp://host:s3cret/"])
def test_a_broker_url_that_is_none_is_refused_unquoted(url: str) -> None:
    """One sentence, without the URL: it holds a password."""
    with pytest.raises(ConfigError, match="broker") as refused:
        worker.broker_for(url)
    assert "s3cret" not in str(refused.value)


def test_amqp_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pika is an extra."""
    monkeypatch.setitem(__import__("sys").modules, "dramatiq.brokers.rabbitmq", None)
    with pytest.raises(CommandError, match=r"caregate\[amqp\]"):
        worker.broker_for("amqp://127.0.0.1/")


def test_no_middleware_stores_or_exposes_anything() -> None:
    """No Retries (stores tracebacks), no Prometheus, no Results, no callbacks."""
    names = {type(one).__name__ for one in worker.broker_for("memory://").middleware}
    assert names == {"TimeLimit", "ShutdownNotifications"}


def test_drained_says_whether_all_was_answered() -> None:
    """Demo and tests wait for quiet; no worker, no quiet."""
    broker = worker.broker_for("memory://")
    ring = worker.declare(broker, lambda _id: None, time_limit=1000)
    ring.ring([1])
    logging.getLogger("dramatiq").debug("x")
    assert not worker.drained(broker, timeout=100)
    running = worker.start(broker, 1)
    assert worker.drained(broker, timeout=5000)
    worker.stop(running, timeout=5000)
