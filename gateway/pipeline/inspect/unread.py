"""Messages that lie in the portal longer than their rule allows; a person may say that they saw to one."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.when import Millis
from gateway.pipeline import unheard
from gateway.pipeline.inspect.parts import Inspectable
from gateway.store import tables


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadLine:
    """One message nobody has picked up in time. `at`: when it was put there, Millis UTC."""

    communication: int
    request: int
    rule: str
    at: Millis


def unread(gateway: Inspectable, *, limit: int = 200) -> list[UnreadLine]:
    """Those that still can be picked up, oldest first (EM-11)."""
    keeps = gateway.rules.current().ruleset.policy.portal_keeps
    with gateway.store.read() as unit:
        found = unheard.unread(unit, keeps, limit)
    return [UnreadLine(communication=one, request=request, rule=rule, at=at) for one, request, at, rule in found]


def unread_seen(gateway: Inspectable, communication: int, *, reason: str, account: str) -> None:
    """Somebody called them, say: it is on the worklist no more, and can still be picked up. Raises CommandError."""
    with gateway.store.begin(account) as uow:
        rows = uow.lookup(tables.communication, ("request", "patient", "read_by"), "id", [communication], lock=True)
        if not rows or rows[0][2] is None:
            raise CommandError(f"there is no message {communication} that waits to be read")
        ((request, patient, _),) = rows
        unheard.picked_up(uow, communication)
        uow.audit([(Action.UNREAD_SEEN, communication, reason)], request=request, patients=[patient])
        uow.commit()
