"""Beside the calls: numbers are noted, gaps are asked for, debts are paid, and a subscription's silence is looked into (S-17, S-19)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from connectors.sources.fhir.options import FhirOptions
from connectors.sources.fhir.repair import Repair
from connectors.sources.fhir.subscriptions import Subscription, Subscriptions
from connectors.sources.tally import Tally
from gateway.ports import Clock

_EVERY = 1.0  # seconds between two looks
_SILENT = 3  # heartbeats that may fail to come
_PAUSE, _LONGEST = 5.0, 300.0  # seconds after trouble, doubled each time

Take = Callable[[str, bytes], Awaitable[bool]]
"""Receives one Bundle of `$events` of a subscription; False when not all of it is committed."""


class Keeper:
    """Looks once a second, on the loop it is run on; blocking calls are made in its threads."""

    def __init__(
        self, options: FhirOptions, clock: Clock, known: Subscriptions, tally: Tally, *, every: float = _EVERY
    ) -> None:
        self.repair: Repair | None = None
        self._options = options
        self._clock = clock
        self._known = known
        self._tally = tally
        self._every = every
        self._not_before: dict[str, float] = {}
        self._pauses: dict[str, float] = {}

    async def run(self, take: Take) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            for one in self._known.all():
                await self._look(one, take)
            await self._guarded("", partial(self._call, self._known.flush))

    async def _look(self, one: Subscription, take: Take) -> None:
        if asyncio.get_running_loop().time() < self._not_before.get(one.id, 0.0):
            return
        gap = one.numbers.gap_since
        if gap is not None and self._clock.now() - gap >= 1_000 * self._options.gap_wait and one.owed is None:
            await self._guarded(one.id, partial(self._close_gap, one, take))
        if one.owed is not None:
            await self._guarded(one.id, partial(self._search, one))
        if self._is_silent(one):
            await self._guarded(one.id, partial(self._ask, one))

    async def _close_gap(self, one: Subscription, take: Take) -> None:
        """What is missing, and no other process has, is asked for by number; what is missing still, by a search."""
        await self._call(self._known.catch_up, one)
        missing = one.numbers.missing
        if missing is None:
            return
        self._tally.tell("fhir.events-missing", missing[1] - missing[0] + 1)
        bundles: Sequence[bytes] | None = None
        if self.repair is not None:
            bundles = await self._call(self.repair.events, one.id, *missing)
        whole = [await take(one.id, bundle) for bundle in bundles or ()]
        if not bundles or not all(whole) or one.numbers.missing == missing:
            await self._call(self._known.owe, one)

    async def _search(self, one: Subscription) -> None:
        if self.repair is None:
            return
        started, top, epoch = self._clock.now(), one.numbers.top, one.numbers.epoch
        await self._call(self.repair.search, one.id, one.since)
        await self._call(self._known.paid, one, started, top, epoch)

    async def _ask(self, one: Subscription) -> None:
        one.told = True
        self._tally.tell("fhir.subscription-silent")
        if self.repair is not None:
            await self._call(self.repair.status, one.id)

    def _is_silent(self, one: Subscription) -> bool:
        allowed = 1_000 * _SILENT * self._options.heartbeat_of(one.id)
        return allowed > 0 and one.heard is not None and not one.told and self._clock.now() - one.heard > allowed

    async def _guarded(self, name: str, what: Callable[[], Awaitable[Any]]) -> None:
        """Trouble passes, whatever it is: it is tried again, less and less often, and stops nothing else."""
        try:
            await what()
        except Exception as error:  # noqa: BLE001 - a server's answer nobody thought of; its text may quote one
            pause = self._pauses[name] = min(2 * self._pauses.get(name, _PAUSE / 2), _LONGEST)
            self._not_before[name] = asyncio.get_running_loop().time() + pause
            self._tally.tell("fhir.not-repaired", error=error, said=error)
        else:
            self._pauses.pop(name, None)

    async def _call(self, what: Callable[..., Any], *words: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, what, *words)
