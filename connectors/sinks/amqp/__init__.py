"""The AMQP sink (`kind: amqp`): outcomes as CloudEvents to an exchange of RabbitMQ, each confirmed before it counts."""

from connectors.sinks.amqp.sink import AmqpSink

__all__ = ["AmqpSink"]
