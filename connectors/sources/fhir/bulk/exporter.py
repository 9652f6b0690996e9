"""One export from asking to forgetting; the mark moves only when every file of it, and nothing else, was said and committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from connectors.sources.fhir.bulk import asking
from connectors.sources.fhir.bulk.files import Expired
from connectors.sources.fhir.bulk.job import Desk, Job
from connectors.sources.fhir.bulk.manifest import Manifest
from connectors.sources.fhir.bulk.options import ExportOptions
from connectors.sources.fhir.bulk.passage import Passage, Sum
from connectors.sources.fhir.bulk.taking import Taking
from connectors.sources.fhir.bulk.watch import Watch
from connectors.sources.fhir.client.server import FhirServer
from connectors.sources.fhir.client.waiting import back_off
from connectors.sources.fhir.notices import instant_of
from connectors.sources.fhir.polling.handing import Handing
from connectors.sources.tally import Tally
from gateway.model.errors import Busy, Missing, Unusable
from gateway.ports import Clock, Exported, ExportPlan, ExportStep, Fetches, Notes

_AGAIN = 3  # times a manifest is asked for again because its files are gone, and a job that was lost is asked for anew


class Lost(Missing):
    """The server knows the export no more: it must be asked for anew (K-11)."""


class Exporter:
    """The exports of one source; `once` is called by one thread at a time. `step` is told how far it is, often."""

    def __init__(
        self,
        server: FhirServer,
        notes: Notes,
        fetches: Fetches,
        handing: Handing,
        *,
        source: str,
        options: ExportOptions,
        clock: Clock,
        tally: Tally,
        step: Callable[[ExportStep], None] = lambda _: None,
    ) -> None:
        self._server = server
        self._options = options
        self._clock = clock
        self._tally = tally
        self._step = step
        self.desk = Desk(notes)
        self.watch = Watch(server.stopping, self.desk, clock)
        common: dict[str, Any] = {"clock": clock, "tally": tally}
        taking = partial(Taking, source=source, handing=handing, fetches=fetches, whole=not options.elements, **common)
        self._passage = Passage(
            server, self.desk, self.watch, taking=taking, limit=options.max_resource, step=step, **common
        )

    def once(self, *, since: str | None = None, whole: bool = False, baseline: bool | None = None) -> Exported:
        """One export, or the rest of the one that is under way. `since`: instead of the mark; `whole`: all there is.

        `baseline`: stored, nothing planned; None: if it is the first. Raises ServerError, StoreError; Busy also when another process exports.
        """
        for _ in range(_AGAIN):
            self.watch.alive()
            job = self._going_on() or self._begun(since, whole=whole, baseline=baseline)
            try:
                return self._through(job)
            except Lost:
                self._tally.tell("fhir.export-lost")
                self.desk.keep(None)
        raise Busy("the server forgets its exports before they can be read")

    def plan(self, *, since: str | None = None, whole: bool = False, baseline: bool | None = None) -> ExportPlan:
        """What `once` would ask for, without asking; of a job under way that job."""
        job = self.desk.job()
        known = job is not None and self._ours(job)
        told = job if job is not None and known else self._planned(since, whole, baseline)
        return ExportPlan(
            path=self._options.path,
            types=self._options.types,
            since=told.since,
            baseline=told.baseline,
            under_way=known,
        )

    # -- one job

    def _going_on(self) -> Job | None:
        """The one under way; one that asked for something else, or for too long, is given up."""
        job = self.desk.job()
        if job is None or self._ours(job):
            return job
        self._given_up(job)
        return None

    def _ours(self, job: Job) -> bool:
        return job.scope == self._options.scope and not self._late(job)

    def _late(self, job: Job) -> bool:
        return self._clock.now() - job.begun > 1000 * self._options.patience

    def _planned(self, since: str | None, whole: bool, baseline: bool | None) -> Job:
        scope = self._options.scope
        mark = self.desk.mark(scope)
        first = self._options.baseline and mark is None
        return Job(
            status="",
            scope=scope,
            begun=self._clock.now(),
            since=since or (None if whole else mark),
            baseline=first if baseline is None else baseline,
        )

    def _begun(self, since: str | None, *, whole: bool, baseline: bool | None) -> Job:
        planned = self._planned(since, whole, baseline)
        job = replace(planned, status=asking.kick_off(self._server, self._options, planned.since))
        self.desk.keep(job)
        self._step(ExportStep(stage="asked"))
        return job

    def _through(self, job: Job) -> Exported:
        try:
            for _ in range(_AGAIN):
                manifest = self._waited(job)
                try:
                    return self._ended(job, manifest, self._passage.read(job, manifest))
                except Expired:  # new signed URLs may be had for the asking (K-11)
                    self._tally.tell("fhir.export-expired")
                    job = self.desk.job() or job
        except Unusable:  # it failed there, or cannot be read: it is not asked for a second time by itself
            self._given_up(job)
            raise
        self._given_up(job)
        raise Lost("the files of the export are gone")

    def _waited(self, job: Job) -> Manifest:
        """The manifest, as soon as it is there; within `patience`."""
        tries = 0
        while True:
            self.watch.alive()
            wait: float | None = None
            try:
                found = asking.how_far(self._server, job.status, self._clock.now())
                if isinstance(found, Manifest):
                    return found
                wait = found.after
                self._step(ExportStep(stage="waiting", percent=found.percent))
            except Missing:
                raise Lost("the server knows the export no more") from None
            except Busy as error:  # the server is away for a while, its export may go on (K-03)
                wait = error.after
            if self._late(job):
                raise Unusable("the export was not ready in time")
            self.watch.slept(min(back_off(tries), self._options.poll) if wait is None else wait)
            tries += 1

    # -- its end

    def _ended(self, job: Job, manifest: Manifest, found: Sum) -> Exported:
        """The mark moves over what the server told without an error of its own; never by our clock (K-04, K-07)."""
        errors = found.issues["error"] + found.issues["fatal"]
        if errors:
            self._tally.tell("fhir.export-partial", errors)
        advanced = not errors and self._joins(job)
        if advanced:
            self.desk.advance(job.scope, manifest.at)
        self._given_up(job)
        return Exported(
            at=manifest.at,
            since=job.since,
            baseline=job.baseline,
            files=len(manifest.output) + len(manifest.deleted),
            counts=dict(found.counts),
            issues=dict(found.issues),
            mismatches=found.mismatches,
            advanced=advanced,
        )

    def _joins(self, job: Job) -> bool:
        """Whether nothing lies between the mark and what this one asked for: asked by hand for less, it leaves the mark alone."""
        mark, since = instant_of(self.desk.mark(job.scope)), instant_of(job.since)
        return mark is None or since is None or since <= mark

    def _given_up(self, job: Job) -> None:
        asking.forget(self._server, job.status)
        self.desk.keep(None)
        self.desk.ended(self._clock.now())
