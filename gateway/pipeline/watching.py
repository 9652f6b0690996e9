"""One thread watches feeds and tells staff; whatever goes wrong in it is logged and tried again, and stops nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from sqlalchemy import bindparam, func, select

from gateway import telemetry
from gateway.model.alert import AlertKind, Condition
from gateway.model.errors import StoreError
from gateway.model.when import MINUTE, Millis
from gateway.pipeline import conditions, fetching
from gateway.pipeline.alerting import Standing, settle, standing
from gateway.pipeline.queues import queues
from gateway.pipeline.silence import FeedWatch
from gateway.pipeline.site import Site
from gateway.pipeline.telling import REPEAT, Teller
from gateway.ports import AlertSink
from gateway.store import leases, tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader

LEASE = "feed-watch"
SPAN: Millis = 5 * MINUTE
EVERY = 30.0
"""Seconds between two rounds."""
Check = Callable[[Millis], Iterable[Condition]]
"""What is wrong now (Millis UTC) as far as this process can see; never raises, never waits long."""
_MOST = 10_000
_r, _q = tables.request.c, tables.quarantine.c
OVERDUE = Statement(
    "request.overdue",
    select(func.count()).select_from(
        select(_r.id)
        .where(_r.state == "active", _r.priority.in_([0, 1, 2]), _r.ring_at <= bindparam("now"))
        .limit(_MOST)
        .subquery("due")
    ),
    params=("now",),
)
OPEN = Statement("quarantine.open", select(func.count()).where(_q.state == "open"))


class Watch:
    """Makes rounds in a thread from `start` to `stop`.

    `checks`: by the kinds they may find, what only this process can see; they must not find others. `leads`: this
    process may count, judge and tell for all of them; of those that may, one does. `campaigns`: stops those that leave
    their bounds. `queues`: writes down what this process sees of the queues it reads.
    """

    def __init__(
        self,
        store: Store,
        site: Site,
        *,
        leads: bool,
        checks: Mapping[AlertKind, Check],
        sinks: Sequence[AlertSink] = (),
        environment: str,
        host: str,
        repeat: Millis = REPEAT,
        every: float = EVERY,
        campaigns: Callable[[], object] = lambda: None,
        queues: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._feeds = FeedWatch(store, site)
        self._site = site
        self._leads = leads
        self._checks = checks
        self._host = host
        self._teller = Teller(store, sinks, environment=environment, repeat=repeat)
        self._every = every
        self._campaigns = campaigns
        self._queues = queues
        self._lease: leases.Lease | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caregate-watch", daemon=True)

    def start(self) -> None:
        """Begin making rounds."""
        self._thread.start()

    def stop(self, timeout: float = 20.0) -> None:
        """End after what is in hand; another process may lead at once. `timeout` in seconds."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        if self._lease is not None:
            with suppress(StoreError), self._store.begin(LEASE) as uow:
                leases.release(uow, self._lease)
                uow.commit()
            self._lease = None

    def _run(self) -> None:
        while not self._stop.is_set():
            self.once()
            self._stop.wait(self._every)

    def once(self) -> None:
        """One round."""
        self._guard("local", self._local)
        self._guard("queues", self._queues)
        if self._leads and self._guard("lease", self._take):
            self._guard("feeds", lambda: self._feeds.once(stopping=self._stop.is_set))
            self._guard("campaigns", lambda: bool(self._campaigns()))
            self._guard("conditions", self._common)
            self._guard("alerts", lambda: self._teller.once(stopping=self._stop.is_set))
        self._guard("gauges", self._gauges)

    def _take(self) -> bool:
        """Take the lease, or keep it."""
        with self._store.begin(LEASE) as uow:
            held = None if self._lease is None else leases.renew(uow, self._lease, span=SPAN)
            self._lease = held or leases.take(uow, LEASE, holder=self._store.holder, span=SPAN)
            uow.commit()
        return self._lease is not None

    def _local(self) -> None:
        """What only this machine can see."""
        now = self._store.clock.now()
        found = [one for check in self._checks.values() for one in check(now)]
        settle(self._store, found, lambda one: one.host == self._host and one.kind in self._checks)

    def _common(self) -> None:
        """What the database tells; and what a machine told on which no gateway ran for a day is over."""
        with self._store.read() as unit:
            found, alive = conditions.found(unit, self._site), {self._host, *conditions.hosts(unit)}

        def mine(one: Standing) -> bool:
            return one.host not in alive if one.host else one.kind in conditions.KINDS

        settle(self._store, found, mine)

    def _gauges(self) -> None:
        now, feeds = self._feeds.look()
        for name, state, habit in feeds:
            silent = state.silent_since is not None
            telemetry.set_feed(name, now=now, last=state.last, usual=habit.longest, silent=silent)
        with self._store.read() as unit:
            names = {entry.id: name for name, entry in self._site.sources.items()}
            telemetry.set_queues(
                (names[source], one.waiting, one.age, one.lost is None)
                for source, one in queues(unit).items()
                if source in names
            )
            telemetry.set_alerts(one.condition for one in standing(unit).values() if one.resolved is None)
            telemetry.set_outbox_due(overdue(unit))
            telemetry.set_quarantine_open(int(unit.all(OPEN)[0][0]))
            telemetry.set_fetches_open(int(unit.all(fetching.OPENED)[0][0]))

    @staticmethod
    def _guard(what: str, act: Callable[[], bool | None]) -> bool:
        try:
            return bool(act())
        except StoreError as error:
            telemetry.log().warning("watch.unavailable", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - the next round goes on, whatever it was
            telemetry.log().error(f"watch.{what}-failed", error=type(error).__name__, exc_info=True)
        return False


def overdue(unit: Reader) -> int:
    """How many requests are due now and not yet decided, counted up to ten thousand."""
    return int(unit.all(OVERDUE, (unit.now,))[0][0])
