"""A consumer of a group: offsets are committed for what is settled, at once when a partition is asked back, and never for more.

`idle` keeps the place in the group with every partition paused, so that nothing is taken while our database is away.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from connectors.brokers.kafka import Watch, fault_of, has_topics
from connectors.sources.kafka.headers import told_of
from connectors.sources.kafka.held import Held, Place, Tag
from connectors.sources.kafka.options import Begin, KafkaOptions
from connectors.sources.queues import Delivery, Waiting
from connectors.sources.tally import Tally

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, TopicPartition

_REST = 1.0  # seconds without a poll after which an idle link pauses its partitions and polls
_ASK = 5.0  # seconds that a question to the broker may take while partitions are ours
_QUEUED = 16 << 10  # kilobytes that librdkafka fetches ahead


class KafkaLink:
    """`queues.Link` for topics of one cluster. `reached`: of the source, by place the next offset never taken here."""

    def __init__(self, name: str, options: KafkaOptions, tally: Tally, reached: dict[Place, int]) -> None:
        self._name, self._options, self._tally = name, options, tally
        self._watch = Watch(name)
        self._held = Held(reached)
        self._consumer: Consumer | None = None
        self._open: deque[int | None] = deque()  # when each that is not settled came to the broker
        self._early: deque[Message] = deque()  # came while all was paused
        self._paused = False
        self._polled = 0.0

    def open(self) -> None:
        """See `Link`."""
        consumer = self._consumer = self._watch.made(
            "Consumer", {**_words(self._options, self._name), "on_commit": self._confirmed}
        )
        has_topics(consumer, self._options.topics, self._watch, self._options)
        consumer.subscribe(
            list(self._options.topics), on_assign=self._gained, on_revoke=self._asked_back, on_lost=self._lost
        )

    def take(self, most: int, seconds: float) -> Sequence[Delivery]:
        """See `Link`."""
        with self._ours() as consumer:
            self._pause(consumer, pause=False)
            first = self._early.popleft() if self._early else consumer.poll(seconds)
            self._polled = time.monotonic()
            if first is None:
                self._tell(consumer)
                return []
            found = [self._delivery(consumer, first)]  # before a rebalance can come between
            found += [self._delivery(consumer, one) for one in (consumer.consume(most - 1, 0.0) if most > 1 else ())]
            return [one for one in found if one is not None]

    def settle(self, deliveries: Sequence[Delivery]) -> None:
        """See `Link`: the next offset of each partition, committed in the background; what fails is committed again."""
        with self._ours() as consumer:
            self._held.settles(tag for one in deliveries if isinstance(tag := one.tag, Tag))
            for _ in deliveries:
                self._open.popleft()
            self._tell(consumer)

    def idle(self, seconds: float) -> None:
        """See `Link`. A pause drops what was fetched ahead, so that a short rest is none; once paused every rebalance is served at once."""
        if not self._paused and time.monotonic() < self._polled + _REST:
            time.sleep(seconds)
            return
        with self._ours() as consumer:
            self._pause(consumer, pause=True)
            message = consumer.poll(seconds)
            self._polled = time.monotonic()
            if message is not None:
                self._early.append(message)

    def waiting(self) -> Waiting | None:
        """See `Link`: of the partitions that are ours; those of others in the group are theirs to tell."""
        with self._ours() as consumer:
            counts = [self._behind(consumer, place) for place in self._held.places]
        told = [one for one in counts if one is not None]
        since = self._open[0] if self._open else None
        return Waiting(messages=sum(told), since=since) if len(told) == len(counts) else None

    def close(self) -> None:
        """See `Link`. What is settled is committed in `_asked_back`, which the consumer calls as it leaves."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(Exception):
                consumer.close()

    # -- partitions come and go, within a poll

    def _gained(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        for part, known in zip(parts, _committed(consumer, parts), strict=True):
            begin = known if known is not None else self._begin(consumer, part)
            part.offset = part.offset if begin is None else begin
            self._held.gains((part.topic, part.partition), begin, told=known is not None)
        consumer.incremental_assign(parts)
        if self._paused:
            consumer.pause(parts)
        self._commit(consumer, parts)

    def _begin(self, consumer: Consumer, part: TopicPartition) -> int | None:
        """Where to begin with a new partition; "latest" is said at once, else whoever comes after us would begin later still."""
        if self._options.begin is Begin.EARLIEST:
            return None
        marks = _watermarks(consumer, (part.topic, part.partition), cached=False)
        return marks[1] if marks else None

    def _asked_back(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        self._commit(consumer, parts)
        self._lost(consumer, parts)

    def _commit(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        """Now, what of these is settled; where that fails, whoever has them next gets it again."""
        untold = self._held.untold((one.topic, one.partition) for one in parts)
        if untold:
            with suppress(Exception):
                consumer.commit(offsets=_offsets(untold), asynchronous=False)
                self._held.told(untold)

    def _lost(self, _consumer: Consumer, parts: list[TopicPartition]) -> None:
        places = {(one.topic, one.partition) for one in parts}
        self._held.loses(places)
        self._early = deque(one for one in self._early if (one.topic(), one.partition()) not in places)

    def _confirmed(self, error: object, parts: list[TopicPartition]) -> None:
        if error is None:
            self._held.told({(one.topic, one.partition): one.offset for one in parts if one.error is None})

    # -- parts of the above

    def _tell(self, consumer: Consumer) -> None:
        """Commit, in the background, what is settled and not confirmed; it stays so until `_confirmed`."""
        if untold := self._held.untold():
            consumer.commit(offsets=_offsets(untold), asynchronous=True)

    @contextmanager
    def _ours(self) -> Iterator[Consumer]:
        """The consumer; whatever it raises or told, without its words."""
        from confluent_kafka import KafkaException

        consumer = self._consumer
        assert consumer is not None, "it is open"
        try:
            yield consumer
        except KafkaException as error:
            raise fault_of(error.args[0]) from None
        self._watch.check()

    def _pause(self, consumer: Consumer, *, pause: bool) -> None:
        if pause is not self._paused:
            (consumer.pause if pause else consumer.resume)(consumer.assignment())
            self._paused = pause

    def _delivery(self, consumer: Consumer, message: Message) -> Delivery | None:
        error = message.error()
        if error is not None:
            if error.retriable():
                return None
            raise fault_of(error)
        kind, at = message.timestamp()
        place = (message.topic() or "", message.partition() or 0)
        tag, again, expected = self._held.takes(place, message.offset() or 0, at if kind else None)
        if tag is None:
            return None
        if expected is not None:
            self._tell_expired(consumer, place, expected)
        self._open.append(tag.at)
        return Delivery(tag=tag, body=message.value() or b"", again=again, **told_of(message))

    def _tell_expired(self, consumer: Consumer, place: Place, expected: int) -> None:
        """Offsets are skipped by compaction and transactions too; only what lies before the first there was never read."""
        marks = _watermarks(consumer, place, cached=False)
        if marks and marks[0] > expected:
            self._tally.tell("kafka.expired", marks[0] - expected)

    def _behind(self, consumer: Consumer, place: Place) -> int | None:
        marks = None if self._paused else _watermarks(consumer, place, cached=True)
        marks = marks or _watermarks(consumer, place, cached=False)
        if marks is None:
            return None
        return max(0, marks[1] - max(marks[0], self._held.next(place) or 0))


def _words(options: KafkaOptions, name: str) -> dict[str, object]:
    session = int(options.session_timeout * 1_000)
    return {
        **options.told(f"caregate source {name}"),
        "group.id": options.group,
        "enable.auto.commit": False,  # law 1
        "enable.auto.offset.store": False,
        "auto.offset.reset": options.begin.value,
        "partition.assignment.strategy": "cooperative-sticky",
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
        "session.timeout.ms": session,
        "heartbeat.interval.ms": min(3_000, session // 3),
        "queued.max.messages.kbytes": _QUEUED,
        "fetch.queue.backoff.ms": 10,  # once that is full; a second otherwise
        "fetch.max.bytes": 8 << 20,
        "fetch.wait.max.ms": 100,
    }


def _offsets(told: dict[Place, int]) -> list[TopicPartition]:
    from confluent_kafka import TopicPartition

    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in told.items()]


def _committed(consumer: Consumer, parts: list[TopicPartition]) -> list[int | None]:
    """Where the group is in each. Where that cannot be asked librdkafka asks it again: here it is only for what waits."""
    try:
        return [one.offset if one.offset >= 0 else None for one in consumer.committed(parts, timeout=_ASK)]
    except Exception:  # noqa: BLE001 - an error in a callback would end the poll
        return [None] * len(parts)


def _watermarks(consumer: Consumer, place: Place, *, cached: bool) -> tuple[int, int] | None:
    """The first offset there and the next one to come; None where that is not told."""
    from confluent_kafka import KafkaException, TopicPartition

    with suppress(KafkaException):
        low, high = consumer.get_watermark_offsets(TopicPartition(*place), timeout=_ASK, cached=cached)
        return (low, high) if high >= 0 else None
    return None
