"""A month of stored messages replayed under a draft: received by the real receiver, day by day, on a clock of their own."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway import app, settings
from gateway.app.replay import Asked, replay
from gateway.model.event import Format, RawMessage
from gateway.model.when import DAY, to_millis
from gateway.ports import SetClock
from tests.bench import corpus, site

NAMES = ("rules.replay.100000",)
_DAYS = 30
_TOGETHER = 50


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Seconds of a replay of both rule sets, in two processes, and what it found."""
    here = folder / name
    here.mkdir()
    config = site.make(here)
    count = int(name.rpartition(".")[2])
    until = datetime.now(UTC)
    started = time.perf_counter()
    _month(config, count, until)
    built = time.perf_counter() - started
    asked = Asked(since=to_millis(until) - _DAYS * DAY, until=to_millis(until), folder=_draft(here))
    started = time.perf_counter()
    report = replay(settings.load(config), asked)
    seconds = round(time.perf_counter() - started, 1)
    return {
        "name": name,
        "seconds": seconds,
        "messages": report.messages,
        "sent": report.sent,
        "counts": report.counts,
        "built_seconds": round(built, 1),
    }


def _draft(here: Path) -> Path:
    """The site's rules, with a reminder two days ahead instead of one."""
    folder = here / "draft"
    shutil.copytree(here / "rules", folder)
    path = folder / "appointment-reminder.yaml"
    path.write_text(path.read_text().replace("by: [7d, 1d]", "by: [7d, 2d]"))
    return folder


def _month(config: Path, count: int, until: datetime) -> None:
    """`count` messages of thirty days, evenly."""
    begin = until - timedelta(days=_DAYS)
    clock = SetClock(to_millis(begin))
    gateway = app.assemble(settings.load(config), clock=clock)
    try:
        told, ward = 0, list[tuple[int, int]]()
        for day in range(_DAYS):
            now = begin + timedelta(days=day)
            feed = corpus.Feed(now=now, day=now.date(), prefix=f"D{day}-", seed=day, told=told, ward=ward)
            batch: list[RawMessage] = []
            for body in feed.messages(count * (day + 1) // _DAYS - count * day // _DAYS):
                told += 1
                moment = to_millis(begin) + 1 + told * (_DAYS * DAY - 2) // count
                batch.append(RawMessage(source="ehr", format=Format.HL7V2, body=body, received=moment))
                if len(batch) == _TOGETHER:
                    _hear(gateway, clock, batch)
                    batch = []
            if batch:
                _hear(gateway, clock, batch)
    finally:
        gateway.close()


def _hear(gateway: app.Gateway, clock: SetClock, batch: list[RawMessage]) -> None:
    clock.set(batch[-1].received)
    gateway.receiver.receive(batch)
