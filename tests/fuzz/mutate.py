"""Mutations that know what a message is: without them a search spends its time on bytes that are no message at all."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.fuzz import seeds

Mutation = Callable[[bytearray, random.Random], bytes]


def mutated(body: bytes, rng: random.Random, most: int = 65_536) -> bytes:
    """One to four mutations of `body`, not longer than `most`."""
    for _ in range(rng.randrange(1, 5)):
        body = rng.choice(_ALL)(bytearray(body), rng)[:most]
    return body


def _delimiter(body: bytearray) -> bytes:
    return bytes(body[3:4]) or b"|"


def _lines(body: bytearray) -> list[bytes]:
    return bytes(body).split(b"\r") if b"\r" in body else bytes(body).split(b"\n")


def _with_lines(lines: list[bytes]) -> bytes:
    return b"\r".join(lines)


def _insert_word(body: bytearray, rng: random.Random) -> bytes:
    at = rng.randrange(len(body) + 1)
    body[at:at] = rng.choice(seeds.words())
    return bytes(body)


def _flip(body: bytearray, rng: random.Random) -> bytes:
    if body:
        body[rng.randrange(len(body))] = rng.randrange(256)
    return bytes(body)


def _cut(body: bytearray, rng: random.Random) -> bytes:
    at = rng.randrange(len(body) + 1)
    del body[at : at + rng.randrange(1, 40)]
    return bytes(body)


def _repeat(body: bytearray, rng: random.Random) -> bytes:
    at = rng.randrange(len(body) + 1)
    piece = bytes(body[at : at + rng.randrange(1, 30)])
    body[at:at] = piece * rng.randrange(1, 20)
    return bytes(body)


def _set_field(body: bytearray, rng: random.Random) -> bytes:
    """One field of one segment becomes a word, nothing, or the delete indicator."""
    lines, mark = _lines(body), _delimiter(body)
    at = rng.randrange(len(lines))
    fields = lines[at].split(mark)
    fields += [b""] * rng.randrange(3)
    fields[rng.randrange(len(fields))] = rng.choice((b"", b'""', rng.choice(seeds.words())))
    lines[at] = mark.join(fields)
    return _with_lines(lines)


def _move_line(body: bytearray, rng: random.Random) -> bytes:
    """A segment is moved, doubled or dropped; the header mostly stays."""
    lines = _lines(body)
    line = lines[rng.randrange(len(lines))]
    if rng.random() < 0.5 and len(lines) > 1:
        lines.remove(line)
    lines.insert(rng.randrange(min(1, len(lines)), len(lines) + 1), line)
    return _with_lines(lines)


def _borrow_line(body: bytearray, rng: random.Random) -> bytes:
    """A segment of another message."""
    lines, others = _lines(body), rng.choice(seeds.messages()).split(b"\r")
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(others))
    return _with_lines(lines)


def _repeat_field(body: bytearray, rng: random.Random) -> bytes:
    """A field with repetitions, components or subcomponents of what it was."""
    lines, mark = _lines(body), _delimiter(body)
    at = rng.randrange(len(lines))
    fields = lines[at].split(mark)
    which = rng.randrange(len(fields))
    between = bytes(body[4 + rng.randrange(5) : 5 + rng.randrange(5)])[:1] or b"~"
    fields[which] = between.join([fields[which]] * rng.randrange(2, 6))
    lines[at] = mark.join(fields)
    return _with_lines(lines)


def _start_anew(_: bytearray, rng: random.Random) -> bytes:
    return rng.choice(seeds.messages())


def _line_ends(body: bytearray, rng: random.Random) -> bytes:
    return bytes(body).replace(b"\r", rng.choice((b"\n", b"\r\n", b"\r\r", b"\r\n\n", b"\n\r")))


_ALL: tuple[Mutation, ...] = (
    _insert_word, _insert_word, _set_field, _set_field, _set_field, _flip, _cut, _repeat, _move_line, _borrow_line, _repeat_field,
    _repeat_field, _line_ends, _start_anew,
)  # fmt: skip


# -- of streams: two bytes that choose how it is played, then frames


_BEGINS = (b"\x0b", b"\x0b", b"\x0b", b"\x0b", b"", b"\r\n\x0b", b"\x0b\x0b", b"junk\x0b")
_ENDS = (b"\x1c\r", b"\x1c\r", b"\x1c\r", b"\x1c\r", b"\x1c", b"", b"\x1cA", b"\x1c\x1c\r", b"\r\x1c\r")
_EXTRA = (b"\x0b\x06\x1c\r", b"\x0b\x15\x1c\r", b"\x0b\x1c\r", b"\x0b" + b"x" * 3_000 + b"\x1c\r", b"\x06", b"\x00" * 9)


def stream(rng: random.Random) -> bytes:
    """A few frames, whole and broken."""
    pieces = [bytes((rng.randrange(256), rng.randrange(256)))]
    for _ in range(rng.randrange(1, 6)):
        body = rng.choice(seeds.messages())
        body = mutated(body, rng, 4_096) if rng.random() < 0.4 else body
        pieces += (rng.choice(_BEGINS), body, rng.choice(_ENDS), rng.choice(_EXTRA) if rng.random() < 0.2 else b"")
    return b"".join(pieces)


def mutated_stream(data: bytes, rng: random.Random, most: int) -> bytes:
    """Another stream near this one: another way to play it, a frame more, less or broken."""
    if len(data) < 3 or rng.random() < 0.1:
        return stream(rng)[:most]
    frames = data[2:].split(b"\x0b")
    at = rng.randrange(len(frames))
    step = rng.randrange(5)
    if step == 0:
        return bytes((rng.randrange(256), rng.randrange(256))) + data[2:]
    if step == 1:
        del frames[at]
    elif step == 2:
        frames.insert(at, frames[rng.randrange(len(frames))])
    elif step == 3:
        frames[at] = mutated(frames[at], rng, 4_096)
    else:
        frames[at] = rng.choice(seeds.messages()) + rng.choice(_ENDS) + rng.choice(_EXTRA)
    return (data[:2] + b"\x0b".join(frames))[:most]
