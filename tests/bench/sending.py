"""Sends a second, end to end: found due, rung, leased, cleared, rendered, sealed, handed over by SMTP, settled.

Beside it, in the same run and on the same broker, as many doorbells that nobody has anything to do for.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gateway.store.migrations import migrate
from tests.bench import proc
from tests.bench.known import World
from tests.bench.lines import served
from tests.bench.post import Post, apart
from tests.bench.sampling import Samples, tell
from tests.bench.servers import Postgres, Redis
from tests.bench.site import make_due

_STORES = ("sqlite", "postgresql")
_BROKERS = ("redis", "memory", *(["amqp"] if os.environ.get("CAREGATE_TEST_AMQP") else []))
NAMES = tuple(f"send.{store}.{broker}" for store in _STORES for broker in _BROKERS)
_PEOPLE = 4_000  # each has one reminder that is due
_WARM = 1_000  # sends that do not count: connections open, statements are prepared
_PATIENCE = 90  # seconds


def measure(name: str, folder: Path) -> dict[str, Any]:
    """The figures of one line. RuntimeError: not everything left once, or it is not settled."""
    _, store, broker = name.split(".")
    with ExitStack() as stack:
        environment = dict(os.environ, CAREGATE_BROKER=stack.enter_context(_broker(broker)))
        before = _bare(environment["CAREGATE_BROKER"])
        post = stack.enter_context(Post())
        here = folder / name
        config, url = _site(here, post.port, store, stack)
        environment["CAREGATE_DATABASE"] = url
        with served("WORK", config, environment) as opened:
            rate, cpu = _sent(post, opened["pid"])
            _wait_until_settled(url)
        after = _bare(environment["CAREGATE_BROKER"])  # whatever else the machine does weighs on both alike
        shutil.rmtree(here)
    bare = {key: (before[key] + after[key]) / 2 for key in before}
    return {
        "name": name,
        "sent_per_s": round(rate, 1),
        "of_bare_dramatiq": round(rate / bare["per_s"], 3),
        "bare_per_s": round(bare["per_s"]),
        "cpu_us_per_send": round(cpu * 1e6),
        "cpu_us_per_bare": round(bare["cpu"] * 1e6),
    }


@contextmanager
def _broker(kind: str) -> Iterator[str]:
    """An empty broker's URL."""
    if kind == "redis":
        with Redis() as server:
            yield server.url
    else:
        yield os.environ["CAREGATE_TEST_AMQP"] if kind == "amqp" else "memory://"


def _bare(url: str) -> dict[str, float]:
    """No-ops a second, and the processor time of each, in a process like the gateway's."""
    command = [sys.executable, "-m", "tests.bench.noop", url, str(_PEOPLE), str(_WARM)]
    told: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told


def _site(here: Path, port: int, store: str, stack: ExitStack) -> tuple[Path, str]:
    """A site that knows so many people, each with a reminder due now; its configuration and database."""
    world = World(here)
    config = world.tell(_PEOPLE)
    make_due(world.site, port, count=_PEOPLE)
    if store == "sqlite":
        return config, f"sqlite:///{world.site / 'caregate.db'}"
    url = stack.enter_context(Postgres(here)).database("bench_send")
    migrate(url)
    world.into_postgres(url)
    return config, url


def _sent(post: Post, pid: int) -> tuple[float, float]:
    """Sends a second after those that do not count, and the processor seconds of each in the gateway's process."""
    _await(lambda: post.count >= _WARM, "the gateway sends nothing")
    first, began, spent = post.count, time.perf_counter(), proc.seconds(pid)
    _await(lambda: post.count >= _PEOPLE, "not everything was sent")
    counted = post.count - first
    return counted / (time.perf_counter() - began), (proc.seconds(pid) - spent) / counted


def _await(done: Any, why: str) -> None:
    until = time.monotonic() + _PATIENCE
    while not done():
        if time.monotonic() > until:
            raise RuntimeError(f"send: {why} within {_PATIENCE} s")
        time.sleep(0.005)


def _wait_until_settled(url: str) -> None:
    _await(lambda: _settled(url) == (_PEOPLE, _PEOPLE), "not each reminder left once and was settled")


def _settled(url: str) -> tuple[int, int]:
    """Reminders that were completed, and attempts there were."""
    statement = (
        "SELECT (SELECT count(*) FROM request WHERE step = '7d' AND state = 'completed'), "
        "(SELECT count(*) FROM communication WHERE status = 'completed')"
    )
    if url.startswith("postgresql"):
        import psycopg

        with psycopg.connect(url) as server:
            found: Any = server.execute(statement.encode()).fetchone()
    else:
        with sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True) as file:
            found = file.execute(statement).fetchone()
    return int(found[0]), int(found[1])


def profile(folder: Path, name: str) -> None:
    """Print, for `send.<store>`, where the processor time of `deliver` goes: one thread, no broker."""
    from gateway import app, settings
    from gateway.app.assembly import deliverer_of, dispatcher_of

    with ExitStack() as stack:
        port = stack.enter_context(apart())
        config, url = _site(folder / "profile", port, name.split(".")[1], stack)
        config.write_text(f"{config.read_text()}database: '{url}'\n")
        gateway = app.assemble(settings.load(config))
        rung: list[int] = []
        dispatcher, deliver = dispatcher_of(gateway, rung.extend), deliverer_of(gateway).deliver
        while dispatcher.once():
            pass
        for request in rung[:_WARM]:
            deliver(request)
        cpu, wall, others = time.thread_time(), time.perf_counter(), time.process_time()
        with Samples() as samples:
            for request in rung[_WARM:]:
                deliver(request)
        cpu, wall, others = time.thread_time() - cpu, time.perf_counter() - wall, time.process_time() - others
        gateway.close()
        count = (len(rung) - _WARM) / 1e6
        tell("deliver", "a send", samples, cpu / count, wall / count, others / count)
