"""One MLLP connection without a network: real listener, real decoder, real replies, a loop whose time is a number."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

from connectors.sources.mllp.codec import Decoder, Event, Frame, TooLarge
from connectors.sources.mllp.connection import Connection
from connectors.sources.mllp.listener import Listener
from connectors.sources.mllp.options import MllpOptions, read_options
from connectors.sources.mllp.port import Ticket
from connectors.sources.mllp.replies import Replier
from gateway.er7.ack import ControlIds
from gateway.er7.batch import holds_batch
from gateway.model.event import AckCode, Fault, Outcome, Place, RawMessage, Result
from gateway.ports import ReplyTo, SetClock
from tests.fuzz.claims import RECEIVED

LIMIT = 2_048
_OUTCOMES = (
    Outcome(result=Result.ACCEPTED, ack=AckCode.AA),
    Outcome(result=Result.FAILED, ack=AckCode.AR),
    Outcome(
        result=Result.QUARANTINED,
        ack=AckCode.AE,
        faults=(Fault(code=101, rule="a field is missing", place=Place("PID", 1, 3)),),
    ),
)


def _options() -> tuple[MllpOptions, ...]:
    shapes: list[dict[str, object]] = [
        {},
        {"in_flight": 5, "framing_error": "resync"},
        {"ack_mode": "enhanced", "in_flight": 2, "no_header": "close"},
        {"release": 2, "framing_error": "resync", "in_flight": 3},
        {"release": 2, "ack_mode": "enhanced", "on_failure": "close"},
        {"ack_mode": "none", "idle_timeout": "5s"},
    ]
    return tuple(read_options("fuzz", {"max_frame": LIMIT, **shape}) for shape in shapes)


OPTIONS = _options()


class _NoSockets:
    def select(self, _: float | None) -> list[object]:
        return []


class Loop(asyncio.BaseEventLoop):
    """The event loop without sockets, whose clock is a number; what is ready runs when it is told to."""

    _ready: Any
    _scheduled: Any
    _run_once: Any

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = _NoSockets()

    def time(self) -> float:
        return self._now

    def _process_events(self, _: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector."""

    def run_in_executor(self, _: object, function: Callable[..., Any], *args: object) -> asyncio.Future[Any]:
        """At once, in this very thread."""
        future = self.create_future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def run(self) -> None:
        """What is ready, and what that makes ready."""
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            while self._ready:
                self._run_once()
        finally:
            asyncio._set_running_loop(before)

    def pass_time(self, seconds: float) -> None:
        """Timers that fall due, each at its time, in order."""
        until = self._now + seconds
        while self._scheduled and self._scheduled[0]._when <= until:
            self._now = max(self._now, self._scheduled[0]._when)
            self._ready.append(asyncio.Handle(lambda: None, (), self))
            self.run()
        self._now = until


class _Socket:
    def setsockopt(self, *_: object) -> None:
        """Accepted."""


class Transport(asyncio.Transport):
    """Keeps what is written; reading pauses as told."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.paused = False
        self.closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1), "socket": _Socket()}.get(name, default)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        assert not self.closing, "written after the close"
        self.written += data

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True


class _Listener(Listener):
    """Remembers the tickets in the order of their frames; tells nobody."""

    order: list[Ticket]

    def offer(self, ticket: Ticket) -> None:
        self.order.append(ticket)
        super().offer(ticket)

    def refuse_size(self, ticket: Ticket) -> None:
        self.order.append(ticket)
        super().refuse_size(ticket)

    def tell(self, event: str, count: int = 1, **_: object) -> None:
        self.counts[event] += count


class _Intake:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.held: list[tuple[RawMessage, object, ReplyTo]] = []
        self.offered: list[bytes] = []

    def offer(self, message: RawMessage, ticket: object, reply_to: ReplyTo) -> bool:
        if self._rng.random() < 0.05:
            return False
        assert len(message.body) <= LIMIT
        self.offered.append(message.body)
        self.held.append((message, ticket, reply_to))
        return True

    def witness(self, *_: object, **__: object) -> None:
        """Security events are not looked at here."""

    def heard(self, *_: object) -> None:
        """Nor are heartbeats."""

    def answer(self) -> None:
        """Some of what is held, oldest first, as one commit."""
        count = self._rng.randrange(1, len(self.held) + 1) if self.held else 0
        batch, self.held = self.held[:count], self.held[count:]
        told: dict[int, tuple[ReplyTo, list[tuple[object, Outcome]]]] = {}
        for _, ticket, reply_to in batch:
            told.setdefault(id(reply_to), (reply_to, []))[1].append((ticket, self._rng.choice(_OUTCOMES)))
        for reply_to, outcomes in told.values():
            reply_to.answered(outcomes)


class Line:
    """A stream played to one connection, cut and answered as `rng` decides."""

    def __init__(self, options: MllpOptions, rng: random.Random) -> None:
        self._rng = rng
        self._options = options
        self.loop = Loop()
        self.intake = _Intake(rng)
        clock = SetClock(RECEIVED)
        replier = Replier(options, clock=clock, ids=ControlIds(RECEIVED), zone="UTC")
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self.loop)
        try:
            self.listener = _Listener("fuzz", options, intake=self.intake, clock=clock, replier=replier)
        finally:
            asyncio._set_running_loop(before)
        self.listener.order = []
        self.transport = Transport()
        self.connection = Connection(self.listener)
        self._congested = False
        self._batches = False

    def play(self, stream: bytes) -> None:
        """Everything that can happen to a connection, in any order; then its end, and the claims."""
        frames = [event.body for event in decoded([stream], LIMIT) if isinstance(event, Frame)]
        self._batches = any(map(holds_batch, frames))  # whose messages are offered singly (B-03)
        self.connection.connection_made(self.transport)
        at, idle = 0, 0
        while (at < len(stream) or self._busy()) and not self._over() and idle < 200:
            step = self._rng.randrange(8)
            moved = False
            if step < 4 and at < len(stream) and not self.transport.paused:
                size = self._rng.choice((1, 2, 3, 17, 64, 1_000, 70_000))
                self.connection.data_received(stream[at : at + size])
                at, moved = at + size, True
            elif step < 6:
                moved = bool(self.intake.held)
                self.intake.answer()
            elif step == 6:
                self._congested = not self._congested
                (self.connection.pause_writing if self._congested else self.connection.resume_writing)()
            elif self._rng.random() < 0.1:
                self.loop.pass_time(self._rng.choice((0.5, 3.0, 12.0, 70.0)))
            idle = 0 if moved else idle + 1
            self.loop.run()
            self._look()
        self._end()
        self._claims(frames)

    def _over(self) -> bool:
        return self.transport.closing

    def _busy(self) -> bool:
        return bool(self.intake.held or asyncio.all_tasks(self.loop))

    def _look(self) -> None:
        assert self.connection._decoder.held <= LIMIT
        assert self._batches or len(self.intake.held) <= self._options.in_flight
        free = not (self.intake.held or self._congested or self._over() or asyncio.all_tasks(self.loop))
        assert not (free and self.transport.paused), "nothing is in hand and nothing is read: it would hang for ever"

    def _end(self) -> None:
        if self._congested:
            self.connection.resume_writing()
        if not self._over():
            self.connection.eof_received()
        for _ in range(1_000):
            self.loop.run()
            if not self._busy():
                break
            self.intake.answer()
            self.loop.pass_time(0.1)
        assert self._over(), "everything was answered after the sender's end, and the connection stays open"
        self.connection.connection_lost(None)
        self.loop.pass_time(100_000.0)
        assert not self._busy()
        self.loop.close()

    def _claims(self, sent: Sequence[bytes]) -> None:
        """Replies are whole frames in the order of receipt, for messages that were sent, each at most once (F-09)."""
        replies = decoded([bytes(self.transport.written)], 1 << 24)
        assert all(isinstance(event, Frame) for event in replies)
        if not self._batches:
            left = iter(sent)
            assert all(body in left for body in self.intake.offered)
        if self._options.release == 1:
            answered = [ticket.reply for ticket in self.listener.order if ticket.answered]
            whole = b"".join(reply.commit + b"".join(reply.blocks) for reply in answered)
            assert whole.startswith(bytes(self.transport.written))


def decoded(chunks: Sequence[bytes], limit: int) -> list[Event]:
    """The events of these reads, the end included."""
    decoder = Decoder(limit)
    return [*(event for chunk in chunks for event in decoder.feed(chunk)), *decoder.end()]


def same_however_cut(stream: bytes, rng: random.Random) -> None:
    """F-02: any cut gives the events of the whole (of an oversized frame, how much of its head is shown may differ)."""
    cuts = sorted(rng.randrange(len(stream) + 1) for _ in range(rng.randrange(1, 9)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert _shape(decoded(chunks, LIMIT)) == _shape(decoded([stream], LIMIT))


def _shape(events: Sequence[Event]) -> list[Event]:
    return [TooLarge(b"") if isinstance(event, TooLarge) else event for event in events]


def any_stream(data: bytes) -> None:
    """All claims about one connection: the first two bytes choose its options and how it is cut, the rest is sent."""
    which, seed, stream = data[0] % len(OPTIONS), data[1], data[2:]
    rng = random.Random(seed)
    same_however_cut(stream, rng)
    Line(OPTIONS[which], rng).play(stream)
