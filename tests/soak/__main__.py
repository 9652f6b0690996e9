"""`python -m tests.soak [--messages N]`: N messages over 75 days through a real gateway; the exit code is 1 when anything does not hold.

SOAK=N does the same as --messages. A day is N / 75 messages; then the clock jumps to the next day's 16:00 UTC. The known world
of the bench (100,000 people) comes first; --world DIR keeps it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.bench.known import World
from tests.soak.running import Soak

DAYS = 75


def main() -> int:
    """Build the world, soak, judge."""
    told = _arguments()
    with tempfile.TemporaryDirectory(prefix="caregate-soak-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        world = None if told.empty else World(told.world or folder)
        if world is not None:
            print("telling the gateway of 100,000 people …", flush=True)
            world.build()
        soak = Soak(world, folder, messages=told.messages, days=DAYS, connections=told.connections)
        return int(not asyncio.run(soak.run()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    messages = int(os.environ.get("SOAK") or 1_000_000)
    parser.add_argument("--messages", type=int, default=messages)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--empty", action="store_true", help="begin with a site that knows nobody")
    parser.add_argument("--world", type=Path, help="a folder in which the known people are kept from run to run")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
