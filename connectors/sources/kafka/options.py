"""The Kafka part of a source's section in caregate.yaml."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from connectors.brokers.kafka import KafkaAddress, Topic
from connectors.durations import Seconds
from connectors.sources.options import several
from connectors.sources.queues import QueueOptions


class Begin(StrEnum):
    """Where a group begins that has said nothing of a partition yet, or whose place is no longer there."""

    EARLIEST = "earliest"  # with all that the topic still holds
    LATEST = "latest"  # with what comes from now on


class KafkaOptions(KafkaAddress, QueueOptions):
    """Times in seconds. `session_timeout`: after which a consumer that says nothing has lost its partitions."""

    topics: Annotated[tuple[Topic, ...], BeforeValidator(several), Field(min_length=1, max_length=1_000)]
    group: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
    begin: Begin = Begin.EARLIEST
    session_timeout: Annotated[Seconds, Field(ge=1, le=1_800)] = 45.0
