"""A round that one process makes at a time: the others pass it over, and who died in the middle is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.model.when import MINUTE, Millis
from gateway.store import leases
from gateway.store.engine import Store
from gateway.store.leases import Lease
from gateway.store.uow import UnitOfWork

SPAN: Millis = 5 * MINUTE
"""Longer than one exchange with another system; renewed before each."""


class Alone:
    """The lease of one round."""

    def __init__(self, lease: Lease) -> None:
        self._lease: Lease | None = lease

    def renewed(self, uow: UnitOfWork) -> bool:
        """Hold it for another SPAN from the unit's commit on; False: another process has taken it."""
        if self._lease is not None:
            self._lease = leases.renew(uow, self._lease, span=SPAN)
        return self._lease is not None

    def let_go(self, uow: UnitOfWork) -> None:
        """Another process may."""
        if self._lease is not None:
            leases.release(uow, self._lease)


@contextmanager
def alone(store: Store, actor: str, name: str) -> Iterator[Alone | None]:
    """Take the named lease for the block; None while another process has it. Raises StoreError."""
    with store.begin(actor) as uow:
        lease = leases.take(uow, name, holder=actor, span=SPAN)
        uow.commit()
    held = None if lease is None else Alone(lease)
    try:
        yield held
    except Exception:
        _let_go(store, actor, held)
        raise
    _let_go(store, actor, held)


def _let_go(store: Store, actor: str, held: Alone | None) -> None:
    if held is not None:
        with store.begin(actor) as uow:
            held.let_go(uow)
            uow.commit()
