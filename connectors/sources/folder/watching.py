"""Looks at one folder again and again: files in order, each once, and one that cannot be dealt with stops no other."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from connectors.sources.acks import Replier
from connectors.sources.deliveries import Deliveries, Delivery
from connectors.sources.drops.filing import Filing
from connectors.sources.drops.ripening import Found, Listing, Ripening, Stamp, look, stamp_at
from connectors.sources.folder.options import FolderOptions
from connectors.sources.folder.passage import Passage
from connectors.sources.folder.patience import Patience, Through
from connectors.sources.folder.reading import Reading
from connectors.sources.folder.report import Report, remembered
from connectors.sources.offering import Offering
from connectors.sources.tally import Tally
from gateway.model.event import RawMessage
from gateway.ports import Clock
from gateway.telemetry import log

_HOUR = 3_600.0
_REMEMBERED = 1_000  # reports of earlier runs that are looked through at start
_LARGEST_REPORT = 4 << 20
_STUCK = 100  # files that are through and cannot be moved; beyond, nothing new is taken
_LONGEST_PAUSE = 300.0  # seconds between two tries of a file that cannot be read
_BLOCKING = 3  # rounds that a file in trouble stops the ones behind it


@dataclass(frozen=True, slots=True)
class Finished:
    """A file that is through and cannot be moved yet: its folder is full, say."""

    stamp: Stamp
    report: Report
    reply: Path | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that could not be read in this state, and how long it is left alone (seconds)."""

    stamp: Stamp
    pause: float
    until: float


class Watching:
    """One folder under one event loop of its own: waiting for a file server must not stop anybody else."""

    def __init__(
        self,
        name: str,
        options: FolderOptions,
        filing: Filing,
        *,
        clock: Clock,
        replier: Replier,
        offering: Offering,
        tally: Tally,
        stopping: asyncio.Event,
        message: Callable[[bytes], RawMessage],
    ) -> None:
        self._name = name
        self._options = options
        self._filing = filing
        self._clock = clock
        self._replier = replier
        self._tally = tally
        self._stopping = stopping
        self._patience = Patience(offering, stopping, message)
        self._ripening = Ripening(options)
        self._deliveries = Deliveries()
        self._unread: dict[str, Unread] = {}
        self._stuck: dict[str, Finished] = {}
        self._in_trouble: dict[str, int] = {}  # files that met trouble of ours: how often
        self._unreachable = False
        self._links = 0
        self._looks = 0
        self._orphans: frozenset[str] = frozenset()
        self._swept = time.monotonic()

    async def run(self) -> None:
        """Until `stopping` is set."""
        self._remember()
        self._forget()
        while not self._stopping.is_set():
            await self._round()
            await self._patience.pause(self._options.interval)

    async def _round(self) -> None:
        try:
            listing = look(self._options)
        except OSError:
            if not self._unreachable:
                self._tally.tell("folder.unreachable")
            self._unreachable = True
            return
        if self._unreachable:
            log().info("folder.reachable", source=self._name)
        self._unreachable = False
        if listing.links > self._links:
            self._tally.tell("folder.link-ignored", listing.links - self._links)
        self._links = listing.links
        self._sweep(listing)
        self._move_stuck()
        self._tidy({one.name for one in listing.files})
        ripe = self._ripening.ripe(listing, time.monotonic())
        await self._take([one for one in ripe if not self._rests(one)])
        if time.monotonic() - self._swept >= _HOUR:
            self._forget()

    def _sweep(self, listing: Listing) -> None:
        """Once, at the second look: what was an orphan at both is one."""
        if self._looks < 2:
            self._looks += 1
            orphans = self._filing.orphans(listing.names)
            if self._looks == 2:
                with suppress(OSError):  # what cannot be removed will be met again
                    self._filing.sweep(self._orphans & orphans)
            self._orphans = orphans

    async def _take(self, files: Sequence[Found]) -> None:
        troubled = 0
        for found in files:
            if self._stopping.is_set() or len(self._stuck) >= _STUCK:
                return
            if await self._file(found):
                self._in_trouble.pop(found.name, None)
                continue
            rounds = self._in_trouble[found.name] = self._in_trouble.get(found.name, 0) + 1
            troubled += 1
            # Trouble of ours stops the feed, in order; but one file that always meets it must not stop it for ever
            # after some rounds the next is tried too, and whether that fares better tells whose fault it is.
            if rounds < _BLOCKING or troubled > 1:
                return

    async def _file(self, found: Found) -> bool:
        """Read, offer and move one file; False when it met trouble of ours and stays for another round."""
        reference = secrets.token_hex(8)
        report = Report(self._name, found.name, reference, self._clock.now())
        reply = self._filing.reply(reference) if self._options.batch_ack else None
        try:
            through = await self._read(found, report, reply)
        except OSError as error:
            if stamp_at(self._options.path / found.name) is not None:  # else somebody took it away
                self._unreadable(found, report, error)
            return True
        finally:
            if reply is not None and found.name not in self._stuck:
                reply.unlink(missing_ok=True)
        if through is Through.TROUBLE and found.name not in self._in_trouble:
            self._tally.tell("folder.not-stored", digest=reference)
        return through is not Through.TROUBLE

    async def _read(self, found: Found, report: Report, reply: Path | None) -> Through:
        path, options = self._options.path / found.name, self._options
        with Reading(path, limit=options.max_message, most=options.max_file, of=options.format) as reading:
            if reading.stamp != found.stamp:
                return Through.STOPPED  # it changed since it was listed: it ripens again
            passage = Passage(report, self._patience, self._replier, reply)
            through = await passage.through(reading)
            report.digest = reading.digest
        if through is Through.WHOLE:
            self._finish(found, report, reply)
        return through

    def _finish(self, found: Found, report: Report, reply: Path | None) -> None:
        if stamp_at(self._options.path / found.name) != found.stamp:
            self._tally.tell("folder.file-changed", digest=report.reference)  # it is read again when it rests
            return
        report.ended()
        report.delivery = self._deliveries.known(report.digest, report.identity)
        done = Finished(found.stamp, report, reply)
        try:
            self._move(done)
        except OSError as error:
            self._stuck[found.name] = done
            self._tally.tell("folder.not-moved", digest=report.reference, error=error)

    def _move(self, done: Finished) -> None:
        report = done.report
        told = report.told(self._clock.now())
        self._filing.finish(report.name, done.stamp, report=told, whole=report.whole, reply=done.reply)
        self._deliveries.remember(report.digest, report.identity)
        if report.delivery is not Delivery.NEW:
            self._tally.tell(f"folder.file-{report.delivery.value}", digest=report.reference)
        event, tell = ("folder.file-done", log().info) if report.whole else ("folder.file-failed", log().warning)
        tell(event, source=self._name, digest=report.reference, count=report.messages)

    def _move_stuck(self) -> None:
        """Try again to move what is through: its messages are stored, and it is not read again."""
        for name, done in list(self._stuck.items()):
            with suppress(OSError):
                if stamp_at(self._options.path / name) == done.stamp:
                    self._move(done)
                del self._stuck[name]

    def _unreadable(self, found: Found, report: Report, error: OSError) -> None:
        """Told once for each state of a file; it stays where it is, and is tried again less and less often."""
        earlier = self._unread.get(found.name)
        first = earlier is None or earlier.stamp != found.stamp
        pause = self._options.interval if earlier is None or first else min(2 * earlier.pause, _LONGEST_PAUSE)
        self._unread[found.name] = Unread(found.stamp, pause, time.monotonic() + pause)
        if not first:
            return
        report.problem(f"it cannot be dealt with: {error.strerror or type(error).__name__}")
        self._tally.tell("folder.file-unreadable", digest=report.reference, error=error)
        try:
            self._filing.unreadable(found.name, report.told(self._clock.now()))
        except OSError as trouble:
            self._tally.tell("folder.report-not-written", digest=report.reference, error=trouble)

    def _rests(self, found: Found) -> bool:
        """Whether a file is left alone for now."""
        unread = self._unread.get(found.name)
        resting = unread is not None and unread.stamp == found.stamp and time.monotonic() < unread.until
        return resting or found.name in self._stuck

    def _tidy(self, names: set[str]) -> None:
        """Files that are gone are not remembered."""
        self._unread = {name: told for name, told in self._unread.items() if name in names}
        self._in_trouble = {name: count for name, count in self._in_trouble.items() if name in names}

    def _forget(self) -> None:
        self._swept = time.monotonic()
        if self._options.keep_done:
            try:
                removed = self._filing.forget(self._clock.now() / 1000 - self._options.keep_done)
            except OSError as error:
                self._tally.tell("folder.not-forgotten", error=error)
            else:
                if removed:
                    log().info("folder.forgotten", source=self._name, count=removed)

    def _remember(self) -> None:
        """What was delivered before a restart, from the reports."""
        try:
            for path in self._filing.reports(_REMEMBERED):
                known = remembered(path.read_bytes()) if path.stat().st_size <= _LARGEST_REPORT else None
                if known is not None:
                    self._deliveries.remember(*known)
        except OSError as error:
            self._tally.tell("folder.reports-unread", error=error)
