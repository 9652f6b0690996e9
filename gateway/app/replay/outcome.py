"""What became of every step of every rule: read from a database that was played, or from the gateway's own."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from gateway.model.request import CommunicationStatus
from gateway.model.when import Millis
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement

_request, _communication = tables.request.c, tables.communication.c
_PLANNED = Statement(
    "replay.planned",
    select(
        _request.id, _request.patient, tables.occurrence.c.key, _request.rule, _request.step, _request.state,
        _request.reason, _request.due,
    )
    .join(tables.occurrence, tables.occurrence.c.id == _request.occurrence)
    .order_by(_request.id),
)  # fmt: skip
_LEFT = Statement(
    "replay.left",
    select(_communication.request, _communication.channel, _communication.at).where(
        _communication.status == CommunicationStatus.COMPLETED.value
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What became of one step of a rule for one occurrence: `at` is when it left, or is due."""

    patient: int
    rule: str
    step: str
    state: str
    reason: str | None
    channel: str | None
    at: Millis


def collected(store: Store) -> dict[tuple[int, str, str, str], Message]:
    """What became of each step: by patient, occurrence key, rule and step the newest request. Raises StoreError."""
    found: dict[tuple[int, str, str, str], Message] = {}
    with store.read() as unit:
        left = {request: (channel, at) for request, channel, at in unit.all(_LEFT)}
        for request, patient, occurrence, rule, step, state, reason, due in unit.all(_PLANNED):
            channel, at = left.get(request, (None, due))
            found[patient, bytes(occurrence).hex(), rule, step] = Message(
                patient=patient, rule=rule, step=step, state=state, reason=reason, channel=channel, at=at
            )
    return found
