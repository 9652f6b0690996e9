"""The Snowflake source: extracts by the clock; what passes is tried again later, and who is told no stops and says so (SN-35)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

from connectors.sources.options import read
from connectors.sources.snowflake.extracting import Extracting
from connectors.sources.snowflake.options import SnowflakeOptions
from connectors.sources.tally import Tally
from gateway.model.errors import Busy, CommandError, GuardError, ServerError, StoreError
from gateway.ports import Clock, ExtractState, Fetches, Intake, Notes, Options, Rows, TableShape
from gateway.telemetry import log

_FIRST = 10.0  # seconds after the first trouble; doubled each time, `every` at most


class SnowflakeSource:
    """`ports.Source`, `Extracts` and `Remembers` for one table.

    `options` is this source's section of caregate.yaml without what every source has; ConfigError if it is wrong.
    """

    section = SnowflakeOptions  # what the gateway checks our section against, so that each mistake has its line

    def __init__(self, name: str, options: Options, clock: Clock) -> None:
        self.name = name
        self.options = read(SnowflakeOptions, name, options)
        self._clock = clock
        self._tally = Tally(name)
        self._into: tuple[Rows, TableShape] | None = None
        self._notes: Notes | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How often each thing that deserves a look happened since the start."""
        return dict(self._tally.counts)

    def remember(self, notes: Notes, _fetches: Fetches) -> None:
        """Of several processes with the same notes one extracts."""
        self._notes = notes

    def extract_into(self, rows: Rows, shape: TableShape) -> None:
        """See `ports.Extracts`."""
        self._into = (rows, shape)

    def pull(self, progress: Callable[[ExtractState], None], *, baseline: bool | None = None) -> ExtractState:
        """See `ports.Extracts`. Raises Busy also while another process extracts."""
        extracting = self._extracting()
        try:
            return extracting.once(progress, baseline=baseline)
        finally:
            with suppress(StoreError):
                extracting.release()

    async def start(self, intake: Intake) -> None:
        """Extract now, and every so often. Raises CommandError where nobody said what the rows are."""
        extracting = self._extracting()
        name = f"caregate-snowflake-{self.name}"
        self._thread = threading.Thread(target=self._run, args=(extracting, intake), name=name, daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Begin nothing more; a chunk in hand is committed, and the rest goes on after the next start (F-16)."""
        self._stopping.set()
        if self._thread is None:
            return
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, self.options.stop_timeout)
        if self._thread.is_alive():  # within a statement: nothing of it was taken
            log().warning("snowflake.stopped-within", source=self.name)

    def _extracting(self) -> Extracting:
        if self._into is None:
            raise CommandError(f"source {self.name}: nothing says what its rows are; tell `mapping`")
        rows, shape = self._into
        return Extracting(
            self.name,
            self.options,
            rows,
            shape,
            clock=self._clock,
            tally=self._tally,
            notes=self._notes,
            stopping=self._stopping,
        )

    def _run(self, extracting: Extracting, intake: Intake) -> None:
        failed = 0
        while not self._stopping.is_set():
            went = self._once(extracting, intake)
            if went is None:
                break
            failed = 0 if went else failed + 1
            every = self.options.every
            self._stopping.wait(every if went else min(every, _FIRST * 2.0 ** min(failed - 1, 20)))
        with suppress(StoreError):
            extracting.release()

    def _once(self, extracting: Extracting, intake: Intake) -> bool | None:
        """One round; whether it went well. None: it must not be tried again before a person did something."""
        try:
            if extracting.held():
                extracting.once(lambda _: None)
                intake.heard(self.name)
        except GuardError as error:  # the extract itself waits for a person; the next round asks whether one said yes
            self._tally.tell("snowflake.guarded", guard=error.guard)
        except (Busy, StoreError) as error:
            if not self._stopping.is_set():
                self._tally.tell("snowflake.later", error=error)
            return False
        except ServerError as error:
            log().error("snowflake.stopped", source=self.name, error=error, code=error.status)
            self._tally.counts["snowflake.stopped"] += 1
            return None
        except Exception as error:  # noqa: BLE001 - whatever it says may quote a row
            log().error("snowflake.crashed", source=self.name, error=type(error).__name__)
            return False
        return True
