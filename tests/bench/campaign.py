"""A campaign from the rows of a file to its dry run: read, told apart, planned, and every gate asked of every message.

Beside it, in the same run: the same file read into rows that nobody takes, and as many bare inserts into the same store.
"""

from __future__ import annotations

import csv
import gc
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from gateway import app, rowjson, settings
from gateway.app.extracts import rows_of, shape_of
from gateway.pipeline.campaigns import forecasting
from gateway.ports import ExtractMode, Row, TableShape
from gateway.rowcells import ColumnType, cell
from gateway.store.migrations import migrate
from tests.bench import corpus
from tests.bench.known import World
from tests.bench.servers import Postgres

NAMES = tuple(f"campaign.{store}.{rows}" for rows in (100_000, 1_000_000) for store in ("sqlite", "postgresql"))
_CHUNK = 1000
_EACH = 10
"""Rows of one person: a million of a hundred thousand people."""
_SOURCE, _MAPPING, _RULE = "platform", "segment-audience", "bench-campaign"
_FEED = f"""\
  {_SOURCE}: {{kind: tables, path: drops, files: csv, mode: changes, mapping: {_MAPPING}, organization: lakeside, authority: LAKESIDE}}
channels:
"""
_WRITTEN = f"""\
rule: {_RULE}
owner: bench@lakeside.example
why: A message for every row.
when:
  event: audience.entered
  where:
    audience.name: wellness
campaign: {{holdout: 10, daily: 100000, hourly: 10000, ramp: [1000]}}
send:
  purpose: TREAT
  remuneration: none
  topic: appointments
  channels: [email]
  template: targeted_education
  at: {{after: event.occurred, by: 1d, time: "10:00"}}
  expires_after: 30d
  reveals: []
"""


def measure(name: str, folder: Path) -> dict[str, Any]:
    """The figures of one line. RuntimeError, CalledProcessError: not every row was taken, or planned and forecast."""
    _, store, size = name.split(".")
    home = folder / name
    with ExitStack() as stack:
        world = World(home)
        config = world.tell(max(1, int(size) // _EACH))
        _write(world.site, int(size))
        environment = dict(os.environ)
        if store == "postgresql":
            url = stack.enter_context(Postgres(home)).database("bench_campaign")
            migrate(url)
            world.into_postgres(url)
            environment["CAREGATE_DATABASE"] = url
        # a process of its own: its memory is that of the campaign alone
        command = [sys.executable, "-m", "tests.bench.campaign", str(config)]
        told = json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, text=True).stdout
        )
        shutil.rmtree(world.site)
    return {"name": name, **told}


def _write(site: Path, rows: int) -> None:
    """The source, the rule and the file; the site's own basis is for the topic."""
    config = site / "caregate.yaml"
    (site / "drops").mkdir()
    config.write_text(config.read_text().replace("channels:\n", _FEED, 1))
    (site / "rules" / f"{_RULE}.yaml").write_text(_WRITTEN)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with (site / "rows.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["user_id", "audience_key", "audience_entered", "received_at", "mrn"])
        for number in range(rows):
            out.writerow([f"u{number}", "wellness", "true", now, corpus.person(number // _EACH).mrn])


def _chunks(file: Path, shape: TableShape) -> Iterator[list[Row]]:
    """The file as a source of rows reads it: declared columns in their types, a thousand rows at a time."""
    types = {name: ColumnType(type_) for name, type_ in shape.columns.items()}
    with file.open(newline="") as opened:
        reader = csv.DictReader(opened)
        while some := [_row(told, types, shape.key) for told in islice(reader, _CHUNK)]:
            yield some


def _row(told: dict[str, str], types: dict[str, ColumnType], key: tuple[str, ...]) -> Row:
    cells = {name: cell(type_, told[name]) for name, type_ in types.items()}
    name = rowjson.key_of([cells[one] for one in key])
    return Row(key=name, body=rowjson.told(name, cells))


def _run(config: Path) -> dict[str, Any]:
    gateway = app.assemble(settings.load(config))
    try:
        file, shape = config.with_name("rows.csv"), shape_of(gateway, _SOURCE)
        gc.freeze()  # as a gateway that runs does
        began = time.perf_counter()
        rows = sum(len(chunk) for chunk in _chunks(file, shape))
        fetched = time.perf_counter() - began
        inserted = _inserted(gateway.settings.database_url, file, shape)
        began, early = time.perf_counter(), 0
        book = rows_of(gateway, _SOURCE)
        state = book.begin(ExtractMode.CHANGES, baseline=False)
        for number, chunk in enumerate(_chunks(file, shape)):
            state = book.take(state, chunk, str(number))
            if not early and 10 * (number + 1) * _CHUNK >= rows:
                early = _rss()
        book.finish(state)
        planned = time.perf_counter() - began
        found = forecasting.plan(gateway, _RULE, by="bench", account="os:bench")
        decided = time.perf_counter() - began
    finally:
        gateway.close()
    if state.counts.get("taken") != rows or found.judged != found.messages or found.sends != found.messages:
        raise RuntimeError(f"not every row was taken, planned and let go: {dict(state.counts)}, {found}")
    rate = rows / decided
    return {
        "rows_per_s": round(rate),
        "of_bare_fetch": round(rate * fetched / rows, 4),
        "of_bare_insert": round(rate * inserted / rows, 4),
        "plan_us": round(planned / rows * 1e6, 1),
        "forecast_us": round((decided - planned) / found.messages * 1e6, 1),
        "messages": found.messages,
        "rss_mb_at_10": early,
        "rss_mb": _rss(),
    }


def _rss() -> int:
    """The most memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _inserted(url: str, file: Path, shape: TableShape) -> float:
    """Seconds in which the same rows are only inserted, a thousand a commit, with the safety of ours."""
    chunks = ([(one.key, one.body) for one in chunk] for chunk in _chunks(file, shape))
    if url.startswith("sqlite"):
        return _into_sqlite(file.with_name("bare.db"), chunks)
    import psycopg

    spent = 0.0
    with psycopg.connect(url.replace("+psycopg", "")) as link:
        link.execute("CREATE TABLE bare (key TEXT PRIMARY KEY, body BYTEA)")
        for chunk in chunks:
            began = time.perf_counter()
            with link.cursor() as cursor:
                cursor.executemany("INSERT INTO bare VALUES (%s, %s)", chunk)
            link.commit()
            spent += time.perf_counter() - began
        link.execute("DROP TABLE bare")
    return spent


def _into_sqlite(file: Path, chunks: Iterator[list[tuple[str, bytes]]]) -> float:
    spent = 0.0
    link = sqlite3.connect(file, isolation_level=None)
    link.execute("PRAGMA journal_mode=WAL")
    link.execute("PRAGMA synchronous=FULL")
    link.execute("CREATE TABLE bare (key TEXT PRIMARY KEY, body BLOB)")
    for chunk in chunks:
        began = time.perf_counter()
        link.execute("BEGIN IMMEDIATE")
        link.executemany("INSERT INTO bare VALUES (?, ?)", chunk)
        link.execute("COMMIT")
        spent += time.perf_counter() - began
    link.close()
    return spent


if __name__ == "__main__":
    print(json.dumps(_run(Path(sys.argv[1]))))
