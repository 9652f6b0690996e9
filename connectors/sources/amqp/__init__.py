"""Queues of RabbitMQ (`kind: amqp`): a message is acknowledged there once it is committed here, and never before."""

from connectors.sources.amqp.source import AmqpSource

__all__ = ["AmqpSource"]
