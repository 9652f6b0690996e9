"""What the gateway gives a FHIR source, kept in memory: an intake that commits at once, notes, and what is wanted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.sources.fhir.client.server import FhirServer
from connectors.sources.fhir.polling.fetcher import Fetcher
from connectors.sources.fhir.polling.handing import Handing
from connectors.sources.fhir.polling.messages import Maker
from connectors.sources.fhir.polling.options import FetchOptions, PollOptions
from connectors.sources.fhir.polling.poller import Poller
from connectors.sources.tally import Tally
from gateway.model.audit import NodeFailure
from gateway.model.event import AckCode, Outcome, RawMessage, Result
from gateway.ports import ReplyTo, SystemClock, Wanted


@dataclass
class Memory:
    """`Intake`, `Notes` and `Fetches` of one source."""

    messages: list[RawMessage] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    wanted: list[Wanted] = field(default_factory=list)
    fates: list[tuple[str, str]] = field(default_factory=list)
    delayed: list[tuple[str, int]] = field(default_factory=list)
    ours: bool = True
    full: int = 0
    result: Callable[[RawMessage], Result] = lambda _: Result.ACCEPTED
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def told(self) -> list[Any]:
        """What was offered, read."""
        return [json.loads(one.body) for one in self.messages]

    @property
    def names(self) -> list[str]:
        """What was offered, by reference; a deletion as "-Patient/1"."""
        return [
            f"-{one['entry'][0]['request']['url']}"
            if one["resourceType"] == "Bundle"
            else f"{one['resourceType']}/{one['id']}"
            for one in self.told
        ]

    def offer(self, message: RawMessage, ticket: object, reply_to: ReplyTo) -> bool:
        if self.full:
            self.full -= 1
            return False
        result = self.result(message)
        if result is not Result.FAILED:
            with self.lock:
                self.messages.append(message)
        answer = [(ticket, Outcome(result=result, ack=AckCode.AA))]
        threading.Thread(target=reply_to.answered, args=(answer,)).start()
        return True

    def witness(self, source: str, failure: NodeFailure, host: str) -> None:
        raise AssertionError

    def get(self, name: str) -> str | None:
        return self.notes.get(name)

    def noted(self) -> list[str]:
        return [name for name, value in self.notes.items() if value]

    def put(self, name: str, value: str) -> None:
        self.notes[name] = value

    def hold(self, name: str, until: int) -> bool:
        return self.ours

    def want(self, references: Sequence[tuple[str, str | None]], why: str) -> None:
        for reference, version in references:
            self.wanted.append(Wanted(id=len(self.wanted), reference=reference, version=version, why=why))

    def take(self, most: int, lease: int) -> Sequence[Wanted]:
        taken, self.wanted = self.wanted[:most], self.wanted[most:]
        return taken

    def done(self, wanted: Wanted, fate: str) -> None:
        with self.lock:
            self.fates.append((wanted.reference, fate))

    def later(self, wanted: Wanted, at: int) -> None:
        with self.lock:
            self.delayed.append((wanted.reference, at))


def fetcher(server: FhirServer, memory: Memory, elements: Callable[[str], Sequence[str]] = lambda _: ()) -> Fetcher:
    """A fetcher of source "ehr"."""
    clock = SystemClock()
    return Fetcher(
        server,
        memory,
        Handing(memory, server.stopping),
        Maker(source="ehr", clock=clock),
        options=FetchOptions(),
        elements=elements,
        clock=clock,
        tally=Tally("ehr"),
    )


def poller(
    server: FhirServer, memory: Memory, elements: Callable[[str], Sequence[str]] = lambda _: (), **more: Any
) -> Poller:
    """A poller of source "ehr"."""
    clock = SystemClock()
    told = {"resources": ["Appointment"], "deletes": False, **more}
    return Poller(
        server,
        memory,
        memory,
        Handing(memory, server.stopping),
        Maker(source="ehr", clock=clock),
        options=PollOptions.model_validate(told),
        elements=elements,
        clock=clock,
        tally=Tally("ehr"),
    )
