"""Feeds from streams of Redis or Valkey, by a consumer group (`kind: redis-stream`)."""

from connectors.sources.redis_stream.source import RedisStreamSource

__all__ = ["RedisStreamSource"]
