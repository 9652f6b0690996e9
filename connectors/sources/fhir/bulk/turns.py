"""Exports by the clock: what was begun is finished, then one every so often; of several processes one asks, and trouble is outlived."""

from __future__ import annotations

import threading

from connectors.sources.fhir.bulk.exporter import Exporter
from connectors.sources.fhir.client.waiting import back_off
from connectors.sources.tally import Tally
from gateway.model.errors import ServerError, StoreError
from gateway.ports import Clock
from gateway.telemetry import log

_SHORTEST, _LONGEST = 5.0, 300.0  # seconds between two looks at the clock


class Turns:
    """`run` returns when `stopping` is set. `every`: seconds between the end of one export and the next."""

    def __init__(self, exporter: Exporter, *, every: float, clock: Clock, tally: Tally) -> None:
        self._exporter = exporter
        self._every = every
        self._clock = clock
        self._tally = tally

    def run(self, stopping: threading.Event) -> None:
        """Until then."""
        failed = 0
        while not stopping.is_set():
            wait = 0.0 if self._exporter.desk.job() is not None else self.due()
            if wait <= 0:
                failed = 0 if self.once() or stopping.is_set() else failed + 1
                wait = 60 * back_off(failed - 1) if failed else self.due()
            stopping.wait(max(_SHORTEST, min(wait, _LONGEST)))

    def once(self) -> bool:
        """One export, unless another process is at it; whether nothing went wrong."""
        try:
            if self._exporter.watch.held():
                self._exporter.once()
        except (ServerError, StoreError) as error:
            self._tally.tell("fhir.export-failed", error=error, code=getattr(error, "status", None))
            return False
        except Exception as error:  # noqa: BLE001 - whatever it says may quote a resource
            log().error("fhir.export-crashed", error=error)
            return False
        return True

    def due(self) -> float:
        """Seconds until the next one."""
        return (self._exporter.desk.last() - self._clock.now()) / 1000 + self._every
