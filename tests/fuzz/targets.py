"""What is fuzzed: a name, what must hold of any bytes, where the search begins, and mutations that know the shape."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.fuzz import bounces, claims, mutate, resources, seeds, wire

MOST = 16_384
"""Bytes of one input; what longer ones cost is measured apart, in `test_fuzz_time.py`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`holds` raises for bytes of which the claims do not hold; `seeds` and `mutated` make bytes to try."""

    name: str
    holds: Callable[[bytes], object]
    seeds: Callable[[], tuple[bytes, ...]]
    mutated: Callable[[bytes, random.Random, int], bytes]


def _stream(data: bytes) -> None:
    if len(data) > 2:
        wire.any_stream(data)


def _message(data: bytes) -> None:
    """The first byte chooses the feed, the rest is the message."""
    if data:
        claims.any_message(data[1:], data[0], sampled=True)


def _mutated_message(data: bytes, rng: random.Random, most: int) -> bytes:
    feed = data[:1] if data and rng.random() < 0.9 else bytes((rng.randrange(len(claims.FEEDS)),))
    return feed + mutate.mutated(data[1:], rng, most - 1)


def _mutated_batch(data: bytes, rng: random.Random, most: int) -> bytes:
    lines = [*data.split(b"\r")]
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(_ENVELOPES))
    return mutate.mutated(b"\r".join(lines), rng, most)


_ENVELOPES = (
    b"FHS|^~\\&|E|H",
    b"BHS|^~\\&|E|H||||||||B1",
    b"BTS|2",
    b"BTS|",
    b"FTS|1",
    b"FTS|99999999999999999999",
    b"MSH|^~\\&|A",
    b"BHS",
)


def _batches() -> tuple[bytes, ...]:
    """Our messages, three in each, in envelopes or in frames."""
    bodies = seeds.messages()
    threes = [bodies[at : at + 3] for at in range(0, 150, 3)]
    whole = (b"FHS|^~\\&|E\rBHS|^~\\&|E\r" + b"".join(three) + b"BTS|3\rFTS|1\r" for three in threes[:25])
    framed = (b"".join(b"\x0b%b\x1c\r" % body for body in three) for three in threes[25:])
    return tuple(data[:MOST] for data in (*whole, *framed))


def _streams() -> tuple[bytes, ...]:
    rng = random.Random(1)
    return tuple(mutate.stream(rng)[:MOST] for _ in range(100))


TARGETS = {
    target.name: target
    for target in (
        Target(
            name="message",
            holds=_message,
            seeds=lambda: tuple(b"\0" + body for body in seeds.messages()),
            mutated=_mutated_message,
        ),
        Target(name="batch", holds=claims.any_batch, seeds=_batches, mutated=_mutated_batch),
        Target(
            name="wire",
            holds=_stream,
            seeds=_streams,
            mutated=mutate.mutated_stream,
        ),
        Target(name="resource", holds=resources.any_resource, seeds=resources.seeds, mutated=resources.mutated),
        Target(name="bounce", holds=bounces.any_report, seeds=bounces.seeds, mutated=bounces.mutated),
    )
}
