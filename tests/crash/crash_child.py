"""A gateway that dies where it is told: real parts, of which some are wrapped here to send SIGKILL to this very process.

The process is forked from one that has imported everything. Commands and answers are dictionaries on a pipe:
{"now": millis} · {"kill": point} · {"stop": point} · {"pages": limit} · {"deliver": [ids], "at": monotonic seconds}.
When the pipe ends, and on SIGTERM, it stops as any gateway does.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from crash_spans import Spans, plain

import connectors.channels.email
import connectors.sources.mllp
from connectors.sinks.events import event_of
from connectors.sinks.parquet import ParquetSink
from connectors.sources.drops import filing
from connectors.sources.queues.pump import Pump
from gateway import telemetry, worker
from gateway.app import assemble
from gateway.app.assembly import deliverer_of
from gateway.model.errors import CaregateError
from gateway.model.outcome import SinkRow
from gateway.pipeline.deliver import Deliverer
from gateway.pipeline.dispatch import Dispatcher
from gateway.ports import Envelope, Handover, SetClock
from gateway.settings import load
from gateway.store import postgres
from gateway.store.sqlite import SqliteSession
from gateway.store.uow import UnitOfWork

__all__ = ["connectors", "postgres"]  # imported before the clock of the test runs

_armed: set[str] = set()
_stops: set[str] = set()
_here = threading.local()
_clock = SetClock(0)
_dispatchers: list[Dispatcher] = []
_pages: list[int] = []
_spans = Spans()


def die() -> None:
    """As the kernel's out-of-memory killer would have it: at once."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def at(point: str) -> None:
    """Die if this is the point; or stand still, once, until somebody says go on."""
    if point in _armed:
        die()
    if point in _stops:
        _stops.discard(point)
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread is the first that stands


def _die_soon() -> None:
    time.sleep(random.uniform(0, 0.004))
    die()


def wrap_commit() -> None:
    """Before and after each kind of commit; the settling one also while it runs."""
    commit = UnitOfWork.commit

    def watched(self: UnitOfWork) -> None:
        kind = self.actor if self.actor != "deliver" else "settle" if getattr(_here, "sent", False) else "clear"
        if kind == "outcomes" and _here.__dict__.pop("told", False):
            kind = "noting"
        at(f"before-{kind}-commit")
        if f"during-{kind}-commit" in _armed:
            threading.Thread(target=_die_soon, daemon=True).start()
        commit(self)
        at(f"after-{kind}-commit")

    UnitOfWork.commit = watched  # type: ignore[method-assign]


def wrap_pages() -> None:
    """A database file that may grow so far and no further."""
    begin = SqliteSession.begin

    def beginning(self: SqliteSession, *, write: bool) -> None:
        if _pages:
            self._link.execute(f"PRAGMA max_page_count={_pages[-1]}").fetchall()
        begin(self, write=write)

    SqliteSession.begin = beginning  # type: ignore[method-assign]


def wrap_ring() -> None:
    """After the bell was rung; whoever answers it waits for the end, so that nothing else happens first."""
    ring, deliver = worker.Ring.ring, Deliverer.deliver

    def ringing(self: worker.Ring, ids: Any) -> None:
        ring(self, ids)
        at("after-ringing")

    def answering(self: Deliverer, request: int) -> None:
        if "after-ringing" in _armed:
            time.sleep(60)
        _here.sent = False
        deliver(self, request)

    worker.Ring.ring = ringing  # type: ignore[method-assign]
    Deliverer.deliver = answering  # type: ignore[method-assign]


def wrap_dispatcher() -> None:
    """So that a clock that was set is looked at now and not at the next poll."""
    start = Dispatcher.start

    def starting(self: Dispatcher) -> None:
        _dispatchers.append(self)
        start(self)

    Dispatcher.start = starting  # type: ignore[method-assign]


def wrap_move() -> None:
    """Before and after a file of a watched folder is moved, and where it has both names."""
    move, unlink = filing._move, Path.unlink

    def moving(path: Path, target: Path, *stamp: tuple[int, int, int]) -> None:
        at("before-moving")
        move(path, target, *stamp)
        at("after-moving")

    def unlinking(self: Path, missing_ok: bool = False) -> None:
        if self.suffix == ".hl7":
            at("within-moving")
        unlink(self, missing_ok=missing_ok)

    filing._move = moving
    Path.unlink = unlinking  # type: ignore[method-assign]


def wrap_sink() -> None:
    """A sink of lines in a file of its folder: before it has a batch, and after it has all of it and nobody has noted that."""

    def writing(self: ParquetSink, batch: Sequence[SinkRow]) -> None:
        at("before-telling")
        with (self._path / "lines").open("ab") as file:
            file.write(b"".join(event_of(row) + b"\n" for row in batch))
            file.flush()
            os.fsync(file.fileno())
        _here.told = True
        at("after-telling")

    ParquetSink.write = writing  # type: ignore[method-assign]


def wrap_links() -> None:
    """After a broker gave messages, and before and after it is told that they are settled."""
    made = Pump.__init__

    def making(self: Pump, name: str, connect: Any, *rest: Any, **told: Any) -> None:
        made(self, name, lambda: WatchedLink(connect()), *rest, **told)

    Pump.__init__ = making  # type: ignore[method-assign]


class WatchedLink:
    """A link of a queue around the real one."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.open, self.idle, self.waiting, self.close = inner.open, inner.idle, inner.waiting, inner.close

    def take(self, most: int, seconds: float) -> Any:
        """Once there is something."""
        found = self._inner.take(most, seconds)
        if found:
            at("after-taking")
        return found

    def settle(self, deliveries: Any) -> None:
        """Around it."""
        at("before-settling")
        self._inner.settle(deliveries)
        at("after-settling")


class Watched:
    """A channel around the real one."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.kind, self.timeout, self.close = inner.kind, inner.timeout, inner.close

    def send(self, envelope: Envelope) -> Handover:
        """Before it, and after the other side took it."""
        at("before-send")
        taken: Handover = self._inner.send(envelope)
        _here.sent = True
        at("after-acceptance")
        return taken


def obey(gateway: Any, parent: Connection) -> None:
    """Follow the parent's commands until it has no more."""
    deliverer = deliverer_of(gateway)
    while True:
        try:
            told = parent.recv()
        except (EOFError, OSError):
            os.kill(os.getpid(), signal.SIGTERM)
            return
        if "now" in told:
            _clock.set(told["now"])
            for dispatcher in _dispatchers:
                dispatcher.wake()
        if "kill" in told:
            _armed.add(told["kill"])
        if "stop" in told:
            _stops.add(told["stop"])
        if "pages" in told:
            _pages.append(told["pages"])
        if "deliver" in told:
            parent.send(race(deliverer, told["deliver"], told["at"]))
        else:
            parent.send({"done": True})


def race(deliverer: Deliverer, ids: list[int], start: float) -> dict[str, Any]:
    """Deliver each id in a thread of its own, all at the same moment; what they held and when."""
    _spans.taken()
    failed: list[str] = []

    def run(request: int) -> None:
        time.sleep(max(0.0, start - time.monotonic()))
        try:
            deliverer.deliver(request)
        except CaregateError as error:
            failed.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=run, args=(one,)) for one in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"spans": plain(_spans.taken()), "failed": failed}


def be(parent: Connection, config: Path, now: int, roles: Sequence[str], log: Path) -> None:
    """Be the gateway of a site until it is killed or told to stop; tell the parent "ready" or "failed"."""
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), sys.stderr.fileno())
    _clock.set(now)
    telemetry.configure(stream=sys.stderr)
    for wrap in (_spans.watch, wrap_commit, wrap_pages, wrap_ring, wrap_dispatcher, wrap_move, wrap_sink, wrap_links):
        wrap()
    try:
        _run(parent, config, roles)
    except CaregateError as error:
        parent.send({"failed": f"{type(error).__name__}: {error}"})


def _run(parent: Connection, config: Path, roles: Sequence[str]) -> None:
    gateway = assemble(load(config, environ={}), clock=_clock)
    for kind, channel in list(gateway.channels.items()):
        gateway.channels[kind] = Watched(channel)  # type: ignore[index]
    threading.Thread(target=obey, args=(gateway, parent), daemon=True).start()
    try:
        gateway.run(roles, ready=lambda opened: parent.send({"ready": opened}))
    finally:
        gateway.close()
