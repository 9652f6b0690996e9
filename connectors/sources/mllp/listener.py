"""One MLLP port: every message is offered once, and every reply goes back on its own connection in order (F-09)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from connectors.sources.mllp.batches import Batches
from connectors.sources.mllp.connection import Connection
from connectors.sources.mllp.handshake import Handshake
from connectors.sources.mllp.options import MllpOptions
from connectors.sources.mllp.port import Ticket
from connectors.sources.mllp.replies import STRANGER, Replier, Reply, header_of
from connectors.sources.mllp.tls import Credentials
from connectors.sources.refusals import TOO_LARGE, TROUBLE
from connectors.sources.tally import Tally
from gateway.er7.batch import holds_batch
from gateway.model.audit import NodeFailure
from gateway.model.event import Format, Outcome, RawMessage
from gateway.ports import Clock, Intake
from gateway.telemetry import log


class Listener:
    """Connections of one source, and the `ReplyTo` of everything they offer.

    Reading and writing happen on the event loop, building replies on the intake thread: `answered` makes all
    of a batch's bytes and hands them over in one call, so that the loop wakes once per commit.
    """

    def __init__(
        self,
        name: str,
        options: MllpOptions,
        *,
        intake: Intake,
        clock: Clock,
        replier: Replier,
        credentials: Credentials | None = None,
    ) -> None:
        self.name = name
        self.options = options
        self._tally = Tally(name)
        self.loop = asyncio.get_running_loop()
        self.stopping = False
        self._intake = intake
        self._clock = clock
        self._reply = replier
        self._credentials = credentials
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._batches = Batches(name, self, intake, replier)

    def connection(self) -> Connection | Handshake:
        """A protocol for one accepted socket."""
        if self._credentials is None or self.options.tls is None:
            return Connection(self)
        return Handshake(self, self._credentials, timeout=self.options.tls.handshake_timeout)

    def admit(self, connection: Connection, host: str) -> bool:
        """Count a new connection in, unless its address is not listed, the cap is reached, or we stop."""
        if self.stopping or not self.options.admits(host):
            self.tell("mllp.address-refused")
            if not self.stopping:
                self.witness(NodeFailure.ADDRESS_UNKNOWN, host)
        elif len(self._connections) >= self.options.max_connections:
            self.tell("mllp.connection-refused", connections=len(self._connections))
        else:
            self._connections.add(connection)
            return True
        return False

    def gone(self, connection: Connection) -> None:
        """Forget a connection; what the intake still holds of it is stored and its reply dropped (D-02)."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def offer(self, ticket: Ticket) -> None:
        """Hand a whole frame to the intake; if it takes none, the refusal is the reply (A-04)."""
        if holds_batch(ticket.body):
            refusal = partial(self._stranger, ticket)
            self._batches.take(ticket, message=self._message, refusal=refusal, stopping=lambda: self.stopping)
            return
        if not self._belongs(ticket, ticket.body):
            self.tell("mllp.sender-refused")
            self.witness(NodeFailure.SENDER_UNKNOWN, ticket.connection.host)
            self.refuse(ticket, STRANGER)
            return
        if not self._intake.offer(self._message(ticket.body), ticket, self):
            self.tell("mllp.intake-saturated")
            self.refuse(ticket, TROUBLE)

    def refuse_size(self, ticket: Ticket) -> None:
        """Answer a frame over the limit, by its first bytes; the permanent refusal keeps it from coming again (F-11)."""
        self.tell("mllp.frame-too-large", size=self.options.max_frame)
        self.witness(NodeFailure.BODY_TOO_LARGE, ticket.connection.host)
        self.refuse(ticket, TOO_LARGE)

    def refuse(self, ticket: Ticket, outcome: Outcome) -> None:
        """Answer here, without the intake: nothing was stored."""
        ticket.answer(self._reply(ticket.body, outcome, stored=False))

    def answered(self, outcomes: Sequence[tuple[object, Outcome]]) -> None:
        """Called on the intake thread after a commit: build every reply, then wake the loop once (law 1)."""
        ready: list[tuple[Ticket, Reply]] = []
        for ticket, outcome in outcomes:
            assert isinstance(ticket, Ticket)
            ready.append((ticket, self._reply_or_close(ticket.body, outcome)))
        try:
            self.loop.call_soon_threadsafe(self._write, ready)
        except RuntimeError:  # the loop is closed, and with it every connection: the senders will ask again (D-02)
            log().warning("mllp.replies-dropped", source=self.name, count=len(ready))

    async def stop(self) -> None:
        """Answer what is in hand, read nothing more, close; after `stop_timeout` close anyway (F-16)."""
        self.stopping = True
        for connection in list(self._connections):
            connection.retire()
        if not self._connections:
            return
        self._empty.clear()
        try:
            await asyncio.wait_for(self._empty.wait(), self.options.stop_timeout)
        except TimeoutError:
            self.tell("mllp.stopped-unanswered", connections=len(self._connections))
            for connection in list(self._connections):
                connection.abort()
            self._batches.close()

    def witness(self, failure: NodeFailure, host: str) -> None:
        """Have it audited that somebody was turned away (TL-04); the log alone can be lost."""
        self._intake.witness(self.name, failure, host)

    @property
    def counts(self) -> dict[str, int]:
        """How often each thing that deserves a look happened since the start."""
        return self._tally.counts

    def tell(self, event: str, count: int = 1, **fields: object) -> None:
        """Count and log something that happened on the wire; never its bytes (F-03)."""
        self._tally.tell(event, count, **fields)

    def _write(self, ready: Sequence[tuple[Ticket, Reply]]) -> None:
        for ticket, reply in ready:
            if reply.told:
                self.tell(reply.told)
            ticket.answer(reply)
            ticket.connection.advance()

    def _reply_or_close(self, body: bytes, outcome: Outcome) -> Reply:
        try:
            return self._reply(body, outcome)
        except Exception as error:  # noqa: BLE001 – one bad reply must not cost the batch's others theirs
            log().error("mllp.reply-failed", source=self.name, exc_info=error)
            return Reply(close=True)

    def _message(self, body: bytes) -> RawMessage:
        return RawMessage(
            source=self.name,
            format=Format.HL7V2,
            body=body,
            received=self._clock.now(),
            sequenced=self.options.sequence,
        )

    def _stranger(self, ticket: Ticket, body: bytes) -> Outcome | None:
        """The refusal of one message of a batch whose sender it does not belong to (TL-03)."""
        if self._belongs(ticket, body):
            return None
        self.tell("mllp.sender-refused")
        self.witness(NodeFailure.SENDER_UNKNOWN, ticket.connection.host)
        return STRANGER

    def _belongs(self, ticket: Ticket, body: bytes) -> bool:
        # TL-03; on a link without certificates MSH-3/4 are what the sender says they are.
        if self._credentials is None or not self._credentials.binds:
            return True
        peer = ticket.connection.peer
        return peer is not None and self._credentials.speaks_for(peer, header_of(body))
