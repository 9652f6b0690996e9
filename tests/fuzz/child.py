"""One coverage-guided search in a process of its own: `python -m tests.fuzz.child '{…}'` (see `Orders`).

libFuzzer ends the process itself, so what was seen is written to a file as it goes.
"""

from __future__ import annotations

import json
import random
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import atheris

from tests.fuzz.memory import peak_mb


@dataclass(slots=True, kw_only=True)
class Orders:
    """Which target, how many runs, from which seed; `folder` takes the corpus, inputs that fail, and what was seen."""

    target: str
    runs: int
    seed: int
    folder: str
    timeout: int = 20  # seconds for one input: then it hangs
    memory_mb: int = 1_024


@dataclass(slots=True, kw_only=True)
class Seen:
    """`slowest` in seconds of processor time, with the bytes that took them; `memory_mb` at its highest."""

    runs: int = 0
    slowest: float = 0.0
    slowest_size: int = 0
    memory_mb: float = 0.0
    seconds: float = 0.0


class _Search:
    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._folder = Path(orders.folder)
        self._seen = Seen()
        self._began = self._told = time.monotonic()
        with atheris.instrument_imports(include=list(_INSTRUMENTED[orders.target])):
            from tests.fuzz.targets import MOST, TARGETS

            self.most = MOST
            self._target = TARGETS[orders.target]
            for body in self._target.seeds():  # whatever is loaded late (telephone numbers, codecs) is loaded now
                self._target.holds(body)

    def once(self, data: bytes) -> None:
        """One input."""
        began = time.thread_time()
        self._target.holds(data)
        self._note(time.thread_time() - began, data)

    def mutated(self, data: bytes, size: int, seed: int) -> bytes:
        """Half of the new inputs are made by libFuzzer, half by what knows the shape of a message."""
        rng = random.Random(seed)
        if rng.random() < 0.4:
            return bytes(atheris.Mutate(data, size))
        return self._target.mutated(bytes(data), rng, min(size, self.most))

    def _note(self, took: float, data: bytes) -> None:
        seen = self._seen
        seen.runs += 1
        if took > seen.slowest and seen.runs > 1_000:  # before that Python itself warms up
            seen.slowest, seen.slowest_size = took, len(data)
            (self._folder / "slowest").write_bytes(data)
        now = time.monotonic()
        if now > self._told + 1 or seen.runs >= self._orders.runs:
            self._told, seen.seconds = now, now - self._began
            seen.memory_mb = peak_mb()
            (self._folder / "seen.json").write_text(json.dumps(asdict(seen)))


_INSTRUMENTED = {
    "message": ("gateway.er7", "gateway.mapping"),
    "wire": ("connectors.sources",),
    "batch": ("gateway.er7",),
    "bounce": ("connectors.channels.email.bounces", "email"),
    "resource": ("gateway.mapping.fhir",),
}


def main(orders: Orders) -> None:
    """Search; the process ends within."""
    search = _Search(orders)
    folder = Path(orders.folder)
    words = folder / "words.dict"
    options = {
        "runs": orders.runs,
        "seed": orders.seed,
        "max_len": search.most,
        "len_control": 0,
        "timeout": orders.timeout,
        "rss_limit_mb": orders.memory_mb,
        "artifact_prefix": f"{folder}/",
        "dict": str(words),
    }
    arguments = [sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(folder / "corpus")]
    atheris.Setup(arguments, search.once, custom_mutator=search.mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main(Orders(**json.loads(sys.argv[1])))
