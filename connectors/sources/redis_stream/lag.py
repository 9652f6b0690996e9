"""What lies in streams and is not settled: given out and pending, or not given out yet (XINFO GROUPS)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from connectors.sources.queues import Waiting
from gateway.model.when import Millis

_FIRST: Millis = 1_230_768_000_000  # 2009: an id before it is no time


def of(client: redis.Redis, streams: Sequence[str], group: str) -> Waiting | None:
    """Of all streams together; None where Redis cannot tell. Raises redis' errors."""
    messages, oldest = 0, []
    for stream in streams:
        known = group_of(client, stream, group)
        if known is None:
            return None
        first = _first(client, stream, group, known)
        left = known.get("lag")
        if left is None:  # entries were removed ahead of the group, or it began somewhere: there are some, or none
            if _next(client, stream, known):
                return None
            left = 0
        messages += int(known["pending"]) + int(left)
        oldest += [first] if first is not None else []
    return Waiting(messages=messages, since=min(oldest, default=None))


def group_of(client: redis.Redis, stream: str, group: str) -> dict[str, Any] | None:
    """What XINFO GROUPS says of our group; None: it is not there."""
    groups: Any = client.xinfo_groups(stream)
    return next((one for one in groups if one["name"] in (group, group.encode())), None)


def _first(client: redis.Redis, stream: str, group: str, known: dict[str, Any]) -> Millis | None:
    """When the oldest that is not settled was put there, by its id."""
    if known["pending"]:
        told: Any = client.xpending(stream, group)
        return _time(told["min"])
    found = _next(client, stream, known)
    return _time(found[0][0]) if found else None


def _next(client: redis.Redis, stream: str, known: dict[str, Any]) -> Any:
    """The entry behind the last that was given out."""
    return client.xrange(stream, min=b"(" + known["last-delivered-id"], count=1)


def _time(id_: bytes | None) -> Millis | None:
    """The time in an id that Redis made; None where a sender made it of something else."""
    told = int(id_.partition(b"-")[0]) if id_ else 0
    return told if told >= _FIRST else None
