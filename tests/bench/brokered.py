"""`broker.<kind>.<store>`: the feed that is played over MLLP lies at a broker, and is received from there as fast as it goes."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from tests.bench import corpus, proc
from tests.bench.lines import Bench, Line, counts, served
from tests.bench.servers import Redis

_CONNECTIONS = 32
_AT_ONCE = 1_000
_BENCH = "bench"
_RABBIT = "CAREGATE_TEST_AMQP"
_PARTS = 32  # of the topic
_MOST = 5 << 20  # bytes of a partition
_SOURCE = "  ehr:\n    organization: lakeside\n    authority: LAKESIDE\n"


class Queue(Protocol):
    """A broker with one empty queue. `source`: lines of YAML by which a gateway reads it."""

    source: str

    def fill(self, messages: Sequence[bytes]) -> None:
        """Put them there, in order."""
        ...

    def left(self) -> int:
        """How many are not settled."""
        ...


@dataclass(slots=True)
class _RedisStream:
    link: Any
    source: str

    def fill(self, messages: Sequence[bytes]) -> None:
        for first in range(0, len(messages), _AT_ONCE):
            with self.link.pipeline(transaction=False) as pipe:
                for one in messages[first : first + _AT_ONCE]:
                    pipe.xadd("bench", {"body": one})
                pipe.execute()

    def left(self) -> int:
        (group,) = self.link.xinfo_groups("bench")
        return int(group["pending"]) + int(group["lag"])


@contextmanager
def _redis_stream() -> Iterator[Queue]:
    import redis

    with Redis() as server:
        link = redis.Redis.from_url(server.url)
        link.flushdb()
        link.xgroup_create("bench", "caregate", id="0", mkstream=True)
        try:
            yield _RedisStream(link, f"    kind: redis-stream\n    url: {server.url}\n    streams: bench\n")
        finally:
            link.close()


@dataclass(slots=True)
class _Amqp:
    channel: Any
    source: str

    def fill(self, messages: Sequence[bytes]) -> None:
        import pika

        self.channel.tx_select()
        for one in messages:
            self.channel.basic_publish("", _BENCH, one, pika.BasicProperties(delivery_mode=2))
        self.channel.tx_commit()

    def left(self) -> int:
        return int(self.channel.queue_declare(_BENCH, passive=True).method.message_count)


@contextmanager
def _amqp() -> Iterator[Queue]:
    """A quorum queue of the RabbitMQ that CAREGATE_TEST_AMQP names."""
    import pika

    told = pika.URLParameters(os.environ[_RABBIT])
    told.heartbeat = 0  # while the gateway reads, nobody serves this connection
    parts = urlsplit(os.environ[_RABBIT])
    lines = {
        "kind": "amqp", "url": f"{parts.scheme}://{told.host}:{told.port}{parts.path.rstrip('/')}", "user": told.credentials.username,
        "password": "env:BENCH_AMQP_PASSWORD", "queue": _BENCH,
    }  # fmt: skip
    os.environ["BENCH_AMQP_PASSWORD"] = told.credentials.password
    with closing(pika.BlockingConnection(told)) as connection:
        channel = connection.channel()
        channel.queue_declare(_BENCH, durable=True, arguments={"x-queue-type": "quorum"})
        try:
            yield _Amqp(channel, "".join(f"    {name}: {value}\n" for name, value in lines.items()))
        finally:
            channel.queue_delete(_BENCH)


@dataclass(slots=True)
class _Kafka:
    broker: Any
    source: str

    def fill(self, messages: Sequence[bytes]) -> None:
        """Those of a patient in one partition, in order."""
        parts: list[list[bytes]] = [[] for _ in range(_PARTS)]
        for one in messages:
            parts[zlib.crc32(one.partition(b"\rPID|")[2].split(b"|", 3)[2]) % _PARTS].append(one)
        for number, part in enumerate(parts):
            if sum(map(len, part)) > _MOST:
                raise RuntimeError("the mock broker forgets what is more than 5 MB of a partition")
            for first in range(0, len(part), _AT_ONCE):
                self.broker.gets(_BENCH, *part[first : first + _AT_ONCE], partition=number)

    def left(self) -> int:
        from confluent_kafka import TopicPartition

        with self.broker.reader("caregate") as reader:
            places = reader.committed([TopicPartition(_BENCH, one) for one in range(_PARTS)], timeout=10)
            return sum(reader.get_watermark_offsets(one, timeout=10)[1] - max(0, one.offset) for one in places)


@contextmanager
def _kafka() -> Iterator[Queue]:
    """The mock broker of librdkafka, in this process."""
    from tests.queues.kafka_there import kafka

    with kafka() as broker:
        broker.topic(_BENCH, _PARTS)
        yield _Kafka(
            broker, f"    kind: kafka\n    servers: {broker.address}\n    topics: {_BENCH}\n    group: caregate\n"
        )


class _Makes(Protocol):
    def __call__(self) -> AbstractContextManager[Queue]: ...


KINDS: dict[str, _Makes] = {"redis-stream": _redis_stream, "amqp": _amqp, "kafka": _kafka}
NAMES = tuple(f"broker.{kind}.{store}" for kind in KINDS for store in ("sqlite", "postgresql"))
_mllp: dict[str, float] = {}


def measure(name: str, bench: Bench) -> dict[str, Any]:
    """One line, with MLLP on the same store measured in the same run. RuntimeError: the queue ran dry, or one was settled and not stored."""
    _, kind, store = name.split(".")
    if kind == "amqp" and _RABBIT not in os.environ:
        return {"name": name, "absent": f"{_RABBIT} names no RabbitMQ"}
    if store not in _mllp:
        line = Line(variant="FULL", store=store, connections=_CONNECTIONS)
        _mllp[store] = bench.measure(line)["acked_per_s"]
    messages = [one[1:-2] for one in corpus.frames(bench.world.feed)]
    with KINDS[kind]() as queue, bench.placed(name, store, known=True) as (config, url, environment):
        _reads(config, queue)
        queue.fill(messages)
        before = counts(url)[0]
        with served("FULL", config, environment) as opened:
            figures = _watched(bench, url, opened["pid"])
        left, stored = queue.left(), counts(url)[0] - before
    if not left or len(messages) - left > stored:
        raise RuntimeError(f"{name}: of {len(messages)} {left} are left, and {stored} stored")
    return {"name": name, **figures, "of_mllp": round(figures["received_per_s"] / _mllp[store], 3)}


def _reads(config: Path, queue: Queue) -> None:
    """The site's feed comes from there instead of over MLLP."""
    text = config.read_text("utf-8")
    (mllp,) = [line for line in text.splitlines(keepends=True) if line.startswith("  ehr: {kind: mllp")]
    config.write_text(text.replace(mllp, _SOURCE + queue.source), "utf-8")


def _watched(bench: Bench, url: str, pid: int) -> dict[str, Any]:
    """What is stored within the measured time, and what it costs the gateway."""
    time.sleep(bench.warm)
    began, stored, cpu = time.perf_counter(), counts(url)[0], proc.seconds(pid)
    time.sleep(bench.measured)
    stored, cpu = counts(url)[0] - stored, proc.seconds(pid) - cpu
    seconds = time.perf_counter() - began
    return {
        "received_per_s": round(stored / seconds),
        "cpu_us_per_message": round(cpu / max(stored, 1) * 1e6),
        "rss_mb": proc.rss_mb(pid),
    }
