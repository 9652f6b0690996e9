"""A source that reads from a broker: it starts whether or not the broker is there, and stops without losing what it took."""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from typing import ClassVar, Generic, TypeVar

from connectors.brokers.proof import Proof
from connectors.sources.options import read
from connectors.sources.queues.link import Link
from connectors.sources.queues.options import QueueOptions
from connectors.sources.queues.payload import Payload
from connectors.sources.queues.pump import Pump
from connectors.sources.tally import Tally
from gateway.model.errors import ConfigError
from gateway.model.event import Format
from gateway.model.when import Millis
from gateway.ports import Clock, Intake, Options, QueueState, TableShape
from gateway.telemetry import log

Told = TypeVar("Told", bound=QueueOptions)


class QueueSource(Generic[Told]):
    """`ports.Source`, `TakesRows` and `Lags` for one queue. A kind of broker adds `section` and `link`.

    `options` is this source's section of caregate.yaml without what every source has; ConfigError if it is wrong.
    """

    section: ClassVar[type[QueueOptions]]

    def __init__(self, name: str, options: Options, clock: Clock) -> None:
        self.name = name
        self.options: Told = read(self.section, name, options)  # type: ignore[assignment]
        self._clock = clock
        self._tally = Tally(name)
        self._shape: TableShape | None = None
        self._pump: Pump | None = None
        self._thread: threading.Thread | None = None

    @abstractmethod
    def link(self) -> Link:
        """A connection that is not open yet."""

    @property
    def counts(self) -> dict[str, int]:
        """How often each thing that deserves a look happened since the start."""
        return dict(self._tally.counts)

    @property
    def certificate_ends(self) -> Millis | None:
        """When the certificate we show the broker ends: staff are told thirty days ahead."""
        told: object = self.options
        return told.certificate_ends if isinstance(told, Proof) else None

    @property
    def queue(self) -> QueueState:
        """`ports.Lags`."""
        return QueueState() if self._pump is None else self._pump.queue

    def rows_are(self, shape: TableShape) -> None:
        """`ports.TakesRows`. A row that comes again must be told from one that says the same later, and older from newer."""
        wrong = _unfit(shape)
        if wrong is not None:
            raise ConfigError(f"source {self.name}: mapping {shape.mapping} {wrong}")
        self._shape = shape

    async def start(self, intake: Intake) -> None:
        """Take from now on, as soon as the broker is there: one that is away is waited for, and told."""
        if self.options.format is Format.TABLE and self._shape is None:
            raise ConfigError(
                f"source {self.name}: tell `mapping`, the file in mappings/tables by which its rows are read"
            )
        told = self.options
        payload = Payload(self.name, told.format, self._clock, limit=told.max_message, shape=self._shape)
        self._pump = Pump(self.name, self.link, told, payload, intake, clock=self._clock, tally=self._tally)
        self._thread = threading.Thread(target=self._pump.run, name=f"caregate-queue-{self.name}", daemon=True)
        self._thread.start()
        log().info("source.listening", source=self.name)

    async def stop(self) -> None:
        """Take nothing new and settle what is committed, for at most `stop_timeout` seconds (F-16); the rest comes again."""
        thread, self._thread = self._thread, None
        if thread is None or self._pump is None:
            return
        self._pump.stop()
        await asyncio.get_running_loop().run_in_executor(None, thread.join, self.options.stop_timeout)
        if thread.is_alive():
            log().warning("queue.stopped-unanswered", source=self.name)


def _unfit(shape: TableShape) -> str | None:
    """Why such rows cannot come one by one, each perhaps twice."""
    if shape.at is None:
        return "tells no `at`: rows of a queue may come again, and only their own time tells old from new"
    if shape.gone is not None:
        return "tells by `gone` that a row is gone; over a queue tell it by `event`, as a row with its own time"
    if shape.contact:
        return "changes how people are reached (`contact`): only tables that are read as a whole are guarded against one address for many"
    return None
