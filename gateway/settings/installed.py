"""Which connectors are installed is looked up once a process: every installed package is asked, and that takes its time."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points


@cache
def offered(group: str) -> tuple[EntryPoint, ...]:
    """What installed packages offer under an entry point group such as "gateway.sources"."""
    return tuple(entry_points(group=group))
