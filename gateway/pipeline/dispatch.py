"""Finds what is due, most urgent lane first, marks it rung and rings; a lost doorbell only makes a send late."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from gateway import telemetry
from gateway.model.audit import Action
from gateway.model.errors import CaregateError
from gateway.model.request import CommunicationStatus, Priority, RequestStatus
from gateway.model.verdict import Reason
from gateway.model.when import HOUR, MINUTE, Millis
from gateway.pipeline import brakes, queries, unheard
from gateway.pipeline.site import Site
from gateway.ruleset.index import RuleSet
from gateway.store import tables
from gateway.store.engine import Store

RING_AGAIN: Millis = MINUTE  # a doorbell nobody answered is rung again after this long
_BATCH = 200
_SWEEP: Millis = MINUTE
_LEAST = 0.05  # seconds between two looks


class Dispatcher:
    """Polls the outbox; `once` is one round, `start` makes rounds in a thread until `stop`.

    `rules`: those in force, asked for each time.
    """

    def __init__(
        self,
        store: Store,
        ring: Callable[[Sequence[int]], None],
        *,
        rules: Callable[[], RuleSet],
        site: Site | None = None,
        every: float = 0.5,
    ) -> None:
        self._store = store
        self._site = site
        self._let_go: Millis | None = None
        self._rules = rules
        self._ring = ring
        self._every = every
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._swept: Millis = 0
        self._thread = threading.Thread(target=self._run, name="caregate-dispatch", daemon=True)

    def start(self) -> None:
        """Begin making rounds."""
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Lease and ring nothing new. `timeout` in seconds."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def wake(self) -> None:
        """Look at once rather than at the next poll (a clock that was set, a release)."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                full = self.once() >= _BATCH
            except CaregateError as error:
                telemetry.log().warning("dispatch.unavailable", error=type(error).__name__)
                full = False
            except Exception as error:  # noqa: BLE001  # a thread that ended would leave everything unsent, in silence
                telemetry.log().error("dispatch.crashed", error=type(error).__name__, exc_info=True)
                full = False
            if not full:
                self._wake.wait(self._pause())
            self._wake.clear()

    def _pause(self) -> float:
        """Seconds until the next doorbell, at most until the next look: places with a provider are close together."""
        try:
            with self._store.read() as unit:
                found = [unit.one(queries.NEXT, (lane, 1)) for lane in range(len(Priority))]
                ahead = min((row[0] - unit.now for row in found if row is not None), default=None)
        except CaregateError:
            return self._every
        return self._every if ahead is None else min(self._every, max(_LEAST, ahead / 1000))

    def once(self) -> int:
        """One round; returns how many doorbells were rung. Raises StoreError, KeyringError."""
        self._sweep()
        due = self._mark()
        if due:
            self._ring(due)
        return len(due)

    def _mark(self) -> list[int]:
        due: list[int] = []
        if not self._any_due():
            return due
        with self._store.begin("dispatch") as uow:
            for lane in range(len(Priority)):
                room = _BATCH - len(due)
                if room > 0:
                    due += [found for (found,) in uow.all(queries.DUE, (lane, uow.now, room))]
            if due:
                uow.update(tables.request, ("id",), ("ring_at",), [(uow.now + RING_AGAIN, one) for one in due])
                uow.commit()
        return due

    def _any_due(self) -> bool:
        """A look without the write lock: most rounds find nothing."""
        with self._store.read() as unit:
            return any(unit.all(queries.PEEK, (lane, unit.now, 1)) for lane in range(len(Priority)))

    def _sweep(self) -> None:
        """Once a minute: attempts whose actor is gone become `unknown`, holds that outlived their sense end, silence is heard."""
        now = self._store.clock.now()
        if abs(now - self._swept) < _SWEEP:
            return
        self._swept = now
        sweep_lost(self._store)
        rules = self._rules()
        sweep_outlived(self._store, rules.policy.hold_expires)
        unheard.sweep(self._store, rules.named, self._ring)
        if self._site is not None and (self._let_go is None or abs(now - self._let_go) >= HOUR):
            self._let_go = now  # whoever lifted a brake may have died before all that waited was let go
            brakes.release_stopped(self._store, self._site)


def sweep_lost(store: Store) -> int:
    """Mark attempts that outlived their lease as `unknown` and hold their requests for a person. Returns how many."""
    with store.read() as unit:
        lost = unit.all(queries.LOST, (unit.now, _BATCH))
    given_up = sum(_give_up(store, *one) for one in lost)
    if given_up:
        telemetry.log().warning("attempt.unknown", count=given_up)
    return given_up


def _give_up(store: Store, attempt: int, request: int, patient: int) -> bool:
    """One attempt, looked at again under the locks that settling takes: it may have been settled meanwhile."""
    with store.begin("dispatch") as uow:
        uow.lookup(tables.patient, ("token",), "token", [patient], lock=True)
        ((fence, lease),) = uow.lookup(tables.request, ("fence", "lease_until"), "id", [request], lock=True)
        ((status,),) = uow.lookup(tables.communication, ("status",), "id", [attempt])
        if status != CommunicationStatus.IN_PROGRESS or (lease is not None and lease > uow.now):
            return False
        unknown = (CommunicationStatus.UNKNOWN, Reason.OUTCOME_UNKNOWN, attempt)
        uow.update(tables.communication, ("id",), ("status", "reason"), [unknown])
        held = (RequestStatus.ON_HOLD, Reason.OUTCOME_UNKNOWN, fence + 1, None, request)
        uow.update(tables.request, ("id",), ("state", "reason", "fence", "lease_until"), [held])
        entry = (Action.COMMUNICATION_SETTLED, attempt, CommunicationStatus.UNKNOWN, Reason.OUTCOME_UNKNOWN)
        waits = (Action.REQUEST_HELD, request, Reason.OUTCOME_UNKNOWN)
        uow.audit([entry, waits], request=request, patients=[patient])
        uow.commit()
    return True


def sweep_outlived(store: Store, hold_expires: Millis) -> int:
    """Withdraw held requests whose expiry has passed, or that nobody lifted for so long. Returns how many.

    What is held is looked through without the write lock: a source on hold may hold very many.
    """
    with store.read() as unit:
        outlived = unit.all(queries.OUTLIVED, (unit.now, unit.now - hold_expires, _BATCH))
    return sum(_withdraw(store, *one) for one in outlived)


def _withdraw(store: Store, request: int, patient: int) -> bool:
    """One held request, unless somebody released or ended it meanwhile."""
    with store.begin("dispatch") as uow:
        ((state,),) = uow.lookup(tables.request, ("state",), "id", [request], lock=True)
        if state != RequestStatus.ON_HOLD:
            return False
        uow.update(tables.request, ("id",), ("state", "reason"), [(RequestStatus.REVOKED, Reason.EXPIRED, request)])
        uow.audit([(Action.REQUEST_WITHDRAWN, request, Reason.EXPIRED)], request=request, patients=[patient])
        uow.commit()
    return True
