"""One line is one variant, measured over MLLP against a fresh copy of the known world, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tests.bench.known import World
from tests.bench.load import Orders
from tests.bench.post import Post
from tests.bench.servers import Postgres
from tests.bench.site import make_due, make_rules

Variant = Literal["FULL", "EMPTY", "BARE"]
RATE = 100
"""Sends a second beside the feed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is measured: `store` is "sqlite", "postgresql", or "" where there is none.

    `processes` share the database, each with half of the connections or less; `rules`: so many instead of the
    shipped ones alone; `sending`: delivery workers send beside it, `RATE` a second.
    """

    variant: Variant
    store: str
    connections: int
    processes: int = 1
    rules: int = 0
    sending: bool = False

    @property
    def name(self) -> str:
        """`mllp.<variant>.<connections>`, and what is special about it."""
        kind = {"FULL": self.store, "EMPTY": "empty", "BARE": f"barecommit.{self.store}"}[self.variant]
        several = str(self.processes) if self.processes > 1 else ""
        special = f".rules{self.rules}" if self.rules else ".sending" if self.sending else ""
        return f"mllp.{kind}{several}.{self.connections}{special}"


@dataclass(slots=True, kw_only=True)
class Bench:
    """Where lines are measured, and the rates they are compared with."""

    world: World
    folder: Path
    warm: float
    measured: float
    postgres: Postgres | None = None

    def measure(self, line: Line) -> dict[str, Any]:
        """The figures of one line. RuntimeError: a message was refused, lost, or not stored."""
        with self.placed(line.name, line.store, known=line.variant == "FULL") as (config, url, environment):
            if line.rules:
                make_rules(config.parent, line.rules)
            before = counts(url) if line.variant == "FULL" else (0, 0)
            with ExitStack() as stack:
                post = self._post(config.parent, stack) if line.sending else None
                opened = [stack.enter_context(served(line.variant, config, environment)) for _ in range(line.processes)]
                played = self._play(line, opened)
                sent = post.taken(self.measured) if post else 0
            figures = _figures(line, played)
            if post:
                figures["sent_per_s"] = round(sent / self.measured, 1)
            if line.variant == "FULL":
                figures["plans_per_message"] = _plans(url, before, played)
        return figures

    @contextmanager
    def placed(self, name: str, store: str, *, known: bool) -> Iterator[tuple[Path, str, dict[str, str]]]:
        """A site and database of one line: configuration, database, environment. `known`: PostgreSQL's, too, knows everybody."""
        site = self.folder / name
        config, url = self.world.copy(site), f"sqlite:///{site / 'caregate.db'}"
        if store == "postgresql":
            assert self.postgres is not None
            url = self.postgres.database("bench_line", like="bench_known" if known else "bench_migrated")
        try:
            yield config, url, {**os.environ, "CAREGATE_DATABASE": url}
        finally:
            shutil.rmtree(site)
            if store == "postgresql" and self.postgres is not None:
                self.postgres.drop("bench_line")

    def _post(self, site: Path, stack: ExitStack) -> Post:
        """A relay to send to, and requests that fall due from the first message to after the last."""
        post = stack.enter_context(Post())
        make_due(site, post.port, rate=RATE, count=int(RATE * (self.warm + self.measured + 10)))
        return post

    def _play(self, line: Line, opened: list[dict[str, Any]]) -> dict[str, Any]:
        orders = Orders(
            ports=[one["port"] for one in opened],
            connections=line.connections,
            feed=str(self.world.feed),
            warm=self.warm,
            measured=self.measured,
            watched=[one["pid"] for one in opened],
            server=self.postgres.pid if self.postgres and line.store == "postgresql" else 0,
            again=line.variant != "FULL",
        )
        command = [sys.executable, "-m", "tests.bench.load", json.dumps(asdict(orders))]
        told: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        if told["refused"] or told["lost"] or told["exhausted"]:
            told["first_refusal"] = told["first_refusal"].replace("\r", "\n")
            raise RuntimeError(f"{line.name}: not every message was accepted: {told}")
        return told


@contextmanager
def served(variant: Variant | Literal["WORK"], config: Path, environment: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The measured program, up and listening; stopped as an operator would."""
    command = [sys.executable, "-m", "tests.bench.served", variant, str(config)]
    log = config.with_name("log.txt")
    with (
        log.open("a") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as running,
    ):
        assert running.stdout is not None
        first = running.stdout.readline()
        if not first:
            raise RuntimeError(f"the gateway did not start: {log.read_text()[-2000:]}")
        try:
            yield json.loads(first)
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(60)
    if running.returncode:
        raise RuntimeError(f"the gateway ended with {running.returncode}: {log.read_text()[-2000:]}")


def _figures(line: Line, played: dict[str, Any]) -> dict[str, Any]:
    count = max(played["in_window"], 1)
    figures = {
        "name": line.name,
        "acked_per_s": round(played["in_window"] / played["seconds"]),
        "p50_ms": played["p50_ms"],
        "p99_ms": played["p99_ms"],
        "cpu_us_per_message": round(played["cpu"] / count * 1e6),
        "rss_mb": played["rss_mb"],
    }
    if played["server_cpu"]:
        figures["server_cpu_us_per_message"] = round(played["server_cpu"] / count * 1e6)
    return figures


def _plans(url: str, before: tuple[int, int], played: dict[str, Any]) -> float:
    """Plans a message; and what was acknowledged must be stored."""
    stored, planned = (two - one for one, two in zip(before, counts(url), strict=True))
    if stored < played["acked"]:
        raise RuntimeError(f"{played['acked']} messages were acknowledged, {stored} are stored")
    return round(planned / stored, 2)


def counts(url: str) -> tuple[int, int]:
    """How many messages are stored, and how many sends are planned."""
    statement = "SELECT (SELECT count(*) FROM raw), (SELECT count(*) FROM request)"
    if url.startswith("postgresql"):
        import psycopg

        with psycopg.connect(url) as server:
            found: Any = server.execute(statement.encode()).fetchone()
    else:
        with sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True) as file:
            found = file.execute(statement).fetchone()
    return int(found[0]), int(found[1])
