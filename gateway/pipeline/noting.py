"""What a source remembers between its starts is committed and audited before it counts, and of several processes one holds a name."""

from __future__ import annotations

from gateway.model.audit import Action
from gateway.model.when import Millis
from gateway.pipeline import cursors
from gateway.pipeline.site import SourceEntry
from gateway.store import leases, tables
from gateway.store.engine import Store

_PREFIX = "note."  # no feed's own cursor begins so


class NoteBook:
    """A `ports.Notes` of one source, in its cursors and in leases that begin with its name."""

    def __init__(self, store: Store, source: SourceEntry) -> None:
        self._store, self._source = store, source
        self._held: dict[str, leases.Lease] = {}

    def get(self, name: str) -> str | None:
        """As the port says."""
        return self._kept().get(name)

    def noted(self) -> list[str]:
        """As the port says."""
        return [name for name, value in self._kept().items() if value]

    def _kept(self) -> dict[str, str]:
        with self._store.read() as unit:
            rows = unit.lookup(tables.cursor, ("name", "value"), "source", [self._source.id])
        return {name.removeprefix(_PREFIX): str(value) for name, value in rows if name.startswith(_PREFIX)}

    def put(self, name: str, value: str) -> None:
        """As the port says; what is there already is not written again."""
        if self.get(name) == value:
            return
        with self._store.begin("listen") as uow:
            cursors.put(uow, {(self._source.id, _PREFIX + name): value})
            uow.audit([(Action.CURSOR_MOVED, self._source.name, name)])
            uow.commit()

    def hold(self, name: str, until: Millis) -> bool:
        """As the port says; a moment that is over lets go of it."""
        held = self._held.pop(name, None)
        with self._store.begin("listen") as uow:
            span = max(until - uow.now, 0)
            lease = leases.renew(uow, held, span=span) if held is not None else None
            if lease is None:
                lease = leases.take(uow, f"{self._source.name}/{name}", holder=uow.actor, span=span)
            uow.commit()
        if lease is not None:
            self._held[name] = lease
        return lease is not None
