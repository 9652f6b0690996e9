"""How much memory this process held at most: its own, not what its parent held before it began."""

from __future__ import annotations

import resource
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_mb() -> float:
    """Megabytes resident at most. `ru_maxrss` begins with the parent's at the fork; Linux also tells what is ours alone."""
    try:
        told = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(told.split()[1]) / 1024
