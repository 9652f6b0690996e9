"""One process of the gateway, real but for its threads: it can be opened on a database, used, and die without a word."""

from __future__ import annotations

from typing import Any

from gateway.app.assembly import assemble, deliverer_of, dispatcher_of, settler_of
from gateway.model.agreement import Agreement
from gateway.model.consent import ChannelKind
from gateway.pipeline.doubts import Doubts
from gateway.ports import Channel, SetClock
from gateway.settings import Settings
from gateway.store.keyring import Keyring


class House:
    """The parts of one process around one store. `rung`: doorbells nobody answered yet."""

    def __init__(
        self, settings: Settings, clock: SetClock, keyring: Keyring, channels: dict[ChannelKind, Channel]
    ) -> None:
        self.rung: list[int] = []
        self.dead = False
        self.gateway = furnished(assemble(settings, clock=clock, keyring=keyring), channels)
        self.gateway.doorbell.connect(self.rung.extend)
        self.deliverer = deliverer_of(self.gateway)
        self.dispatcher = dispatcher_of(self.gateway, self.rung.extend)
        self.settler = settler_of(self.gateway)
        policy = lambda: self.gateway.rules.current().ruleset.policy  # noqa: E731
        self.doubts = Doubts(self.gateway.store, self.gateway.channels, policy, self.rung.extend)

    def dies(self) -> None:
        """As the kernel ends it: connections are cut, nothing is given back, its doorbells are forgotten."""
        store = self.gateway.store
        self.rung.clear()
        for stop in store._closers:
            stop()
        store.database.close()

    def closes(self) -> None:
        """As told."""
        self.gateway.close()


def furnished(gateway: Any, channels: dict[ChannelKind, Channel]) -> Any:
    """With the harness's own channels, and agreements for them."""
    gateway.channels.update(channels)
    for kind in channels:
        gateway.site.agreements.setdefault(kind, Agreement(party="", because="the scenarios"))
    return gateway
