"""The Redis part of a source's section in caregate.yaml: where, which streams, and as whom of which group."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from connectors.brokers.redis import RedisAddress
from connectors.durations import Seconds
from connectors.sources.options import Texts
from connectors.sources.queues import QueueOptions

_Word = Annotated[str, Field(min_length=1, max_length=255)]


class RedisStreamOptions(QueueOptions, RedisAddress):
    """What is read, and how. Times in seconds.

    `consumer` is the same in every gateway of a database: one of them reads at a time, and who takes over finds what was
    given out and not settled under that name, in its order.
    """

    streams: Texts
    group: _Word = "caregate"
    consumer: _Word = "caregate"
    field: _Word = "body"  # of an entry: the message itself
    content_type: _Word = "content_type"  # the fields that tell what it is and how it is packed, where there are such
    content_encoding: _Word = "content_encoding"
    declare: bool = False  # make the stream and its group where they are not there
    trim: bool = False  # remove from the stream what is settled
    claim_after: Annotated[Seconds, Field(ge=1, le=30 * 86_400)] = (
        300.0  # what another consumer has not settled for so long
    )
    lease: Annotated[Seconds, Field(ge=3, le=600)] = 15.0  # so long nobody reads after a gateway died

    @field_validator("streams")
    @classmethod
    def _each_once(cls, told: tuple[str, ...]) -> tuple[str, ...]:
        if not told or not all(told) or len(set(told)) < len(told) or len(told) > 64:
            raise ValueError("name at least one stream, each once, at most 64")
        return told
