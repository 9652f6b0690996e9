"""A consumer group of streams, read in order: first what was given out and never settled, then what is new (XREADGROUP, XACK)."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import redis

from connectors.brokers.redis import connected, ours
from connectors.sources.queues import Delivery, Waiting
from connectors.sources.redis_stream import lag
from connectors.sources.redis_stream.claims import claim, pending
from connectors.sources.redis_stream.options import RedisStreamOptions
from connectors.sources.redis_stream.turn import Turn
from connectors.sources.tally import Tally
from gateway.model.errors import Missing

Tag = tuple[str, bytes]
"""A stream and the id of an entry."""

_NEW: Final = b">"
_PENDING: Final = b"0"
_LOOK: Final = 60.0  # seconds between two looks at what others were given
NO_FIELD: Final = "the entry has no such field (`field`)"


class StreamLink:
    """`queues.Link` of one source's streams."""

    def __init__(self, name: str, options: RedisStreamOptions, turn: Turn, tally: Tally) -> None:
        self._name, self._options, self._turn, self._tally = name, options, turn, tally
        self._client: redis.Redis | None = None
        self._from = dict.fromkeys(
            options.streams, _NEW
        )  # by stream: behind which of its pending entries, or what is new
        self._held: set[Tag] = set()
        self._reading = False
        self._claim_at = 0.0

    # -- as every link

    def open(self) -> None:
        """As the protocol says. Raises Missing where a stream or its group is not there and may not be made."""
        self._client = connected(self._options, f"caregate-{self._name}")
        with ours():
            for stream in self._options.streams:
                self._subscribe(self._client, stream)

    def take(self, most: int, seconds: float) -> Sequence[Delivery]:
        """As the protocol says."""
        if not self._turn.ours():
            self._reading = False
            self.idle(seconds)
            return ()
        self._begin()
        until = time.monotonic() + seconds
        with ours():
            if any(place is not _NEW for place in self._from.values()) and (found := self._pending(most)):
                return found
            return self._new(most, max(0.0, until - time.monotonic()))

    def settle(self, deliveries: Sequence[Delivery]) -> None:
        """XACK; with `trim` XDEL in the same transaction."""
        tags = [_tag(one) for one in deliveries]
        self._acknowledge(_by_stream(tags))
        self._held.difference_update(tags)

    def idle(self, seconds: float) -> None:
        """Keep our turn, and for so long the connection."""
        self._turn.ours()
        if seconds:
            time.sleep(seconds)
            with ours():
                self._there.ping()

    def waiting(self) -> Waiting | None:
        """As the protocol says."""
        with ours():
            return lag.of(self._there, self._options.streams, self._options.group)

    def close(self) -> None:
        """As the protocol says: what is not settled stays in the list of what was given out, under our name."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                client.close()
        self._turn.over()

    # -- reading

    @property
    def _there(self) -> redis.Redis:
        assert self._client is not None, "it is open"
        return self._client

    def _subscribe(self, client: redis.Redis, stream: str) -> None:
        """Make the group where we may; else look whether it is there."""
        if self._options.declare:
            try:
                client.xgroup_create(stream, self._options.group, id="0", mkstream=True)
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
        elif not client.exists(stream) or lag.group_of(client, stream, self._options.group) is None:
            told = f"stream {stream}, or its group {self._options.group},"
            raise Missing(f"{told} is not there: XGROUP CREATE with MKSTREAM makes both, or say declare: yes")

    def _begin(self) -> None:
        """Where our turn begins, and where another consumer's entries became ours: what was given out comes first."""
        found = False
        if time.monotonic() >= self._claim_at:
            self._claim_at = time.monotonic() + min(self._options.claim_after, _LOOK)
            with ours():
                found = self._found()
        if found or not self._reading:
            self._from = dict.fromkeys(self._options.streams, _PENDING)
        self._reading = True

    def _found(self) -> bool:
        """Whether something is ours now that is not in hand: of another consumer, or given out to a gateway whose turn was just over."""
        told, held = self._options, Counter(stream for stream, _ in self._held)
        claimed = sum(claim(self._there, one, told.group, told.consumer, told.claim_after) for one in told.streams)
        if claimed:
            self._tally.tell("queue.claimed", claimed)
        return any(pending(self._there, one, told.group, told.consumer) > held[one] for one in told.streams)

    def _pending(self, most: int) -> list[Delivery]:
        """What was given out to us before, in order, but for what is in hand; what left the stream meanwhile is passed over."""
        for stream in [one for one, place in self._from.items() if place is not _NEW]:
            while self._from[stream] is not _NEW:
                entries = self._read({stream: self._from[stream]}, most, None).get(stream, [])
                self._from[stream] = entries[-1][0] if entries else _NEW
                if gone := [id_ for id_, fields in entries if not fields]:
                    self._tally.tell("queue.entries-gone", len(gone))
                    self._there.xack(stream, self._options.group, *gone)
                if found := [one for one in entries if one[1] and (stream, one[0]) not in self._held]:
                    return self._taken(stream, found, again=True)
        return []

    def _new(self, most: int, seconds: float) -> list[Delivery]:
        """COUNT is of each stream: with few to take, the streams have their turns."""
        streams = list(self._from)[:most]
        for one in streams if len(streams) < len(self._from) else ():
            self._from[one] = self._from.pop(one)  # to the end
        found = self._read(dict.fromkeys(streams, _NEW), max(1, most // len(streams)), int(1000 * seconds) or None)
        return [one for stream, entries in found.items() for one in self._taken(stream, entries, again=False)]

    def _read(self, places: Mapping[str, bytes], count: int, block: int | None) -> dict[str, list[Any]]:
        told = self._options
        asked: Any = places
        found: Any = self._there.xreadgroup(told.group, told.consumer, asked, count=count, block=block)
        return {stream.decode(): entries for stream, entries in found}

    def _taken(
        self, stream: str, entries: Iterable[tuple[bytes, Mapping[bytes, bytes]]], *, again: bool
    ) -> list[Delivery]:
        found = [self._delivery((stream, id_), fields, again=again) for id_, fields in entries]
        self._held.update(map(_tag, found))
        return found

    def _delivery(self, tag: Tag, fields: Mapping[bytes, bytes], *, again: bool) -> Delivery:
        told = self._options
        body = fields.get(told.field.encode())
        if body is None:
            shown = b"\n".join(b"%s=%s" % one for one in fields.items())
            return Delivery(tag=tag, body=shown, again=again, problem=NO_FIELD)
        return Delivery(
            tag=tag,
            body=body,
            content_type=_text(fields, told.content_type),
            encoding=_text(fields, told.content_encoding),
            again=again,
        )

    def _acknowledge(self, ids: Mapping[str, list[bytes]]) -> None:
        with ours(), self._there.pipeline(transaction=self._options.trim) as pipe:
            for stream, settled in ids.items():
                pipe.xack(stream, self._options.group, *settled)
                if self._options.trim:
                    pipe.xdel(stream, *settled)
            pipe.execute()


def _tag(one: Delivery) -> Tag:
    assert isinstance(one.tag, tuple)
    return one.tag


def _by_stream(tags: Iterable[Tag]) -> dict[str, list[bytes]]:
    found: defaultdict[str, list[bytes]] = defaultdict(list)
    for stream, id_ in tags:
        found[stream].append(id_)
    return found


def _text(fields: Mapping[bytes, bytes], name: str) -> str:
    return fields.get(name.encode(), b"").decode("latin-1")
