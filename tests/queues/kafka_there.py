"""A Kafka for the tests: librdkafka's own mock cluster, driven through its C functions, and what a producer or another reader does there."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_int, c_int32, c_size_t, c_void_p
from pathlib import Path
from typing import Any

import confluent_kafka
from confluent_kafka import Consumer, Producer, TopicPartition

_PRODUCER = 0
_TOPIC, _PARTITION, _VALUE, _COPIED, _HEADER = map(c_int, (1, 3, 4, 7, 9))  # rd_kafka_vtype_t
PRODUCE, OFFSET_COMMIT = 0, 8  # API keys of the protocol


def _library() -> ctypes.CDLL:
    """The very library that confluent_kafka has loaded: the mock cluster lives in it."""
    assert confluent_kafka.libversion()
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "librdkafka" in line:
            return _typed(ctypes.CDLL(line.split(maxsplit=5)[5]))
    raise AssertionError("confluent_kafka brought no librdkafka")


def _typed(library: ctypes.CDLL) -> ctypes.CDLL:
    for name, result, arguments in (
        ("rd_kafka_new", c_void_p, (c_int, c_void_p, c_char_p, c_size_t)),
        ("rd_kafka_destroy", None, (c_void_p,)),
        ("rd_kafka_conf_new", c_void_p, ()),
        ("rd_kafka_conf_set", c_int, (c_void_p, c_char_p, c_char_p, c_char_p, c_size_t)),
        ("rd_kafka_flush", c_int, (c_void_p, c_int)),
        ("rd_kafka_mock_cluster_new", c_void_p, (c_void_p, c_int)),
        ("rd_kafka_mock_cluster_destroy", None, (c_void_p,)),
        ("rd_kafka_mock_cluster_bootstraps", c_char_p, (c_void_p,)),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, (c_void_p, c_int32)),
        ("rd_kafka_mock_topic_create", c_int, (c_void_p, c_char_p, c_int, c_int)),
        ("rd_kafka_mock_topic_set_error", None, (c_void_p, c_char_p, c_int)),
        ("rd_kafka_mock_broker_set_down", c_int, (c_void_p, c_int32)),
        ("rd_kafka_mock_broker_set_up", c_int, (c_void_p, c_int32)),
        ("rd_kafka_mock_partition_delete_records", c_int, (c_void_p, c_char_p, c_int32, ctypes.c_int64)),
        ("rd_kafka_mock_push_request_errors_array", None, (c_void_p, ctypes.c_int16, c_size_t, POINTER(c_int))),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Kafka:
    """One broker that keeps topics and groups in memory; it lives as long as this process."""

    def __init__(self) -> None:
        self._library = _library()
        self._handle = self._library.rd_kafka_new(_PRODUCER, None, None, 0)
        assert self._handle
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._handle, 1)
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        self.address: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def close(self) -> None:
        """End it, and everything in it."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._handle)

    @property
    def port(self) -> int:
        """Of the broker."""
        return int(self.address.rpartition(":")[2])

    def topic(self, name: str, partitions: int = 1) -> None:
        """Make one."""
        assert self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1) == 0

    def goes_away(self) -> None:
        """Close every connection and take no more, until `comes_back`; what it holds stays."""
        self._library.rd_kafka_mock_broker_set_down(self._cluster, 1)

    def comes_back(self) -> None:
        """See `goes_away`."""
        self._library.rd_kafka_mock_broker_set_up(self._cluster, 1)

    def forgets(self, topic: str, before: int, partition: int = 0) -> None:
        """As its retention does."""
        done = self._library.rd_kafka_mock_partition_delete_records(self._cluster, topic.encode(), partition, before)
        assert done == 0

    def answers(self, request: int, *errors: int) -> None:
        """The next requests of this kind get these errors."""
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, request, len(errors), (c_int * len(errors))(*errors)
        )

    def refuses(self, topic: str, error: int) -> None:
        """Whoever asks about a topic gets this error; 0: no longer."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), error)

    def gets(
        self, topic: str, *bodies: bytes | None, partition: int = 0, headers: dict[str, bytes] | None = None
    ) -> None:
        """Messages by somebody else's producer, in this order."""
        producer = Producer({"bootstrap.servers": self.address})
        for body in bodies:
            producer.produce(topic, value=body, partition=partition, headers=dict(headers or {}))
            producer.poll(0)
        assert producer.flush(10) == 0

    def gets_headed(self, topic: str, body: bytes, name: bytes) -> None:
        """A message with a header of any name, which only librdkafka's own function (rd_kafka_producev) can send."""
        configured, why = self._library.rd_kafka_conf_new(), ctypes.create_string_buffer(200)
        set_ = self._library.rd_kafka_conf_set(configured, b"bootstrap.servers", self.address.encode(), why, len(why))
        assert set_ == 0, why.value
        made = c_void_p(self._library.rd_kafka_new(_PRODUCER, configured, why, len(why)))
        size, none = ctypes.c_ssize_t, c_int(0)
        told = (_TOPIC, c_char_p(topic.encode()), _PARTITION, c_int32(0), _COPIED, c_int(2))
        told += (_VALUE, c_char_p(body), c_size_t(len(body)), _HEADER, c_char_p(name), c_char_p(b"x"), size(1))
        assert self._library.rd_kafka_producev(made, *told, none) == 0
        assert self._library.rd_kafka_flush(made, 10_000) == 0
        self._library.rd_kafka_destroy(made)

    def committed(self, group: str, topic: str, partitions: Sequence[int] = (0,)) -> list[int]:
        """How far a group is, by partition; -1001 where it has said nothing."""
        with self.reader(group) as reader:
            told = reader.committed([TopicPartition(topic, one) for one in partitions], timeout=10)
        return [one.offset for one in told]

    @contextmanager
    def reader(self, group: str, **options: Any) -> Iterator[Consumer]:
        """Somebody else's consumer."""
        made = Consumer({"bootstrap.servers": self.address, "group.id": group, "enable.auto.commit": False, **options})
        try:
            yield made
        finally:
            made.close()

    def holds(self, topic: str, count: int, patience: float = 10.0) -> list[Any]:
        """The first messages of partition 0, as somebody else reads them; fewer after `patience` seconds."""
        found: list[Any] = []
        end = time.monotonic() + patience
        with self.reader("tests") as reader:
            reader.assign([TopicPartition(topic, 0, 0)])
            while len(found) < count and time.monotonic() < end:
                found += [one for one in reader.consume(count, 0.1) if one.error() is None]
        return found


@contextmanager
def kafka() -> Iterator[Kafka]:
    """One of a test's own."""
    made = Kafka()
    try:
        yield made
    finally:
        made.close()
