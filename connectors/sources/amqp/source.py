"""One queue of RabbitMQ as a source: what every queue does, over AMQP 0-9-1."""

from __future__ import annotations

from connectors.sources.amqp.link import AmqpLink
from connectors.sources.amqp.options import AmqpOptions
from connectors.sources.queues import Link, QueueSource


class AmqpSource(QueueSource[AmqpOptions]):
    """`options` is this source's section of caregate.yaml without what every source has; ConfigError if it is wrong."""

    section = AmqpOptions

    def link(self) -> Link:
        """See `QueueSource`."""
        return AmqpLink(self.name, self.options)
