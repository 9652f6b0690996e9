"""A batch is told once RabbitMQ confirmed every event of it, each in at least one queue; the same events again have the same ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from connectors.brokers.amqp import AmqpAddress, parameters
from connectors.durations import Seconds
from connectors.sinks.amqp.publishing import Publishing
from connectors.sinks.events import CONTENT_TYPE, event_of, type_of
from connectors.sinks.faults import told
from connectors.sinks.options import read
from gateway.model.errors import Refused
from gateway.model.outcome import SinkRow
from gateway.ports import Clock


class AmqpSinkOptions(AmqpAddress):
    """A connection, and the exchange, which must be there. `within`: seconds for a batch as a whole."""

    exchange: Annotated[str, Field(min_length=1, max_length=255)]
    within: Annotated[Seconds, Field(ge=1, le=600)] = 60.0


class AmqpSink:
    """Connects for each batch: between them there is nothing that could be lost, or would have to be kept alive."""

    section = AmqpSinkOptions

    def __init__(self, name: str, options: Mapping[str, object], clock: Clock) -> None:  # noqa: ARG002 - as every sink is made
        self._options = read(AmqpSinkOptions, name, options)
        self.name = name

    def write(self, batch: Sequence[SinkRow]) -> None:
        """See `Sink`."""
        options = self._options
        if not batch:
            return
        with told():
            how = parameters(options, f"caregate sink {self.name}")
            events = [(type_of(row), event_of(row), _properties(row)) for row in batch]
            unrouted = Publishing(how, options.exchange, events).run(options.within)
        if unrouted:
            names = ", ".join(sorted(unrouted))
            raise Refused(f"no queue is bound to the exchange for {names}: bind one, or list the others in `kinds`")

    def close(self) -> None:
        """See `Sink`."""


def _properties(row: SinkRow) -> Any:
    """Kept on disk there. `subject` is for an exchange that hashes by a header: what is of one patient stays in order."""
    import pika

    return pika.BasicProperties(
        delivery_mode=pika.DeliveryMode.Persistent,
        content_type=CONTENT_TYPE,
        message_id=row.id,
        timestamp=row.at // 1000,
        type=type_of(row),
        app_id="caregate",
        headers={"subject": row.patient},
    )
