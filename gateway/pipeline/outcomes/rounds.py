"""One sink is told by one process at a time, batch by batch, and stands behind a batch only once its other side has it.

Killed in between, the batch is told again, with the same ids: at least once, and once by id.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway import telemetry
from gateway.model.errors import DeliveryError, Unavailable
from gateway.pipeline.alone import Alone, alone
from gateway.pipeline.outcomes.gathering import Gathered, gather
from gateway.pipeline.outcomes.standing import NO_AGREEMENT, REFUSED, UNAVAILABLE, Standing, failed, move, standing
from gateway.pipeline.regular import Regular
from gateway.pipeline.rules import Active
from gateway.pipeline.site import SinkEntry, Site
from gateway.ports import Sink
from gateway.store import seal
from gateway.store.engine import Store


class Publishing(Regular):
    """A round every so often, in a thread of its own: the other side may take long."""

    def __init__(self, store: Store, site: Site, entry: SinkEntry, sink: Sink, rules: Callable[[], Active]) -> None:
        super().__init__("outcomes", every=entry.every / 1000, of=entry.name)
        self._store, self._site, self._entry, self._sink, self._rules = store, site, entry, sink, rules
        self._looked = (-1, -1)  # where it stood, and up to where there was nothing to tell

    def once(self) -> int:
        """Tell all there is below the watermark; how many rows. Raises StoreError."""
        with alone(self._store, "outcomes", f"sink:{self._entry.name}") as held:
            return 0 if held is None else self._round(held)

    def _round(self, held: Alone) -> int:
        below, told, more = seal.watermark(self._store), 0, True
        while more and not self.stopping.is_set():
            at = self._standing(held)
            if at is None:
                break
            after = max(at.position, self._looked[1]) if self._looked[0] == at.position else at.position
            batch = gather(self._store, self._site, self._entry, self._rules(), after=after, below=below)
            if batch.rows and not self._written(at, batch):
                break
            more = self._passed(at, batch, held) and batch.more
            told += len(batch.rows)
        return told

    def _standing(self, held: Alone) -> Standing | None:
        """Where it stands; None: nothing may be told now."""
        with self._store.begin("outcomes") as uow:
            at = standing(uow, self._entry.name)
            ours = held.renewed(uow)
            agreed = self._entry.agreed(uow.now)
            due = at.next_at <= uow.now
            if due and not agreed:  # it may not be handed what is about people (45 CFR 164.308(b))
                failed(uow, at, NO_AGREEMENT)
            uow.commit()
        return at if ours and agreed and due else None

    def _written(self, at: Standing, batch: Gathered) -> bool:
        try:
            self._sink.write(batch.rows)
        except DeliveryError as error:
            telemetry.log().info("outcomes.untold", name=at.name, error=type(error).__name__, said=error)
            with self._store.begin("outcomes") as uow:
                failed(uow, at, UNAVAILABLE if isinstance(error, Unavailable) else REFUSED, str(error))
                uow.commit()
            return False
        return True

    def _passed(self, at: Standing, batch: Gathered, held: Alone) -> bool:
        """Move on. Where there was nothing to tell and nothing more to look at, it stays: to look again does no harm."""
        if not batch.rows and not batch.more:
            self._looked = (at.position, batch.position)
            return True
        with self._store.begin("outcomes") as uow:
            moved = held.renewed(uow) and move(uow, at, batch)
            uow.commit()
        return moved
