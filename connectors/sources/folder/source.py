"""The folder source: it starts only where it can move what it has read, and stops without losing what it took."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress

from connectors.sources.acks import Replier
from connectors.sources.drops.access import why
from connectors.sources.drops.filing import Filing
from connectors.sources.drops.lock import Lock
from connectors.sources.folder.options import FolderOptions
from connectors.sources.folder.watching import Watching
from connectors.sources.offering import Offering
from connectors.sources.options import read
from connectors.sources.tally import Tally
from gateway.er7.batchack import BatchAck
from gateway.model.errors import CommandError
from gateway.model.event import RawMessage
from gateway.ports import Clock, Intake, Options
from gateway.telemetry import log


class FolderSource:
    """`ports.Source` for one folder and one feed.

    `options` is this source's section of caregate.yaml without what every source has; ConfigError if it is wrong.
    `zone` (IANA) is the clock reply files are told in. Of several gateways on one folder one works, the others wait.
    """

    section = FolderOptions  # what the gateway checks our section against, so that each mistake has its line

    def __init__(self, name: str, options: Options, clock: Clock, *, zone: str = "UTC") -> None:
        self.name = name
        self.options = read(FolderOptions, name, options)
        self._clock = clock
        self._filing = Filing(self.options, self.options.replies if self.options.batch_ack else None)
        self._replier = Replier(clock=clock, zone=zone, batch_ack=self.options.batch_ack or BatchAck.NONE)
        self._tally = Tally(name)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How often each thing that deserves a look happened since the start."""
        return dict(self._tally.counts)

    async def start(self, intake: Intake) -> None:
        """Look at the folder from now on. Raises CommandError, one sentence, when files cannot be read or moved there."""
        await asyncio.to_thread(self._check)
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(intake, ready), name=f"caregate-folder-{self.name}", daemon=True
        )
        self._thread.start()
        await asyncio.wrap_future(ready)
        log().info("source.watching", source=self.name)

    async def stop(self) -> None:
        """Begin nothing new, wait for what is in hand; a file that is not through stays, and is read again (F-16).

        Waits at most `stop_timeout` seconds: a file server may never answer.
        """
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None or self._stopping is None:
            return
        try:
            self._loop.call_soon_threadsafe(self._stopping.set)
        except RuntimeError:  # its loop has ended already
            return
        await asyncio.get_running_loop().run_in_executor(None, thread.join, self.options.stop_timeout)
        if thread.is_alive():
            log().warning("folder.stopped-unanswered", source=self.name)

    def _check(self) -> None:
        if not self.options.path.is_dir():
            raise CommandError(f"the folder of source {self.name} is not there; make it, or correct its `path`")
        try:
            next(self.options.path.iterdir(), None)
            with Lock(self.options.path) as lock:
                if lock.take():  # else another gateway has proven it
                    self._filing.prepare()
        except OSError as error:
            raise CommandError(f"the folder of source {self.name} {why(error)}") from None

    def _run(self, intake: Intake, ready: Future[None]) -> None:
        asyncio.run(self._watch(intake, ready))

    async def _watch(self, intake: Intake, ready: Future[None]) -> None:
        """Until we stop, whatever happens: a feed that ended by itself would be noticed by its silence only."""
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        ready.set_result(None)
        told = False
        while not self._stopping.is_set():
            try:
                await self._read_on(intake, self._stopping)
                told = False
            except OSError as error:
                if not told:
                    self._tally.tell("folder.unreachable", error=error)
                told = True
            except Exception as error:  # noqa: BLE001 – whatever it says may quote a file's name
                log().error("folder.crashed", source=self.name, exc_info=error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self.options.interval)

    async def _read_on(self, intake: Intake, stopping: asyncio.Event) -> None:
        with Lock(self.options.path) as lock:
            if await self._ours(lock, stopping):
                self._filing.prepare()  # this loop is the folder's own
                await self._watching(intake, stopping).run()

    async def _ours(self, lock: Lock, stopping: asyncio.Event) -> bool:
        """Wait until no other gateway reads the folder; False when we stop before."""
        told = False
        while not lock.take():
            if not told:
                log().info("folder.waiting", source=self.name)
            told = True
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self.options.interval)
                return False
        return True

    def _watching(self, intake: Intake, stopping: asyncio.Event) -> Watching:
        return Watching(
            self.name,
            self.options,
            self._filing,
            clock=self._clock,
            replier=self._replier,
            offering=Offering(self.name, intake),
            tally=self._tally,
            stopping=stopping,
            message=self._message,
        )

    def _message(self, body: bytes) -> RawMessage:
        return RawMessage(source=self.name, format=self.options.format, body=body, received=self._clock.now())
