"""Kafka's offsets follow our commit and nothing else: whatever partitions, brokers and our database do, nothing is lost, and order stays."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import KafkaError
from kafka_there import OFFSET_COMMIT, Kafka, kafka
from test_pump import FAILED, STORED, Intake, until

from connectors.sources.kafka import KafkaSource, link
from gateway.model.errors import ConfigError
from gateway.ports import SystemClock

GROUP, TOPIC = "caregate", "feed"
PARTS = 3


@pytest.fixture
def broker() -> Iterator[Kafka]:
    with kafka() as made:
        made.topic(TOPIC, PARTS)
        yield made


def told(broker: Kafka, **more: object) -> dict[str, object]:
    return {
        "servers": broker.address, "topics": TOPIC, "group": GROUP, "session_timeout": 2, "reconnect": 0.3, "timeout": 2, "stop_timeout": 3, **more,
    }  # fmt: skip


Start = Callable[..., KafkaSource]


@pytest.fixture
def start(broker: Kafka) -> Iterator[Start]:
    """Sources of this test: each takes until the test ends."""
    running: list[KafkaSource] = []

    def _start(intake: Intake, **more: object) -> KafkaSource:
        source = KafkaSource("engine", told(broker, **more), SystemClock())
        asyncio.run(source.start(intake))
        running.append(source)
        return source

    yield _start
    for source in running:
        asyncio.run(source.stop())


def message(number: int, of: str = "x") -> bytes:
    return b"MSH|^~\\&|%s|%d\r" % (of.encode(), number)


def several(count: int, of: str = "x", first: int = 0) -> list[bytes]:
    return [message(one, of) for one in range(first, first + count)]


def test_what_is_committed_here_is_committed_there(broker: Kafka, start: Start) -> None:
    """Law 1: every partition in its order, the next offset of each; nothing waits any more."""
    for part in range(PARTS):
        broker.gets(TOPIC, *several(40, str(part)), partition=part)
    intake = Intake()
    source = start(intake, batch=7, prefetch=20)
    until(lambda: broker.committed(GROUP, TOPIC, range(PARTS)) == [40] * PARTS)
    for part in range(PARTS):
        assert [one for one in intake.seen if b"|%d|" % part in one] == several(40, str(part))
    assert source.queue.taken == 40 * PARTS
    assert source.queue.again == 0


def test_while_our_database_is_away_nothing_is_committed_and_the_partitions_stay_ours(
    broker: Kafka, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than max.poll.interval.ms; then everything is, once more from the first that was not stored."""
    words = link._words
    monkeypatch.setattr(link, "_words", lambda *of: {**words(*of), "max.poll.interval.ms": 2_000})
    monkeypatch.setattr("connectors.sources.queues.pump._LOOK", 0.2)
    monkeypatch.setattr("connectors.sources.queues.pump._LONGEST", 1.0)
    away = threading.Event()
    away.set()
    intake = Intake(lambda _: FAILED if away.is_set() else STORED)
    broker.gets(TOPIC, *several(50))
    source = start(intake, batch=5, prefetch=10)
    until(lambda: len(intake.seen) >= 20)
    broker.gets(TOPIC, *several(10, "later"))
    time.sleep(3)
    assert broker.committed(GROUP, TOPIC) == [-1001]
    assert source.queue.connected
    assert source.queue.taken == 10
    assert source.queue.waiting == 60
    assert source.queue.since is not None
    away.clear()
    until(lambda: broker.committed(GROUP, TOPIC) == [60])
    assert source.queue.taken == 60, "nothing was given twice"
    assert not source.counts.get("queue.lost")
    until(lambda: source.queue.waiting == 0)


def test_a_broker_that_goes_away_is_connected_again(broker: Kafka, start: Start) -> None:
    """What was not committed comes again, and is told as given again; nothing is missing, each partition keeps its order."""
    gate = threading.Event()
    intake = Intake(lambda one: STORED if gate.is_set() or not one.body.endswith(b"|2\r") else None)
    broker.gets(TOPIC, *several(30, "a"))
    source = start(intake, batch=2, prefetch=10)
    until(lambda: broker.committed(GROUP, TOPIC) != [-1001])
    broker.goes_away()
    until(lambda: not source.queue.connected)
    gate.set()
    broker.comes_back()
    broker.gets(TOPIC, *several(5, "b"))
    until(lambda: broker.committed(GROUP, TOPIC) == [35])
    assert list(dict.fromkeys(intake.seen)) == [*several(30, "a"), *several(5, "b")]


def test_partitions_that_are_shared_anew_lose_nothing(
    broker: Kafka, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second gateway comes while much is in hand; the first then leaves. Nothing is missing, order stays within a partition."""
    words = link._words  # the mock lets members join for a second only: they must hear of it soon
    monkeypatch.setattr(link, "_words", lambda *of: {**words(*of), "heartbeat.interval.ms": 100})
    gate = threading.Event()
    slow = Intake(lambda _: STORED if gate.is_set() or len(slow.seen) <= 30 else None)
    for part in range(PARTS):
        broker.gets(TOPIC, *several(200, str(part)), partition=part)
    first = start(slow, batch=20, prefetch=60)
    until(lambda: len(slow.seen) > 30)
    other = Intake()
    start(other, batch=20, prefetch=60)
    until(lambda: len(other.seen) > 30)
    gate.set()
    for part in range(PARTS):
        broker.gets(TOPIC, *several(50, str(part), 200), partition=part)
    asyncio.run(first.stop())
    until(lambda: broker.committed(GROUP, TOPIC, range(PARTS)) == [250] * PARTS)
    assert {*slow.seen, *other.seen} == {one for part in range(PARTS) for one in several(250, str(part))}
    for intake in (slow, other):
        for part in range(PARTS):
            mine = list(dict.fromkeys(one for one in intake.seen if b"|%d|" % part in one))
            assert mine == sorted(mine, key=lambda one: int(one.strip().rsplit(b"|")[-1]))


def test_a_commit_that_failed_is_made_again(broker: Kafka, start: Start) -> None:
    """Also where no other message comes."""
    broker.answers(OFFSET_COMMIT, KafkaError.OFFSET_METADATA_TOO_LARGE)
    broker.gets(TOPIC, *several(3))
    source = start(Intake())
    until(lambda: broker.committed(GROUP, TOPIC) == [3])
    assert source.queue.taken == 3


def test_what_holds_nothing_is_a_sign_of_life(broker: Kafka, start: Start) -> None:
    """S-17: the tombstone of a compacted topic is committed, and nothing is read into it."""
    broker.gets(TOPIC, None, message(1), None)
    intake = Intake()
    start(intake, batch=1)
    until(lambda: broker.committed(GROUP, TOPIC) == [3])
    assert intake.seen == [message(1)]
    assert intake.heard_of == 2


def test_headers_tell_how_it_is_packed(broker: Kafka, start: Start) -> None:
    """Unpacked before it is read."""
    broker.gets(
        TOPIC, gzip.compress(message(7)), headers={"Content-Encoding": b"GZIP", "other": b"\xff", "Content-Type": b"x"}
    )
    intake = Intake()
    start(intake)
    until(lambda: intake.seen == [message(7)])


def test_a_header_whose_name_is_no_text_blocks_nothing(broker: Kafka, start: Start) -> None:
    """Kafka takes any bytes for a name; raised in the client, the partition would stand there for ever."""
    broker.gets_headed(TOPIC, message(0), b"\xff\xfe")
    broker.gets(TOPIC, message(1))
    intake = Intake()
    source = start(intake)
    until(lambda: intake.seen == several(2))
    assert not source.counts


def test_what_the_broker_no_longer_has_is_told(broker: Kafka, start: Start) -> None:
    """Its retention was shorter than our absence: nobody must believe that nothing came."""
    broker.gets(TOPIC, *several(30))
    first = start(Intake(lambda one: STORED if not one.body.endswith(b"|9\r") else FAILED), batch=1)
    until(lambda: broker.committed(GROUP, TOPIC) == [9])
    asyncio.run(first.stop())
    broker.forgets(TOPIC, 20)
    intake = Intake()
    source = start(intake)
    until(lambda: broker.committed(GROUP, TOPIC) == [30])
    assert intake.seen == several(30)[20:]
    assert source.counts["kafka.expired"] == 11


def test_a_group_that_begins_with_what_comes_keeps_its_place_from_the_start(broker: Kafka, start: Start) -> None:
    """`begin: latest` is said to the broker at once: whoever is killed before the first commit has lost nothing."""
    broker.gets(TOPIC, *several(5, "old"))
    held = Intake(lambda _: FAILED)
    first = start(held, begin="latest")
    until(lambda: broker.committed(GROUP, TOPIC) == [5])
    broker.gets(TOPIC, *several(3, "new"))
    until(lambda: len(held.seen) > 0)
    asyncio.run(first.stop())
    intake = Intake()
    start(intake, begin="latest")
    until(lambda: broker.committed(GROUP, TOPIC) == [8])
    assert intake.seen == several(3, "new")


@pytest.mark.parametrize(
    ("error", "event"),
    [(KafkaError.TOPIC_AUTHORIZATION_FAILED, "queue.denied"), (KafkaError.UNKNOWN_TOPIC_OR_PART, "queue.lost")],
)
def test_a_topic_that_we_may_not_read_or_that_is_not_there_is_told_and_waited_for(
    broker: Kafka, start: Start, error: int, event: str
) -> None:
    """Neither makes the topic."""
    broker.gets(TOPIC, *several(2))
    broker.refuses(TOPIC, error)
    intake = Intake()
    source = start(intake)
    until(lambda: source.counts.get(event, 0) > 0)
    assert not source.queue.connected
    broker.refuses(TOPIC, 0)
    until(lambda: broker.committed(GROUP, TOPIC) == [2])


@pytest.mark.parametrize(
    "wrong",
    [
        {"servers": "kafka.hospital.example:9092"},
        {"servers": ["127.0.0.1:9092", "10.1.2.3:9092"]},
        {"servers": "kafka.hospital.example:9092", "plaintext": True, "user": "u", "password": "p", "mechanism": "PLAIN"},
        {"servers": "no port"},
        {"topics": ["^.*"]},
        {"topics": []},
        {"ca": "ca.pem"},
        {"tls": True, "certificate": "a.pem"},
        {"tls": True, "plaintext": True},
        {"user": "u"},
    ],
)  # fmt: skip
def test_what_is_not_safe_or_not_whole_is_refused_at_start(wrong: dict[str, object]) -> None:
    """TL-06: nothing goes in clear beyond this machine unless somebody said so; no value is quoted."""
    with pytest.raises(ConfigError) as told:
        KafkaSource("engine", {"servers": "127.0.0.1:9092", "topics": "t", "group": "g", **wrong}, SystemClock())
    assert "hospital" not in str(told.value)
