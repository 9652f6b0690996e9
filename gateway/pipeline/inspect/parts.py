"""What looking at a gateway needs of it; the assembled gateway offers exactly this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gateway.pipeline.receive import Receiver
from gateway.pipeline.rules import ActiveRules
from gateway.pipeline.site import Site
from gateway.ports import Reader
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
    def readers(self) -> Mapping[str, Reader]:
        """What reads each source's messages."""
        ...
