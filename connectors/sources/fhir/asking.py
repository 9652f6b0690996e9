"""Everything one source asks of its server, in threads of its own: what is wanted, what changed, what its subscriptions missed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, ConfigDict

from connectors.sources.fhir.bulk.exporter import Exporter
from connectors.sources.fhir.bulk.options import ExportOptions
from connectors.sources.fhir.bulk.turns import Turns
from connectors.sources.fhir.client.jwks import jwks
from connectors.sources.fhir.client.options import ClientOptions
from connectors.sources.fhir.client.server import FhirServer
from connectors.sources.fhir.narrowed import narrowed
from connectors.sources.fhir.polling.changes import Changes
from connectors.sources.fhir.polling.fetcher import Fetcher, everything
from connectors.sources.fhir.polling.handing import Handing
from connectors.sources.fhir.polling.messages import Maker
from connectors.sources.fhir.polling.options import FetchOptions, PollOptions
from connectors.sources.fhir.polling.poller import Poller
from connectors.sources.fhir.polling.watermarks import Seen
from connectors.sources.fhir.subscribing.listing import Listing
from connectors.sources.fhir.subscribing.options import SubscribeOptions
from connectors.sources.fhir.subscribing.registrar import Registrar
from connectors.sources.fhir.subscribing.resources import Secret
from connectors.sources.fhir.subscribing.watcher import Watcher
from connectors.sources.tally import Tally
from gateway.model.errors import Busy
from gateway.model.event import Release
from gateway.ports import Asgi, Clock, ElementsOf, ExportStep, Fetches, Intake, Notes
from gateway.telemetry import log


class AskingOptions(BaseModel):
    """What a source may be told about asking its server."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    client: ClientOptions = ClientOptions()
    fetch: FetchOptions = FetchOptions()
    poll: PollOptions | None = None
    subscribe: SubscribeOptions = SubscribeOptions()
    export: ExportOptions = ExportOptions()  # by command; by itself where it says `every`


class Asking:
    """The client of one source with a `base`.

    `secrets`: by subscription the header and secret that its notifications must show. Raises ConfigError.
    """

    def __init__(
        self,
        name: str,
        base: str,
        options: AskingOptions,
        clock: Clock,
        *,
        release: Release,
        tally: Tally,
        secrets: Mapping[str, Secret] | None = None,
    ) -> None:
        self._name = name
        self._options = options
        self._clock = clock
        self._release = release
        self._tally = tally
        self._secrets = dict(secrets or {})
        self._elements: ElementsOf = everything
        self._server = FhirServer(name, base, options.client, clock, tally)
        self._notes: Notes | None = None
        self._fetches: Fetches | None = None
        self._fetcher: Fetcher | None = None
        self._watcher: Watcher | None = None
        self._threads: list[threading.Thread] = []

    @property
    def server(self) -> FhirServer:
        """The server itself, for whoever writes to it."""
        return self._server

    @property
    def key_set(self) -> Asgi | None:
        """What answers with our public keys; None where we have none (O-06)."""
        return jwks(self._server.keys) if self._server.keys else None

    def remember(self, notes: Notes, fetches: Fetches) -> None:
        """Take them; called once, before anything else."""
        self._notes, self._fetches = notes, fetches

    def only(self, elements: ElementsOf) -> None:
        """Read no more of a resource than these (`ports.Sparing`)."""
        self._elements = elements

    @property
    def searches(self) -> bool:
        """Whether anything says what to search for."""
        return bool(self._options.subscribe.subscriptions or self._options.poll)

    @property
    def ready(self) -> bool:
        """Whether there is where to remember anything."""
        return self._notes is not None

    # -- its life

    def start(
        self, intake: Intake, heard: Callable[[], None] = lambda: None, active: Callable[[str], None] = lambda _: None
    ) -> None:
        """Ask from now on. `heard` is called when the server was asked and nothing failed, whatever it said.

        `active` is told the name of each subscription that its server should speak of.
        """
        assert self._notes is not None
        assert self._fetches is not None
        make = Maker(source=self._name, clock=self._clock)
        handing = Handing(intake, self._server.stopping)
        common: dict[str, Any] = {"elements": self._fewest, "clock": self._clock, "tally": self._tally}
        self._fetcher = Fetcher(self._server, self._fetches, handing, make, options=self._options.fetch, **common)
        self._watcher = self._watching(handing, make, active)
        for kind in narrowed(self._options.poll, self._options.subscribe, self._options.export):
            self._tally.tell("fhir.search-narrowed", resource=kind)
        self._thread("fetch", self._fetcher.run)
        if self._options.poll is not None:
            poll = self._options.poll
            poller = Poller(
                self._server, self._notes, self._fetches, handing, make, options=poll, heard=heard, **common
            )
            self._thread("poll", poller.run)
        if self._options.export.every is not None:
            every = self._options.export.every
            turns = Turns(self._exporter(handing), every=every, clock=self._clock, tally=self._tally)
            self._thread("export", turns.run)
        if self._options.subscribe.subscriptions:
            self._thread("subscriptions", self._watcher.run)

    def stop(self, seconds: float) -> None:
        """Ask nothing more; what is in hand is waited for, at most so long. What was not settled is asked for again."""
        self._server.stopping.set()
        if self._fetcher is not None:
            self._fetcher.wake()
        until = time.monotonic() + seconds
        for one in self._threads:
            one.join(max(0.0, until - time.monotonic()))
        if any(one.is_alive() for one in self._threads):
            log().warning("fhir.stopped-asking", source=self._name)
        self._server.close()

    def wake(self) -> None:
        """Something is wanted now."""
        if self._fetcher is not None:
            self._fetcher.wake()

    @property
    def repair(self) -> Watcher:
        """What the endpoint asks for what it missed. Raises Busy before `start`."""
        if self._watcher is None:
            raise Busy("the source is not started")
        return self._watcher

    def subscriptions(self) -> Listing:
        """`ports.Subscribes`."""
        return Listing(self._registrar())

    @contextmanager
    def exporting(self, intake: Intake, step: Callable[[ExportStep], None]) -> Iterator[Exporter]:
        """`ports.Exports`: of a source that is not started."""
        try:
            yield self._exporter(Handing(intake, self._server.stopping), step)
        finally:
            self._server.close()

    def _exporter(self, handing: Handing, step: Callable[[ExportStep], None] = lambda _: None) -> Exporter:
        assert self._notes is not None
        assert self._fetches is not None
        return Exporter(
            self._server,
            self._notes,
            self._fetches,
            handing,
            source=self._name,
            options=self._options.export,
            clock=self._clock,
            tally=self._tally,
            step=step,
        )

    def _watching(self, handing: Handing, make: Maker, active: Callable[[str], None]) -> Watcher:
        assert self._notes is not None
        assert self._fetches is not None
        poll = self._options.poll
        changes = Changes(
            server=self._server,
            fetches=self._fetches,
            handing=handing,
            make=make,
            seen=Seen(),
            elements=self._fewest,
            tally=self._tally,
            alive=self._alive,
        )
        return Watcher(
            self._server,
            self._registrar(),
            changes,
            self._notes,
            clock=self._clock,
            tally=self._tally,
            others=[f"{kind}?{search}".rstrip("?") for kind, search in poll.resources.items()] if poll else (),
            active=active,
        )

    def _registrar(self) -> Registrar:
        assert self._notes is not None
        return Registrar(
            self._server,
            self._notes,
            self._options.subscribe,
            release=self._release,
            secrets=self._secrets,
            clock=self._clock,
            tally=self._tally,
        )

    def _fewest(self, kind: str) -> Sequence[str]:
        return self._elements(kind)

    def _alive(self) -> None:
        if self._server.stopping.is_set():
            raise Busy("the source is stopping")

    def _thread(self, what: str, run: Callable[[threading.Event], None]) -> None:
        name = f"caregate-fhir-{self._name}-{what}"
        thread = threading.Thread(target=run, args=(self._server.stopping,), name=name, daemon=True)
        thread.start()
        self._threads.append(thread)
