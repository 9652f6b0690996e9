"""One feed over HTTP: posts are processed one after the other, and answered after their commit (H-02, H-05, law 1)."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import MutableMapping, Sequence
from functools import partial
from typing import Any

from connectors.sources.acks import Replier
from connectors.sources.batches import offer_batch
from connectors.sources.deliveries import Deliveries, Delivery
from connectors.sources.exchange import (
    CLOSE,
    Answer,
    Incoming,
    Receive,
    Request,
    Send,
    Unread,
    problem,
    read_body,
    write,
)
from connectors.sources.http import replies
from connectors.sources.http.access import Access, Judgement
from connectors.sources.http.options import HttpOptions, OnFailure
from connectors.sources.http.replies import Media, media_of
from connectors.sources.offering import Offering
from connectors.sources.tally import Tally
from gateway.er7.batch import Part, Piece, bounded, holds_batch, split, split_frame
from gateway.model.audit import NodeFailure
from gateway.model.event import Format, RawMessage, Result
from gateway.ports import Clock, Intake

_BLANK = b" \t\r\n"
_FAILURES = {Judgement.STRANGER: NodeFailure.ADDRESS_UNKNOWN, Judgement.WRONG: NodeFailure.CREDENTIALS_WRONG}
_UNREAD = {Unread.TOO_LARGE: NodeFailure.BODY_TOO_LARGE, Unread.TOO_SLOW: NodeFailure.BODY_LATE}


class Endpoint:
    """An ASGI application for one path. Everything but `open` and `close` happens on the server's event loop."""

    def __init__(self, name: str, options: HttpOptions, clock: Clock, replier: Replier) -> None:
        self.name = name
        self.tally = Tally(name)
        self.quiet = threading.Event()  # no request is in hand
        self.quiet.set()
        self._inside = 0
        self._options = options
        self._clock = clock
        self._reply = replier
        self._access = Access(options)
        self._deliveries = Deliveries()
        self._intake: Intake | None = None
        self._offering: Offering | None = None
        self._order: asyncio.Lock | None = None

    def open(self, intake: Intake) -> None:
        """Take messages from now on; before, and after `close`, a caller is asked to come again."""
        self._intake = intake

    def close(self) -> None:
        """Take nothing new; what is in hand is still answered."""
        self._intake = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        incoming = Incoming(receive)
        answer = await self._answer(Request(scope), incoming)
        if answer is not None:
            if answer.told:
                self.tally.tell(answer.told)
            await write(send, answer, incoming)

    async def _answer(self, request: Request, receive: Receive) -> Answer | None:
        turned_away = self._turned_away(request)
        if turned_away is not None:
            return turned_away
        media = media_of(request)  # read only of who is welcome
        if media is None:
            return replies.NOT_HL7
        intake = self._intake
        if intake is None:
            return replies.CLOSED
        if self._inside >= self._options.max_waiting:
            return replies.CROWDED
        self._inside += 1
        self.quiet.clear()
        try:
            options = self._options
            body = await read_body(receive, request, limit=options.max_body, within=options.body_timeout)
            if isinstance(body, bytes):
                return await self._taken(body, media, intake)
            if body in _UNREAD:
                intake.witness(self.name, _UNREAD[body], request.host)
            return replies.UNREAD[body]
        finally:
            self._inside -= 1
            if not self._inside:
                self.quiet.set()

    def _turned_away(self, request: Request) -> Answer | None:
        if request.method != "POST":
            return replies.NOT_POST
        judgement = self._access.judge(request.host, request.all(b"authorization"))
        if judgement in _FAILURES and self._intake is not None:
            self._intake.witness(self.name, _FAILURES[judgement], request.host)
        if judgement is Judgement.WELCOME:
            return None
        if judgement is Judgement.STRANGER:
            return replies.STRANGER
        challenges = [("www-authenticate", one) for one in self._access.challenges]
        told = "http.credentials-wrong" if judgement is Judgement.WRONG else "http.credentials-missing"
        return problem(401, "who is calling must be proven", *challenges, CLOSE, told=told)

    async def _taken(self, body: bytes, media: Media, intake: Intake) -> Answer:
        if not body.strip(_BLANK):
            return replies.EMPTY
        message, parts = await self._apart(body)
        problems = {part.problem for part in parts if isinstance(part, Piece) and part.body is None}
        if "too-many-parts" in problems:
            return replies.TOO_MANY
        if problems or (message is None and not parts):
            return replies.UNENDED
        # Order is the client's duty (H-05); posts that come together are taken in the order in which they were complete.
        self._order = self._order or asyncio.Lock()
        async with self._order:
            self._offering = self._offering or Offering(self.name, intake)
            if message is not None:
                return await self._one(message, media, self._offering)
            return await self._several(body, parts, media, self._offering)

    async def _apart(self, body: bytes) -> tuple[bytes | None, Sequence[Part]]:
        """The one message of a body, or the parts of a batch; MLLP's bytes are taken off (H-04)."""
        framed = body.lstrip(_BLANK).startswith(b"\x0b")
        if not framed and not holds_batch(body):
            return body, ()
        loop, limit = asyncio.get_running_loop(), self._options.max_body
        if not framed:
            return None, await loop.run_in_executor(None, partial(split_frame, body, limit=limit))
        parts = await loop.run_in_executor(None, lambda: bounded(split(io.BytesIO(body), limit=limit)))
        alone = parts[0] if len(parts) == 1 else None
        return (alone.body, ()) if isinstance(alone, Piece) and alone.body is not None else (None, parts)

    async def _one(self, body: bytes, media: Media, offering: Offering) -> Answer:
        outcome = await offering.one(self._message(body, media))
        if outcome is None:
            return replies.BUSY
        if outcome.result is Result.FAILED and self._options.on_failure is OnFailure.UNAVAILABLE:
            return replies.BUSY
        ack = self._reply.one(body, outcome)
        if ack is None and outcome.result is Result.FAILED:
            return replies.BUSY  # a 204 would say that it is stored (law 1)
        return Answer(204) if ack is None else _hl7(ack, media)

    async def _several(self, body: bytes, parts: Sequence[Part], media: Media, offering: Offering) -> Answer:
        fared = await offer_batch(
            body,
            parts,
            offering,
            self._deliveries,
            message=lambda one: self._message(one, media),
            stopping=lambda: self._intake is None,
        )
        if fared.mismatches:
            self.tally.tell("http.batch-miscounted", fared.mismatches)
        if fared.delivery is not Delivery.NEW:
            self.tally.tell(f"http.batch-{fared.delivery.value}")
        failed = any(outcome.result is Result.FAILED for outcome in fared.outcomes.values())
        nothing = fared.untaken > 0 and fared.untaken == len(fared.outcomes)
        if nothing or (failed and self._options.on_failure is OnFailure.UNAVAILABLE):
            return replies.BUSY
        reply = await asyncio.get_running_loop().run_in_executor(None, self._reply.batch, fared)
        return _hl7(reply, media)

    def _message(self, body: bytes, media: Media) -> RawMessage:
        return RawMessage(
            source=self.name,
            format=Format.HL7V2,
            body=body,
            received=self._clock.now(),
            charset=media.charset or _assumed(body),
        )


def _hl7(body: bytes, media: Media) -> Answer:
    return Answer(200, (("content-type", media.shown),), body)  # also AE and AR (H-02)


def _assumed(body: bytes) -> str | None:
    """UTF-8 where no charset is told and the bytes are (H-03): else they would be some other's, which MSH-18 names."""
    if body.isascii():
        return None
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "UTF-8"
