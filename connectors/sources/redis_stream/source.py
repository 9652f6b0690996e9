"""The source of Redis streams: of several gateways one reads at a time, so that a stream's order is kept."""

from __future__ import annotations

from connectors.sources.queues import Link, QueueSource
from connectors.sources.redis_stream.link import StreamLink
from connectors.sources.redis_stream.options import RedisStreamOptions
from connectors.sources.redis_stream.turn import Turn
from gateway.ports import Fetches, Notes


class RedisStreamSource(QueueSource[RedisStreamOptions]):
    """`QueueSource` and `ports.Remembers` for streams of one Redis."""

    section = RedisStreamOptions
    _notes: Notes | None = None

    def remember(self, notes: Notes, _fetches: Fetches) -> None:
        """Of several gateways with the same notes one reads."""
        self._notes = notes

    def link(self) -> Link:
        """A connection that is not open yet."""
        return StreamLink(self.name, self.options, Turn(self._notes, self._clock, self.options.lease), self._tally)
