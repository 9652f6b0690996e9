"""What this process can see of its surroundings: the broker, the disk, its certificates; for readiness and for alerts."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway import worker
from gateway.app.assembly import Gateway
from gateway.app.sections import made
from gateway.model.alert import AlertKind, Condition
from gateway.model.when import DAY, MINUTE, Millis
from gateway.pipeline.campaigns.tripping import stop_what_leaves_its_bounds
from gateway.pipeline.intake import IntakeThread
from gateway.pipeline.queues import QueueLooks
from gateway.pipeline.watching import Check, Watch
from gateway.ports import AlertSink, Clock, Lags, Source
from gateway.settings import Settings
from gateway.store.engine import parsed, sqlite_path

if TYPE_CHECKING:
    from dramatiq.broker import Broker

WARN_AHEAD: Millis = 30 * DAY
"""So long before its end a certificate wants somebody (TL-05)."""
LEAST_SHARE = 0.05
LEAST_FREE = 1 << 30
"""Bytes, and share of the disk, below which it is nearly full."""
_AWAY: Millis = MINUTE  # a broker that restarts is no alarm
_FRESH = 5.0  # seconds that an answer of the broker is good for: probes come often


def alerts_of(settings: Settings, clock: Clock) -> list[AlertSink]:
    """The configured ways to tell staff, found by entry point. Raises ConfigError."""
    return [made(section, clock) for section in settings.alerts.values()]


def host() -> str:
    """The name of the machine, as leases and alerts tell it."""
    return socket.gethostname()


class Reach:
    """Whether the broker answers, asked at most every few seconds."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._answers = True

    def __call__(self) -> bool:
        """Ask, unless that was done just now. Never raises."""
        with self._lock:
            if time.monotonic() - self._at > _FRESH:
                self._answers = worker.reachable(self._broker)
                self._at = time.monotonic()
            return self._answers


def parts_of(
    roles: Sequence[str], reach: Callable[[], bool], intake: IntakeThread | None, listening: threading.Event
) -> dict[str, Callable[[], bool]]:
    """What a process with these roles needs beside the database to be ready.

    Without a broker nothing is sent, so who sends is not ready; who only listens rings in vain and loses nothing (law 4).
    """
    parts: dict[str, Callable[[], bool]] = {}
    if "work" in roles:
        parts["broker"] = reach
    if intake is not None:
        parts["intake"] = lambda: listening.is_set() and intake.taking
    return parts


def watch_of(gateway: Gateway, roles: Sequence[str], reach: Callable[[], bool], sources: Sequence[Source]) -> Watch:
    """The watch of an assembled gateway; it leads where the role `work` is. Raises ConfigError for an alert's options."""
    settings, leads = gateway.settings, "work" in roles
    sinks = alerts_of(settings, gateway.clock) if leads else []
    gateway.closing += [sink.close for sink in sinks]
    ids = {source.name: gateway.site.sources[source.name].id for source in sources}
    looks = QueueLooks(
        gateway.store, {ids[source.name]: (source.name, source) for source in sources if isinstance(source, Lags)}
    )
    gateway.closing.append(looks.over)
    return Watch(
        gateway.store,
        gateway.site,
        leads=leads,
        checks=_checks(settings, roles, reach, sources),
        sinks=sinks,
        environment=settings.environment,
        host=host(),
        repeat=settings.alert_repeat,
        queues=looks.once,
        campaigns=lambda: stop_what_leaves_its_bounds(gateway.store, gateway.rules.current().ruleset),
    )


def _checks(
    settings: Settings, roles: Sequence[str], reach: Callable[[], bool], sources: Sequence[Source]
) -> Mapping[AlertKind, Check]:
    """What each kind of condition is looked for with; one process of a host looks at its disk, that which sends."""
    checks: dict[AlertKind, Check] = {}
    if "work" in roles:
        checks[AlertKind.BROKER_DOWN] = BrokerCheck(reach)
        checks[AlertKind.DISK_NEARLY_FULL] = DiskCheck(_folder(settings))
    if sources:
        checks[AlertKind.CERTIFICATE_EXPIRING] = lambda now: expiring(sources, now)
    return checks


class BrokerCheck:
    """The broker, away for longer than a restart takes."""

    def __init__(self, reach: Callable[[], bool]) -> None:
        self._reach = reach
        self._since: Millis | None = None

    def __call__(self, now: Millis) -> Iterator[Condition]:
        """At most one condition."""
        if self._reach():
            self._since = None
            return
        self._since = now if self._since is None else self._since
        if now - self._since >= _AWAY:
            yield Condition(kind=AlertKind.BROKER_DOWN, source="", since=self._since, host=host())


class DiskCheck:
    """The disk a folder is on, with little left."""

    def __init__(self, folder: Path | None, usage: Callable[[Path], Any] = shutil.disk_usage) -> None:
        self._folder = folder
        self._usage = usage

    def __call__(self, now: Millis) -> Iterator[Condition]:
        """At most one condition; a folder that cannot be looked at tells nothing (the database then does)."""
        if self._folder is None:
            return
        try:
            told = self._usage(self._folder)
        except OSError:
            return
        if told.free < LEAST_FREE or told.free < LEAST_SHARE * told.total:
            percent = 100 * told.free // told.total if told.total else 0
            yield Condition(kind=AlertKind.DISK_NEARLY_FULL, source="", since=now, count=int(percent), host=host())


def expiring(sources: Sequence[Source], now: Millis) -> Iterator[Condition]:
    """The sources with a certificate that ends soon, or has ended; a source tells by `certificate_ends` (Millis)."""
    for source in sources:
        ends = getattr(source, "certificate_ends", None)
        if ends is not None and ends <= now + WARN_AHEAD:
            yield Condition(
                kind=AlertKind.CERTIFICATE_EXPIRING, source=source.name, since=min(now, ends - WARN_AHEAD), host=host()
            )


def _folder(settings: Settings) -> Path | None:
    """Where the SQLite file lies; a server's disk is its own affair."""
    parts = parsed(settings.database_url)
    return sqlite_path(parts).parent if parts.get_backend_name() == "sqlite" else None
