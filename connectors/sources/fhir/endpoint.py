"""The receiving end of one source: who calls is judged first, and what was not committed is never answered 2xx (S-30 to S-32)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import MutableMapping
from typing import Any

from connectors.sources.exchange import Answer, Incoming, Receive, Request, Send, Unread, read_body, write
from connectors.sources.fhir import media, messages, outcomes
from connectors.sources.fhir.access import Access, Caller, Judgement
from connectors.sources.fhir.notices import Kind, Notice, instant
from connectors.sources.fhir.options import FhirOptions
from connectors.sources.fhir.reading import Path, path_of, read
from connectors.sources.fhir.taking import Taking
from connectors.sources.offering import Offering
from connectors.sources.tally import Tally
from gateway.model.audit import NodeFailure
from gateway.model.errors import Unreadable
from gateway.ports import Clock, Intake

_MOST_UNPROVEN = 256 << 20  # bytes of bodies of callers who may turn out to be anybody
_AT_ONCE = 1 << 20  # bytes: reading more takes so long that other callers are answered meanwhile
_METHODS = frozenset({"POST", "PUT", "DELETE"})
_TURNED_AWAY = {
    Judgement.STRANGER: (NodeFailure.ADDRESS_UNKNOWN, outcomes.STRANGER),
    Judgement.UNPROVEN: (NodeFailure.CREDENTIALS_MISSING, outcomes.UNPROVEN),
    Judgement.WRONG: (NodeFailure.CREDENTIALS_WRONG, outcomes.WRONG),
    Judgement.REPLAYED: (NodeFailure.REPLAYED, outcomes.REPLAYED),
}
_UNREAD = {Unread.TOO_LARGE: NodeFailure.BODY_TOO_LARGE, Unread.TOO_SLOW: NodeFailure.BODY_LATE}
_QUIET = frozenset({Kind.HANDSHAKE, Kind.HEARTBEAT, Kind.STATUS})


class Endpoint:
    """An ASGI application for one source's paths. Everything but `open`, `close` and the reading of large bodies happens on the server's event loop."""

    def __init__(
        self, name: str, path: str, options: FhirOptions, clock: Clock, *, tally: Tally, taking: Taking
    ) -> None:
        self.quiet = threading.Event()  # no request is in hand
        self.quiet.set()
        self._inside = self._unproven = 0  # requests in hand; of these, whose body is read before they are believed
        self._name = name
        self._path = path
        self._options = options
        self._bases = options.bases
        self._clock = clock
        self._tally = tally
        self._access = Access(options)
        self._taking = taking
        self._intake: Intake | None = None
        self._offering: Offering | None = None

    def open(self, intake: Intake) -> None:
        """Take resources from now on; before, and after `close`, a caller is asked to come again."""
        self._intake, self._offering = intake, None

    def close(self) -> None:
        """Take nothing new; what is in hand is still answered."""
        self._intake = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope)
        incoming = Incoming(receive)
        answer = await self._answer(request, incoming)
        if answer is not None:
            if answer.told:
                self._tally.tell(answer.told)
            await write(send, answer, incoming)

    async def _answer(self, request: Request, receive: Receive) -> Answer | None:
        path = path_of(request.path, self._path)
        if path is None:
            return outcomes.NO_PATH
        if request.method not in _METHODS:
            return outcomes.NOT_METHOD
        judged = self._access.judge(request)
        if judged in _TURNED_AWAY:
            return self._refused(*_TURNED_AWAY[judged], request)
        if not media.readable(request, self._options.release):
            return outcomes.NOT_FHIR
        if self._intake is None:
            return outcomes.CLOSED
        if self._is_crowded(judged):
            return outcomes.CROWDED
        self._inside += 1
        self.quiet.clear()
        try:
            if judged is Judgement.TOKEN:
                judged = await asyncio.get_running_loop().run_in_executor(None, self._access.believe, request)
                if not isinstance(judged, Caller):
                    return self._refused(*_TURNED_AWAY[judged], request)
            return await self._read(request, path, judged, receive)
        finally:
            self._inside -= 1
            if not self._inside:
                self.quiet.set()

    def _is_crowded(self, judged: Caller | Judgement) -> bool:
        """Who has proven nothing yet gets half of what is taken at a time, and so much of memory."""
        most = self._options.max_waiting
        unproven = max(1, min(most // 2, _MOST_UNPROVEN // self._options.max_body))
        return self._inside >= most or (judged is Judgement.SIGNED and self._unproven >= unproven)

    async def _read(self, request: Request, path: Path, judged: Caller | Judgement, receive: Receive) -> Answer | None:
        raw = await self._body(request, receive, unproven=judged is Judgement.SIGNED)
        if isinstance(raw, Unread):
            return self._unread(raw, request)
        caller = judged if isinstance(judged, Caller) else self._access.verify(request, raw, self._clock.now())
        if not isinstance(caller, Caller):
            return self._refused(*_TURNED_AWAY[caller], request)
        answer = await self._heard(request, path, raw, caller)
        if answer is None or answer.status >= 300:
            self._access.unanswered(caller)
        return answer

    async def _body(self, request: Request, receive: Receive, *, unproven: bool) -> bytes | Unread:
        options = self._options
        self._unproven += unproven
        try:
            return await read_body(receive, request, limit=options.max_body, within=options.body_timeout)
        finally:
            self._unproven -= unproven

    async def _heard(self, request: Request, path: Path, raw: bytes, caller: Caller) -> Answer | None:
        try:
            if len(raw) > _AT_ONCE or request.encodings:
                loop = asyncio.get_running_loop()
                notice = await loop.run_in_executor(None, self._notice, request, path, raw, caller)
            else:
                notice = self._notice(request, path, raw, caller)
        except Unreadable as error:
            self._witness(NodeFailure.BODY_UNREADABLE, request)
            return outcomes.faulty([("", error.fault)])
        if isinstance(notice, Unread):
            return self._unread(notice, request)
        if notice is None:
            return outcomes.NOT_FHIR
        if not self._access.knows(notice.subscription):
            return self._refused(NodeFailure.NOT_ENTITLED, outcomes.NO_SUBSCRIPTION, request)
        if not caller.stands_for(notice.subscription, notice.topic):
            return self._refused(NodeFailure.NOT_ENTITLED, outcomes.NOT_ENTITLED, request)
        answer = await self._taken(notice)
        if path.messages and notice.message is not None:
            return messages.reply(notice.message, answer, at=instant(self._clock.now()), release=self._options.release)
        if notice.reply and answer is outcomes.DONE:
            return Answer(200, (("content-type", "application/json"),), notice.reply)
        return answer

    def _notice(self, request: Request, path: Path, raw: bytes, caller: Caller) -> Notice | Unread | None:
        """What a body tells; None: it is nothing that FHIR comes in. Pure but for the clock: it may happen in any thread."""
        body = media.unpacked(request, raw, self._options.max_body)
        if body is None or isinstance(body, Unread):
            return body
        if body.strip() and not media.said(request):
            return None
        at, dialect = self._clock.now(), self._options.dialect
        return read(request, path, body, self._bases, at=at, dialect=dialect, bare=caller.bare)

    async def _taken(self, notice: Notice) -> Answer:
        intake = self._intake
        if intake is None:
            return outcomes.CLOSED
        if notice.kind in _QUIET:
            intake.heard(self._name)
        if self._offering is None:
            self._offering = Offering(self._name, intake)
        return await self._taking.take(notice, self._offering)

    def _unread(self, why: Unread, request: Request) -> Answer | None:
        if why in _UNREAD:
            self._witness(_UNREAD[why], request)
        return outcomes.UNREAD[why]

    def _refused(self, failure: NodeFailure, answer: Answer, request: Request) -> Answer:
        self._witness(failure, request)
        return answer

    def _witness(self, failure: NodeFailure, request: Request) -> None:
        if self._intake is not None:
            self._intake.witness(self._name, failure, request.host)
