"""Where events are told, and whoever reads them there with a third party's library against the published schemas."""

from __future__ import annotations

import json
import uuid
from abc import abstractmethod
from pathlib import Path
from typing import Any

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from jsonschema import Draft202012Validator
from rabbit_parts import Queues, options

from connectors.sinks import events
from connectors.sinks.amqp import AmqpSink
from connectors.sinks.redis_stream import RedisStreamSink
from gateway.ports import Sink, SystemClock
from tests.queues.redis_there import Valkey

PUBLISHED = Path(events.__file__).parent / "schemas"


class Bus:
    """A place at a broker where events are told, and where somebody else reads them."""

    def __init__(self) -> None:
        self._open: list[Sink] = []

    def sink(self) -> Sink:
        """As one gateway has it."""
        self._open.append(self._sink())
        return self._open[-1]

    def close(self) -> None:
        """All sinks."""
        for one in self._open:
            one.close()

    @abstractmethod
    def _sink(self) -> Sink: ...

    @abstractmethod
    def bodies(self) -> list[bytes]:
        """All that was ever told here, oldest first."""


class Stream(Bus):
    """A stream of Valkey, read as an entry has it."""

    def __init__(self, server: Valkey) -> None:
        super().__init__()
        self._server, self._name = server, f"outcomes-{uuid.uuid4().hex[:12]}"

    def _sink(self) -> Sink:
        told = {"url": self._server.url, "stream": self._name, "declare": True}
        return RedisStreamSink("back", told, SystemClock())

    def bodies(self) -> list[bytes]:
        """See `Bus`."""
        entries: Any = self._server.client.xrange(self._name)
        assert {fields[b"content_type"].decode() for _, fields in entries} <= {events.CONTENT_TYPE}
        return [fields[b"body"] for _, fields in entries]


class Exchange(Bus):
    """An exchange of RabbitMQ that gives every event to one queue, from which they are taken."""

    def __init__(self, url: str, queues: Queues) -> None:
        super().__init__()
        self._told, self._queues = options(url), queues
        self._taken: list[bytes] = []
        self._queue = queues.make("classic")
        with queues.channel() as channel:
            channel.queue_bind(self._queue, "amq.topic", "#")

    def _sink(self) -> Sink:
        return AmqpSink("back", {**self._told, "exchange": "amq.topic"}, SystemClock())

    def bodies(self) -> list[bytes]:
        """See `Bus`."""
        found = self._queues.all(self._queue)
        assert {properties.content_type for _, properties, _ in found} <= {events.CONTENT_TYPE}
        self._taken += [body for _, _, body in found]
        return self._taken


class Consumer:
    """Reads every event as CloudEvents 1.0, and finds the schema of its data by its `dataschema`."""

    def __init__(self) -> None:
        schemas = [json.loads(one.read_text()) for one in PUBLISHED.glob("*.json")]
        self._schemas = {one["$id"]: one for one in schemas}

    def reads(self, body: bytes) -> CloudEvent:
        """One event. Raises what the libraries raise where it is none, or its data is not as published."""
        event = JSONFormat().read(CloudEvent, body)
        schema = self._schemas[event.get_attributes()["dataschema"]]
        assert schema["title"] == event.get_type()
        Draft202012Validator(schema).validate(event.get_data())
        return event

    def all(self, bus: Bus) -> list[CloudEvent]:
        """Everything that was told there."""
        return [self.reads(body) for body in bus.bodies()]


def data(event: CloudEvent) -> dict[str, Any]:
    """What it carries."""
    found = event.get_data()
    assert isinstance(found, dict)
    return found


def short(event: CloudEvent) -> str:
    """Its type without what all begin with."""
    return str(event.get_type()).removeprefix("org.caregate.")
