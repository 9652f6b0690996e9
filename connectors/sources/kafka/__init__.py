"""The Kafka source (`kind: kafka`): topics read by a consumer group, whose offsets follow our commit."""

from connectors.sources.kafka.source import KafkaSource

__all__ = ["KafkaSource"]
