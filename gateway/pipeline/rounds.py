"""The quiet work: sealing the audit log and forgetting on time, in one thread, whatever else happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from gateway import telemetry
from gateway.model.when import HOUR, MINUTE, Millis
from gateway.pipeline.overdue import give_up_overdue
from gateway.pipeline.retention import (
    purge_bodies,
    purge_extracts,
    purge_facts,
    purge_fetches,
    purge_links,
    purge_messages,
    purge_replies,
    purge_sessions,
    purge_tables,
    purge_writebacks,
)
from gateway.store import erasures
from gateway.store.datakeys import purge as purge_raw
from gateway.store.engine import Store
from gateway.store.seal import seal as seal_audit

_BREATH = 0.01  # seconds between two steps of forgetting: on SQLite nobody receives while one runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How long, in Millis, raw bytes, facts and bodies live, and parts of a message wait for the rest."""

    raw: Millis
    facts: Millis
    bodies: Millis
    parts: Millis = 10 * MINUTE


class Rounds:
    """Seals every few seconds, forgets every hour; trouble is logged and tried again. `sources`: ids of those configured, if known."""

    def __init__(
        self,
        store: Store,
        keep: Keep,
        heads: Path | None,
        *,
        every: float = 5.0,
        sources: Collection[int] | None = None,
    ) -> None:
        self._store = store
        self._keep = keep
        self._heads = heads
        self._every = every
        self._sources = sources
        self._stop = threading.Event()
        self._forgot: Millis | None = None
        self._thread = threading.Thread(target=self._run, name="caregate-rounds", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float = 30.0) -> None:
        """Seal what is left and end. `timeout` in seconds."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self.once()
        self._guard("seal", lambda: seal_audit(self._store, heads_file=self._heads))

    def once(self) -> None:
        """One round."""
        self._guard("seal", lambda: seal_audit(self._store, heads_file=self._heads))
        self._guard("erasures", self._tell_erasures)
        self._guard("join", lambda: give_up_overdue(self._store, self._keep.parts))  # before their bytes are forgotten
        now = self._store.clock.now()
        if self._forgot is None or abs(now - self._forgot) >= HOUR:
            self._forgot = now
            self._guard("forget", self._forget)

    def _tell_erasures(self) -> None:
        """Outside, beside the heads: a database that is restored must not bring anybody back."""
        if self._heads is not None:
            erasures.publish(self._store, erasures.beside(self._heads))

    def _forget(self) -> None:
        keep, stopping = self._keep, self._pause
        purge_messages(self._store, keep.raw, stopping=stopping)  # before their bytes would be dropped one by one
        purge_raw(self._store, self._store.clock.now(), keep.raw, stopping=stopping)
        purge_facts(self._store, keep.facts, stopping=stopping)
        purge_bodies(self._store, keep.bodies, stopping=stopping)
        purge_replies(self._store, keep.raw, stopping=stopping)
        purge_links(self._store, stopping=stopping)
        purge_fetches(self._store, stopping=stopping)
        purge_extracts(self._store, stopping=stopping)
        if self._sources is not None:
            purge_tables(self._store, self._sources, stopping=stopping)
        purge_sessions(self._store, stopping=stopping)
        purge_writebacks(self._store, stopping=stopping)

    def _pause(self) -> bool:
        """Let others have the database for a moment; whether to stop."""
        return self._stop.wait(_BREATH)

    @staticmethod
    def _guard(what: str, act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001  # sealing and forgetting go on in the next round, whatever it was
            telemetry.log().error(f"rounds.{what}-failed", error=type(error).__name__, exc_info=True)
