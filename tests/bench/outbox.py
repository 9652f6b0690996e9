"""An outbox in which very many wait: found, rung and leased as fast as where few do."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from gateway import app, settings
from gateway.app.assembly import Gateway, deliverer_of, dispatcher_of
from tests.bench import site

NAMES = ("outbox.lease.1000", "outbox.lease.1000000")
_TAKEN = 1_000  # leases measured
_TRIES = 5  # of which the median counts; each takes what nobody has taken


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Leases a second: what is due is found and marked, and each is taken in a unit of its own that commits."""
    waiting = int(name.rpartition(".")[2])
    rates = []
    for number in range(_TRIES if waiting == _TAKEN else 1):
        rates += _rates(folder / f"{name}.{number}", waiting)
    rates.sort()
    return {"name": name, "per_s": round(rates[len(rates) // 2])}


def _rates(here: Path, waiting: int) -> list[float]:
    """As often as there is enough to take, at most so many times."""
    here.mkdir()
    config = site.make(here)
    gateway = app.assemble(settings.load(config))
    try:
        fill(here / "caregate.db", waiting, now=gateway.clock.now())
        return [_lease(gateway, _TAKEN) for _ in range(min(_TRIES, waiting // _TAKEN))]
    finally:
        gateway.close()


def fill(database: Path, count: int, *, now: int) -> None:
    """So many that fell due within the last minutes, of as many people; a third of them in each lane."""
    link = sqlite3.connect(database, isolation_level=None)
    try:
        link.execute("PRAGMA synchronous=OFF")
        link.execute("BEGIN")
        link.execute(
            "WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < :count) "
            "INSERT INTO request (id, kind, patient, rule, ruleset, step, material_version, material, recipient, priority, due,"
            " state, ring_at) SELECT n, 'rule', n, 'bench', 1, '1d', 0, zeroblob(16), n, n % 3, :now - n, 'active', :now - n "
            "FROM many",
            {"count": count, "now": now},
        )
        link.execute("COMMIT")
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        link.close()


def _lease(gateway: Gateway, wanted: int) -> float:
    rung: list[int] = []
    dispatcher, deliverer = dispatcher_of(gateway, rung.extend), deliverer_of(gateway)
    dispatcher._swept = gateway.clock.now()  # its minute's sweep is not what is measured
    started, taken = time.perf_counter(), 0
    while taken < wanted:
        dispatcher.once()
        if not rung:
            raise RuntimeError(f"only {taken} of {wanted} were found to be due")
        for request in rung:
            with gateway.store.begin("bench") as uow:
                assert deliverer._take(uow, request) is not None
                uow.commit()
        taken += len(rung)
        rung.clear()
    return taken / (time.perf_counter() - started)
