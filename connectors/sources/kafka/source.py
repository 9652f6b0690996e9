"""The Kafka source: a queue of the group's partitions."""

from __future__ import annotations

from connectors.sources.kafka.link import KafkaLink
from connectors.sources.kafka.options import KafkaOptions
from connectors.sources.queues import QueueSource
from gateway.ports import Clock, Options


class KafkaSource(QueueSource[KafkaOptions]):
    """`ports.Source` for topics of one cluster; several gateways of one group share their partitions."""

    section = KafkaOptions

    def __init__(self, name: str, options: Options, clock: Clock) -> None:
        super().__init__(name, options, clock)
        self._reached: dict[tuple[str, int], int] = {}

    def link(self) -> KafkaLink:
        """See `QueueSource`."""
        return KafkaLink(self.name, self.options, self._tally, self._reached)
