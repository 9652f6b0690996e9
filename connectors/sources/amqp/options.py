"""The AMQP part of a source's section in caregate.yaml: checked whole, wrong settings named but never quoted."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from connectors.brokers.amqp import AmqpAddress
from connectors.sources.queues import QueueOptions


class QueueType(StrEnum):
    """What RabbitMQ keeps a queue in; asked for where we make it. A stream is none: it keeps what is acknowledged."""

    QUORUM = "quorum"
    CLASSIC = "classic"


class AmqpOptions(AmqpAddress, QueueOptions):
    """A connection, and the queue that is read. `prefetch`: how many RabbitMQ sends ahead (basic.qos)."""

    queue: Annotated[str, Field(min_length=1, max_length=255)]
    declare: bool = False  # no: the queue is somebody else's, and must be there
    queue_type: QueueType = QueueType.QUORUM  # `declare: yes`: durable, and of this type
