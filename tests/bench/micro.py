"""Single parts by themselves, without network: reading and mapping, and `receive` called directly."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway import app, settings
from gateway.app import Gateway
from gateway.model.event import Format, RawMessage
from gateway.ports import SystemClock
from tests.bench import corpus
from tests.bench.known import World

_MESSAGES = 12_000
_WARM = 2_000
NAMES = ("read.map.1", "receive.sqlite.1", "receive.sqlite.16", "receive.sqlite.64")


def measure(name: str, world: World, folder: Path) -> dict[str, Any]:
    """Figures of one part: microseconds of processor and of wall time a message."""
    what, _, size = name.split(".")
    site = folder / name
    gateway = app.assemble(settings.load(world.copy(site)))
    try:
        clock = SystemClock()
        messages = [
            RawMessage(source="ehr", format=Format.HL7V2, body=frame[1:-2], received=clock.now())
            for frame in corpus.frames(world.feed)[:_MESSAGES]
        ]
        return {"name": name, **_timed(_part(what, gateway), messages, int(size))}
    finally:
        gateway.close()


def _part(what: str, gateway: Gateway) -> Callable[[list[RawMessage]], object]:
    if what == "receive":
        return gateway.receiver.receive
    reader = gateway.readers["ehr"]
    return lambda batch: [reader(message) for message in batch]


def _timed(part: Callable[[list[RawMessage]], object], messages: list[RawMessage], size: int) -> dict[str, Any]:
    for at in range(0, _WARM, size):
        part(messages[at : at + size])
    cpu, wall = time.process_time(), time.perf_counter()
    for at in range(_WARM, len(messages), size):
        part(messages[at : at + size])
    count = len(messages) - _WARM
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu_us_per_message": round(cpu / count * 1e6, 1), "us_per_message": round(wall / count * 1e6, 1)}
