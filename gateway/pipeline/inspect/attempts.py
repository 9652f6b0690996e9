"""What became of a request's attempts: each with the receipts that came, in words of the closed lists; nobody is named."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.when import Millis
from gateway.pipeline.inspect.parts import Inspectable
from gateway.store import tables

_SENT = ("id", "request", "channel", "attempt", "status", "reason", "at", "settled")
_TOLD = ("id", "communication", "status", "at", "code")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptLine:
    """One receipt. `code`: the other side's, a word or number. Millis UTC."""

    id: int
    status: str
    at: Millis
    code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLine:
    """One attempt and what was told of it, oldest first. `settled` None: nobody knows yet. Millis UTC."""

    id: int
    channel: str
    attempt: int
    status: str
    reason: str | None
    at: Millis
    settled: Millis | None
    receipts: tuple[ReceiptLine, ...]


def attempts(gateway: Inspectable, request: int, *, reason: str, account: str) -> list[AttemptLine]:
    """Every attempt of a request; the look is audited with its reason. Raises CommandError when there is none."""
    look(gateway, "receipts", request, reason=reason, account=account)
    with gateway.store.read() as unit:
        sent = sorted(unit.lookup(tables.communication, _SENT, "request", [request]))
        told = sorted(unit.lookup(tables.receipt, _TOLD, "communication", [row[0] for row in sent]))
    return [
        AttemptLine(
            id=identity,
            channel=channel,
            attempt=number,
            status=status,
            reason=why,
            at=at,
            settled=settled,
            receipts=tuple(
                ReceiptLine(id=one, status=word, at=when, code=code)
                for one, about, word, when, code in told
                if about == identity
            ),
        )
        for identity, _, channel, number, status, why, at, settled in sent
    ]


def look(gateway: Inspectable, what: str, request: int, *, reason: str, account: str) -> None:
    """Have it audited that somebody looks at what is about one person: who, why and whose. Raises CommandError."""
    with gateway.store.begin(account) as uow:
        found = uow.lookup(tables.request, ("patient",), "id", [request])
        if not found:
            raise CommandError(f"there is no request {request}")
        uow.audit([(Action.CONTENT_READ, what, reason)], request=request, patients=[found[0][0]])
        uow.commit()


def look_at_message(gateway: Inspectable, what: str, message: int, *, reason: str, account: str) -> None:
    """The same for a message, and everybody it was about. Raises CommandError."""
    with gateway.store.begin(account) as uow:
        if not uow.lookup(tables.audit, ("id",), "id", [message]):
            raise CommandError(f"there is no message {message}")
        whose = uow.lookup(tables.audit_patient, ("patient",), "audit", [message])
        uow.audit([(Action.CONTENT_READ, what, message, reason)], patients=sorted(one for (one,) in whose))
        uow.commit()
