"""What a patient answers to a reminder becomes a fact of that appointment, and the rules are matched again.

Which appointment is meant must be beyond doubt: the one open visit ahead that messages to this very address were about. A new time
ends the answer. The visit itself is the EHR's: who wants to cancel is shown to staff, and the cancellation comes by its feed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import bindparam, select

from gateway.model.audit import Action
from gateway.model.comingback import ReplyMeaning
from gateway.model.consent import ChannelKind
from gateway.model.event import OccurrenceKind
from gateway.model.verdict import Reason
from gateway.model.when import DAY, Millis, Precision, When
from gateway.pipeline.batch import Batch
from gateway.pipeline.directory import Directory
from gateway.pipeline.matching import Matcher
from gateway.pipeline.rows import OccurrenceRow
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import UnitOfWork

ANSWERS: Mapping[ReplyMeaning, str] = MappingProxyType(
    {
        ReplyMeaning.CONFIRM: "confirmed",
        ReplyMeaning.CANCEL_VISIT: "cancel-asked",
        ReplyMeaning.RESCHEDULE: "reschedule-asked",
    }
)
"""The values of `appointment.answer`, by what the words meant."""
FACT, WHEN = "appointment.answer", "appointment.answered"
_WITHIN: Millis = 30 * DAY  # an answer to an older message goes to staff
_OPEN = frozenset({"booked", "pending"})
_c, _r = tables.communication.c, tables.request.c
_ABOUT = Statement(
    "communication.about",
    select(_r.id, _r.occurrence, _r.patient)
    .select_from(tables.communication.join(tables.request, _r.id == _c.request))
    .where(
        _c.address == bindparam("address"),
        _c.channel == bindparam("channel"),
        _c.at >= bindparam("since"),
        _c.status.in_(("completed", "unknown")),
        _r.occurrence.is_not(None),
    )
    .order_by(_c.at.desc())
    .limit(100),
    params=("address", "channel", "since"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What an answer came to: the state of the reply, the request it answers, and what to ring."""

    state: str
    request: int
    rings: tuple[int, ...] = ()


def apply(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    rules: Active,
    channel: ChannelKind,
    address: int,
    meaning: ReplyMeaning,
    *,
    about: int | None = None,
) -> Answered | None:
    """Write an answer into its appointment and match the rules again; None when it is not clear which is meant.

    `about`: a request that somebody says it answers; else there must be one open visit alone. StoreError, KeyringError.
    """
    found = open_visits(uow, channel, address)
    if about is not None:
        found = [one for one in found if one[0] == about]
    if len(found) != 1:
        return None
    return apply_to(uow, directory, site, rules, *found[0], meaning)


def apply_to(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    rules: Active,
    request: int,
    row: OccurrenceRow,
    meaning: ReplyMeaning,
) -> Answered:
    """Write an answer into the appointment it is beyond doubt about, and match the rules again. StoreError, KeyringError."""
    batch = Batch(uow, directory.keyring, directory, {})
    batch.take([row])
    told = ANSWERS[meaning]
    entries: list[tuple[object, ...]] = [(Action.EVENT_APPLIED, FACT, row.id, told)]
    facts = dict(row.facts or {})
    if not {FACT, WHEN}.isdisjoint(
        rules.ruleset.facts_used | site.told(row.source)
    ):  # what nobody uses is not kept (law 5)
        zone = site.zone(site.location(facts, row.facility), row.source)
        row.facts = {**facts, FACT: told, WHEN: When(uow.now, zone, Precision.SECOND)}
        row.dirty = True
        plan = Matcher(batch, directory, site, rules).replan(
            row, directory.root(row.patient), occurred=None, raw=None, ended_by=Reason.NO_LONGER_MATCHES
        )
        entries += plan.entries
    rings = tuple(batch.rings(uow.now))
    batch.flush()
    uow.audit(entries, patients=[directory.root(row.patient).token], ruleset=rules.id)
    return Answered(state="done" if meaning is ReplyMeaning.CONFIRM else "open", request=request, rings=rings)


def open_visits(uow: UnitOfWork, channel: ChannelKind, address: int) -> list[tuple[int, OccurrenceRow]]:
    """The open appointments ahead that messages to this address were about, each with the newest request about it."""
    latest: dict[int, int] = {}
    for request, occurrence, _ in uow.all(_ABOUT, (address, channel, uow.now - _WITHIN)):
        latest.setdefault(occurrence, request)
    rows = [OccurrenceRow(*row) for row in uow.lookup(tables.occurrence, OccurrenceRow.COLUMNS, "id", list(latest))]
    return [(latest[row.id], row) for row in rows if _is_ahead(row, uow.now)]


def is_answerable(row: OccurrenceRow, now: Millis) -> bool:
    """Whether an answer to it still means something: an open appointment that lies ahead."""
    return _is_ahead(row, now)


def _is_ahead(row: OccurrenceRow, now: Millis) -> bool:
    return (
        row.kind == OccurrenceKind.APPOINTMENT
        and row.status in _OPEN
        and row.start_utc is not None
        and row.start_utc > now
    )
