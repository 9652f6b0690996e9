"""What waits to leave and why, counted and one by one; nothing that waits is left out, and nobody is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import bindparam, case, func, select

from gateway.model.audit import Action
from gateway.model.facts import VOCABULARY
from gateway.model.party import Identifier
from gateway.model.request import Priority, RequestStatus
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline import brakes
from gateway.pipeline.brakes import Brake
from gateway.pipeline.inspect.choosing import WAITING, Choice, narrowed
from gateway.pipeline.inspect.codes import places_of, where_to_add
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.trace import find_patient
from gateway.pipeline.inspect.words import held, released_by
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader

_decode = msgspec.json.Decoder(list[list[Any]]).decode
_r = tables.request.c
_LANES = [*Priority]
_COLUMNS = (
    _r.id,
    _r.patient,
    _r.rule,
    _r.step,
    _r.priority,
    _r.state,
    _r.reason,
    _r.due,
    _r.ring_at,
    _r.expires,
    _r.raw,
)
HELD = (RequestStatus.ON_HOLD.value,)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldLine:
    """One request that waits. `state`: "due", "waiting" (for its time) or "held" (for a person); `lane` its urgency.

    `next`: when it is looked at again by itself, None when held. `waits_for`: what ends it, with the facts or the line
    that decided. Times are Millis UTC.
    """

    request: int
    patient: int
    rule: str
    step: str
    reason: str
    due: Millis
    expires: Millis | None
    waits_for: str
    lane: str
    state: str
    next: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxCount:
    """How many wait alike, and when the first of them is due."""

    state: str
    lane: str
    rule: str
    reason: str
    count: int
    next_due: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxReport:
    """What waits: what is stopped, the counts of all that was asked for, and the first of them one by one."""

    at: Millis
    stopped: tuple[Brake, ...]
    counts: tuple[OutboxCount, ...]
    lines: tuple[HoldLine, ...]

    @property
    def total(self) -> int:
        """How many wait altogether."""
        return sum(one.count for one in self.counts)


def outbox(gateway: Inspectable, choice: Choice, *, held: bool = False, limit: int = 50) -> OutboxReport:
    """What waits of what is chosen (`held`: for a person only), the most urgent and first due on top of `lines`.

    Raises CommandError for a facility or a reason that does not exist.
    """
    only = narrowed(gateway.site, choice, states=HELD if held else WAITING)
    with gateway.store.read() as unit:
        due = case((_r.due <= bindparam("now"), 1), else_=0)
        told = select(_r.state, _r.priority, _r.rule, _r.reason, due, func.count(), func.min(_r.due))
        counting, names = only.where(told)
        grouped = counting.group_by(_r.state, _r.priority, _r.rule, _r.reason, due)
        counts = unit.all(Statement("outbox.counts", grouped, params=("now", *names)), (unit.now, *only.given))
        listing, names = only.where(select(*_COLUMNS))
        order = (_r.due, _r.id) if held else (_r.priority, _r.due, _r.id)
        page = Statement("outbox.lines", listing.order_by(*order).limit(bindparam("limit")), params=(*names, "limit"))
        rows = unit.all(page, (*only.given, limit))
        details = _details(unit, {row[0] for row in rows}, {row[10] for row in rows if row[10] is not None})
        return OutboxReport(
            at=unit.now,
            stopped=tuple(brakes.on(unit)),
            counts=tuple(
                sorted(map(_count, counts), key=lambda one: (one.state, _lane(one.lane), one.rule, one.reason))
            ),
            lines=tuple(_line(gateway, row, details, unit.now) for row in rows),
        )


def patient_of(gateway: Inspectable, identifier: Identifier, *, reason: str, account: str) -> int:
    """The token of somebody whose requests are asked for; the look is audited. Raises CommandError."""
    with gateway.store.begin(account) as uow:
        token = find_patient(uow, gateway, identifier)
        uow.audit([(Action.CONTENT_READ, "outbox", reason)], patients=[token])
        uow.commit()
    return token


def _lane(name: str) -> int:
    return Priority(name).lane


def _name(lane: int) -> str:
    return _LANES[lane].value if 0 <= lane < len(_LANES) else str(lane)


def _count(row: Sequence[Any]) -> OutboxCount:
    state, lane, rule, reason, due, count, first = row
    return OutboxCount(
        state=_state(state, bool(due)), lane=_name(lane), rule=rule, reason=reason or "", count=count, next_due=first
    )


def _state(state: str, due: bool) -> str:
    if state == RequestStatus.ON_HOLD:
        return "held"
    return "due" if due else "waiting"


def _line(gateway: Inspectable, row: Sequence[Any], details: dict[tuple[int, str], str], now: Millis) -> HoldLine:
    identity, patient, rule, step, lane, told, why, due, ring_at, expires, _ = row
    state, reason = _state(told, due <= now), why or ""
    return HoldLine(
        request=identity,
        patient=patient,
        rule=rule,
        step=step,
        reason=reason,
        due=due,
        expires=expires,
        waits_for=_ends(gateway, state, reason, details.get((identity, reason), "")),
        lane=_name(lane),
        state=state,
        next=None if state == "held" else ring_at,
    )


def _ends(gateway: Inspectable, state: str, reason: str, detail: str) -> str:
    if reason:
        return _waits_for(gateway, reason, detail)
    return "a worker, or its place with the provider" if state == "due" else "its time"


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
