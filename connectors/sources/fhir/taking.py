"""What a notice tells is committed before it is answered: resources through the intake, the rest as what must be fetched (S-30)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from connectors.sources.exchange import Answer
from connectors.sources.fhir import outcomes
from connectors.sources.fhir.notices import Change, Kind, Notice
from connectors.sources.fhir.numbers import Heard
from connectors.sources.fhir.subscriptions import Subscription, Subscriptions
from connectors.sources.offering import Offering
from connectors.sources.refusals import refused
from gateway.model.errors import StoreError
from gateway.model.event import Fault, Format, Outcome, RawMessage, Result
from gateway.ports import NOTIFIED, Clock, Fetches

_PATIENCE = 1.5  # seconds a Bundle waits for a full intake; its sender waits too (S-30)


class Taking:
    """Takes the notices of one source. `fetches`: None where it has no server to read from."""

    def __init__(self, name: str, clock: Clock, known: Subscriptions) -> None:
        self.fetches: Fetches | None = None
        self.wake: Callable[[], None] = lambda: None  # whoever fetches
        self._name = name
        self._clock = clock
        self._known = known

    async def take(self, notice: Notice, offering: Offering) -> Answer:
        """The answer to one notice, after the commit of what it tells."""
        one = self._known.of(notice.subscription)
        if one is None:
            return outcomes.NO_SUBSCRIPTION
        heard, epoch = self._known.hear(one, notice)
        if heard is Heard.REPEATED:
            return outcomes.DONE
        try:
            if heard is Heard.RESET:
                await _call(self._known.owe, one, all_of_it=True)
            answer = await self._taken(notice, one, offering)
        except StoreError:  # a handshake is answered whatever state we are in: what is owed is not forgotten (S-15)
            return outcomes.DONE if notice.kind is Kind.HANDSHAKE else outcomes.BUSY
        if answer.status < 500 and answer is not outcomes.NO_SERVER:
            self._known.settle(one, notice.numbers, epoch)
        return answer

    async def _taken(self, notice: Notice, one: Subscription, offering: Offering) -> Answer:
        wanted = [(change.reference, change.version) for change in notice.changes if change.body is None]
        if (wanted or notice.asks) and self.fetches is None:
            return outcomes.EMPTY if notice.kind is Kind.PLAIN else outcomes.NO_SERVER
        answer = await self._offered([change for change in notice.changes if change.body is not None], offering)
        if answer is outcomes.BUSY:
            return answer
        if wanted and self.fetches is not None:
            await _call(self.fetches.want, wanted, NOTIFIED)
            self.wake()
        if notice.asks:
            await _call(self._known.owe, one)
        return outcomes.FOREIGN if notice.foreign else answer

    async def _offered(self, changes: Sequence[Change], offering: Offering) -> Answer:
        if not changes:
            return outcomes.DONE
        messages = [self._message(change.body or b"") for change in changes]
        if len(messages) == 1:
            alone = await offering.one(messages[0])
            found = [] if alone is None else [alone]
        else:
            found = await offering.all(messages, patience=_PATIENCE)
        if len(found) < len(messages) or any(one.result is Result.FAILED for one in found):
            return outcomes.BUSY
        told = [fault for change, one in zip(changes, found, strict=True) for fault in _faults(change, one)]
        return outcomes.faulty(told) if told else outcomes.DONE

    def _message(self, body: bytes) -> RawMessage:
        return RawMessage(source=self._name, format=Format.FHIR, body=body, received=self._clock.now())


def _faults(change: Change, outcome: Outcome) -> list[tuple[str, Fault]]:
    """Why a resource was refused, for its sender; of what was only sent along, nothing."""
    if change.hint or not refused(outcome):
        return []
    faults = outcome.faults or (Fault(code=207, rule="it was not accepted"),)
    return [(change.where, fault) for fault in faults]


async def _call(what: Callable[..., Any], *words: object, **more: object) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, lambda: what(*words, **more))
