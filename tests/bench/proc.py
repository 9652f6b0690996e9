"""What /proc tells of a running program (proc(5)): processor seconds and resident memory; Linux only."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def seconds(pid: int) -> float:
    """User and system seconds of a process, all its threads (fields 14 and 15)."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def tree_seconds(pid: int) -> float:
    """Those of a server, its children, and its children that ended (fields 14 to 17)."""
    fields = _stat(pid)
    total = sum(int(field) for field in fields[11:15]) / _TICKS
    for child in children(pid):
        try:
            total += seconds(int(child))
        except OSError:  # it ended meanwhile
            continue
    return total


def children(pid: int) -> list[str]:
    """The children of a running program's main thread."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def read_of(pid: int, file: Path) -> int:
    """How far a program has read a file that it has open, bytes; 0 where it has not."""
    for one in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if one.readlink() == file:
                return int(Path(f"/proc/{pid}/fdinfo/{one.name}").read_text().split()[1])
        except OSError:  # closed meanwhile
            continue
    return 0


def rss_mb(pid: int) -> float:
    """Resident memory in MB (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0
