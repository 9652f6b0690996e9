"""Where the processor time of `receive` goes: samples by SIGPROF in one thread, so that nothing is slowed or skewed.

A deterministic profiler taxes small functions most, and a second thread only sees the moments when the interpreter
lock is free; the signal arrives between two bytecodes, and a C call counts for the Python function that made it.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Self

from gateway import app, settings
from gateway.model.event import Format, RawMessage
from gateway.ports import SystemClock
from gateway.store.migrations import migrate
from tests.bench import corpus
from tests.bench.known import World
from tests.bench.servers import Postgres

_EVERY = 0.001
_LAYERS = {
    "gateway/store/sqlite": "sqlite",
    "gateway/store/wire": "postgresql",
    "gateway/store/keyring": "crypto",
    "gateway/store": "store",
    "gateway/er7": "er7",
    "gateway/mapping": "mapping",
    "gateway/ruleset": "ruleset and policy",
    "gateway/policy": "ruleset and policy",
    "gateway/pipeline": "pipeline",
    "gateway/model": "model",
    "connectors": "connector",
}
_MESSAGES = 20_000
_ROOT = str(Path(__file__).parents[2]) + "/"


class Samples:
    """Counts, per sample, the innermost frame of ours; used as a `with` block in the main thread."""

    def __init__(self) -> None:
        self.functions: Counter[tuple[str, str]] = Counter()
        self.lines: Counter[tuple[str, int]] = Counter()
        self.total = 0

    def __enter__(self) -> Self:
        signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, _EVERY, _EVERY)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def _take(self, _number: int, frame: FrameType | None) -> None:
        self.total += 1
        while frame is not None:
            name = frame.f_code.co_filename.removeprefix(_ROOT)
            if name.startswith(("gateway/", "connectors/")):
                self.functions[name, frame.f_code.co_qualname] += 1
                self.lines[name, frame.f_lineno] += 1
                return
            frame = frame.f_back

    def layers(self) -> Counter[str]:
        """Samples by layer."""
        found: Counter[str] = Counter()
        for (name, _), count in self.functions.items():
            found[_layer(name)] += count
        return found


def _layer(name: str) -> str:
    return next((layer for prefix, layer in _LAYERS.items() if name.startswith(prefix)), "other")


def profile(world: World, folder: Path, name: str) -> None:
    """Print, for `mllp.<store>.<connections>`, microseconds a message by layer and by function."""
    _, store, connections = name.split(".")
    config = world.copy(folder / "profile")
    if store == "sqlite":
        _profile(world, config, connections)
        return
    with Postgres(folder) as server:
        url = server.database("bench_profile")
        migrate(url)
        world.into_postgres(url)
        config.write_text(f"{config.read_text()}database: '{url}'\n")
        _profile(world, config, connections)


def _profile(world: World, config: Path, connections: str) -> None:
    gateway = app.assemble(settings.load(config))
    batches = list(_batches(corpus.frames(world.feed), max(1, int(connections) // 2)))
    warm = len(batches) // 5
    for batch in batches[:warm]:
        gateway.receiver.receive(batch)
    cpu, wall, others = time.thread_time(), time.perf_counter(), time.process_time()
    with Samples() as samples:
        for batch in batches[warm:]:
            gateway.receiver.receive(batch)
    cpu, wall, others = time.thread_time() - cpu, time.perf_counter() - wall, time.process_time() - others
    count = sum(map(len, batches[warm:]))
    gateway.close()
    tell("receive", "a message", samples, cpu / count * 1e6, wall / count * 1e6, others / count * 1e6)


def _batches(frames: Iterable[bytes], size: int) -> Iterable[list[RawMessage]]:
    """As the intake makes them: with closed-loop senders about half the connections a batch."""
    clock = SystemClock()
    left = iter(islice(frames, _MESSAGES))
    while batch := list(islice(left, size)):
        yield [RawMessage(source="ehr", format=Format.HL7V2, body=one[1:-2], received=clock.now()) for one in batch]


def tell(what: str, each_of: str, samples: Samples, cpu: float, wall: float, others: float) -> None:
    """Print the samples as microseconds: `cpu`, `wall` and (all threads) `others` of each."""
    each = cpu / max(samples.total, 1)
    print(f"{what}: {wall:.0f} µs {each_of}, {cpu:.0f} of processor; with all threads {others:.0f}")
    for layer, count in samples.layers().most_common():
        print(f"  {count * each:7.1f} µs  {layer}")
    print("functions")
    for (name, function), count in samples.functions.most_common(45):
        print(f"  {count * each:7.1f} µs  {name}:{function}")
    print("lines")
    for (name, line), count in samples.lines.most_common(45):
        print(f"  {count * each:7.1f} µs  {name}:{line}")
