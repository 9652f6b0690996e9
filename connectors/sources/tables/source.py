"""The tables source: files are taken in order, one at a time, and what a guard stopped waits for a person and stops what is behind it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

from connectors.sources.drops.access import why
from connectors.sources.drops.filing import Filing
from connectors.sources.drops.lock import Lock
from connectors.sources.options import read
from connectors.sources.tables import finding
from connectors.sources.tables.options import TablesOptions
from connectors.sources.tables.pouring import Pouring, Step
from connectors.sources.tables.report import Report
from connectors.sources.tables.watching import Watching
from connectors.sources.tally import Tally
from gateway.model.errors import Busy, CommandError, GuardError, StoreError
from gateway.ports import Clock, ExtractState, Intake, Options, Poured, Rows, TableShape
from gateway.telemetry import log


class TablesSource:
    """`ports.Source`, `Extracts` and `PoursFiles` for one folder and one table.

    `options` is this source's section of caregate.yaml without what every source has; ConfigError if it is wrong. Of
    several gateways on one folder one works, the others wait.
    """

    section = TablesOptions  # what the gateway checks our section against, so that each mistake has its line

    def __init__(self, name: str, options: Options, clock: Clock) -> None:
        self.name = name
        self.options = read(TablesOptions, name, options)
        self._clock = clock
        self._filing = Filing(self.options)
        self._tally = Tally(name)
        self._into: tuple[Rows, TableShape] | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How often each thing that deserves a look happened since the start."""
        return dict(self._tally.counts)

    def extract_into(self, rows: Rows, shape: TableShape) -> None:
        """See `ports.Extracts`."""
        self._into = (rows, shape)

    def pull(self, progress: Callable[[ExtractState], None], *, baseline: bool | None = None) -> ExtractState:
        """See `ports.Extracts`: everything that lies in the folder. Raises Missing where nothing does.

        Raises Busy while another process reads, ServerError for the first file that is not as declared.
        """
        self._check()
        with Lock(self.options.path) as lock:
            self._own(lock)
            watching = self._watching(lambda state, _: progress(state))
            watching.look()
            self._stopping.wait(self.options.settle)  # what is still being written has changed by then
            return watching.asked(baseline)

    def pour(self, path: Path, progress: Step, *, baseline: bool | None = None, dry_run: bool = False) -> Poured:
        """See `ports.PoursFiles`."""
        report = Report(path.name)
        drop = finding.drop(path, self.options)
        if dry_run:
            self._pouring(progress).pour(drop, report, baseline=baseline, again=True)
            return report.poured()
        self._check()
        with Lock(self.options.path) as lock:
            self._own(lock)
            self._pouring(progress).pour(drop, report, baseline=baseline, again=True)
        return report.poured()

    async def start(self, intake: Intake) -> None:
        """Look at the folder from now on. Raises CommandError, one sentence, where files cannot be read or moved."""
        self._table()
        await asyncio.to_thread(self._check)
        self._thread = threading.Thread(
            target=self._run, args=(intake,), name=f"caregate-tables-{self.name}", daemon=True
        )
        self._thread.start()
        log().info("source.watching", source=self.name)

    async def stop(self) -> None:
        """Begin nothing new; a chunk in hand is committed, and its file goes on after the next start (F-16)."""
        self._stopping.set()
        if self._thread is None:
            return
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, self.options.stop_timeout)
        if self._thread.is_alive():
            log().warning("tables.stopped-within", source=self.name)

    def _check(self) -> None:
        if not self.options.path.is_dir():
            raise CommandError(f"the folder of source {self.name} is not there; make it, or correct its `path`")
        try:
            with Lock(self.options.path) as lock:
                if lock.take():  # else another gateway has proven it
                    self._filing.prepare()
        except OSError as error:
            raise CommandError(f"the folder of source {self.name} {why(error)}") from None

    def _own(self, lock: Lock) -> None:
        if not lock.take():
            raise Busy(f"another process reads the folder of source {self.name}: a gateway that runs, perhaps")

    def _table(self) -> tuple[Rows, TableShape]:
        if self._into is None:
            raise CommandError(f"source {self.name}: nothing says what its rows are; tell `mapping`")
        return self._into

    def _pouring(self, step: Step) -> Pouring:
        rows, shape = self._table()
        return Pouring(rows, shape, self.options, self._alive, step)

    def _watching(self, step: Step) -> Watching:
        return Watching(self.name, self._pouring(step), self._filing, self._clock, self._tally)

    def _alive(self) -> None:
        if self._stopping.is_set():
            raise Busy("the source is stopping")

    def _run(self, intake: Intake) -> None:
        """Until we stop, whatever happens: a feed that ended by itself would be noticed by its silence only."""
        while not self._stopping.is_set():
            try:
                with Lock(self.options.path) as lock:
                    if lock.take():
                        self._filing.prepare()
                        self._rounds(self._watching(lambda *_: None), intake)
            except OSError as error:
                self._tally.tell("tables.unreachable", error=error)
            except Exception as error:  # noqa: BLE001 - whatever it says may quote a row or a file's name
                log().error("tables.crashed", source=self.name, error=type(error).__name__)
            self._stopping.wait(self.options.interval)

    def _rounds(self, watching: Watching, intake: Intake) -> None:
        swept = time.monotonic() - _HOUR
        failed = 0
        while not self._stopping.is_set():
            failed = 0 if self._round(watching, intake) else failed + 1
            if time.monotonic() - swept >= _HOUR:
                watching.forget()
                swept = time.monotonic()
            self._stopping.wait(min(self.options.interval * 2.0 ** min(failed, 10), max(_LATER, self.options.interval)))

    def _round(self, watching: Watching, intake: Intake) -> bool:
        """Whether there was no trouble of ours."""
        try:
            if watching.round() is not None:
                intake.heard(self.name)
        except GuardError:  # it was told; each round asks whether somebody has said yes
            pass
        except (Busy, StoreError) as error:
            if not self._stopping.is_set():
                self._tally.tell("tables.later", error=error)
            return False
        return True


_HOUR = 3_600.0
_LATER = 60.0
"""Seconds after which trouble of ours is tried again at the latest: a file is read whole before its rows are."""
