"""The files of one export, in order: each window of lines is committed, then noted, before the next is looked at (K-06, K-12)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from connectors.sources.fhir.bulk import files
from connectors.sources.fhir.bulk.files import Changed, Window
from connectors.sources.fhir.bulk.job import Desk, Job
from connectors.sources.fhir.bulk.manifest import File, Manifest
from connectors.sources.fhir.bulk.taking import Taking, severities
from connectors.sources.fhir.bulk.watch import Watch
from connectors.sources.fhir.client.server import FhirServer
from connectors.sources.fhir.client.waiting import back_off
from connectors.sources.tally import Tally
from gateway.model.errors import Busy
from gateway.ports import Clock, ExportStep

_TRIES = 5  # in a row, without a window between them


@dataclass(slots=True)
class Sum:
    """What one export came to. `counts`: resources by result; `issues`: by severity, of its error files."""

    counts: Counter[str] = field(default_factory=Counter)
    issues: Counter[str] = field(default_factory=Counter)
    mismatches: int = 0


class Passage:
    """Reads the files of one server's exports. `taking` makes what takes lines through; `limit`: most bytes of one."""

    def __init__(
        self,
        server: FhirServer,
        desk: Desk,
        watch: Watch,
        *,
        taking: Callable[..., Taking],
        limit: int,
        clock: Clock,
        tally: Tally,
        step: Callable[[ExportStep], None],
    ) -> None:
        self._server = server
        self._desk = desk
        self._watch = watch
        self._taking = taking
        self._limit = limit
        self._clock = clock
        self._tally = tally
        self._step = step

    def read(self, job: Job, manifest: Manifest) -> Sum:
        """Every file that was not through; what is in the error files first, for it decides what the rest is worth."""
        found = Sum()
        for file in manifest.errors:
            self._file(file, manifest, lambda window: found.issues.update(severities(window)), None)
        if job.identity != manifest.identity:
            job = replace(job, identity=manifest.identity, files=0, lines=0, digest="")
        taking = self._taking(baseline=job.baseline)
        listed = [*((one, False) for one in manifest.resources), *((one, True) for one in manifest.deleted)]
        for number, (file, deleted) in enumerate(listed):
            if number < job.files:
                continue
            job = self._taken(job, file, manifest, taking, found, deleted=deleted, of=len(listed))
        return found

    def _taken(
        self, job: Job, file: File, manifest: Manifest, taking: Taking, found: Sum, *, deleted: bool, of: int
    ) -> Job:
        """One file; every window is committed, then noted, before the next is looked at."""

        def take(window: Window) -> None:
            nonlocal job
            counts = taking.deleted(window, manifest.at) if deleted else taking.resources(window)
            found.counts.update(counts)
            job = replace(job, lines=window.lines, digest=window.digest)
            self._desk.keep(job)
            self._step(
                ExportStep(
                    stage="reading", type=file.type, files=job.files, of=of, lines=window.lines, count=file.count
                )
            )

        self._file(file, manifest, take, job)
        if file.count is not None and file.count != job.lines:
            found.mismatches += 1
            self._tally.tell("fhir.export-count-differs", resource=file.type)
        job = replace(job, files=job.files + 1, lines=0, digest="")
        self._desk.keep(job)
        return job

    def _file(self, file: File, manifest: Manifest, take: Callable[[Window], None], job: Job | None) -> None:
        """The windows of one file; after a dropped line again from its start, past what was taken (K-12)."""
        skip, digest = (job.lines, job.digest) if job is not None else (0, "")
        tries = 0
        while True:
            try:
                with files.opened(self._server, file, token=manifest.token, now=self._clock.now()) as stream:
                    for window in files.windows(stream, limit=self._limit, skip=skip, digest=digest):
                        self._watch.alive()
                        take(window)
                        skip, digest, tries = window.lines, window.digest, 0
            except Changed:
                self._tally.tell("fhir.export-file-changed")
                skip, digest = 0, ""
            except Busy as error:
                if tries >= _TRIES or self._server.stopping.is_set():
                    raise
                self._watch.slept(back_off(tries) if error.after is None else error.after)
            else:
                return
            tries += 1
