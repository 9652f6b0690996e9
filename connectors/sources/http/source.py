"""The HTTP source: it is mounted only on a door that is safe enough, and stops without losing what it acknowledged."""

from __future__ import annotations

import asyncio

from connectors.sources.acks import Replier
from connectors.sources.doors import unsafe
from connectors.sources.http.endpoint import Endpoint
from connectors.sources.http.options import HttpOptions
from connectors.sources.options import read
from gateway.model.errors import ConfigError
from gateway.ports import Clock, Door, Intake, Options, Route, Routes
from gateway.telemetry import log


class HttpSource:
    """`ports.Source` and `ports.Serves` for one feed on one path of the API's server.

    `options` is this source's section of caregate.yaml without what every source has; ConfigError if it is wrong.
    `zone` (IANA) is the clock our acknowledgements' MSH-7 is told in, always with its offset (A-21).
    """

    section = HttpOptions  # what the gateway checks our section against, so that each mistake has its line

    def __init__(self, name: str, options: Options, clock: Clock, *, zone: str = "UTC") -> None:
        self.name = name
        self.options = read(HttpOptions, name, options)
        self.path = self.options.path or f"/hl7/{name}"
        replier = Replier(clock=clock, zone=zone, mode=self.options.ack_mode, batch_ack=self.options.batch_ack)
        self._endpoint = Endpoint(name, self.options, clock, replier)

    @property
    def counts(self) -> dict[str, int]:
        """How often each thing that deserves a look happened since the start."""
        return dict(self._endpoint.tally.counts)

    def routes(self, door: Door) -> Routes:
        """Our path. Raises ConfigError when patients' data or a feed would stand open there (H-06)."""
        told = self.options
        ways = "bearer, basic"
        for problem in unsafe(door, plaintext=told.plaintext, allow=told.allow, proven=told.authenticates, ways=ways):
            raise ConfigError(f"source {self.name}: {problem}")
        return (Route(path=self.path, application=self._endpoint),)

    async def start(self, intake: Intake) -> None:
        """Take messages; until now callers were asked to come again."""
        self._endpoint.open(intake)
        log().info("source.listening", source=self.name)

    async def stop(self) -> None:
        """Take nothing new and answer what is in hand, for at most `stop_timeout` seconds (F-16)."""
        self._endpoint.close()
        loop = asyncio.get_running_loop()  # not the one that the requests live on
        if not await loop.run_in_executor(None, self._endpoint.quiet.wait, self.options.stop_timeout):
            log().warning("http.stopped-unanswered", source=self.name)
