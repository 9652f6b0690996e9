"""`python -m tests.scenarios [--scenarios N] [--seed S] [--store sqlite|postgresql]`: ends with 1 when anything did not hold.

A scenario is one patient's life; a world has some hundred. `--world SEED` plays one again. SCENARIOS=N does what
--scenarios does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path

from tests.bench.servers import Postgres
from tests.scenarios.databases import careless
from tests.scenarios.plans import Plan
from tests.scenarios.playing import Playground, Share, Tally, played

_WORLDS = 1_000_000  # seeds of worlds of one seed


def main() -> int:
    """Play, tell, judge."""
    told = _arguments()
    total, began, said = Tally(), time.monotonic(), 0.0
    with ExitStack() as stack:
        server = None
        if told.store == "postgresql":
            folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            server = careless(stack.enter_context(Postgres(Path(folder)))).url
        for one in _played(told, server):
            total.add(one)
            if one.wrong or time.monotonic() - said > 10:
                said = time.monotonic()
                print(_progress(total, said - began), *one.wrong[:5], sep="\n  ", file=sys.stderr, flush=True)
        seconds = time.monotonic() - began
        if total.odd:
            _shrinks(told, total.odd[0], server)
    _tell(total, seconds, told)
    return int(bool(total.wrong))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios", description=__doc__)
    parser.add_argument("--scenarios", type=int, default=int(os.environ.get("SCENARIOS") or 100_000))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--patients", type=int, default=200, help="lives in a world")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--world", type=int, help="play the one world of this seed again")
    parser.add_argument("--json", type=Path, help="write the counts there")
    return parser.parse_args()


def _played(told: argparse.Namespace, server: str | None) -> Iterator[Tally]:
    count = max(1, round(told.scenarios / told.patients))
    seeds = [told.world] if told.world is not None else [told.seed * _WORLDS + one for one in range(count)]
    shares = [
        (told.store, server, number, told.patients, seeds[number :: told.processes]) for number in range(told.processes)
    ]
    with ProcessPoolExecutor(told.processes) as pool:
        for future in as_completed([pool.submit(played, share) for share in _cut(shares)]):
            yield future.result()


def _cut(shares: list[Share]) -> Iterator[Share]:
    """A process opens its playground anew for every twenty worlds, so that progress is told."""
    longest = max((len(seeds) for *_, seeds in shares), default=0)
    for at in range(0, longest, 20):
        for store, server, number, patients, seeds in shares:
            if seeds[at : at + 20]:
                yield store, server, number, patients, seeds[at : at + 20]


def _shrinks(told: argparse.Namespace, seed: int, server: str | None) -> None:
    with Playground(told.store, server=server, name="shrinks") as ground:
        found = ground.smaller(Plan.drawn(seed, told.patients))
    patients = told.patients if found is None else found.patients
    print(
        f"again with: python -m tests.scenarios --store {told.store} --world {seed} --patients {patients}",
        file=sys.stderr,
    )


def _progress(total: Tally, seconds: float) -> str:
    speed = total.scenarios / max(seconds, 0.001)
    return f"{total.scenarios:,} scenarios, {sum(total.left.values()):,} left, {speed:.0f} a second, {len(total.wrong)} wrong"


def _tell(total: Tally, seconds: float, told: argparse.Namespace) -> None:
    print(f"{_progress(total, seconds)}, {total.worlds} worlds on {told.store} in {seconds:.0f} s, seed {told.seed}")
    for name in ("left", "injected", "ended", "told", "lives"):
        counts: Counter[str] = getattr(total, name)
        print(f"{name}:", *(f"  {count:>9,}  {what}" for what, count in counts.most_common() if count), sep="\n")
    print(*total.wrong[:50], sep="\n")
    if told.json:
        told.json.write_text(
            json.dumps({**total.plain(), "seconds": round(seconds), "seed": told.seed, "store": told.store})
        )


if __name__ == "__main__":
    sys.exit(main())
