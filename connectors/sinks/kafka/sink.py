"""A batch is written once every broker that must have it said so: an idempotent producer, acks=all, every delivery report seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any

from pydantic import Field

from connectors.brokers.kafka import KafkaAddress, Topic, Watch, fault_of, has_topics
from connectors.durations import Seconds
from connectors.sinks.events import CONTENT_TYPE, event_of
from connectors.sinks.faults import told
from connectors.sinks.options import read
from gateway.model.errors import Busy
from gateway.model.outcome import SinkRow
from gateway.ports import Clock

_HEADERS = (("content-type", CONTENT_TYPE.encode()),)


class KafkaSinkOptions(KafkaAddress):
    """A cluster, and the topic, which must be there. `within`: seconds for a batch as a whole."""

    topic: Topic
    within: Annotated[Seconds, Field(ge=1, le=600)] = 60.0


class KafkaSink:
    """Keeps its producer between batches; makes another after any trouble, which ends what was still on its way."""

    section = KafkaSinkOptions

    def __init__(self, name: str, options: Mapping[str, object], clock: Clock) -> None:  # noqa: ARG002 - as every sink is made
        self._options = read(KafkaSinkOptions, name, options)
        self.name = name
        self._producer: Any = None
        self._watch = Watch(name)

    def write(self, batch: Sequence[SinkRow]) -> None:
        """See `Sink`. Of one patient in order, for they share a key."""
        try:
            with told():
                self._write(batch)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """See `Sink`. What was not confirmed is forgotten here, and told again with its batch."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(Exception):
                producer.purge()
                producer.flush(1.0)

    def _write(self, batch: Sequence[SinkRow]) -> None:
        producer = self._opened()
        reports: list[Any] = []
        for row in batch:
            self._hand(producer, row, reports)
        producer.flush(self._options.within)
        for error in reports:
            if error is not None:
                self._watch.check()
                raise fault_of(error)
        if len(reports) != len(batch):
            self._watch.check()
            raise Busy("Kafka did not confirm in time")

    def _hand(self, producer: Any, row: SinkRow, reports: list[Any]) -> None:
        from confluent_kafka import KafkaException

        try:
            producer.produce(
                self._options.topic,
                value=event_of(row),
                key=row.patient or None,
                headers=list(_HEADERS),
                on_delivery=lambda error, _: reports.append(error),
            )
        except BufferError:
            raise Busy("Kafka does not take it fast enough") from None
        except KafkaException as error:
            raise fault_of(error.args[0]) from None
        producer.poll(0)

    def _opened(self) -> Any:
        if self._producer is None:
            self._watch = Watch(self.name)
            self._producer = self._watch.made("Producer", _words(self._options, self.name))
            has_topics(self._producer, (self._options.topic,), self._watch, self._options)
        return self._producer


def _words(options: KafkaSinkOptions, name: str) -> dict[str, object]:
    return {
        **options.told(f"caregate sink {name}"),
        "enable.idempotence": True,
        "acks": "all",
        "message.timeout.ms": int(options.within * 1_000),
        "linger.ms": 5,
        "queue.buffering.max.messages": 10_000,
        "queue.buffering.max.kbytes": 32 << 10,
        "partitioner": "murmur2_random",  # as Kafka's own clients spread keys
        "compression.type": "lz4",
    }
