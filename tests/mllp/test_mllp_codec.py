"""The same bytes give the same frames however TCP cuts them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.sources.mllp.codec import Broken, Decoder, Event, Frame, FramingError, Junk, TooLarge, frame
from tests.effort import growth

LIMIT = 64
RESTARTED, BAD_END, EMPTY, TRUNCATED = map(FramingError, Broken)
# Streams made of what matters: framing bytes, text, and frames around the limit.
PIECE = st.sampled_from(
    [
        b"\x0b",
        b"\x1c",
        b"\r",
        b"\x1c\r",
        b"a",
        b"PID|1\r",
        b"\n",
        b"\x06",
        frame(b"x" * LIMIT),
        frame(b"y" * (LIMIT + 1)),
    ]
)
STREAM = st.lists(PIECE | st.binary(max_size=6), max_size=30).map(b"".join)


def decoded(*chunks: bytes, limit: int = LIMIT) -> list[Event]:
    decoder = Decoder(limit)
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.end()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"\x0bM\x1c\r", [Frame(b"M")]),
        (b"\x0bM\rN\r\x1c\r", [Frame(b"M\rN\r")]),
        (b"\x0bM\x1c\r\x0bN\x1c\r", [Frame(b"M"), Frame(b"N")]),
        (b"\r\n\x0bM\x1c\r\r\n", [Junk(2), Frame(b"M"), Junk(2)]),
        (b"M\x1c\r\x0bN\x1c\r", [Junk(3), Frame(b"N")]),
        (b"\x0bM\x1cA\x0bN\x1c\r", [BAD_END, Junk(1), Frame(b"N")]),
        (b"\x0bM\x1c\x0bN\x1c\r", [BAD_END, Frame(b"N")]),
        (b"\x0bM\x1c\x1c\r", [BAD_END, Junk(2)]),
        (b"\x0bM\x0bN\x1c\r", [RESTARTED, Frame(b"N")]),
        (b"\x0b\x0b\x0bN\x1c\r", [RESTARTED, RESTARTED, Frame(b"N")]),
        (b"\x0bM", [TRUNCATED]),
        (b"\x0bM\x1c", [TRUNCATED]),
        (b"\x0b\x1c\r", [EMPTY]),
        (b"\x0b\x06\x1c\r", [Frame(b"\x06")]),
        (b"GET / HTTP/1.1\r\n\r\n", [Junk(18)]),
        (b"", []),
    ],
)
def test_frames_junk_and_broken_frames(stream, events):
    """F-01, F-03 to F-07: the frame ends only on the pair 1C 0D; what is broken is never handed on."""
    assert decoded(stream) == events


def test_a_frame_at_the_limit_passes_and_one_byte_more_does_not():
    """F-11: enforced while reading, the rest is passed over and the next frame is whole."""
    assert decoded(frame(b"x" * LIMIT)) == [Frame(b"x" * LIMIT)]
    assert decoded(frame(b"x" * (LIMIT + 1)), frame(b"N")) == [TooLarge(b"x" * (LIMIT + 1)), Frame(b"N")]
    assert decoded(b"\x0b" + b"x" * 200 + b"\x0bN\x1c\r") == [TooLarge(b"x" * 200), RESTARTED, Frame(b"N")]


def test_an_oversized_frame_is_not_held():
    """F-11, F-12: only its first 4,096 bytes, and from then on none."""
    decoder = Decoder(10_000)
    events = [event for _ in range(200) for event in decoder.feed(b"x" * 1_000)]
    assert events == []
    decoder.feed(b"\x0b")
    events = [event for _ in range(200) for event in decoder.feed(b"x" * 1_000)]
    assert events == [TooLarge(b"x" * 4_096)]
    assert decoder.held == 0
    assert decoder.inside


@pytest.mark.parametrize("flood", [b"\x0b", b"\x1c", b"\x0b\x1c", b"\x0b\x1c\r", b"\x0ba", b"a"])
def test_a_flood_of_framing_bytes_costs_linear_time(flood):
    """F-12: no pattern makes the decoder look at the same byte again and again."""
    small, large = (flood * (size // len(flood)) for size in (1 << 17, 1 << 20))
    assert growth(lambda: Decoder(1 << 24).feed(small), lambda: Decoder(1 << 24).feed(large), enough=36) < 36


@given(STREAM, st.lists(st.integers(0, 400), max_size=12))
@example(b"\x0bM\x1c\r\x0bN\x1c\r", [3, 4])
def test_every_way_to_cut_a_stream_gives_the_same_events(stream, cuts):
    """F-02: also between 1C and 0D, also byte by byte; junk counts included. Above the limit the head may differ."""
    points = sorted({min(cut, len(stream)) for cut in cuts})
    chunks = [stream[a:b] for a, b in zip([0, *points], [*points, len(stream)], strict=True)]
    assert _shape(decoded(*chunks)) == _shape(decoded(stream))
    assert _shape(decoded(*(bytes([byte]) for byte in stream))) == _shape(decoded(stream))


def _shape(events: list[Event]) -> list[Event]:
    return [TooLarge(b"") if isinstance(event, TooLarge) else event for event in events]


@given(STREAM)
def test_every_byte_is_accounted_for(stream):
    """F-03, F-06: frames hold no framing bytes and never more than the limit."""
    for event in decoded(stream):
        if isinstance(event, Frame):
            assert 0 < len(event.body) <= LIMIT
            assert b"\x0b" not in event.body
            assert b"\x1c" not in event.body


@given(
    st.lists(st.binary(min_size=1, max_size=LIMIT).map(lambda body: body.replace(b"\x0b", b"?").replace(b"\x1c", b"?")))
)
def test_what_is_framed_comes_back(bodies):
    """F-01, F-08."""
    assert decoded(b"".join(map(frame, bodies))) == [Frame(body) for body in bodies]


@pytest.mark.parametrize("content", [b"a\x0b", b"a\x1cb"])
def test_content_with_framing_bytes_is_not_framed(content):
    """F-05, F-15: UTF-16, or a bug of ours, cannot break the other side's framing."""
    with pytest.raises(ValueError, match="framing bytes"):
        frame(content)


def test_a_frame_shown_by_accident_shows_no_patient():
    """F-03: neither in a log nor in an exception."""
    assert "DOE" not in repr([Frame(b"PID|||||DOE"), TooLarge(b"PID|||||DOE")])
