"""The FHIR source: mounted only on a door that is safe enough, it remembers what it heard and stops without losing what it answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

from connectors.sources.doors import unsafe
from connectors.sources.fhir.asking import Asking
from connectors.sources.fhir.bundles import notice_of
from connectors.sources.fhir.endpoint import Endpoint
from connectors.sources.fhir.keeping import Keeper
from connectors.sources.fhir.options import FhirOptions
from connectors.sources.fhir.repair import Repair
from connectors.sources.fhir.subscriptions import Subscriptions
from connectors.sources.fhir.taking import Taking
from connectors.sources.fhir.writing import Writing
from connectors.sources.offering import Offering
from connectors.sources.options import read
from connectors.sources.tally import Tally
from gateway.model.errors import CommandError, ConfigError, StoreError, Unreadable
from gateway.model.when import Millis
from gateway.ports import (
    Asgi,
    Clock,
    Door,
    ElementsOf,
    Exporting,
    ExportStep,
    Fetches,
    Intake,
    Notes,
    Options,
    Route,
    Routes,
)
from gateway.ports import Subscriptions as Listed
from gateway.telemetry import log


class FhirSource:
    """`ports.Source`, `Serves`, `Remembers`, `Sparing` and `Subscribes` for one FHIR server, on one path of the API's server.

    `options` is this source's section of caregate.yaml without what every source has; ConfigError if it is wrong.
    """

    section = FhirOptions  # what the gateway checks our section against, so that each mistake has its line

    def __init__(self, name: str, options: Options, clock: Clock) -> None:
        self.name = name
        self.options = read(FhirOptions, name, options)
        self.path = self.options.path or f"/fhir/{name}"
        self._tally = Tally(name)
        self._known = Subscriptions(clock)
        self._taking = Taking(name, clock, self._known)
        self._endpoint = Endpoint(name, self.path, self.options, clock, tally=self._tally, taking=self._taking)
        self._keeper = Keeper(self.options, clock, self._known, self._tally)
        self._keeping: asyncio.Task[None] | None = None
        self._asking = self._asks(clock) if self.options.base else None

    def _asks(self, clock: Clock) -> Asking:
        told = self.options
        secrets = {name: told.secret_of(name) for name in told.subscribe.subscriptions}
        return Asking(
            self.name,
            told.base or "",
            told,
            clock,
            release=told.release,
            tally=self._tally,
            secrets={name: secret for name, secret in secrets.items() if secret is not None},
        )

    @property
    def counts(self) -> dict[str, int]:
        """How often each thing that deserves a look happened since the start."""
        return dict(self._tally.counts)

    def routes(self, door: Door) -> Routes:
        """Our paths. Raises ConfigError when patients' data or a feed would stand open there (S-32)."""
        told = self.options
        keys = (
            ()
            if self._key_set is None
            else (Route(path=f"{self.path}/.well-known/jwks.json", application=self._key_set),)
        )
        if told.poll is not None and not (told.authenticates or told.allow or door.certificates):
            return keys  # it asks, and is told nothing
        for problem in unsafe(
            door, plaintext=told.plaintext, allow=told.allow, proven=told.authenticates, ways="keys, signatures"
        ):
            raise ConfigError(f"source {self.name}: {problem}")
        paths = (self.path, f"{self.path}/{{rest:path}}")
        return (*keys, *(Route(path=one, application=self._endpoint) for one in paths))

    @property
    def _key_set(self) -> Asgi | None:
        return self._asking.key_set if self._asking is not None else None

    def remember(self, notes: Notes, fetches: Fetches) -> None:
        """Keep what was heard in `notes`; what is told by reference only is wanted of `fetches`, if there is a server."""
        self._known.remember(notes)
        if self._asking is not None:
            self._taking.fetches = fetches
            self._asking.remember(notes, fetches)

    def ask_again(self, since: Millis) -> bool:
        """`ports.AsksAgain`: of every subscription at once; what counts its events goes on from the number it noted, too."""
        everything = self._known.of("")
        if self._asking is None or not self._asking.searches or everything is None:
            return False
        self._known.owe_since(everything, since)
        return True

    def only(self, elements: ElementsOf) -> None:
        """Read no more of a resource than these."""
        if self._asking is not None:
            self._asking.only(elements)

    def subscriptions(self) -> Listed:
        """What its server can be asked to notify of. Raises CommandError where there is none."""
        return self._asked().subscriptions()

    def exporting(self, intake: Intake, step: Callable[[ExportStep], None]) -> AbstractContextManager[Exporting]:
        """`ports.Exports`. Raises CommandError where there is no server to ask."""
        return self._asked().exporting(intake, step)

    def _asked(self) -> Asking:
        if self._asking is None:
            raise CommandError(f"source {self.name} has no `base`: there is no server to ask")
        return self._asking

    def write(self, resource: bytes, *, identifier: str, id: str | None) -> str:  # noqa: A002 -- FHIR's own name
        """`ports.WritesBack`: only where there is a server, which `write_back` asks for. Raises ServerError."""
        assert self._asking is not None
        return Writing(self._asking.server).write(resource, identifier=identifier, id=id)

    def mend(self, repair: Repair, wake: Callable[[], None] = lambda: None) -> None:
        """Ask through `repair` for what was missed; `wake`: something is wanted now. Called once, before `start`."""
        self._keeper.repair = repair
        self._taking.wake = wake

    async def start(self, intake: Intake) -> None:
        """Take notifications; until now callers were asked to come again. Raises StoreError."""
        await asyncio.get_running_loop().run_in_executor(None, self._known.load)
        if self._asking is not None and self._asking.ready:
            self._asking.start(intake, partial(intake.heard, self.name), self._known.expect)
            if self._keeper.repair is None:
                self.mend(self._asking.repair, self._asking.wake)
        offering = Offering(self.name, intake)

        async def take(subscription: str, bundle: bytes) -> bool:
            try:
                notice = replace(notice_of(bundle, self.options.bases, at=""), subscription=subscription)
            except Unreadable:
                return False
            return (await self._taking.take(notice, offering)).status < 500

        self._keeping = asyncio.create_task(self._keeper.run(take), name=f"caregate-fhir-{self.name}")
        self._endpoint.open(intake)
        log().info("source.listening", source=self.name)

    async def stop(self) -> None:
        """Take nothing new and answer what is in hand, for at most `stop_timeout` seconds (F-16); then note what was heard."""
        self._endpoint.close()
        loop = asyncio.get_running_loop()  # not the one that the requests live on
        if not await loop.run_in_executor(None, self._endpoint.quiet.wait, self.options.stop_timeout):
            log().warning("fhir.stopped-unanswered", source=self.name)
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._asking is not None:
            await loop.run_in_executor(None, self._asking.stop, self.options.stop_timeout)
        try:
            await loop.run_in_executor(None, self._known.flush)
        except StoreError as error:  # it lags, and is asked for again
            log().warning("fhir.not-noted", source=self.name, error=type(error).__name__)
