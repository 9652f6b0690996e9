"""What waits for a person, and the person's answer: look again, or never; both audited with account and reason."""

from __future__ import annotations

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.pipeline.inspect.choosing import WAITING, Choice
from gateway.pipeline.inspect.outbox import HELD, HoldLine, outbox
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.words import state_word
from gateway.pipeline.rows import join_reasons, split_reasons
from gateway.store import tables
from gateway.store.uow import UnitOfWork


def holds(gateway: Inspectable, *, limit: int = 1000) -> list[HoldLine]:
    """Every request on hold, the one due first at the top."""
    return list(outbox(gateway, Choice(), held=True, limit=limit).lines)


def release_request(gateway: Inspectable, request: int, *, reason: str, account: str) -> None:
    """Have a held request judged again by every gate; nothing is bypassed. Raises CommandError.

    What a feed flagged about this one visit (a VIP code, an uncertain time) is settled by the person who releases:
    the flag goes, until a message raises it again. An attempt with unknown outcome may be sent a second time by
    this: the person says that it did not arrive.
    """
    with gateway.store.begin(account) as uow:
        patient = _waiting(uow, request, HELD)
        _settle_visit(uow, request, reason)
        due = uow.lookup(tables.request, ("due",), "id", [request])[0][0]
        columns = ("state", "reason", "ring_at")
        uow.update(tables.request, ("id",), columns, [(RequestStatus.ACTIVE, None, max(due, uow.now), request)])
        uow.audit([(Action.REQUEST_RELEASED, request, reason)], request=request, patients=[patient])
        uow.commit()


def withdraw_request(gateway: Inspectable, request: int, *, reason: str, account: str) -> None:
    """Never send a request that waits, for its time or for a person. Raises CommandError."""
    with gateway.store.begin(account) as uow:
        patient = _waiting(uow, request, WAITING)
        values = [(RequestStatus.REVOKED, Reason.WITHDRAWN_BY_HAND, request)]
        uow.update(tables.request, ("id",), ("state", "reason"), values)
        uow.audit(
            [(Action.REQUEST_WITHDRAWN, request, Reason.WITHDRAWN_BY_HAND, reason)], request=request, patients=[patient]
        )
        uow.commit()


def release_patient(gateway: Inspectable, patient: int, hold: str, *, reason: str, account: str) -> int:
    """Lift one hold of a patient and have their requests held for it judged again; returns how many.

    `patient` is a token (from `holds` or `trace`), `hold` one of its reasons. Raises CommandError.
    """
    with gateway.store.begin(account) as uow:
        found = uow.lookup(tables.patient, ("hold",), "token", [patient], lock=True)
        if not found:
            raise CommandError(f"there is no patient {patient}")
        before = split_reasons(found[0][0])
        if hold not in before:
            told = ", ".join(sorted(before)) or "nothing"
            raise CommandError(f"patient {patient} is not held for {hold}; held for: {told}")
        uow.update(tables.patient, ("token",), ("hold",), [(join_reasons(before - {Reason(hold)}), patient)])
        waiting = [
            (request, due)
            for request, state, why, due in uow.lookup(
                tables.request, ("id", "state", "reason", "due"), "patient", [patient]
            )
            if state == "on-hold" and why == hold
        ]
        if waiting:
            values = [(RequestStatus.ACTIVE, None, max(due, uow.now), one) for one, due in waiting]
            uow.update(tables.request, ("id",), ("state", "reason", "ring_at"), values)
        entries: list[tuple[object, ...]] = [(Action.PATIENT_RELEASED, patient, hold, reason)]
        entries += [(Action.REQUEST_RELEASED, one, hold) for one, _ in waiting]
        uow.audit(entries, patients=[patient])
        uow.commit()
    return len(waiting)


def _settle_visit(uow: UnitOfWork, request: int, why: str) -> None:
    """Lift the visit's own flag that holds this request, if that is what holds it."""
    told, occurrence = uow.lookup(tables.request, ("reason", "occurrence"), "id", [request])[0]
    found = uow.lookup(tables.occurrence, ("hold",), "id", [occurrence]) if occurrence is not None else []
    flags = split_reasons(found[0][0]) if found else frozenset()
    if told in flags:
        uow.update(tables.occurrence, ("id",), ("hold",), [(join_reasons(flags - {Reason(told)}), occurrence)])
        uow.audit([(Action.VISIT_RELEASED, occurrence, told, why)], request=request)


def _waiting(uow: UnitOfWork, request: int, states: tuple[str, ...]) -> int:
    """The patient of a request in one of these states, locked before it. Raises CommandError."""
    found = uow.lookup(tables.request, ("patient",), "id", [request])
    if not found:
        raise CommandError(f"there is no request {request}")
    uow.lookup(tables.patient, ("token",), "token", [found[0][0]], lock=True)
    ((state,),) = uow.lookup(tables.request, ("state",), "id", [request], lock=True)
    if state not in states:
        wanted = "on hold" if states == HELD else "waiting"
        raise CommandError(f"request {request} is {state_word(state)}, not {wanted}")
    return int(found[0][0])
