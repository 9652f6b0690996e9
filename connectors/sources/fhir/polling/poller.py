"""Rounds over the types of one source: of several processes one asks, and a mark moves only over what is committed (Q-01 to Q-09)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from connectors.sources.fhir.client.pages import Expired
from connectors.sources.fhir.client.server import FhirServer
from connectors.sources.fhir.client.waiting import back_off
from connectors.sources.fhir.polling import watermarks
from connectors.sources.fhir.polling.changes import Changes, kinds
from connectors.sources.fhir.polling.deletions import Deletions
from connectors.sources.fhir.polling.handing import Handing
from connectors.sources.fhir.polling.messages import Maker
from connectors.sources.fhir.polling.options import PollOptions
from connectors.sources.fhir.polling.watermarks import Mark, Seen
from connectors.sources.tally import Tally
from gateway.model.errors import Busy, ServerError, StoreError, Unusable
from gateway.model.when import HOUR, Millis
from gateway.ports import Clock, ElementsOf, Fetches, Notes
from gateway.telemetry import log

_REFUSED_FOR = 6 * HOUR
_AGAIN = 3  # times a round whose paging link is no longer good begins anew


class Poller:
    """`run` returns when `stopping` is set. `heard` is called after every round that went well, whatever it found."""

    def __init__(
        self,
        server: FhirServer,
        notes: Notes,
        fetches: Fetches,
        handing: Handing,
        make: Maker,
        *,
        options: PollOptions,
        elements: ElementsOf,
        clock: Clock,
        tally: Tally,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self._server = server
        self._notes = notes
        self._options = options
        self._clock = clock
        self._tally = tally
        self._heard = heard
        self._without: dict[str, Millis] = {}  # types the server has no history of, and when it is asked again
        common: dict[str, Any] = {
            "server": server,
            "handing": handing,
            "make": make,
            "tally": tally,
            "alive": self._alive,
        }
        seen = Seen()
        self._changes = Changes(
            **common,
            seen=seen,
            fetches=fetches,
            elements=elements,
            count=options.count,
        )
        self._deletions = Deletions(**common, seen=seen, count=options.count)

    def run(self, stopping: threading.Event) -> None:
        """Round after round; trouble is told and outlived."""
        failed = 0
        while not stopping.is_set():
            failed = 0 if self.once() else failed + 1
            stopping.wait(self._options.every if not failed else min(self._options.every, 10 * back_off(failed)))
        with suppress(StoreError):
            self._notes.hold("poll", self._clock.now())  # another process need not wait for the lease's end

    def once(self) -> bool:
        """One round over all types; whether all went well. A type in trouble does not keep the others back."""
        fine = True
        for kind in kinds(tuple(self._options.resources)):
            try:
                if not self._held():
                    return True  # another process asks
                self._type(kind)
            except (ServerError, StoreError) as error:
                fine = False
                if not self._server.stopping.is_set():
                    self._tally.tell(
                        "fhir.poll-failed", resource=kind, error=error, said=error, code=getattr(error, "status", None)
                    )
            except Exception as error:  # noqa: BLE001 - whatever it says may quote a resource
                fine = False
                log().error("fhir.poll-crashed", resource=kind, error=error)
        if fine:
            self._heard()
        return fine

    def _type(self, kind: str) -> None:
        before = watermarks.read(self._notes, kind)
        for _ in range(_AGAIN):
            try:
                mark = self._mark(kind, before)
            except Expired:
                self._tally.tell("fhir.poll-begun-anew", resource=kind)
            else:
                if mark != before:
                    watermarks.write(self._notes, kind, mark)
                return
        raise Busy("the server's paging links end before they can be followed")

    def _mark(self, kind: str, before: Mark | None) -> Mark:
        mark = before or Mark()
        # deletions first: what was deleted and made again is there in the end
        deleted = self._deleted(kind, mark.deleted) if before is not None else None
        since = None if mark.changed is None else mark.changed - self._overlap
        baseline = before is None and self._options.baseline
        found = self._changes.since(kind, self._options.resources[kind], since, baseline=baseline)
        return Mark(
            changed=watermarks.after(mark.changed, found.begun, found.newest, now=self._clock.now()),
            deleted=deleted or mark.deleted or found.begun,
        )

    def _deleted(self, kind: str, since: Millis | None) -> Millis | None:
        if not self._options.deletes or since is None or self._clock.now() < self._without.get(kind, 0):
            return None
        try:
            return self._deletions.since(kind, since - self._overlap)
        except Unusable as error:
            if error.status != 501:
                raise
        self._without[kind] = (
            self._clock.now() + _REFUSED_FOR
        )  # a 403 may pass; what was deleted meanwhile is asked for then
        self._tally.tell("fhir.no-history", resource=kind)
        return None

    @property
    def _overlap(self) -> Millis:
        return int(1000 * self._options.overlap)

    def _held(self) -> bool:
        """Whether we are the one that asks; for long enough to ask for a page with all patience."""
        wait = 2 * (self._server.options.patience + self._server.options.timeout) + 60
        return self._notes.hold("poll", self._clock.now() + int(1000 * wait))

    def _alive(self) -> None:
        if self._server.stopping.is_set():
            raise Busy("the source is stopping")
        if not self._held():
            raise Busy("another process has begun to ask")
