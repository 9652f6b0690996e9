"""The Kafka sink (`kind: kafka`): outcomes as CloudEvents on a topic, keyed by patient token."""

from connectors.sinks.kafka.sink import KafkaSink

__all__ = ["KafkaSink"]
