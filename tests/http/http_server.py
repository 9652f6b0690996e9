"""A feed over HTTP on a real server, and an intake that answers from a thread after a short commit."""

from __future__ import annotations

import asyncio
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

from connectors.sources.http import HttpSource
from gateway.api import serve
from gateway.api.certificates import Certificates
from gateway.er7.header import read_header
from gateway.model.audit import NodeFailure
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Outcome, Place, RawMessage, Result
from gateway.ports import Door, ReplyTo, SetClock

NOW = 1_772_384_400_123
ER7 = "application/hl7-v2"
Offer = tuple[RawMessage, object, ReplyTo]


class MemoryIntake:
    """`stored` is the disk; a message that is there already is a duplicate (D-02)."""

    def __init__(self) -> None:
        self.stored: list[RawMessage] = []
        self.witnessed: list[tuple[str, NodeFailure, str]] = []
        self.open = True
        self.taken = 0
        self.gate = threading.Event()
        self.gate.set()
        self.failing = False
        self._offers: queue.SimpleQueue[Offer | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="intake")
        self._thread.start()

    def offer(self, message: RawMessage, ticket: object, reply_to: ReplyTo) -> bool:
        if self.open:
            self.taken += 1
            self._offers.put((message, ticket, reply_to))
        return self.open

    def witness(self, source: str, failure: NodeFailure, host: str) -> None:
        self.witnessed.append((source, failure, host))

    def heard(self, source: str) -> None:
        raise AssertionError("HL7 v2 has no heartbeats")

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
            header = read_header(message.body)
        except Unreadable as error:
            return Outcome(result=Result.QUARANTINED, ack=error.ack, faults=(error.fault,))
        if message.body in [one.body for one in self.stored]:
            return Outcome(result=Result.DUPLICATE, ack=AckCode.AA, control_id=header.control_id)
        if header.message_code == "ZZZ":
            fault = Fault(code=200, rule="unknown to the standard", place=Place("MSH", 1, 9))
            return Outcome(result=Result.REJECTED, ack=AckCode.AR, faults=(fault,))
        self.stored.append(message)
        return Outcome(result=Result.ACCEPTED, ack=AckCode.AA, control_id=header.control_id)


class _Store:
    """A database nobody asks."""

    @contextmanager
    def read(self) -> Any:
        raise AssertionError


class Feed:
    """A started source on the API's server, as the application puts them together."""

    def __init__(self, *, door: Door | None = None, tls: Certificates | None = None, **options: object) -> None:
        self.intake = MemoryIntake()
        self.source = HttpSource("lab", options, SetClock(NOW), zone="America/New_York")
        routes = self.source.routes(door or Door(loopback=True, tls=tls is not None))
        self.server = serve(_Store(), "127.0.0.1", 0, routes=routes, tls=tls)
        self._open = ExitStack()
        self._tls = tls is not None

    def start(self) -> Feed:
        asyncio.run(self.source.start(self.intake))
        return self

    def stop(self) -> None:
        asyncio.run(self.source.stop())

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.server.port}{self.source.path}"

    def client(self, **more: Any) -> httpx.Client:
        return self._open.enter_context(httpx.Client(timeout=10, trust_env=False, **more))

    def post(self, body: bytes, kind: str | None = ER7, **headers: str) -> httpx.Response:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if kind is not None:
            told["content-type"] = kind
        return self.client().post(self.url, content=body, headers=told)

    def socket(self) -> socket.socket:
        raw = self._open.enter_context(socket.create_connection(("127.0.0.1", self.server.port), 5))
        raw.settimeout(10)
        return raw

    def until(self, condition: Callable[[], bool], within: float = 10) -> None:
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.005)

    def close(self) -> None:
        self.intake.gate.set()
        self.stop()
        self._open.close()
        self.server.stop()
        self.intake.close()


def context(authority: Any, shown: Any = None) -> ssl.SSLContext:
    """A client that trusts an authority and shows a certificate, or none."""
    made = ssl.create_default_context(cafile=str(authority.path))
    made.check_hostname = False
    if shown is not None:
        made.load_cert_chain(shown.certificate, shown.key)
    return made


def admission(number: int, name: str = "DOE^JANE") -> bytes:
    """A message with a control id of its own."""
    return (
        b"MSH|^~\\&|EHR|HOSP|GW|HOSP|20260301120000-0500||ADT^A04^ADT_A01|M%04d|P|2.5.1\r"
        b"EVN||20260301120000\rPID|1||123^^^HOSP^MR||%b\rPV1|1|O\r" % (number, name.encode())
    )


def lines(reply: bytes, kind: str) -> list[str]:
    """The segments of one kind."""
    return [line for line in reply.decode("latin-1").split("\r") if line.startswith(kind)]
