"""The Redis stream sink (`kind: redis-stream`): each outcome as a CloudEvent in an entry."""

from connectors.sinks.redis_stream.sink import RedisStreamSink

__all__ = ["RedisStreamSink"]
