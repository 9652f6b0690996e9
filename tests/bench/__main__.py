"""`python -m tests.bench [ONLY] [--profile NAME]`: every line is one JSON object, named `<what>.<variant>.<size>`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gateway.store.migrations import migrate
from tests.bench import (
    brokered,
    campaign,
    crowded,
    extracted,
    micro,
    ndjson,
    notified,
    outbox,
    replayed,
    rule_folder,
    sampling,
    sending,
)
from tests.bench.known import World
from tests.bench.lines import Bench, Line
from tests.bench.servers import Postgres

CONNECTIONS = (1, 8, 32)
APART = (
    rule_folder,
    crowded,
    replayed,
    outbox,
    sending,
    notified,
    ndjson,
    extracted,
    campaign,
)  # each makes a world of its own


def lines() -> list[Line]:
    """All lines over MLLP; what the others are compared with comes first."""
    found: list[Line] = []
    for connections in CONNECTIONS:
        found.append(Line(variant="EMPTY", store="", connections=connections))
        for store in ("sqlite", "postgresql"):
            found.append(Line(variant="BARE", store=store, connections=connections))
            found.append(Line(variant="FULL", store=store, connections=connections))
    found.append(Line(variant="FULL", store="postgresql", connections=32, processes=2))
    found.append(Line(variant="FULL", store="sqlite", connections=100))
    found += [Line(variant="FULL", store="sqlite", connections=32, rules=count) for count in (10, 500)]
    found.append(Line(variant="FULL", store="sqlite", connections=32, sending=True))
    return found


def chosen(only: str) -> list[str]:
    """The names of the lines that are asked for: the one called so, else all that begin so."""
    every = [
        *micro.NAMES,
        *(line.name for line in lines()),
        *brokered.NAMES,
        *(name for part in APART for name in part.NAMES),
    ]
    return [only] if only in every else [name for name in every if name.startswith(only)]


def main() -> None:
    """Measure what was asked for; the exit code is 2 when the words cannot be understood."""
    told = _arguments()
    only = told.only or told.part or ""
    with ExitStack() as stack:
        temporary = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="caregate-bench-", ignore_cleanup_errors=True)
        )
        folder = Path(temporary)
        world = World(told.world or folder)
        if told.profile and told.profile.startswith("send."):
            sending.profile(folder, told.profile)
            return
        if told.profile and told.profile.startswith("fhir."):
            notified.profile(folder, told.profile)
            return
        if told.profile:
            world.build()
            sampling.profile(world, folder, told.profile)
            return
        names = chosen(only)
        micros = [one for one in micro.NAMES if one in names]
        wanted = [line for line in lines() if line.name in names]
        apart = [(part, name) for part in APART for name in part.NAMES if name in names]
        for part, name in apart:
            _print(part.measure(name, folder))
        brokers = [name for name in brokered.NAMES if name in names]
        if apart and not micros and not wanted and not brokers:
            return
        if not micros and not wanted and not brokers:
            print(
                f"there is no line whose name begins with `{only}`; there are {', '.join(chosen(''))}", file=sys.stderr
            )
            raise SystemExit(2)
        world.build()
        for name in micros:
            _print(micro.measure(name, world, folder))
        bench = Bench(world=world, folder=folder, warm=told.warm, measured=told.seconds)
        if any(line.store == "postgresql" for line in wanted) or any("postgresql" in name for name in brokers):
            bench.postgres = stack.enter_context(Postgres(folder))
            _fill(bench.postgres, world)
        for figures in _measured(bench, wanted):
            _print(figures)
        for name in brokers:
            _print(brokered.measure(name, bench))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("part", nargs="?", help="only the line of this name, else those whose names begin like this")
    parser.add_argument("--only", help="the same")
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="say where the time of mllp.<store>.<connections>, send.<store> or fhir.notify.sqlite.<connections> goes",
    )
    parser.add_argument("--world", type=Path, help="a folder in which the known patients are kept from run to run")
    parser.add_argument("--seconds", type=float, default=8.0, help="measured, of each line")
    parser.add_argument("--warm", type=float, default=3.0, help="before that")
    return parser.parse_args()


def _fill(postgres: Postgres, world: World) -> None:
    """Two databases to copy from: one with tables only, one that knows everybody."""
    migrate(postgres.database("bench_migrated"))
    known = postgres.database("bench_known", like="bench_migrated")
    world.into_postgres(known)


def _measured(bench: Bench, wanted: list[Line]) -> Iterator[dict[str, Any]]:
    """Figures in order, with the ratios to the empty pipeline and the bare commit measured in this very run."""
    rates: dict[str, float] = {}
    costs: dict[str, float] = {}
    for line in wanted:
        figures = bench.measure(line)
        rates[line.name] = figures["acked_per_s"]
        bare = Line(variant="BARE", store=line.store, connections=line.connections).name
        empty = Line(variant="EMPTY", store="", connections=line.connections).name
        if line.variant != "EMPTY" and empty in rates:
            figures["of_empty_pipeline"] = round(figures["acked_per_s"] / rates[empty], 3)
        if line.variant == "FULL" and bare in rates:
            figures["of_bare_commit"] = round(figures["acked_per_s"] / rates[bare], 3)
        for name, key in _COMPARED.items():
            if _comparable(line, name) and name in costs:
                figures[key] = round(figures["cpu_us_per_message"] / costs[name], 3)
                figures[key.replace("cost", "rate")] = round(figures["acked_per_s"] / rates[name], 3)
        costs[line.name] = figures["cpu_us_per_message"]
        yield figures


# What a special line is compared with, and how the ratio of the processor times a message is called.
_COMPARED = {"mllp.sqlite.32": "cost_of_32", "mllp.sqlite.32.rules10": "cost_of_rules10"}


def _comparable(line: Line, name: str) -> bool:
    """A special line of SQLite with the plain one; 500 rules with ten."""
    if name.endswith("rules10"):
        return line.rules == 500
    return line.store == "sqlite" and line.variant == "FULL" and (line.connections == 100 or line.sending)


def _print(figures: dict[str, Any]) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
