"""One MLLP connection: replies leave in the order of receipt, and a sender can make us hold only so much (F-09, F-12)."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import TypeGuard, cast

from connectors.sources.mllp.codec import Broken, Decoder, Event, Frame, FramingError, Junk, TooLarge
from connectors.sources.mllp.options import OnBrokenFrame
from connectors.sources.mllp.port import Port, Ticket, tune
from connectors.sources.mllp.release2 import CommitLine
from connectors.sources.mllp.replies import Reply
from connectors.sources.mllp.tls import Peer
from gateway.er7.header import BOM

_READ_AHEAD = 65_536  # of the next frame while one is unanswered; more waits in the sender's and kernel's buffers
_RELEASE_2 = (b"\x06", b"\x15")  # the commit bytes of MLLP release 2, which say nothing on a link of release 1 (M2-06)


class Connection(asyncio.Protocol):
    """Bytes to frames to tickets, and replies back; all on the event loop.

    At most `in_flight` tickets are with the intake. Reading pauses while a further frame waits, while the
    next is large and one is unanswered, and while the sender does not read its replies: so one sender
    holds at most its frames in flight, one waiting read and 64 KiB.
    """

    def __init__(self, port: Port) -> None:
        self._port = port
        self._options = port.options
        self._decoder = Decoder(port.options.max_frame)
        self._waiting: deque[Frame | TooLarge] = deque()
        self._unanswered: deque[Ticket] = deque()
        self._transport: asyncio.Transport | None = None
        self._last = False  # nothing more is read; closes once everything in hand is answered
        self._paused = False
        self._congested = False
        self._marked = False
        self._frame_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self._greeting: asyncio.Transport | None = None
        self._line: CommitLine | None = None
        self.peer: Peer | None = None  # whose certificate it is, on a TLS link
        self.host = ""  # the address at the other end

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A sender connected: admit it or close at once."""
        transport = cast(asyncio.Transport, transport)
        if self.admitted(transport):
            self.begin(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came, cut anywhere (F-02)."""
        if self._last:
            return
        self._heard = self._port.loop.time()
        events = self._decoder.feed(data)
        if events:
            self._stop_frame_timer()  # the frame it timed is over
            self._note(events)
        self.advance()

    def eof_received(self) -> bool:
        """The sender will write no more: what is unfinished is discarded (F-06), what is in hand still answered."""
        if not self._last:
            self._note(self._decoder.end())
            self._last = True
            self.advance()
        return self.peer is None  # TLS has no half-closed state: its end is the end of both directions

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: nothing waiting is offered any more; its sender will send again."""
        if self._transport is None:
            return
        if exc is not None:
            self._port.tell("mllp.connection-broken", error=type(exc).__name__)
        if not self._last:
            self._note(self._decoder.end())
        self._last = True
        self._transport = None
        self._waiting.clear()
        self._stop_frame_timer()
        if self._idle_timer:
            self._idle_timer.cancel()
        if self._line is not None:
            self._line.drop()
        self._port.gone(self)

    def pause_writing(self) -> None:
        """The sender does not read its replies: take nothing more from it (F-12)."""
        self._congested = True
        self._regulate()

    def resume_writing(self) -> None:
        """The sender reads again."""
        self._congested = False
        self.advance()

    # what the listener and the handshake call

    def admitted(self, transport: asyncio.Transport) -> bool:
        """Whether it may stay; aborted if not (F-12, TL-06)."""
        peer = transport.get_extra_info("peername")
        self.host = str(peer[0]) if peer else ""
        if self._port.admit(self, self.host):
            return True
        transport.abort()
        return False

    def await_handshake(self, greeting: asyncio.Transport) -> None:
        """Until `begin`, only stopping concerns it."""
        self._greeting = greeting

    def begin(self, transport: asyncio.Transport, peer: Peer | None = None) -> None:
        """Bytes may come; on a TLS link from this peer."""
        self._greeting, self._transport, self.peer = None, transport, peer
        tune(transport)
        self._heard = self._port.loop.time()
        if self._options.idle_timeout:
            self._idle_timer = self._port.loop.call_later(self._options.idle_timeout, self._look_idle)
        if self._options.release == 2:
            self._line = CommitLine(self._port.loop, self._write, self._port.tell, self._options)

    def advance(self) -> None:
        """Write every reply that is next in order, and start what may start."""
        while self._transport is not None and not self._transport.is_closing():
            if self._unanswered and self._unanswered[0].answered:
                self._send(self._unanswered.popleft().reply)
            elif self._waiting and self._may_begin():
                self._begin(self._waiting.popleft())
            else:
                self._regulate()
                return

    def retire(self) -> None:
        """Read nothing more; answer what the intake has, then close (F-16). What only waits was never ours."""
        self._waiting.clear()
        self._last = True
        if self._greeting is not None:
            self._greeting.abort()
        self.advance()

    def abort(self) -> None:
        """Close at once."""
        transport = self._transport or self._greeting
        if transport is not None:
            transport.abort()

    # within

    def _note(self, events: list[Event]) -> None:
        if len(events) == 1 and self._is_usual(only := events[0]):
            self._waiting.append(only)
            return
        told: Counter[str] = Counter()
        for event in events:
            match event:
                case Frame():
                    self._take(event, told)
                case TooLarge():
                    self._waiting.append(event)
                case Junk(count):
                    told["mllp.junk"] += count
                case FramingError(kind):
                    told[f"mllp.frame-{kind.value}"] += 1
                    if kind is Broken.BAD_END and self._options.framing_error is OnBrokenFrame.CLOSE:
                        self._last = True
                        break
        for name, count in told.items():  # once per read, however many: a flood must not flood the log
            self._port.tell(name, count)

    def _is_usual(self, event: Event) -> TypeGuard[Frame]:
        """A frame that is surely a message, and about which there is nothing to tell: nearly every one."""
        if not isinstance(event, Frame) or len(event.body) <= len(BOM):
            return False
        return self._marked or not event.body.startswith(BOM)

    def _take(self, event: Frame, told: Counter[str]) -> None:
        if event.body in _RELEASE_2:
            if self._line is None or not self._line.heard(event.body):
                told["mllp.release-two-byte"] += 1
            return
        if not self._marked and event.body.startswith(BOM):  # taken off when it is read (C-07)
            self._marked = True
            told["mllp.byte-order-mark"] += 1
        self._waiting.append(event)

    def _may_begin(self) -> bool:
        behind = bool(self._unanswered) and self._unanswered[-1].alone
        return not (behind or self._congested) and len(self._unanswered) < self._options.in_flight

    def _begin(self, event: Frame | TooLarge) -> None:
        if isinstance(event, Frame):
            ticket = Ticket(self, event.body)
            self._unanswered.append(ticket)
            self._port.offer(ticket)
        else:
            ticket = Ticket(self, event.head)
            self._unanswered.append(ticket)
            self._port.refuse_size(ticket)

    def _send(self, reply: Reply) -> None:
        if reply.commit:
            self._write(reply.commit)
        if reply.blocks:
            if self._line is None:
                self._write(b"".join(reply.blocks))
            else:
                self._line.send(reply.blocks)
        if reply.close:
            self._waiting.clear()
            self._close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _regulate(self) -> None:
        transport = self._transport
        if transport is None:
            return
        if self._last and not self._waiting and not self._unanswered:
            self._close()
            return
        ahead = bool(self._waiting) or (bool(self._unanswered) and self._decoder.held > _READ_AHEAD)
        pause = self._last or self._congested or ahead
        if pause != self._paused:
            self._paused = pause
            (transport.pause_reading if pause else transport.resume_reading)()
        self._time_frame(running=self._decoder.inside and not pause)

    def _close(self) -> None:
        # Flushes what is written, then connection_lost; from here on nothing is read, begun or written.
        transport, self._last = self._transport, True
        if self._line is not None:
            self._line.close()
        if transport is not None and not transport.is_closing():
            transport.close()

    def _time_frame(self, *, running: bool) -> None:
        if not running:
            self._stop_frame_timer()
        elif self._frame_timer is None and self._options.frame_timeout:
            self._frame_timer = self._port.loop.call_later(self._options.frame_timeout, self._frame_late)

    def _stop_frame_timer(self) -> None:
        if self._frame_timer is not None:
            self._frame_timer.cancel()
            self._frame_timer = None

    def _frame_late(self) -> None:
        # A frame that does not end is discarded without an acknowledgement (F-06, F-14).
        self._frame_timer = None
        self._port.tell("mllp.frame-late")
        self._decoder.end()
        self._last = True
        self.advance()

    def _look_idle(self) -> None:
        left = self._heard + self._options.idle_timeout - self._port.loop.time()
        if left <= 0 and not self._unanswered:
            self._port.tell("mllp.idle-closed")
            self._last = True
            self.advance()
            return
        self._idle_timer = self._port.loop.call_later(max(left, 1.0), self._look_idle)
