"""The gateway with every role in one process, under a clock that runs as usual and jumps when told to.

`python -m tests.soak.served CONFIG START` prints {"port", "pid"} once it listens; a line "jump MILLIS" on its standard input
moves the clock forward; it ends on SIGTERM. `START` is the instant (Millis) its clock begins at.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from gateway import app, settings, telemetry
from gateway.model.when import Millis


class JumpingClock:
    """Milliseconds since 1970 as a host would tell that sleeps for a day now and then."""

    def __init__(self, start: Millis) -> None:
        self._offset = start - time.monotonic_ns() // 1_000_000

    def now(self) -> Millis:
        """Milliseconds since 1970-01-01T00:00Z."""
        return time.monotonic_ns() // 1_000_000 + self._offset

    def jump(self, span: Millis) -> None:
        """Forward by `span`."""
        self._offset += span


def _listen(clock: JumpingClock) -> None:
    for line in sys.stdin:
        word, _, span = line.partition(" ")
        if word == "jump":
            clock.jump(int(span))
            _say({"now": clock.now()})


def _say(told: dict[str, Any]) -> None:
    print(json.dumps(told), flush=True)


def main(config: Path, start: Millis) -> None:
    """Run until SIGTERM."""
    telemetry.configure(json=True, level="WARNING")
    clock = JumpingClock(start)
    gateway = app.assemble(settings.load(config), clock=clock)
    threading.Thread(target=_listen, args=(clock,), daemon=True).start()
    try:
        gateway.run(app.ROLES, ready=lambda opened: _say({"port": opened["ports"]["ehr"], "pid": os.getpid()}))
    finally:
        gateway.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
