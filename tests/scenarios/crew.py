"""The processes of a world: some do the work, die of it, and others take their place; or all hear every bell at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.model.errors import StoreUnavailable
from gateway.ports import SetClock
from gateway.settings import Settings
from gateway.store.keyring import Keyring
from tests.scenarios.databases import Database
from tests.scenarios.failing import Death, Fates
from tests.scenarios.house import House
from tests.scenarios.provider import Provider

_ROUNDS = 40


class Crew:
    """`houses`: the processes that are alive. `threads`: whether they answer doorbells at the same time."""

    def __init__(
        self, settings: Settings, keyring: Keyring, database: Database, clock: SetClock, provider: Provider,
        chance: random.Random, *, threads: bool,
    ) -> None:  # fmt: skip
        self._settings, self._keyring, self._database = settings, keyring, database
        self.clock, self._provider, self.chance, self._threads = clock, provider, chance, threads
        self.fates: Fates = provider.fates
        self.houses: list[House] = []

    def open(self, count: int) -> None:
        self.houses = [self._house() for _ in range(count)]

    def _house(self) -> House:
        settings = replace(self._settings, database_url=self._database.url, audit_heads=self._database.heads)
        return House(settings, self.clock, self._keyring, self._provider.channels())

    def close(self) -> None:
        for house in self.houses:
            house.closes()
        self.houses = []

    def _reborn(self, house: House) -> House:
        """Another process takes the place of one that died."""
        if house not in self.houses:
            return self.houses[0]
        house.dies()
        self.houses[self.houses.index(house)] = other = self._house()
        return other

    def lived(self, act: Callable[[House], object]) -> bool:
        """Some process does it; False when it died of it, and another has taken its place."""
        house = self.chance.choice(self.houses)
        try:
            with self.fates.alive():
                act(house)
        except Death:
            self._reborn(house)
            return False
        return True

    def delivers(self) -> None:
        for _ in range(_ROUNDS):
            self.lived(lambda house: house.dispatcher.once())
            rung = [one for house in self.houses for one in house.rung]
            for house in self.houses:
                house.rung.clear()
            if not rung:
                return
            if self._threads and len(rung) > 1:
                self._race(rung)
            else:
                for one in rung:
                    self.lived(lambda house, one=one: house.deliverer.deliver(one))  # type: ignore[misc]

    def _race(self, rung: Sequence[int]) -> None:
        """Both processes hear every bell, each in an order of its own."""
        orders = [self.chance.sample(rung, len(rung)) for _ in self.houses]
        threads = [
            threading.Thread(target=self._answers, args=(house, order))
            for house, order in zip(self.houses, orders, strict=True)
        ]
        self.fates.counts["raced bells"] += len(rung)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.houses = [self._reborn(house) if house.dead else house for house in self.houses]

    def _answers(self, house: House, order: Sequence[int]) -> None:
        for one in order:
            try:
                with self.fates.alive():
                    house.deliverer.deliver(one)
            except Death:
                house.dead = True
                return
            except StoreUnavailable:
                self.fates.note("database busy")
