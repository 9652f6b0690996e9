"""The seams: what the pipeline needs of the outside world, and what a source or channel must offer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from gateway.model.alert import Alert
from gateway.model.audit import NodeFailure
from gateway.model.consent import ChannelKind
from gateway.model.errors import ClearanceError
from gateway.model.event import Outcome, RawMessage, Reading
from gateway.model.party import ContactPoint
from gateway.model.when import Millis


class Clock(Protocol):
    """The only way time enters; read once per unit of work (law 4)."""

    def now(self) -> Millis:
        """Milliseconds since 1970-01-01T00:00Z."""
        ...


class SystemClock:
    """The host's clock."""

    def now(self) -> Millis:
        """Milliseconds since 1970-01-01T00:00Z."""
        return time.time_ns() // 1_000_000


class SetClock:
    """A clock that stands where it is put: demo, tests and replay."""

    def __init__(self, now: Millis) -> None:
        self._now = now

    def now(self) -> Millis:
        """Milliseconds since 1970-01-01T00:00Z."""
        return self._now

    def set(self, now: Millis) -> None:
        """Put the clock at an instant."""
        self._now = now


Reader = Callable[[RawMessage], Reading]
"""Reads and maps one raw message; pure, never raises on foreign input."""


class ReplyTo(Protocol):
    """Where outcomes go after the commit; called on the intake thread, once per batch and source."""

    def answered(self, outcomes: Sequence[tuple[object, Outcome]]) -> None:
        """Hand back each ticket with its outcome, in the order the messages were offered."""
        ...


class Intake(Protocol):
    """What a source feeds: offers are batched, committed, then answered (law 1)."""

    def offer(self, message: RawMessage, ticket: object, reply_to: ReplyTo) -> bool:
        """Queue one message; False when saturated or closing, and then nothing was taken."""
        ...

    def witness(self, source: str, failure: NodeFailure, host: str) -> None:
        """Have it audited that somebody at `host` (an IP address) was turned away; never blocks, never raises (TL-04)."""
        ...


class Source(Protocol):
    """A connector that receives a feed. The core is synchronous; sources may be async."""

    name: str

    async def start(self, intake: Intake) -> None:
        """Begin to receive; returns once ready. Raises CommandError when it cannot (busy port)."""
        ...

    async def stop(self) -> None:
        """Take nothing new, answer what is in hand, close (F-16)."""
        ...


Asgi = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]
"""An ASGI application: what a connector serves over HTTP, whatever it is built with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One path of a connector ("/hl7/lab"; Starlette's "{name}" may stand in it) and what answers there, any method."""

    path: str
    application: Asgi


Routes = Sequence[Route]
"""What a connector has mounted on the API's server. Called on that server's own event loop, in its own thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How the HTTP server can be reached that routes are mounted on.

    `loopback`: from this machine only. `certificates`: every caller has shown one that we trust.
    """

    loopback: bool
    tls: bool = False
    certificates: bool = False


@runtime_checkable
class Serves(Protocol):
    """A source or channel that also answers HTTP."""

    def routes(self, door: Door) -> Routes:
        """What to mount; asked before `start`. Raises ConfigError when this door is not safe enough for it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One message to one address, minted by `pipeline.deliver` from a clearance and nothing else.

    `communication` makes the Message-ID stable. `digest` is SHA-256 over `content_digest()` as recorded
    with the attempt: a channel calls `verify()` first and refuses any other bytes (law 3).
    """

    communication: int
    channel: ChannelKind
    to: ContactPoint
    sender_name: str
    sender_address: str
    message_id: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str | None = field(repr=False, default=None)
    language: str = "en"
    digest: bytes = field(repr=False, default=b"")

    def verify(self) -> None:
        """Raises ClearanceError unless the content is what was cleared and recorded."""
        if self.digest != content_digest(self.subject, self.text, self.html):
            raise ClearanceError("the content is not what was cleared")


def content_digest(subject: str, text: str, html: str | None) -> bytes:
    """SHA-256 (32 bytes) over the parts of a message, each with its length, so that none can shift."""
    import hashlib

    digest = hashlib.sha256()
    for part in (subject, text, html or ""):
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """The other side took the message over. `provider_id`: its own id of it, if it told one; never PHI."""

    provider_id: str | None = None


class Channel(Protocol):
    """A connector that hands messages over. `timeout` (seconds) bounds `send` as a whole."""

    kind: ChannelKind
    timeout: float

    def send(self, envelope: Envelope) -> Handover:
        """Hand over exactly `envelope`. Raises Refused, Unavailable or Unknown; nothing else."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


class AlertSink(Protocol):
    """A connector that tells staff, never patients: an alert holds closed words, a feed's name, times and counts.

    Made as `X(name, options, clock)`, found by entry point (`gateway.alerts`). It does not retry: the ledger does.
    """

    name: str

    def tell(self, alert: Alert) -> None:
        """Hand over one alert, bounded in time as a whole. Raises DeliveryError, in words of its own; nothing else."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


Options = Mapping[str, object]
"""A connector's own section of the configuration, validated by the connector."""
