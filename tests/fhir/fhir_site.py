"""A FHIR source on the API's real server, an intake that answers from a thread, and what it remembers, in memory."""

from __future__ import annotations

import asyncio
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

from connectors.sources.fhir import FhirSource
from gateway.api import serve
from gateway.fhirjson import parse
from gateway.model.audit import NodeFailure
from gateway.model.errors import StoreUnavailable, Unreadable
from gateway.model.event import AckCode, Fault, Outcome, Place, RawMessage, Result
from gateway.ports import Door, ReplyTo, SystemClock, Wanted

BASE = "https://fhir.lakeside.example/r4"
FHIR = "application/fhir+json"
KEY = "a-key-of-sixteen-characters"
Offer = tuple[RawMessage, object, ReplyTo]


def key_of(resource: dict[str, Any]) -> str:
    """Type, id and version: what tells one state of a resource from another."""
    if resource["resourceType"] == "Bundle":
        return json.dumps(resource)
    version = resource.get("meta", {}).get("versionId", "")
    return f"{resource['resourceType']}/{resource.get('id')}/_history/{version}"


class MemoryIntake:
    """`stored` is the disk, by control key; a Basic is a type nobody supports, and a status that is no text is a fault."""

    def __init__(self) -> None:
        self.stored: dict[str, RawMessage] = {}
        self.order: list[str] = []
        self.witnessed: list[tuple[str, NodeFailure, str]] = []
        self.alive = 0
        self.open = True
        self.offered = 0
        self.gate = threading.Event()
        self.gate.set()
        self.failing = False
        self._offers: queue.SimpleQueue[Offer | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self._thread.start()

    def offer(self, message: RawMessage, ticket: object, reply_to: ReplyTo) -> bool:
        if self.open:
            self.offered += 1
            self._offers.put((message, ticket, reply_to))
        return self.open

    def witness(self, source: str, failure: NodeFailure, host: str) -> None:
        self.witnessed.append((source, failure, host))

    def heard(self, source: str) -> None:
        self.alive += 1

    def close(self) -> None:
        self.gate.set()
        self._offers.put(None)
        self._thread.join(5)

    def _run(self) -> None:
        while (offer := self._offers.get()) is not None:
            self.gate.wait()
            time.sleep(0.001)
            message, ticket, reply_to = offer
            reply_to.answered([(ticket, self._outcome(message))])

    def _outcome(self, message: RawMessage) -> Outcome:
        if self.failing:
            return Outcome(result=Result.FAILED, ack=AckCode.AR)
        try:
            told = parse(message.body)
        except Unreadable as error:
            return Outcome(result=Result.QUARANTINED, ack=error.ack, faults=(error.fault,))
        kind = told["resourceType"]
        if kind == "Basic":
            fault = Fault(code=200, rule="this type of resource is not supported", place=Place("Basic"))
            return Outcome(result=Result.REJECTED, ack=AckCode.AR, faults=(fault,))
        if not isinstance(told.get("status", ""), str):
            fault = Fault(code=102, rule="it is not a code", place=Place(f"{kind}.status"))
            return Outcome(result=Result.QUARANTINED, ack=AckCode.AE, faults=(fault,))
        if key_of(told) in self.stored:
            return Outcome(result=Result.DUPLICATE, ack=AckCode.AA)
        self.stored[key_of(told)] = message
        self.order.append(key_of(told))
        return Outcome(result=Result.ACCEPTED, ack=AckCode.AA)


class MemoryNotes:
    """`ports.Notes` that outlive their source; the database may be away."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.away = False

    def get(self, name: str) -> str | None:
        return self.kept.get(name)

    def noted(self) -> list[str]:
        return [name for name, value in self.kept.items() if value]

    def put(self, name: str, value: str) -> None:
        if self.away:
            raise StoreUnavailable("the database is away")
        self.kept[name] = value

    def hold(self, name: str, until: int) -> bool:
        return True


class MemoryFetches:
    """`ports.Fetches` as far as the endpoint uses them."""

    def __init__(self, notes: MemoryNotes) -> None:
        self.wanted: list[tuple[str, str | None]] = []
        self._notes = notes

    def want(self, references: Sequence[tuple[str, str | None]], why: str) -> None:
        assert why == "notified"
        if self._notes.away:
            raise StoreUnavailable("the database is away")
        self.wanted += references

    def take(self, most: int, lease: int) -> Sequence[Any]:
        """Nothing is ever due: the endpoint is tried alone."""
        return ()

    def done(self, *_: object) -> None:
        raise AssertionError

    later = done


class QueuedFetches:
    """`ports.Fetches` that a fetcher of one process works off."""

    def __init__(self) -> None:
        self.open: list[Wanted] = []
        self.fates: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def want(self, references: Sequence[tuple[str, str | None]], why: str) -> None:
        with self._lock:
            for reference, version in references:
                self.open.append(Wanted(id=len(self.open) + 1, reference=reference, version=version, why=why))

    def take(self, most: int, lease: int) -> Sequence[Wanted]:
        with self._lock:
            taken, self.open = self.open[:most], self.open[most:]
        return taken

    def done(self, wanted: Wanted, fate: str) -> None:
        self.fates.append((wanted.reference, fate))

    def later(self, wanted: Wanted, at: int) -> None:
        with self._lock:
            self.open.append(wanted)


class MemoryRepair:
    """What was asked of the client; `bundles` is what `$events` answers: by default the server has no such thing."""

    def __init__(self) -> None:
        self.bundles: Callable[[str, int, int], Sequence[bytes] | None] = lambda *_: None
        self.asked: list[tuple[str, int, int]] = []
        self.searched: list[tuple[str, int | None]] = []
        self.looked: list[str] = []
        self.trouble = 0

    def events(self, subscription: str, since: int, until: int) -> Sequence[bytes] | None:
        self.asked.append((subscription, since, until))
        return self.bundles(subscription, since, until)

    def search(self, subscription: str, since: int | None) -> None:
        self.searched.append((subscription, since))
        if self.trouble:
            self.trouble -= 1
            raise StoreUnavailable("trouble that passes")

    def status(self, subscription: str) -> None:
        self.looked.append(subscription)


class _Store:
    """A database nobody asks."""

    @contextmanager
    def read(self) -> Any:
        raise AssertionError


class Site:
    """A source on the API's server, as the application puts them together.

    `notes` of an earlier one: a restart. `asking`: what it missed is asked for by its own client, not by `repair`.
    """

    def __init__(
        self,
        *,
        notes: MemoryNotes | None = None,
        door: Door | None = None,
        asking: bool = False,
        port: int = 0,
        **options: Any,
    ) -> None:
        self.intake = MemoryIntake()
        self.notes = notes or MemoryNotes()
        self.fetches: Any = QueuedFetches() if asking else MemoryFetches(self.notes)
        self.repair = MemoryRepair()
        options = {"gap_wait": 0.2, "base": BASE} | options
        self.source = FhirSource(
            "ehr", {key: value for key, value in options.items() if value is not None}, SystemClock()
        )
        self.source._keeper._every = 0.05
        self.source.remember(self.notes, self.fetches)
        if not asking:
            self.source.mend(self.repair)
        self.server = serve(_Store(), "127.0.0.1", port, routes=self.source.routes(door or Door(loopback=True)))
        self._open = ExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="listen")
        self._thread.start()

    def start(self) -> Site:
        asyncio.run_coroutine_threadsafe(self.source.start(self.intake), self._loop).result(10)
        return self

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.source.stop(), self._loop).result(20)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}{self.source.path}"

    def client(self, **more: Any) -> httpx.Client:
        return self._open.enter_context(httpx.Client(timeout=20, trust_env=False, **more))

    def send(
        self, body: Any = b"", path: str = "", *, method: str = "POST", kind: str | None = FHIR, **headers: str
    ) -> httpx.Response:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if kind is not None:
            told["content-type"] = kind
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client().request(method, self.url + path, content=content, headers=told)

    def socket(self) -> socket.socket:
        raw = self._open.enter_context(socket.create_connection(("127.0.0.1", self.server.port), 5))
        raw.settimeout(10)
        return raw

    def until(self, condition: Callable[[], bool], within: float = 20) -> None:
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.005)

    @property
    def failures(self) -> list[NodeFailure]:
        return [failure for _, failure, _ in self.intake.witnessed]

    def close(self) -> None:
        self.intake.gate.set()
        self.stop()
        self._open.close()
        self.server.stop()
        self.intake.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def appointment(number: int, version: int = 1, **more: Any) -> dict[str, Any]:
    """A resource with an id and a version of its own."""
    meta = {"versionId": str(version), "lastUpdated": "2026-03-01T12:00:00Z"}
    subject = [{"actor": {"reference": "Patient/7"}, "status": "accepted"}]
    return {
        "resourceType": "Appointment",
        "id": str(number),
        "meta": meta,
        "status": "booked",
        "participant": subject,
    } | more


def issue_of(answer: httpx.Response) -> dict[str, Any]:
    """The first issue of the OperationOutcome that a refusal is."""
    assert answer.headers["content-type"].startswith("application/fhir+json")
    told = answer.json()
    assert told["resourceType"] == "OperationOutcome"
    found: dict[str, Any] = told["issue"][0]
    return found
