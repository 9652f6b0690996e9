"""A batch is added in one transaction, in its order: all of it is there, or nothing is; told again, each event has the id it had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any

import redis
from pydantic import Field

from connectors.brokers.redis import RedisAddress, connected, ours
from connectors.sinks.events import CONTENT_TYPE, event_of, type_of
from connectors.sinks.faults import told
from connectors.sinks.options import read
from gateway.model.errors import DeliveryError, Refused
from gateway.model.outcome import SinkRow
from gateway.ports import Clock


class RedisStreamSinkOptions(RedisAddress):
    """Where, and which stream. `most`: about so many entries are kept in it (MAXLEN ~); None: all."""

    stream: Annotated[str, Field(min_length=1, max_length=255)]
    most: Annotated[int, Field(ge=1_000)] | None = None
    declare: bool = False  # make the stream where it is not there


class RedisStreamSink:
    """Keeps its connection between batches and makes another when it is lost; connects when the first batch comes."""

    section = RedisStreamSinkOptions

    def __init__(self, name: str, options: Mapping[str, object], clock: Clock) -> None:  # noqa: ARG002 - as every sink is made
        self._options = read(RedisStreamSinkOptions, name, options)
        self.name = name
        self._client: redis.Redis | None = None

    def write(self, batch: Sequence[SinkRow]) -> None:
        """See `Sink`."""
        try:
            with told():
                self._add(batch)
        except DeliveryError:
            self.close()
            raise

    def close(self) -> None:
        """See `Sink`."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                client.close()

    def _add(self, batch: Sequence[SinkRow]) -> None:
        options = self._options
        if self._client is None:
            self._client = connected(options, f"caregate-{self.name}")
        with ours(), self._client.pipeline(transaction=True) as pipe:
            for row in batch:
                pipe.xadd(options.stream, _fields(row), maxlen=options.most, nomkstream=not options.declare)
            if None in pipe.execute():
                raise Refused("the stream is not there: make it, or say declare: yes")


def _fields(row: SinkRow) -> Any:
    """`id` is by what a reader knows one that came before; `patient` by what several readers share the work and keep the order."""
    return {
        "id": row.id,
        "type": type_of(row),
        "patient": row.patient,
        "content_type": CONTENT_TYPE,
        "body": event_of(row),
    }
