"""`fhir.notify.<store>.<connections>`: single resources posted to the gateway, as a share of what a bare route answers."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from gateway import app, settings
from gateway.model.event import Format, RawMessage
from gateway.ports import Clock, SystemClock
from tests.bench import sampling, site
from tests.bench.notices import BASE, PEOPLE, notifications, patient
from tests.bench.servers import Postgres

CONNECTIONS = (1, 8, 32)
STORES = ("sqlite", "postgresql")
NAMES = tuple(f"fhir.notify.{kind}.{number}" for number in CONNECTIONS for kind in ("empty", *STORES))
WARM, MEASURED = 3.0, 8.0
_BATCH = 500
_PROFILED = 6_000
_SOURCE = (
    "  ehr:\n    kind: fhir\n    organization: lakeside\n    max_waiting: 256\n"
    f"    base: {BASE}\n    systems: {{'urn:lakeside:mrn': LAKESIDE, 'urn:lakeside:visit': LAKESIDE}}\n"
)
_bare: dict[int, dict[str, Any]] = {}


def measure(name: str, folder: Path) -> dict[str, Any]:
    """One line, with the bare route of as many connections measured just before it in the same run."""
    *_, store, number = name.split(".")
    connections = int(number)
    if connections not in _bare:
        _bare[connections] = _played("BARE", folder / "caregate.yaml", connections)
    made = folder / name
    made.mkdir()
    if store == "postgresql":
        with Postgres(folder) as server:
            told = _gateway("FULL", made, server.database("bench_notify"), connections)
    else:
        told = _gateway("EMPTY" if store == "empty" else "FULL", made, f"sqlite:///{made / 'caregate.db'}", connections)
    del told["acked"]
    bare = _bare[connections]
    return {
        "name": name,
        **told,
        "bare_route_per_s": bare["acked_per_s"],
        "of_bare_route": round(told["acked_per_s"] / bare["acked_per_s"], 3),
        "cpu_of_bare_route": round(bare["cpu_us_per_message"] / told["cpu_us_per_message"], 3),
    }


def profile(folder: Path, name: str) -> None:
    """Print where the time of receiving goes, of `fhir.notify.<store>.<connections>` on SQLite: the endpoint is not in it."""
    made, connections = folder / "profile", int(name.rpartition(".")[2])
    made.mkdir()
    config = _made(made, f"sqlite:///{made / 'caregate.db'}")
    clock, gateway = SystemClock(), app.assemble(settings.load(config))
    left = islice(notifications(datetime.now(UTC)), _PROFILED)
    batches: list[list[RawMessage]] = []
    while batch := list(islice(left, max(1, connections // 2))):
        batches.append([_message(one, clock) for one in batch])
    warm = len(batches) // 5
    for one in batches[:warm]:
        gateway.receiver.receive(one)
    cpu, wall, others = time.thread_time(), time.perf_counter(), time.process_time()
    with sampling.Samples() as samples:
        for one in batches[warm:]:
            gateway.receiver.receive(one)
    cpu, wall, others = time.thread_time() - cpu, time.perf_counter() - wall, time.process_time() - others
    each = 1e6 / sum(map(len, batches[warm:]))
    gateway.close()
    sampling.tell("receive", "a notification", samples, cpu * each, wall * each, others * each)


def _gateway(variant: str, folder: Path, url: str, connections: int) -> dict[str, Any]:
    config = _made(folder, url)
    before = _stored(url)
    told = _played(variant, config, connections)
    if variant == "FULL" and _stored(url) - before < told["acked"]:
        raise RuntimeError(f"{told['acked']} notifications were answered, {_stored(url) - before} are stored")
    return told


def _made(folder: Path, url: str) -> Path:
    """A site that knows the people; returns its configuration file."""
    config = site.make(folder)
    text = config.read_text("utf-8")
    (mllp,) = [line for line in text.splitlines(keepends=True) if line.startswith("  ehr: {kind: mllp")]
    config.write_text(text.replace(mllp, _SOURCE) + f"database: '{url}'\n", "utf-8")
    _know(config)
    return config


def _know(config: Path) -> None:
    """The people that the notifications are about, told once to the real receiver."""
    clock, at = SystemClock(), datetime.now(UTC) - timedelta(days=1)
    if settings.load(config).database_url.startswith("postgresql"):
        from gateway.store.migrations import migrate

        migrate(settings.load(config).database_url)
    gateway = app.assemble(settings.load(config), clock=clock)
    try:
        for first in range(0, PEOPLE, _BATCH):
            gateway.receiver.receive([_message(patient(one, at), clock) for one in range(first, first + _BATCH)])
    finally:
        gateway.close()


def _message(body: bytes, clock: Clock) -> RawMessage:
    return RawMessage(source="ehr", format=Format.FHIR, body=body, received=clock.now())


def _played(variant: str, config: Path, connections: int) -> dict[str, Any]:
    with _served(variant, config) as opened:
        orders = opened | {
            "connections": connections, "warm": WARM, "measured": MEASURED, "again": variant != "FULL",
        }  # fmt: skip
        command = [sys.executable, "-m", "tests.bench.notify_load", json.dumps(orders)]
        told: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if told.pop("refused") or told.pop("exhausted"):
        raise RuntimeError(f"not every notification was accepted: {told}")
    del told["first_refusal"]
    return told


@contextmanager
def _served(variant: str, config: Path) -> Iterator[dict[str, Any]]:
    """The measured program, up and listening; stopped as an operator would."""
    command = [sys.executable, "-m", "tests.bench.notify_served", variant, str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        if not first:
            raise RuntimeError(f"{variant} did not start")
        try:
            yield json.loads(first)
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(60)


def _stored(url: str) -> int:
    if url.startswith("postgresql"):
        import psycopg

        with psycopg.connect(url) as server:
            found: Any = server.execute(b"SELECT count(*) FROM raw").fetchone()
    else:
        with sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True) as file:
            found = file.execute("SELECT count(*) FROM raw").fetchone()
    return int(found[0])
