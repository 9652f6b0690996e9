"""A file's next messages are read in another process while the ones before are stored: the same readings, in the same order.

That process has the mappings and nothing else: no key, no store. It is asked for one batch at a time and ends when
whoever asks is gone. What it cannot read, or a process that died, costs time only: it is read where it is stored.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from gateway import telemetry
from gateway.mapping.feed import Feed
from gateway.mapping.pack import Pack
from gateway.model.event import Format, RawMessage, Reading
from gateway.pipeline.preparing import Readings

if TYPE_CHECKING:
    from gateway.app import Gateway

_WORTH = 8 << 20
"""Bytes of files that take longer to read than another process to start."""


def worth_it(size: int) -> bool:
    """Whether reading so many bytes of files ahead saves time: there are many, and a processor is free to read them."""
    return size >= _WORTH and len(os.sched_getaffinity(0)) > 1


@contextmanager
def reading_ahead(gateway: Gateway, source: str, size: int) -> Iterator[Ahead | None]:
    """Somebody who reads the resources of files of `size` bytes ahead, where that saves time."""
    if gateway.feeds[source].format is not Format.FHIR or not worth_it(size):
        yield None
        return
    with closing(Ahead(gateway, source)) as ahead:
        yield ahead


class Ahead:
    """Reads one batch of a source's messages while its caller does something else with the one before."""

    def __init__(self, gateway: Gateway, source: str) -> None:
        self._facts = gateway.rules.current().ruleset.facts_used
        here, there = get_context("spawn").Pipe()
        arguments = (there, gateway.pack.of(source), gateway.feeds[source], self._facts)
        self._process = get_context("spawn").Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        there.close()  # so that either end notices when the other is gone
        self._here: Connection | None = here

    def ask(self, batch: Sequence[RawMessage]) -> None:
        """Have a batch read, if it is any; the one before must have been taken."""
        if self._here is not None and batch:
            try:
                self._here.send(batch)
            except OSError:
                self._lost()

    def take(self) -> Readings | None:
        """What was asked for, when it is there; None: nobody has read it."""
        if self._here is not None:
            try:
                return Readings(self._facts, self._here.recv())
            except (EOFError, OSError):
                self._lost()
        return None

    def close(self) -> None:
        """End the process."""
        if self._here is not None:
            self._here.close()
            self._here = None
        self._process.join()

    def _lost(self) -> None:
        telemetry.log().warning("load.reader-lost")
        self.close()


def _serve(asked: Connection, pack: Pack, feed: Feed, facts: frozenset[str]) -> None:
    """Read batches until nobody asks any more."""
    from gateway.app.assembly import readers_of

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells it to all: who asks ends this
    reader = readers_of(pack, {feed.name: feed}, facts)[feed.name]

    def read(message: RawMessage) -> Reading | None:
        try:
            return reader(message)
        except Exception:  # noqa: BLE001  # the receiver meets it too, and says so
            return None

    try:
        while True:
            asked.send([read(one) for one in asked.recv()])
    except (EOFError, OSError):
        return
