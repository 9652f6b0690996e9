"""What a crash test holds in its hands: processes, a site on disk, a patient sender, and the truth in the database."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from multiprocessing import forkserver
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import clinic_messages as hl7
from clinic_people import Person, made_up
from crash_mail import PostOffice
from crash_site import settings, write_site
from sqlalchemy import and_, bindparam, func, select

from connectors.sources.mllp.client import MllpClient
from gateway.app import Gateway, assemble
from gateway.model.errors import StoreUnavailable, Unavailable, Unknown
from gateway.model.event import Format, RawMessage
from gateway.model.party import Identifier
from gateway.model.when import SECOND, Millis, to_millis
from gateway.pipeline.envelopes import message_id
from gateway.pipeline.preparing import prepare
from gateway.ports import SetClock
from gateway.store import tables
from gateway.store.keyring import Keyring
from gateway.store.seal import seal
from gateway.store.statement import Statement
from gateway.store.verify import Verification, verify

START: Millis = 1_772_463_600_000  # 2026-03-02T15:00Z, a Monday, 9:00 in Chicago
PATIENCE = 30.0  # seconds; a busy machine is not a failure
_r = tables.request.c
_DUE = Statement(
    "test.due",
    select(func.count()).where(and_(_r.state == "active", _r.due <= bindparam("now"))),
    ("now",),
)


_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["crash_child", "backup_child"])


@functools.cache
def _warm() -> None:
    """Start the process that all others are forked from; it finds what to import only by PYTHONPATH."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def forked(target: Callable[..., None], *told: Any) -> int:
    """The exit code of what is done in a process of its own that need not import everything anew, negative for a signal."""
    _warm()
    process = _forks.Process(target=target, args=told, daemon=True)
    process.start()
    process.join(4 * PATIENCE)
    assert process.exitcode is not None, "it has not ended"
    return process.exitcode


class Child:
    """One process that is the gateway of a site; see crash_child.py."""

    def __init__(self, config: Path, now: Millis, roles: Sequence[str], log: Path) -> None:
        from crash_child import be

        _warm()
        self._pipe, theirs = _forks.Pipe()
        self._log = log
        self._process = _forks.Process(target=be, args=(theirs, config, now, tuple(roles), log), daemon=True)
        self._process.start()
        theirs.close()
        told = self.answer()
        assert told is not None, self.log()
        assert "ready" in told, (told, self.log())
        self.port = told["ready"]["ports"].get("ehr", 0)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid
        return self._process.pid

    def log(self) -> str:
        """What it wrote to standard error."""
        return self._log.read_text() if self._log.exists() else ""

    def tell(self, **command: Any) -> None:
        """Send a command; a process that is dead already does not hear it."""
        with suppress(OSError):
            self._pipe.send(command)

    def answer(self) -> dict[str, Any] | None:
        """What it says next; None when it has ended."""
        assert self._pipe.poll(2 * PATIENCE), f"it says nothing: {self.log()}"
        try:
            told: dict[str, Any] = self._pipe.recv()
        except (EOFError, OSError):
            return None
        return told

    def ask(self, **command: Any) -> dict[str, Any] | None:
        """Send a command and wait for the answer; None when it died over it."""
        self.tell(**command)
        return self.answer()

    def gone(self) -> int:
        """Wait for its end; the exit status, negative for a signal."""
        self._process.join(PATIENCE)
        assert self._process.exitcode is not None, "it has not ended"
        return self._process.exitcode

    def stands_still(self) -> bool:
        """Whether it was stopped by a signal (proc(5): T)."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def terminate(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal."""
        os.kill(self.pid, how)

    def close(self) -> None:
        """Make sure that it is gone."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join(PATIENCE)
        self._process.close()
        self._pipe.close()


class House:
    """A site on disk, whoever runs it; the feed that is sent to it; what its database says afterwards."""

    def __init__(self, folder: Path, database: str, office: PostOffice, **site: Any) -> None:
        self.folder, self.database, self.office = folder, database, office
        self.now: Millis = START
        self.children: list[Child] = []
        self.sent: list[bytes] = []
        self.acked: list[bytes] = []
        self.people: dict[str, Person] = {}
        self._gateway: Gateway | None = None
        self._number = 0
        self.keyring = Keyring.create(folder / "keys.json")
        self.config = write_site(folder, database=database, smtp=office.port, **site)

    def close(self) -> None:
        """Everything it started."""
        for child in self.children:
            child.close()
        if self._gateway is not None:
            self._gateway.close()

    # -- running

    def starts(self, roles: Sequence[str] = ("listen", "work")) -> Child:
        """A gateway of this site in a process of its own, ready."""
        child = Child(self.config, self.now, roles, self.folder / f"child-{len(self.children)}.log")
        self.children.append(child)
        return child

    def goes_to(self, now: Millis, *children: Child, quiet: bool = True) -> None:
        """Set everybody's clock; with `quiet` wait until nothing that is due waits any more."""
        self.now = now
        self.clock.set(now)
        for child in children:
            child.ask(now=now)
        if quiet:
            self.waits(lambda: self.due() == 0)

    @staticmethod
    def waits(until: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Poll until it is so."""
        end = time.monotonic() + patience
        while not until():
            assert time.monotonic() < end, "it did not come about in time"
            time.sleep(0.02)

    # -- the feed

    def person(self, handle: str, **told: object) -> Person:
        """Somebody, made up."""
        if handle not in self.people:
            self.people[handle] = made_up(handle, "crash", **told)
        return self.people[handle]

    def booking(
        self, handle: str, wall: str, *, appointment: str | None = None, trigger: str = "S12", status: str = "Booked"
    ) -> bytes:
        """An appointment as a message; the same bytes are sent again when it is not acknowledged."""
        self._number += 1
        return hl7.siu(
            trigger,
            [hl7.pid(self.person(handle))],
            control=f"C{self._number:05d}",
            at=self.now + self._number * SECOND,
            appointment=appointment or f"A{handle}",
            start=hl7.local(wall),
            status=status,
            service="PCP",
            place="MAIN",
        )

    def sends(self, message: bytes, child: Child, *, timeout: float = 15.0) -> str | None:
        """Send one message; MSA-1, or None when no acknowledgement came. What got AA is remembered."""
        if message not in self.sent:
            self.sent.append(message)
        try:
            with MllpClient("127.0.0.1", child.port, timeout=timeout) as link:
                code = ack_code(link.send(message))
        except (Unknown, Unavailable):
            return None
        if code == "AA":
            self.acked.append(message)
        return code

    # -- the truth

    @property
    def clock(self) -> SetClock:
        """The clock of the parent's own look at the site."""
        clock = self.gateway.clock
        assert isinstance(clock, SetClock)
        return clock

    @property
    def gateway(self) -> Gateway:
        """The site as the parent sees it: assembled, not running."""
        if self._gateway is None:
            self._gateway = assemble(settings(self.config), clock=SetClock(self.now), keyring=self.keyring)
        return self._gateway

    def due(self) -> int:
        """How many active requests are due."""
        with self.gateway.store.read() as unit:
            return int((unit.one(_DUE, (self.now,)) or (0,))[0])

    def reconnects(self) -> None:
        """The parent's own connection was cut with everybody else's."""
        with suppress(StoreUnavailable):
            self.due()

    def stored(self, message: bytes) -> int:
        """How many rows the store has of a message."""
        raw = RawMessage(source="ehr", format=Format.HL7V2, body=message, received=0)
        one = prepare(self.keyring, raw, self.gateway.readers["ehr"](raw))
        with self.gateway.store.read() as unit:
            return len(unit.lookup(tables.raw, ("id",), "control_hmac", one.control))

    def identifier(self, handle: str) -> Identifier:
        """How people look somebody up."""
        return Identifier(system=hl7.AUTHORITY, type="MR", value=self.person(handle).mrn)

    def requests(self, handle: str) -> dict[str, dict[str, Any]]:
        """Step → request, of somebody."""
        columns = ("id", "step", "state", "reason", "due", "attempts", "rule")
        return {row["step"]: row for row in self.rows(tables.request, columns, "patient", [self.token(handle)])}

    def token(self, handle: str) -> int:
        """Who somebody is."""
        from gateway.pipeline.inspect.trace import find_patient

        with self.gateway.store.begin("test") as uow:
            return find_patient(uow, self.gateway, self.identifier(handle))

    def rows(self, table: Any, columns: tuple[str, ...], key: str, values: Iterable[Any]) -> list[dict[str, Any]]:
        """Rows as dictionaries."""
        with self.gateway.store.read() as unit:
            return [dict(zip(columns, row, strict=True)) for row in unit.lookup(table, columns, key, list(values))]

    def every(self, table: Any, *columns: str) -> list[dict[str, Any]]:
        """Some columns of every row."""
        statement = Statement(f"test.{table.name}.{'.'.join(columns)}", select(*(table.c[name] for name in columns)))
        with self.gateway.store.read() as unit:
            return [dict(zip(columns, row, strict=True)) for row in unit.all(statement)]

    def mails(self) -> Counter[int]:
        """Request → how many messages the mail server ever took for it; each must be of a recorded attempt."""
        tried = {one["request"] for one in self.every(tables.communication, "request")}
        known = {self.message_id(one): one for one in tried}
        took = self.office.ids()
        assert not took.keys() - known.keys(), "a message left without a recorded attempt"
        return Counter({known[told]: count for told, count in took.items()})

    def message_id(self, request: int) -> str:
        """The Message-ID of every attempt of a request."""
        return message_id(self.keyring, request, "lakeside.example")

    def verified(self) -> Verification:
        """The audit log, sealed up to now and proven."""
        seal(self.gateway.store)
        return verify(self.gateway.store)


def ack_code(reply: bytes) -> str:
    """MSA-1."""
    line = next(one for one in reply.decode("latin-1").split("\r") if one.startswith("MSA"))
    return line.split("|")[1]


def wall(text: str) -> Millis:
    """The clinic's wall time as an instant."""
    return to_millis(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(hl7.ZONE)))


__all__ = ["START", "Child", "House", "ack_code", "wall"]
