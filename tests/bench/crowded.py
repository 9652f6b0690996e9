"""A database of a million messages, made in one stroke beside a few real ones, in which one message is explained."""

from __future__ import annotations

import os
import sqlite3
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway import app, settings
from gateway.analyst.asked import explain_message
from gateway.model.event import Format, RawMessage
from gateway.ports import SystemClock
from tests.bench import corpus, site

NAMES = ("rules.explain.1000000",)
_TRIES = 5
_OTHERS = 10  # messages of each person of the crowd
_VARIED = {"raw.control_hmac", "raw.body_hmac", "occurrence.key"}  # indexed, and different in every row
_BLOBS = {"sealed", "sealed_facts"}  # nobody of the crowd is ever opened
# What numbers each row of the crowd; `n` counts messages, a tenth as many people.
_NUMBERED = {
    "raw": {"id": "n"},
    "audit": {"id": "n"},
    "audit_patient": {"audit": "n", "patient": f"1 + n / {_OTHERS}"},
    "occurrence": {"id": "n", "patient": f"1 + n / {_OTHERS}", "raw": "n"},
    "request": {"id": "n", "occurrence": "n", "patient": f"1 + n / {_OTHERS}", "raw": "n"},
    "patient": {"token": "n"},
    "consent": {"id": "n", "patient": "n", "address": "n"},
    "contact_point": {"id": "n", "patient": "n", "address": "n"},
}
_PEOPLE = ("patient", "consent", "contact_point")


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Seconds of the whole command, milliseconds of the audited answer in a gateway that is open. Medians of five."""
    here = folder / name
    here.mkdir()
    config = site.make(here)
    message = _told(config)
    started = time.perf_counter()
    crowd(here / "caregate.db", int(name.rpartition(".")[2]))
    built = time.perf_counter() - started
    answer, seconds = _alone(config, message), _command(config, message, here / "compiled")
    return {"name": name, "seconds": seconds, "answer_ms": answer, "built_seconds": round(built, 1)}


def _told(config: Path) -> int:
    """A person and a visit through the real receiver; the number of the booking."""
    clock = SystemClock()
    gateway = app.assemble(settings.load(config), clock=clock)
    try:
        now = datetime.now(UTC)
        feed = corpus.Feed(now=now, day=now.date(), prefix="E")
        for body, _ in zip(feed.known(), range(2000), strict=False):
            raw = RawMessage(source="ehr", format=Format.HL7V2, body=body, received=clock.now())
            (outcome,) = gateway.receiver.receive([raw])
            if outcome.rules and outcome.message is not None:
                return outcome.message
    finally:
        gateway.close()
    raise RuntimeError("no message of the feed matched a rule")


def crowd(database: Path, count: int) -> None:
    """Copy one real row of each table `count` times (of people a tenth), numbered anew."""
    link = sqlite3.connect(database, isolation_level=None)
    try:
        for pragma in ("synchronous=OFF", "cache_size=-400000", "temp_store=MEMORY"):
            link.execute(f"PRAGMA {pragma}")
        link.execute("BEGIN")
        for table, numbered in _NUMBERED.items():
            rows = count // _OTHERS if table in _PEOPLE else count
            _copy(link, table, numbered, rows)
        link.execute("COMMIT")
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        link.close()


def _copy(link: sqlite3.Connection, table: str, numbered: dict[str, str], rows: int) -> None:
    columns = [one[1] for one in link.execute(f"PRAGMA table_info({table})")]
    first = next(iter(numbered))
    values = ", ".join(_value(table, name, numbered) for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    link.execute(
        f"WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < {rows}), "
        f"one AS (SELECT * FROM {table} ORDER BY {first} LIMIT 1) "
        f"INSERT INTO {table} ({names}) SELECT {values} FROM one, many"
    )


def _value(table: str, name: str, numbered: dict[str, str]) -> str:
    if name in numbered:
        return numbered[name]
    if f"{table}.{name}" in _VARIED:
        return "randomblob(16)"
    return "zeroblob(200)" if name in _BLOBS else f'one."{name}"'


def _alone(config: Path, message: int) -> float:
    gateway = app.assemble(settings.load(config), activates=False)
    try:
        taken = []
        for _ in range(_TRIES):
            started = time.perf_counter()
            told = explain_message(
                gateway, gateway.channels, gateway.rules.current(), gateway.readers, message,
                reason="bench", account="os:bench",
            )  # fmt: skip
            taken.append(time.perf_counter() - started)
        assert any(rule.matches for event in told.events for rule in event.rules)
        return round(statistics.median(taken) * 1000, 1)
    finally:
        gateway.close()


def _command(config: Path, message: int, compiled: Path) -> float:
    """As installed, which is with byte code: `compiled` is where the first, which does not count, leaves it."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(compiled)
    words = ["explain", "--message", str(message), "--reason", "bench", "--config", str(config)]
    taken = []
    for _ in range(_TRIES + 1):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "gateway.cli", *words], check=True, capture_output=True, env=env)
        taken.append(time.perf_counter() - started)
    return round(statistics.median(taken[1:]), 3)
