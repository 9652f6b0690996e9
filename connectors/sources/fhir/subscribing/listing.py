"""The subscriptions of one source as people see them: what was asked for, what the server says, and never a secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from connectors.sources.fhir.subscribing.registrar import Registrar
from connectors.sources.fhir.subscribing.standing import Standing
from gateway.model.errors import CommandError
from gateway.ports import Subscribed

NONE = "none"


class Listing:
    """`ports.Subscriptions` over one registrar."""

    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar

    def list(self, names: Sequence[str] = ()) -> Sequence[Subscribed]:
        """As the port says."""
        known = self._registrar.options.subscriptions
        strange = [name for name in names if name not in known]
        if strange or not known:
            told = ", ".join(known) or "none: add them under `subscribe.subscriptions` of the source"
            raise CommandError(f"there is no such subscription in caregate.yaml; it has {told}")
        return [self._line(name, self._registrar.standing(name)) for name in names or known]

    def subscribe(self, name: str) -> Subscribed:
        """As the port says."""
        return self._line(name, self._registrar.register(name))

    def look(self, name: str) -> Subscribed:
        """As the port says."""
        standing = self._registrar.standing(name)
        if standing is None:
            return self._line(name, None)
        status, _ = self._registrar.look(name, standing)
        return self._line(name, replace(standing, status=status))

    def unsubscribe(self, name: str) -> bool:
        """As the port says."""
        return self._registrar.unregister(name)

    def _line(self, name: str, standing: Standing | None) -> Subscribed:
        told = self._registrar.options.subscriptions[name]
        return Subscribed(
            name=name,
            about=told.topic or told.criteria or "",
            endpoint=self._registrar.endpoint(name),
            content=told.payload,
            status=standing.status if standing else NONE,
            id=standing.id if standing else None,
            end=standing.end if standing else None,
            lost=standing.lost if standing else None,
        )
