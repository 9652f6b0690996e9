"""A watched folder, an intake that commits in memory and knows its duplicates, and files to drop."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from connectors.sources.folder import FolderSource
from gateway.er7.header import read_header
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Outcome, Place, RawMessage, Result
from gateway.ports import ReplyTo, SetClock

NOW = 1_772_384_400_123
Offer = tuple[RawMessage, object, ReplyTo]


class MemoryIntake:
    """Takes offers and answers them in batches on a thread of its own; `stored` is the disk."""

    def __init__(self) -> None:
        self.stored: list[bytes] = []
        self.offered: list[bytes] = []
        self.open = True
        self.taken = 0
        self.gate = threading.Event()
        self.gate.set()
        self.failing: Callable[[bytes], bool] = lambda _body: False
        self._offers: queue.SimpleQueue[Offer | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="intake")
        self._thread.start()

    def offer(self, message: RawMessage, ticket: object, reply_to: ReplyTo) -> bool:
        if self.open:
            self.taken += 1
            self._offers.put((message, ticket, reply_to))
        return self.open

    def witness(self, source: str, failure: object, host: str) -> None:
        raise AssertionError("a folder has no door")

    def heard(self, source: str) -> None:
        raise AssertionError("a folder has no heartbeats")

    def close(self) -> None:
        self.gate.set()
        self._offers.put(None)
        self._thread.join(5)

    def _run(self) -> None:
        while (offer := self._offers.get()) is not None:
            self.gate.wait()
            message, ticket, reply_to = offer
            reply_to.answered([(ticket, self._outcome(message.body))])

    def _outcome(self, body: bytes) -> Outcome:
        self.offered.append(body)
        if self.failing(body):
            return Outcome(result=Result.FAILED, ack=AckCode.AR)
        try:
            header = read_header(body)
        except Unreadable as error:
            return Outcome(result=Result.QUARANTINED, ack=error.ack, message=7, faults=(error.fault,))
        if body in self.stored:
            return Outcome(result=Result.DUPLICATE, ack=AckCode.AA, control_id=header.control_id)
        if header.message_code == "ZZZ":
            fault = Fault(code=200, rule="unknown to the standard", place=Place("MSH", 1, 9))
            return Outcome(
                result=Result.REJECTED, ack=AckCode.AR, control_id=header.control_id, type="ZZZ^Z01", faults=(fault,)
            )
        self.stored.append(body)
        return Outcome(result=Result.ACCEPTED, ack=AckCode.AA, control_id=header.control_id)


class Dropbox:
    """A folder that is watched, and what a test needs to drop files into it and to find them again."""

    def __init__(self, path: Path, intake: MemoryIntake, options: dict[str, object]) -> None:
        self.path = path
        self.intake = intake
        self.clock = SetClock(NOW)
        self.source = FolderSource(
            "lab", {"path": path, "interval": "20ms", "settle": "60ms", **options}, self.clock, zone="America/Chicago"
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop")
        self._thread.start()
        self._running = False

    def start(self) -> Dropbox:
        self._run(self.source.start(self.intake))
        self._running = True
        return self

    def stop(self) -> None:
        self._run(self.source.stop())

    def _run(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(15)

    def drop(self, name: str, content: bytes) -> Path:
        """As a careful sender does: written apart, then renamed."""
        part = self.path / f"{name}.part"
        part.write_bytes(content)
        return part.rename(self.path / name)

    def names(self, folder: str) -> list[str]:
        """What lies in a folder within, reports and hidden files left out."""
        found = (path.name for path in (self.path / folder).iterdir())
        return sorted(name for name in found if not name.startswith(".") and not name.endswith(".json"))

    def report(self, name: str, folder: str = "done") -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.path / folder / f"{name}.report.json").read_bytes())
        return told

    def until(self, condition: Callable[[], bool], within: float = 10) -> None:
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"it did not happen in time: {self.source.counts}"
            time.sleep(0.005)

    def filed(self, name: str, folder: str = "done") -> dict[str, Any]:
        """Wait until a file lies in a folder with its report; the report."""
        self.until((self.path / folder / f"{name}.report.json").exists)
        assert (self.path / folder / name).exists()
        return self.report(name, folder)

    def close(self) -> None:
        try:
            self.intake.gate.set()
            self.stop()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            self._loop.close()


def admission(number: int, name: str = "DOE^JANE") -> bytes:
    """A message with a control id of its own."""
    return (
        b"MSH|^~\\&|EHR|HOSP|GW|HOSP|20260301120000-0500||ADT^A04^ADT_A01|M%04d|P|2.5.1\r"
        b"EVN||20260301120000\rPID|1||123^^^HOSP^MR||%b\rPV1|1|O\r" % (number, name.encode())
    )


def batch(*messages: bytes, control: str = "B1", count: str | None = None) -> bytes:
    """A batch as a lab sends one."""
    told = str(len(messages)) if count is None else count
    head = f"FHS|^~\\&|LAB|HOSP|GW|HOSP\rBHS|^~\\&|LAB|HOSP|GW|HOSP|20260301||||{control}\r"
    return head.encode() + b"".join(messages) + f"BTS|{told}\rFTS|1\r".encode()
