"""Dramatiq carries doorbells: one opaque id each, a hint whose loss makes a send late, never lost and never double (law 4).

The middleware list is explicit and lacks `Retries`: that one stores tracebacks, and the PHI in them, on the broker, and
the database is the one retry authority. Nothing is ever delayed, dead-lettered or returned through the broker.
"""

from __future__ import annotations

import copy
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

import dramatiq
import redis
from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import BrokerError, ConnectionClosed, DramatiqError
from dramatiq.middleware import Middleware, ShutdownNotifications, TimeLimit
from dramatiq.worker import Worker, _WorkerMiddleware

from gateway import telemetry
from gateway.model.errors import CommandError, ConfigError
from gateway.model.when import SECOND, Millis

QUEUE = "caregate"
ACTOR = "deliver"
PREFETCH = 200  # worth 1.5 to 4 times on Redis; `dramatiq_queue_prefetch` in the environment overrides it
MOST_WAITING = 20_000  # doorbells in memory; what is not taken is rung again by dispatch
_PATIENCE = 5  # seconds a broker may take to answer before the bell counts as lost
_IDLE = 250  # milliseconds between looks at an empty queue
T = TypeVar("T")
_DEAD = 3_600_000  # milliseconds Redis keeps a message that no actor here knows


def broker_for(url: str) -> Broker:
    """The broker of a URL: memory://, redis:// (rediss://, unix://) or amqp:// (amqps://).

    Does not connect. Raises ConfigError for any other URL and CommandError when the amqp extra is not installed.
    """
    scheme = urlsplit(url).scheme
    try:
        match scheme:
            case "memory":
                return MemoryBroker(middleware=_middleware())
            case "redis" | "rediss" | "unix":
                return _redis(url)
            case "amqp" | "amqps":
                return _amqp(url)
    except (ValueError, TypeError):  # their texts quote the URL, password and all
        raise ConfigError(f"broker: the {scheme}:// URL is not well-formed") from None
    raise ConfigError("broker: must be memory://, redis:// or amqp://")


def _middleware() -> list[Middleware]:
    # AgeLimit is left out: it dead-letters what it drops, and an old doorbell is a cheap no-op.
    return [TimeLimit(), ShutdownNotifications(notify_shutdown=False)]


# ---------------------------------------------------------------- memory


class _Discard(list[MessageProxy]):
    """Where the stub broker would keep dead letters for ever."""

    def append(self, _message: MessageProxy) -> None:
        """Forget it."""


class MemoryBroker(StubBroker):
    """The stub broker made fit for production: bounded, and it keeps no dead letters."""

    def __init__(self, middleware: list[Middleware]) -> None:
        super().__init__(middleware)
        self.dead_letters_by_queue = defaultdict(_Discard)

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        """Queue one doorbell; raises BrokerError when MOST_WAITING wait already."""
        queue = self.queues.get(message.queue_name)
        if queue is not None and queue.qsize() >= MOST_WAITING:
            raise BrokerError("the in-memory queue is full")  # type: ignore[no-untyped-call]
        return super().enqueue(message, delay=delay)


# ---------------------------------------------------------------- redis


class _PatientConsumer(Consumer):
    """A Redis consumer whose every connection trouble is one dramatiq knows how to wait out.

    Dramatiq 2.2 treats a time-out as a bug: it would drop the acknowledgement and log the message.
    """

    def __init__(self, inner: Consumer) -> None:
        self._inner = inner

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge; raises ConnectionClosed to be tried again."""
        _translated(lambda: self._inner.ack(message))

    def nack(self, message: MessageProxy) -> None:
        """Reject; raises ConnectionClosed to be tried again."""
        _translated(lambda: self._inner.nack(message))

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give back what was fetched and not begun."""
        _translated(lambda: self._inner.requeue(messages))

    def close(self) -> None:
        """Close the inner consumer."""
        _translated(self._inner.close)

    def __next__(self) -> MessageProxy | None:
        return _translated(lambda: next(self._inner))


def _translated(call: Callable[[], T]) -> T:
    try:
        return call()
    except redis.RedisError as error:
        raise ConnectionClosed(type(error).__name__) from None  # type: ignore[no-untyped-call]


class _Redis(RedisBroker):
    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        return _PatientConsumer(super().consume(queue_name, prefetch, timeout))


def _redis(url: str) -> Broker:
    client = redis.Redis.from_url(
        url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE, health_check_interval=30
    )
    return _Redis(  # type: ignore[no-untyped-call]
        client=client, middleware=_middleware(), namespace=QUEUE, dead_message_ttl=_DEAD
    )


# ---------------------------------------------------------------- rabbitmq


def _amqp(url: str) -> Broker:
    try:
        from dramatiq.brokers.rabbitmq import RabbitmqBroker
    except ImportError:
        raise CommandError("amqp:// needs the amqp extra: pip install 'caregate[amqp]'") from None
    # confirm_delivery: a publish returns when the broker has the message, and a vanished queue is declared again
    broker = RabbitmqBroker(url=url, confirm_delivery=True, middleware=_middleware())
    several = broker.parameters if isinstance(broker.parameters, list) else [broker.parameters]
    for parameters in several:
        parameters.heartbeat = 60
        parameters.socket_timeout = parameters.stack_timeout = _PATIENCE
        parameters.blocked_connection_timeout = _PATIENCE
        parameters.connection_attempts = 1
    return broker


# ---------------------------------------------------------------- ring, answer, run


class Ring:
    """Rings for ids. A bell that cannot be rung is only counted: dispatch polls again."""

    def __init__(self, actor: dramatiq.Actor[..., None]) -> None:
        self._actor = actor
        self._silent = False
        self._lock = threading.Lock()

    def ring(self, ids: Sequence[int]) -> None:
        """Put one doorbell per id on the broker. Never raises: what is lost is counted, and dispatch rings again.

        Stops at the first failure (each might cost its time-out) and logs once per outage.
        """
        rung = 0
        try:
            for id_ in ids:
                self._actor.broker.enqueue(self._actor.message(int(id_)))
                rung += 1
        except Exception as error:  # noqa: BLE001 - whatever a broker says: a doorbell is a hint
            self._lost(error, len(ids) - rung)
        else:
            self._heard(rung)
        telemetry.count_doorbells(rung=rung, lost=len(ids) - rung)

    def _lost(self, error: Exception, lost: int) -> None:
        with self._lock:
            first, self._silent = not self._silent, True
        if first:
            telemetry.log().warning("doorbell.lost", error=error, lost=lost)

    def _heard(self, rung: int) -> None:
        if rung and self._silent:
            with self._lock:
                again, self._silent = self._silent, False
            if again:
                telemetry.log().info("doorbell.restored")


def declare(broker: Broker, deliver: Callable[[int], None], *, time_limit: Millis) -> Ring:
    """Declare the one actor, which calls `deliver(id)`, and return what rings for it.

    `time_limit`: milliseconds after which `deliver` is interrupted (a BaseException) at its next bytecode; it must
    be longer than any channel's timeout and shorter than the lease. Whatever `deliver` raises ends here: the outcome
    is in the database.
    """
    make = dramatiq.actor(broker=broker, actor_name=ACTOR, queue_name=QUEUE, time_limit=time_limit)
    return Ring(make(_answering(deliver)))


def _answering(deliver: Callable[[int], None]) -> Callable[..., None]:
    def answer(*args: object, **kwargs: object) -> None:
        if len(args) != 1 or kwargs or type(args[0]) is not int:  # not from here: never raise, never quote
            telemetry.log().warning("doorbell.unreadable")
            telemetry.count_deliveries(failed=1)
            return
        try:
            deliver(args[0])
        except BaseException as error:  # noqa: BLE001 - an exception let through is stored and logged by dramatiq
            telemetry.log().error("delivery.failed", request=args[0], exc_info=error)
            telemetry.count_deliveries(failed=1)
        else:
            telemetry.count_deliveries(done=1)

    return answer


def start(broker: Broker, threads: int) -> Worker:
    """Start `threads` threads that answer doorbells; returns at once. One worker per process."""
    worker = Worker(broker, worker_threads=threads, worker_timeout=_IDLE)
    told = os.environ.get("dramatiq_queue_prefetch")  # noqa: SIM112 - dramatiq's own name for it
    worker.queue_prefetch = int(told or min(PREFETCH, 25 * threads))
    if not getattr(broker, "booted", False):
        # Only dramatiq's own command line emits this; without it TimeLimit's thread never starts.
        broker.emit_after("process_boot")
        broker.booted = True  # type: ignore[attr-defined]
    worker.start()
    return worker


def stop(worker: Worker, *, timeout: Millis = 30 * SECOND) -> None:
    """Begin nothing new, let what runs finish within `timeout`, give back what was fetched. Never raises."""
    try:
        worker.stop(timeout=timeout)
    except Exception as error:  # noqa: BLE001 - a broker that is gone takes nothing back; dispatch rings again
        telemetry.log().warning("worker.unclean", error=error)
    broker = worker.broker
    broker.middleware[:] = [one for one in broker.middleware if not isinstance(one, _WorkerMiddleware)]


def reachable(broker: Broker) -> bool:
    """Whether the broker answers within a second or two, over a connection of its own; memory always does. Never raises."""
    try:
        if isinstance(broker, RedisBroker):
            return _redis_answers(broker)
        return isinstance(broker, MemoryBroker) or _amqp_answers(broker)
    except Exception:  # noqa: BLE001 - whatever it says, its words may hold a password
        return False


def _redis_answers(broker: RedisBroker) -> bool:
    pool = broker.client.connection_pool
    told = {**pool.connection_kwargs, "socket_timeout": 1, "socket_connect_timeout": 1, "retry": None}
    client = redis.Redis(connection_pool=redis.ConnectionPool(connection_class=pool.connection_class, **told))
    try:
        return bool(client.ping())
    finally:
        client.close()
        client.connection_pool.disconnect()


def _amqp_answers(broker: Any) -> bool:
    import pika
    import pika.exceptions

    several = broker.parameters if isinstance(broker.parameters, list) else [broker.parameters]
    for told in several:
        parameters = copy.copy(told)
        parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = 1
        with suppress(pika.exceptions.AMQPError, OSError):
            pika.BlockingConnection(parameters).close()
            return True
    return False


def close(broker: Broker) -> None:
    """Give back the broker's connections. Never raises."""
    try:
        broker.close()
        if isinstance(broker, RedisBroker):
            broker.client.close()
            broker.client.connection_pool.disconnect()
    except Exception as error:  # noqa: BLE001 - nothing is lost with a connection
        telemetry.log().warning("broker.unclean", error=error)


def drained(broker: Broker, *, timeout: Millis) -> bool:
    """Wait until every doorbell was answered; False when `timeout` passes first. For demo and tests."""
    try:
        broker.join(QUEUE, timeout=timeout)
    except DramatiqError:
        return False
    return True
