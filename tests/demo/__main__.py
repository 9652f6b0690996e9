"""`make demo`: the whole way through the house in seconds, over real sockets, under a clock that is set."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.demo.play import play


def main() -> None:
    """Play the week in a folder that is thrown away."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="caregate-demo-") as folder:
        play(Path(folder))
    print(
        f"\n{time.monotonic() - began:.0f} seconds. Where to look next: README.md, rules/appointment-reminder.yaml (edit it,"
    )
    print("then: .venv/bin/caregate test), and your own messages: .venv/bin/caregate load FILE")


if __name__ == "__main__":
    main()
