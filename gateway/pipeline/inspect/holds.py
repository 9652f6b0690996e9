"""What waits for a person, and the person's answer: look again, or never; both audited with account and reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import bindparam, select

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.facts import VOCABULARY
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline.inspect.codes import places_of, where_to_add
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.words import held, released_by, state_word
from gateway.pipeline.rows import join_reasons, split_reasons
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

_decode = msgspec.json.Decoder(list[list[Any]]).decode
_r = tables.request.c
HELD = Statement(
    "request.held",
    select(_r.id, _r.patient, _r.rule, _r.step, _r.reason, _r.due, _r.expires, _r.raw)
    .where(_r.state == "on-hold")
    .order_by(_r.due)
    .limit(bindparam("limit")),
    params=("limit",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldLine:
    """One request that waits for a person. `waits_for`: what ends it, with the facts or the line that decided."""

    request: int
    patient: int
    rule: str
    step: str
    reason: str
    due: Millis
    expires: Millis | None
    waits_for: str


def holds(gateway: Inspectable, *, limit: int = 1000) -> list[HoldLine]:
    """Every request on hold, the one due first at the top."""
    with gateway.store.read() as unit:
        rows = unit.all(HELD, (limit,))
        details = _details(unit, {row[0] for row in rows}, {row[7] for row in rows if row[7] is not None})
    return [
        HoldLine(
            request=i,
            patient=p,
            rule=rule,
            step=step,
            reason=reason or "",
            due=due,
            expires=expires,
            waits_for=_waits_for(gateway, reason or "", details.get((i, reason), "")),
        )
        for i, p, rule, step, reason, due, expires, _ in rows
    ]


def _details(unit: Reader, requests: set[int], messages: set[int]) -> dict[tuple[int, str], str]:
    """What the audit log says beside the reason of a hold, by request and reason; the last word counts."""
    columns = ("id", "entries")
    rows = unit.lookup(tables.audit, columns, "request", sorted(requests))
    rows += unit.lookup(tables.audit, columns, "id", sorted(messages))
    entries = (entry for _, blob in sorted(set(rows)) for entry in _decode(blob) if entry[0] == Action.REQUEST_HELD)
    return {(one.request, one.reason): one.detail for one in map(held, entries) if one.request in requests}


def _waits_for(gateway: Inspectable, reason: str, detail: str) -> str:
    """What ends a hold; of a code no table knows: the fact, the fields it is read from, and the file that lacks it."""
    if reason != Reason.UNMAPPED_CODE:
        return released_by(reason, detail)
    facts = [fact for fact in detail.split(", ") if fact in VOCABULARY]
    told = [
        f"{fact} from {places_of(gateway.pack, fact)} has a code that is not in {where_to_add(gateway.pack, fact)}"
        for fact in facts
    ]
    return "; ".join(told) or released_by(reason, detail)


def release_request(gateway: Inspectable, request: int, *, reason: str, account: str) -> None:
    """Have a held request judged again by every gate; nothing is bypassed. Raises CommandError.

    What a feed flagged about this one visit (a VIP code, an uncertain time) is settled by the person who releases:
    the flag goes, until a message raises it again. An attempt with unknown outcome may be sent a second time by
    this: the person says that it did not arrive.
    """
    with gateway.store.begin(account) as uow:
        patient = _held(uow, request)
        _settle_visit(uow, request, reason)
        due = uow.lookup(tables.request, ("due",), "id", [request])[0][0]
        columns = ("state", "reason", "ring_at")
        uow.update(tables.request, ("id",), columns, [(RequestStatus.ACTIVE, None, max(due, uow.now), request)])
        uow.audit([(Action.REQUEST_RELEASED, request, reason)], request=request, patients=[patient])
        uow.commit()


def withdraw_request(gateway: Inspectable, request: int, *, reason: str, account: str) -> None:
    """Never send a held request. Raises CommandError."""
    with gateway.store.begin(account) as uow:
        patient = _held(uow, request)
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


def _held(uow: UnitOfWork, request: int) -> int:
    found = uow.lookup(tables.request, ("state", "patient"), "id", [request], lock=True)
    if not found:
        raise CommandError(f"there is no request {request}")
    state, patient = found[0]
    if state != RequestStatus.ON_HOLD:
        raise CommandError(f"request {request} is {state_word(state)}, not on hold")
    return int(patient)
