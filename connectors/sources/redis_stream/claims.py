"""What another consumer of the group was given and has not settled for long becomes ours: it is dead, or was never ours to wait for.

By consumer and not by XAUTOCLAIM, which would claim what is in our own hand while the database is away.
"""

from __future__ import annotations

from typing import Any

import redis

_AT_ONCE = 1_000


def claim(client: redis.Redis, stream: str, group: str, consumer: str, after: float) -> int:
    """How many entries of `stream` became `consumer`'s: those idle for `after` seconds. Raises redis' errors."""
    return sum(
        _of(client, stream, group, consumer, other, int(1000 * after))
        for other, left in _consumers(client, stream, group).items()
        if left and other != consumer.encode()
    )


def pending(client: redis.Redis, stream: str, group: str, consumer: str) -> int:
    """How many entries `consumer` was given and has not settled. Raises redis' errors."""
    return _consumers(client, stream, group).get(consumer.encode(), 0)


def _consumers(client: redis.Redis, stream: str, group: str) -> dict[bytes, int]:
    """By name, which need be no text."""
    told: Any = client.xinfo_consumers(stream, group)
    return {one["name"]: int(one["pending"]) for one in told}


def _of(client: redis.Redis, stream: str, group: str, consumer: str, other: bytes, idle: int) -> int:
    count = 0
    while True:
        found: Any = client.xpending_range(stream, group, "-", "+", _AT_ONCE, consumername=other, idle=idle)
        if not found:
            return count
        ids = [one["message_id"] for one in found]
        client.xclaim(stream, group, consumer, idle, ids, justid=True)
        count += len(ids)
