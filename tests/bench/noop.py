"""What the broker and dramatiq alone can do, as a program of its own: doorbells that are answered with nothing.

`python -m tests.bench.noop URL COUNT WARM` rings as dispatch does, answers with as many threads as a gateway has by
default, and prints {"per_s", "cpu"}: no-ops a second, and the processor seconds of each.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from gateway import worker
from gateway.settings.sections import WorkerSection

_TURN_SECONDS = 0.0005  # as the gateway sets it
_ROUND = 200  # as dispatch rings


class Counted:
    """Answers doorbells: notes when those that do not count were over, and the last one."""

    def __init__(self, warm: int, count: int) -> None:
        self._left, self._warm = count, count - warm
        self._lock = threading.Lock()
        self.over = threading.Event()
        self.marks: list[tuple[float, float]] = []

    def __call__(self, _identity: int) -> None:
        """One more."""
        with self._lock:
            self._left -= 1
            if self._left in (self._warm, 0):
                self.marks.append((time.perf_counter(), time.process_time()))
            if not self._left:
                self.over.set()


def main(url: str, count: int, warm: int) -> None:
    """Ring and answer, in one process, at the same time."""
    sys.setswitchinterval(_TURN_SECONDS)
    broker = worker.broker_for(url)
    counted = Counted(warm, count)
    ring = worker.declare(broker, counted, time_limit=WorkerSection().time_limit)
    running = worker.start(broker, WorkerSection().threads)
    for at in range(0, count, _ROUND):
        ring.ring(range(at, min(at + _ROUND, count)))
    counted.over.wait(300)
    worker.stop(running)
    worker.close(broker)
    (began, spent), (ended, used) = counted.marks
    print(json.dumps({"per_s": (count - warm) / (ended - began), "cpu": (used - spent) / (count - warm)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
