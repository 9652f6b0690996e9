"""What looking at a gateway needs of it; the assembled gateway offers exactly this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gateway.mapping.feed import Feed
from gateway.mapping.pack import Pack
from gateway.model.consent import ChannelKind
from gateway.pipeline.receive import Receiver
from gateway.pipeline.rules import ActiveRules
from gateway.pipeline.site import Site
from gateway.ports import Channel, Reader
from gateway.store.engine import Store


class Inspectable(Protocol):
    """The parts of an assembled gateway that inspection uses."""

    @property
    def store(self) -> Store:
        """The one database."""
        ...

    @property
    def site(self) -> Site:
        """Places, senders, sources."""
        ...

    @property
    def rules(self) -> ActiveRules:
        """The rule set in force."""
        ...

    @property
    def receiver(self) -> Receiver:
        """What takes messages in."""
        ...

    @property
    def pack(self) -> Pack:
        """The mappings in use."""
        ...

    @property
    def feeds(self) -> Mapping[str, Feed]:
        """How each source speaks."""
        ...

    @property
    def channels(self) -> Mapping[ChannelKind, Channel]:
        """The ways out that are configured."""
        ...

    @property
    def readers(self) -> Mapping[str, Reader]:
        """What reads each source's messages."""
        ...
