"""Day after day of the bench's feed, with what real feeds have besides: repetitions, and messages nobody can read."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from gateway.model.when import Millis
from tests.bench.corpus import Feed

REPEATED = 0.005
"""The share of messages that come twice, with the same control id (D-02)."""
_A_DAY = 100_000  # messages, at most
UNREADABLE = 0.0005
"""The share of messages without an identifier: quarantined (A-08), and every second one mended and sent again (D-04)."""


class Months:
    """The messages of one day after the other; the same seed, the same messages."""

    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)
        self.unreadable = self.mended = self.repeated = 0

    def day(self, number: int, now: Millis, count: int) -> Iterator[bytes]:
        """About `count` messages of the day `number`, told from `now` on; appointments lie ahead of that day."""
        begin, numbers = datetime.fromtimestamp(now / 1000, UTC), number * _A_DAY
        feed = Feed(now=begin - timedelta(milliseconds=numbers), day=begin.date(), prefix=f"S{number:04d}", seed=number)
        feed._count = numbers  # appointments and visits are numbered by it: no day uses those of another
        for body in feed.messages(count):
            draw = self._random.random()
            if draw < UNREADABLE:
                yield from self._broken(body)
            else:
                yield body
                if draw > 1 - REPEATED:
                    self.repeated += 1
                    yield body

    def _broken(self, body: bytes) -> Iterator[bytes]:
        """Without PID-3 it is nobody's; the mended one has the same control id and other bytes."""
        before, mark, person = body.partition(b"\rPID|1||")
        yield before + mark + person[person.index(b"|") :]
        self.unreadable += 1
        if self.unreadable % 2:
            self.mended += 1
            yield body
