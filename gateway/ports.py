"""The seams: what the pipeline needs of the outside world, and what a source or channel must offer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from gateway.model.alert import Alert
from gateway.model.audit import NodeFailure
from gateway.model.comingback import Receipt, Reply
from gateway.model.consent import ChannelKind
from gateway.model.errors import ClearanceError
from gateway.model.event import Outcome, RawMessage, Reading
from gateway.model.party import ContactPoint
from gateway.model.request import Protection
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
    open_allowed: bool = False  # the person chose unencrypted mail after the warning, for this address (PH-01)
    unsubscribe: str | None = field(repr=False, default=None)  # https URL for RFC 8058 one-click, opaque
    at: Millis | None = None  # dates the message: the same at every try of a request, so that a retry is the same bytes

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
    """The other side took the message over. `provider_id`: its own id of it, if it told one; never PHI.

    `protection`: what guarded it on the way; None: the channel does not know.
    """

    provider_id: str | None = None
    protection: Protection | None = None


class Channel(Protocol):
    """A connector that hands messages over. `timeout` (seconds) bounds `send` as a whole."""

    name: str
    kind: ChannelKind
    timeout: float

    def send(self, envelope: Envelope) -> Handover:
        """Hand over exactly `envelope`. Raises Refused, Unavailable or Unknown; nothing else."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


class Inbox(Protocol):
    """Where a channel tells what came back. Both calls block until it is committed: only then answer 2xx (law 1).

    Raise StoreError when the database is away: the other side must tell it again.
    """

    def receipt(self, receipt: Receipt) -> bool:
        """Record one receipt; False when it belongs to no message of ours (backscatter, EM-25). Idempotent."""
        ...

    def reply(self, reply: Reply) -> None:
        """Record and act on what a person wrote. Idempotent by its `event`."""
        ...


@runtime_checkable
class Hears(Protocol):
    """A channel that is told what becomes of its messages."""

    def hear(self, inbox: Inbox) -> None:
        """Take the inbox; called once, before `routes` are mounted and before anything is sent."""
        ...


@runtime_checkable
class Vouches(Protocol):
    """A channel that can tell beforehand for which senders it is not fit to send."""

    def vouch(self, senders: Sequence[str]) -> None:
        """Look at the e-mail addresses that messages will come from; called at start. Raises ConfigError."""
        ...


@runtime_checkable
class LooksUp(Protocol):
    """A channel that can ask its provider what became of an attempt whose outcome is unknown (SM-07)."""

    def look_up(self, communication: int, since: Millis) -> Handover | None:
        """The hand-over, if the provider has the message; None when it provably never came. Raises Unavailable."""
        ...


@runtime_checkable
class Recognises(Protocol):
    """A channel whose provider knows no tag of ours: it can be asked by what was sent, also after a restart (SM-07)."""

    def recognise(self, envelope: Envelope, since: Millis) -> Handover | None:
        """As `look_up`, for what was offered as `envelope` at `since`. Raises Unavailable, perhaps for ever."""
        ...


@runtime_checkable
class Retells(Protocol):
    """A channel whose provider keeps what came back: a restored database may lack the newest of it, opt-outs among it."""

    def retell(self, since: Millis, inbox: Inbox) -> int:
        """Tell all of it since then, oldest first, at least; more does no harm. How much. Raises Unavailable, StoreError."""
        ...


@runtime_checkable
class SuppressesToo(Protocol):
    """A channel whose provider keeps a list of those who opted out, which can be told (47 CFR 64.1200(a)(10))."""

    @property
    def name(self) -> str:
        """As the configuration names it: the target."""
        ...

    @property
    def suppresses(self) -> bool:
        """Whether this site has it told."""
        ...

    def suppress(self, to: ContactPoint) -> None:
        """Have the provider write there no more; to say it again does nothing. Raises Refused, Unavailable or Unknown."""
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
