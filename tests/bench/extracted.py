"""What a row costs where it says nothing new, is nobody's, or is new: `RowBook` called directly, a thousand rows a chunk."""

from __future__ import annotations

import resource
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gateway.ports import ExtractMode, Row, SystemClock
from gateway.store.engine import Store
from gateway.store.keyring import Keyring
from gateway.store.migrations import migrate
from tests.bench.servers import Postgres
from tests.rows.extract_site import Audience, admission, row

NAMES = tuple(f"extract.{store}.{rows}" for store in ("sqlite", "postgresql") for rows in (10_000, 200_000))
_CHUNK = 1000


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Microseconds a row by what it comes to, and the most memory of the process; half of the rows are patients'."""
    _, store, size = name.split(".")
    home = folder / name
    home.mkdir()
    with ExitStack() as stack:
        url = f"sqlite:///{home}/caregate.db"
        if store == "postgresql":
            url = stack.enter_context(Postgres(home)).url
        migrate(url, clock=SystemClock())
        opened = Store.open(url, Keyring.create(home / "keys.json"), SystemClock(), holder="bench")
        stack.callback(opened.close)
        return {"name": name, **_measured(Audience(opened, home / "rules"), int(size))}


def _measured(audience: Audience, size: int) -> dict[str, Any]:
    known = size // 2
    for at in range(0, known, _CHUNK):
        audience.receiver.receive([admission(f"P{number}") for number in range(at, min(at + _CHUNK, known))])
    audience.pulls({})
    told: dict[str, float] = {}
    told["new_us"] = _timed(audience, 0, known)
    told["nobody_us"] = _timed(audience, known, size)
    told["unchanged_us"] = _timed(audience, 0, known)
    told["still_nobody_us"] = _timed(audience, known, size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {**told, "rss_mb": peak}


def _timed(audience: Audience, first: int, last: int) -> float:
    """Of one extract that brings these rows; a source that sends changes, so that nobody leaves."""
    state = audience.book.begin(ExtractMode.CHANGES, baseline=False)
    began = time.perf_counter()
    for at in range(first, last, _CHUNK):
        chunk = [_row(number) for number in range(at, min(at + _CHUNK, last))]
        state = audience.book.take(state, chunk, str(at))
    spent = time.perf_counter() - began
    audience.book.finish(state)
    return round(spent / (last - first) * 1e6, 1)


def _row(number: int) -> Row:
    return row(f"P{number}|spring", {"mrn": f"P{number}", "status": "in", "name": "spring"})
