"""One look at the folder after another: what is whole is taken in order, and filed with its report when all of it is committed."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from connectors.sources.drops.filing import Filing
from connectors.sources.drops.ripening import Found, Ripening, Stamp, stamp_at
from connectors.sources.tables import finding
from connectors.sources.tables.pouring import Pouring
from connectors.sources.tables.report import Report
from connectors.sources.tally import Tally
from gateway.model.errors import Busy, GuardError, Missing, ServerError, Unusable
from gateway.model.when import Millis
from gateway.ports import Clock, ExtractState
from gateway.telemetry import log


@dataclass(frozen=True, slots=True)
class Finished:
    """What is through and cannot be moved yet: its folder is full, say."""

    stamp: Stamp
    report: Report
    told: dict[str, object]


class Watching:
    """One folder, by whoever holds its lock."""

    def __init__(self, source: str, pouring: Pouring, filing: Filing, clock: Clock, tally: Tally) -> None:
        self._source = source
        self._pouring = pouring
        self._options = pouring.options
        self._filing = filing
        self._clock = clock
        self._tally = tally
        self._ripening = Ripening(self._options)
        self._stuck: dict[str, Finished] = {}
        self._guarded: tuple[str, Stamp] | None = None

    def look(self) -> list[Found]:
        """What is whole by now, in the configured order. Raises OSError."""
        listing = finding.look(self._options)
        if listing.links:
            self._tally.counts["tables.link-ignored"] = listing.links
        return self._ripening.ripe(listing, time.monotonic())

    def round(self) -> ExtractState | None:
        """Take what is whole; the state of the last that was taken to its end, None where none was.

        What is wrong with a file is told in its report. Raises OSError, Busy, StoreError, and GuardError: what a guard
        stopped stops what is behind it.
        """
        last: ExtractState | None = None
        self._move_stuck()
        for found in self.look():
            if found.name in self._stuck:
                continue
            report, began = self._report(found), self._clock.now()
            try:
                if self._pour(found, report):
                    self._finish(found, report, began)
            except GuardError as error:
                self._guard(found, error)
                raise
            last = report.state if report.finished else last
        return last

    def asked(self, baseline: bool | None) -> ExtractState:
        """The same for a person, who is told what is wrong. Raises ServerError too: what cannot be begun stays in its place.

        Nothing is moved of which the place for rows keeps nothing (a dry run).
        """
        last: ExtractState | None = None
        files = self.look()
        for number, found in enumerate(files, 1):
            report, began = self._report(found), self._clock.now()
            try:
                self._pouring.pour(
                    finding.drop(self._options.path / found.name, self._options), report, baseline=baseline
                )
            except Unusable as error:  # its name may tell a patient, its number does not
                which = f"file {number} of {len(files)} that wait, by {self._options.order.value}"
                raise Unusable(f"{error} ({which}; mend it or take it away, and pull again)") from None
            if report.kept:
                self._finish(found, report, began)
            if report.problems:
                raise Unusable("; ".join(report.problems))
            last = report.state or last
        if last is None:
            raise Missing(f"nothing that is whole and new lies in the folder of source {self._source}")
        return last

    def forget(self) -> None:
        """Remove what was through long ago: patients' data lie open in there."""
        if self._options.keep_done:
            try:
                self._filing.forget(self._clock.now() / 1000 - self._options.keep_done)
            except OSError as error:
                self._tally.tell("tables.not-forgotten", error=error)

    def _report(self, found: Found) -> Report:
        return Report(found.name, secrets.token_hex(8))

    def _pour(self, found: Found, report: Report) -> bool:
        """Take one in; whether it is through, well or not. Raises Busy, StoreError and GuardError."""
        path = self._options.path / found.name
        try:
            if self._given_up(found):
                report.problem("a person gave it up after a guard had stopped it")
            else:
                self._pouring.pour(finding.drop(path, self._options), report)
        except Busy:
            raise
        except ServerError as error:
            report.problem(str(error))
        except OSError as error:
            if stamp_at(path) is not None:  # else somebody took it away
                self._tally.tell("tables.file-unreadable", digest=report.reference, error=error)
            return False
        return True

    def _given_up(self, found: Found) -> bool:
        """Whether a guard stopped just this, and nothing waits for a person any more: then nobody believed it."""
        if self._guarded != (found.name, found.stamp):
            return False
        given_up = self._pouring.rows.open() is None  # raises GuardError while it waits
        self._guarded = None
        return given_up

    def _guard(self, found: Found, error: GuardError) -> None:
        """Told once: it stays where it is, and stops what is behind it, until a person says that it is right or wrong."""
        if self._guarded == (found.name, found.stamp):
            return
        self._guarded = (found.name, found.stamp)
        self._tally.tell("tables.guarded")
        report, now = self._report(found), self._clock.now()
        report.problem(str(error))
        try:
            self._filing.unreadable(found.name, report.told(self._source, now, now))
        except OSError as trouble:
            self._tally.tell("tables.report-not-written", error=trouble)

    def _finish(self, found: Found, report: Report, began: Millis) -> None:
        if stamp_at(self._options.path / found.name) != found.stamp:
            self._tally.tell("tables.file-changed", digest=report.reference)  # it is read again when it rests
            return
        self._stuck[found.name] = Finished(found.stamp, report, report.told(self._source, began, self._clock.now()))
        self._move(found.name)

    def _move(self, name: str) -> None:
        done = self._stuck[name]
        report = done.report
        try:
            self._filing.finish(name, done.stamp, report=done.told, whole=report.whole, reply=None)
        except OSError as error:
            self._tally.tell("tables.not-moved", digest=report.reference, error=error)
            return
        del self._stuck[name]
        event, tell = ("tables.file-done", log().info) if report.whole else ("tables.file-failed", log().warning)
        tell(event, source=self._source, digest=report.reference, count=report.rows)

    def _move_stuck(self) -> None:
        """Try again to move what is through: its rows are stored, and it is not read again."""
        for name, done in list(self._stuck.items()):
            if stamp_at(self._options.path / name) == done.stamp:
                self._move(name)
            else:
                del self._stuck[name]
