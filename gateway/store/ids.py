"""Ids increase strictly in every writer, tell their time, and none appears below what is already sealed.

An id is 63 bits: milliseconds since 2024-01-01T00:00Z (41) | writer number (8) | sequence (14). Writer numbers
are leased through rows "writer:<n>" of `lease`. `floor` there is a promise: whatever this writer still commits
has ids at or above it, so the sealer may close everything below the lowest floor of all live writers.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.model.errors import StoreUnavailable
from gateway.model.when import SECOND, Millis
from gateway.ports import Clock
from gateway.store import tables
from gateway.store.session import Session
from gateway.store.statement import Row, Statement

EPOCH: Millis = 1_704_067_200_000
"""2024-01-01T00:00Z."""
SEQUENCE_BITS = 14
WRITER_BITS = 8
_SHIFT = SEQUENCE_BITS + WRITER_BITS
_SEQUENCE = (1 << SEQUENCE_BITS) - 1

WRITERS = (1 << WRITER_BITS) - 1
"""Writer numbers 0 to 254 are leased; 255 belongs to migrations."""
MIGRATION_WRITER = WRITERS
LEASE: Millis = 60 * SECOND
"""A writer that says nothing for so long may be counted out by the sealer; its next unit takes a new lease."""
PUBLISH: Millis = 2 * SECOND
"""How often a busy writer publishes its floor, inside a unit of work that commits anyway."""

ALL_WRITERS = -1
"""Claimed while a lease is taken and while the sealer fixes its watermark: the two never overlap."""

_lease = tables.lease
_WRITERS_LIKE = _lease.c.name.like("writer:%")

_ROWS = Statement(
    "writers",
    sa.select(_lease.c.name, _lease.c.holder, _lease.c.until, _lease.c.fence, _lease.c.floor).where(_WRITERS_LIKE),
)
_HEAD = Statement("sealed_head", sa.select(sa.func.max(tables.block.c.last)))
_NEWEST = Statement("newest_audit", sa.select(sa.func.max(tables.audit.c.id)))
_TAKE = Statement(
    "writer_take",
    sa.update(_lease)
    .where(_lease.c.name == sa.bindparam("which"), _lease.c.fence == sa.bindparam("seen"))
    .values(
        holder=sa.bindparam("holder"),
        until=sa.bindparam("until"),
        fence=_lease.c.fence + 1,
        floor=sa.bindparam("floor"),
    ),
    ("holder", "until", "floor", "which", "seen"),
    exempt=True,
)
_PUBLISH = Statement(
    "writer_publish",
    sa.update(_lease)
    .where(_lease.c.name == sa.bindparam("which"), _lease.c.fence == sa.bindparam("seen"))
    .values(until=sa.bindparam("until"), floor=sa.bindparam("floor")),
    ("until", "floor", "which", "seen"),
    exempt=True,
)
_BUMP = Statement(
    "writer_bump",
    sa.update(_lease).where(_lease.c.name == sa.bindparam("which")).values(fence=_lease.c.fence + 1),
    ("which",),
    exempt=True,
)
_FENCE = Statement(
    "writer_fence",
    sa.select(_lease.c.fence).where(_lease.c.name == sa.bindparam("which")),
    ("which",),
)
_INSERT = ("name", "holder", "until", "fence", "floor")


def compose(at: Millis, writer: int, sequence: int = 0) -> int:
    """The id of an instant, a writer number and a sequence number."""
    return (max(at - EPOCH, 0) << _SHIFT) | (writer << SEQUENCE_BITS) | sequence


def time_of(id: int) -> Millis:  # noqa: A002 -- it is the word
    """The instant inside an id (ms UTC); with a clock that was set forth and back it is only an order."""
    return (id >> _SHIFT) + EPOCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A leased writer number; `fence` goes up each time the number changes hands."""

    number: int
    fence: int

    @property
    def name(self) -> str:
        """The name of its lease row."""
        return f"writer:{self.number}"


class IdSource:
    """Makes ids for one store; thread-safe.

    Time only pushes ids forward: when the clock steps back or a millisecond is full they run on from the
    last one. Call `register` before a unit's first id and `forget` after its end.
    """

    def __init__(self, clock: Clock, holder: str) -> None:
        self._clock = clock
        self._holder = holder
        self._lock = threading.Lock()
        self._last = 0
        self._bits = 0
        self._until: Millis = 0
        self._published: Millis = 0
        self._publishing = False
        self._open: dict[int, int] = {}
        self._tickets = 0
        self.writer: Writer | None = None

    # -- making ids

    def next(self, now: Millis) -> int:
        """The next id; strictly greater than every earlier one of this source."""
        made = ((now - EPOCH) << _SHIFT) | self._bits
        with self._lock:
            last = self._last
            if made <= last:
                made = last + 1 if last & _SEQUENCE != _SEQUENCE else last + (1 << _SHIFT) - _SEQUENCE
            self._last = made
        return made

    def register(self) -> int:
        """A ticket for a unit of work whose ids will all be above the last one made so far."""
        with self._lock:
            self._tickets += 1
            self._open[self._tickets] = self._last + 1
            return self._tickets

    def forget(self, ticket: int) -> None:
        """The unit is over: committed, or undone for good."""
        with self._lock:
            self._open.pop(ticket, None)

    def floor(self) -> int:
        """The lowest id that an open or future unit of this source may still commit."""
        with self._lock:  # tickets only grow and so do their floors: the first is the lowest
            return next(iter(self._open.values()), self._last + 1)

    # -- the lease

    def take(self, session: Session, now: Millis) -> tuple[Writer, int]:
        """Lease a writer number inside the caller's transaction: the writer and where its ids start.

        They start above all that was ever used. StoreUnavailable: all 255 numbers are leased.
        """
        session.claim(ALL_WRITERS, wait=True)
        rows = {str(row[0]): row for row in session.all(_ROWS, ())}
        used = [session.all(_HEAD, ())[0][0] or 0, session.all(_NEWEST, ())[0][0] or 0]
        used += [_ceiling(row, now) for row in rows.values()]
        number, fence = _free(session, rows, now)
        start = above(max(used), number)
        self._write(session, number, fence, now, start, new=f"writer:{number}" not in rows)
        return Writer(number=number, fence=fence + 1), start

    def _write(self, session: Session, number: int, seen: int, now: Millis, start: int, *, new: bool) -> None:
        name, until, floor = f"writer:{number}", max(now, time_of(start)) + LEASE, start + 1
        if new:
            session.insert(_lease, _INSERT, [(name, self._holder, until, seen + 1, floor)], missing=False)
        elif session.run(_TAKE, (self._holder, until, floor, name, seen)) != 1:
            raise StoreUnavailable(f"{name} was leased by somebody else meanwhile")

    def become(self, writer: Writer, start: int, now: Millis) -> None:
        """Make ids as this writer, once `take` was committed."""
        with self._lock:
            self.writer = writer
            self._bits = writer.number << SEQUENCE_BITS
            self._last = max(start, above(self._last, writer.number))
            self._until = max(now, time_of(start)) + LEASE
            self._published = now
            self._publishing = False

    def release(self, session: Session) -> None:
        """Give the number back inside the caller's transaction; the floor stays as the next holder's start."""
        if self.writer is not None:
            session.run(_PUBLISH, (0, self.floor(), self.writer.name, self.writer.fence))

    def due(self, now: Millis) -> bool:
        """Whether this unit should publish floor and lease; one at a time, and each once the lease has run out."""
        with self._lock:
            if now >= self._until or time_of(self._last) >= self._until:
                return True
            if self._publishing or abs(now - self._published) < PUBLISH:
                return False
            self._publishing = True
            return True

    def publish(self, session: Session, writer: Writer, now: Millis) -> Millis | None:
        """Renew lease and floor inside the caller's transaction; the new end of the lease, None: it was lost."""
        until = max(now, time_of(self._last)) + LEASE
        touched = session.run(_PUBLISH, (until, self.floor(), writer.name, writer.fence))
        return until if touched == 1 else None

    def published(self, now: Millis, until: Millis | None) -> None:
        """Tell how a publishing unit ended: `until` as committed, None when it was undone."""
        with self._lock:
            self._publishing = False
            if until is not None:
                self._until, self._published = until, now

    @staticmethod
    def confirm(session: Session, writer: Writer) -> None:
        """Have the transaction checked against the lease row before its first result and before its commit."""
        session.expect(_FENCE, (writer.name,), writer.fence)

    def lost(self, writer: Writer) -> None:
        """The lease went to somebody else: the next unit takes a new one."""
        with self._lock:
            if self.writer == writer:
                self.writer = None


def above(used: int, number: int) -> int:
    """The lowest id of a writer that is above `used`."""
    start = ((used >> _SHIFT) << _SHIFT) | (number << SEQUENCE_BITS)
    return start if start > used else start + (1 << _SHIFT)


def _ceiling(row: Row, now: Millis) -> int:
    """Above all ids that matter of a writer: its floor, and its lease's end if it stopped without a word."""
    number, until, floor = int(row[0].partition(":")[2]), int(row[2]), int(row[4])
    return max(floor, compose(until, number)) if 0 < until <= now else floor


def _free(session: Session, rows: dict[str, Row], now: Millis) -> tuple[int, int]:
    """A number nobody holds and no open unit uses, with the fence seen in its row: (number, fence)."""
    for number in range(WRITERS):
        row = rows.get(f"writer:{number}")
        if row is None:
            return number, 0
        if row[2] <= now and session.claim(number, wait=False):
            return number, int(row[3])
    raise StoreUnavailable(f"all {WRITERS} writer numbers are leased; they come free {LEASE // SECOND} s after a crash")


def watermark(session: Session, own: Writer, now: Millis) -> int:
    """Below it nothing new can ever appear: the lowest floor of all live writers.

    Runs inside a transaction that has claimed ALL_WRITERS and published its own floor. Writers whose lease
    ran out are counted out (their fence goes up, so that their next unit is refused), unless one of their
    units is open at this very moment.
    """
    floors: list[int] = []
    for name, _, until, fence, floor in session.all(_ROWS, ()):
        number = int(name.partition(":")[2])
        if number != own.number and 0 < until <= now and session.claim(number, wait=False):
            session.run(_TAKE, ("", 0, max(floor, compose(until, number)), name, fence))
        elif until > 0:
            floors.append(floor)
    return min(floors)


def fence_others(session: Session, own: Writer) -> None:
    """Wait until no unit but the caller's is open anywhere, and make every other process lease anew.

    Whoever leases anew reads the key file's state again (rotation). Locks are held up to the caller's commit.
    """
    for name in keep_others_out(session, own):
        session.run(_BUMP, (name,))


def keep_others_out(session: Session, own: Writer) -> list[str]:
    """Wait until no unit but the caller's is open anywhere; none begins before the caller's commit.

    Returns the names of the other writers' lease rows. On SQLite the write lock does all of it.
    """
    session.claim(ALL_WRITERS, wait=True)
    session.claim(own.number, wait=True)  # the other threads of this process
    others = sorted(name for name, _, until, _, _ in session.all(_ROWS, ()) if until > 0 and name != own.name)
    for name in others:
        session.claim(int(name.partition(":")[2]), wait=True)
    return others
