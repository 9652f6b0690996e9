"""An in-memory intake that answers from a thread after a short commit, and an MLLP source on a free port."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from mllp_certificates import Authority

from connectors.sources.mllp import MllpSource
from connectors.sources.mllp.client import MllpClient
from gateway.er7.header import read_header
from gateway.er7.tables import PROCESSING, VERSIONS, Standing, standing
from gateway.model.audit import NodeFailure
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Outcome, Place, RawMessage, Result
from gateway.ports import ReplyTo, SetClock

NOW = 1_772_384_400_123
ADMISSION = (
    b"MSH|^~\\&|EHR|HOSP|GW|HOSP|20260301120000-0500||ADT^A04^ADT_A01|0001|P|2.5.1\r"
    b"EVN||20260301120000\rPID|1||123^^^HOSP^MR||DOE^JANE\rPV1|1|O\r"
)

Offer = tuple[RawMessage, object, ReplyTo]


class MemoryIntake:
    """Takes offers, commits a batch in `commit` seconds on its own thread, then answers it; `stored` is the disk."""

    def __init__(self) -> None:
        self.commit = 0.002
        self.stored: list[RawMessage] = []
        self.batches: list[int] = []
        self.witnessed: list[tuple[str, NodeFailure, str]] = []
        self.open = True
        self.gate = threading.Event()
        self.gate.set()
        self.outcome: Callable[[RawMessage], Outcome] = judged
        self._offers: queue.SimpleQueue[Offer | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="intake")
        self._thread.start()

    def offer(self, message: RawMessage, ticket: object, reply_to: ReplyTo) -> bool:
        if self.open:
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
        while (first := self._offers.get()) is not None:
            batch = [first]
            while not self._offers.empty() and (more := self._offers.get()) is not None:
                batch.append(more)
            self.gate.wait()
            time.sleep(self.commit)
            self.batches.append(len(batch))
            outcomes = [(ticket, self.outcome(message)) for message, ticket, _ in batch]
            self.stored.extend(message for message, _, _ in batch)
            first[2].answered(outcomes)


def judged(message: RawMessage) -> Outcome:
    """What a receive pipeline would say from the header alone (A-02, A-03)."""
    try:
        header = read_header(message.body)
    except Unreadable as error:
        return Outcome(result=Result.QUARANTINED, ack=error.ack, faults=(error.fault,))
    known = standing(header.message_code, header.trigger)
    wrong = (
        (known is not Standing.KNOWN, int(known), 9, AckCode.AR),
        (header.processing_id not in PROCESSING, 202, 11, AckCode.AR),
        (header.version not in VERSIONS, 203, 12, AckCode.AR),
        (not header.control_id, 101, 10, AckCode.AE),
    )
    for failed, code, position, ack in wrong:
        if failed:
            fault = Fault(code=code, rule="not acceptable here", place=Place("MSH", 1, position))
            return Outcome(result=Result.REJECTED, ack=ack, faults=(fault,))
    return Outcome(result=Result.ACCEPTED, ack=AckCode.AA, control_id=header.control_id)


class Listening:
    """A started source on its own event loop, and what a test needs to talk to it."""

    def __init__(self, options: dict[str, object], intake: MemoryIntake) -> None:
        self.intake = intake
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="loop")
        self._thread.start()
        self._open = ExitStack()
        self.source = MllpSource("main", {"port": "0", **options}, SetClock(NOW), zone="America/New_York")
        self.run(self.source.start(intake))

    def run(self, coroutine: object, within: float = 10) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(within)  # type: ignore[arg-type]

    def client(self, timeout: float = 5, **more: object) -> MllpClient:
        client = MllpClient("127.0.0.1", self.source.port, timeout=timeout, **more)  # type: ignore[arg-type]
        return self._open.enter_context(client)

    def socket(self, *, receive_buffer: int = 0) -> socket.socket:
        raw = self._open.enter_context(socket.socket())
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(5)
        raw.connect(("127.0.0.1", self.source.port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return raw

    def until(self, condition: Callable[[], bool], within: float = 5) -> None:
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.002)

    def told(self, event: str, count: int = 1) -> None:
        """Wait until `event` was counted exactly `count` times."""
        self.until(lambda: self.source.counts.get(event, 0) >= count)
        assert self.source.counts[event] == count

    def close(self) -> None:
        try:
            self.intake.gate.set()
            self.run(self.source.stop())
        finally:
            self._open.close()
            self.intake.close()
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(5)
            self.loop.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs the hospital's and the gateway's certificates."""
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secured(authority: Authority) -> Callable[..., dict[str, object]]:
    """`secured(**more)` is the `tls:` section of a link with a certificate of ours and that authority trusted."""
    ours = authority.issue("gateway.test")

    def section(**more: object) -> dict[str, object]:
        trust = {} if "client_certificates" in more else {"client_ca": str(authority.path)}
        return {"certificate": str(ours.certificate), "key": str(ours.key), **trust, **more}

    return section


@pytest.fixture
def listening() -> Iterator[Callable[..., Listening]]:
    """`listening(**options)` starts a source and its intake; both end with the test."""
    started: list[Listening] = []

    def start(**options: object) -> Listening:
        started.append(Listening(options, MemoryIntake()))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def admission() -> bytes:
    """The message M of conformance 5.1."""
    return ADMISSION


@pytest.fixture
def numbered() -> Callable[[int], bytes]:
    """M with another control id."""
    return lambda number: ADMISSION.replace(b"|0001|", f"|{number:04d}|".encode())


def segments(ack: bytes) -> dict[str, list[str]]:
    """Fields by segment id, MSH counted from MSH-1."""
    found = {}
    for line in ack.decode("latin-1").rstrip("\r").split("\r"):
        parts = line.split(ack[3:4].decode())
        found[parts[0]] = [parts[0], ack[3:4].decode(), *parts[1:]] if parts[0] == "MSH" else parts
    return found


@pytest.fixture
def read() -> Callable[[bytes], dict[str, list[str]]]:
    """Reads an acknowledgement."""
    return segments
