"""The MLLP source: it listens only once the intake is there to commit, and stops without losing what it acknowledged."""

from __future__ import annotations

import asyncio
import errno

from connectors.sources.mllp.listener import Listener
from connectors.sources.mllp.options import AckChannel, MllpOptions, read_options
from connectors.sources.mllp.outbound import AckSender
from connectors.sources.mllp.replies import Replier
from connectors.sources.mllp.tls import Credentials
from gateway.er7.ack import ControlIds
from gateway.model.errors import CommandError
from gateway.model.when import Millis
from gateway.ports import Clock, Intake, Options
from gateway.telemetry import log

_DAY = 86_400_000


class MllpSource:
    """`ports.Source` for one port and one feed (F-17). `port` is the bound one once started.

    `options` is this source's section of caregate.yaml without what every source has; ConfigError if it is
    wrong. `zone` (IANA) is the clock our acknowledgements' MSH-7 is told in, always with its offset (A-21).
    """

    section = MllpOptions  # what the gateway checks our section against, so that each mistake has its line

    def __init__(self, name: str, options: Options, clock: Clock, *, zone: str = "UTC") -> None:
        self.name = name
        self.options: MllpOptions = read_options(name, options)
        self.port = self.options.port
        self._clock = clock
        self._zone = zone
        self._ids = ControlIds(clock.now())
        self._credentials = None if self.options.tls is None else Credentials(name, self.options.tls, clock)
        self._acks: AckSender | None = None
        self._watch: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._listener: Listener | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How often each thing that deserves a look happened on the wire since the start (F-03, F-05)."""
        return dict(self._listener.counts) if self._listener else {}

    @property
    def certificate_ends(self) -> Millis | None:
        """When the first certificate of the link's files ends, ours or an authority's (TL-05); None without TLS."""
        return None if self._credentials is None else self._credentials.ends

    async def start(self, intake: Intake) -> None:
        """Listen. Raises CommandError, one sentence, when the port or address cannot be had."""
        acks = self._way_back()
        replier = Replier(
            self.options, clock=self._clock, ids=self._ids, zone=self._zone, deferred=acks.offer if acks else None
        )
        listener = Listener(
            self.name,
            self.options,
            intake=intake,
            clock=self._clock,
            replier=replier,
            credentials=self._credentials,
        )
        try:
            self._server = await listener.loop.create_server(
                listener.connection, self.options.bind, self.options.port, backlog=128
            )
        except OSError as error:
            raise CommandError(self._refused(error.errno)) from None
        self._listener, self._acks = listener, acks
        if acks is not None:
            acks.start()
        if self._credentials is not None:
            self._credentials.warn()
            self._watch = listener.loop.create_task(self._watch_certificates(self._credentials))
        self.port = int(self._server.sockets[0].getsockname()[1])
        log().info("source.listening", source=self.name, port=self.port, host=self.options.bind)

    async def stop(self) -> None:
        """Accept nothing new, answer what is in hand, close (F-16). Stopping twice, or before the start, is nothing."""
        server, self._server = self._server, None
        if server is None or self._listener is None:
            return
        server.close()
        if self._watch is not None:
            self._watch.cancel()
        await self._listener.stop()
        await server.wait_closed()
        if self._acks is not None:
            await self._listener.loop.run_in_executor(None, self._acks.stop, self.options.stop_timeout)

    def _way_back(self) -> AckSender | None:
        if self.options.app_ack_channel is not AckChannel.SEPARATE:
            return None
        credentials, (host, port) = self._credentials, self.options.way_back()
        context = None if credentials is None else lambda: credentials.client_context
        return AckSender(self.name, host, port, context=context, release=self.options.release)

    async def _watch_certificates(self, credentials: Credentials) -> None:
        """New files serve the next connection; the end of a certificate is told once a day (TL-05)."""
        assert self.options.tls is not None
        told = self._clock.now()
        while True:
            await asyncio.sleep(self.options.tls.reload)
            if credentials.refresh() or self._clock.now() - told >= _DAY:
                told = self._clock.now()
                credentials.warn()

    def _refused(self, number: int | None) -> str:
        where, name = f"{self.options.port} on {self.options.bind}", self.name
        if number == errno.EADDRINUSE:
            return f"port {where} is in use; choose another `port:` for source {name} or stop what listens there"
        if number == errno.EACCES:
            return f"port {where} may not be opened by this account; choose a `port:` above 1023 for source {name}"
        if number == errno.EADDRNOTAVAIL:
            return f"this host has no address {self.options.bind}; correct `bind:` of source {name}"
        return f"port {where} cannot be opened for source {name}; check its `bind:` and `port:`"
