"""One list of everything that waits for a person, oldest first, each with the command that settles it; counts and ids only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import bindparam, case, func, select, text

from gateway.model.audit import Action
from gateway.model.verdict import Reason
from gateway.model.when import Millis, to_datetime
from gateway.pipeline import brakes, unheard
from gateway.pipeline.campaigns.looking import campaigns
from gateway.pipeline.inspect.extracts import waiting
from gateway.pipeline.inspect.fetches import failed
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.words import released_by
from gateway.pipeline.inspect.writebacks import unwritten
from gateway.pipeline.rows import split_reasons
from gateway.pipeline.rules import activations
from gateway.policy.gates import PLANNING
from gateway.store import ids, tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader

MOST = 1000
"""So many of a kind are listed one by one."""
WHY = "--reason '…'"
_decode = msgspec.json.Decoder(list[list[Any]]).decode
_r, _q, _raw, _i = tables.request.c, tables.quarantine.c, tables.raw.c, tables.inbound.c
_v, _s, _k, _p = tables.revocation.c, tables.source.c, tables.rule_report.c, tables.patient.c

BY_REASON = Statement(
    "request.held-by-reason",
    select(
        _r.reason,
        func.count(),
        func.min(_r.id),
        func.min(case((_r.due <= bindparam("now"), _r.due))),
    )
    .where(_r.state == "on-hold")
    .group_by(_r.reason),
    params=("now",),
)
ONE_BY_ONE = Statement(
    "request.held-one-by-one",
    select(_r.id, _r.due, _r.rule)
    .where(_r.state == "on-hold", _r.reason == bindparam("why"))
    .order_by(_r.due)
    .limit(bindparam("limit")),
    params=("why", "limit"),
)
# written out: only so does the little index serve
PATIENTS = Statement(
    "patient.held",
    select(_p.token, _p.hold)
    .where(text("patient.hold <> ''"), _p.token > 0)
    .order_by(_p.token)
    .limit(bindparam("limit")),
    params=("limit",),
)
UNREAD = Statement(
    "quarantine.by-source",
    select(_raw.source, func.count(), func.min(_q.at))
    .select_from(tables.quarantine.join(tables.raw, _raw.id == _q.raw))
    .where(_q.state == "open")
    .group_by(_raw.source),
)
REPLIES = Statement(
    "inbound.open",
    select(_i.id, _i.channel, _i.meaning, _i.received, _i.request)
    .where(_i.state == "open")
    .order_by(_i.received)
    .limit(bindparam("limit")),
    params=("limit",),
)
FAILED = Statement(
    "revocation.failed",
    select(_v.id, _v.target, _v.consent, _v.legal_by)
    .where(_v.state == "failed")
    .order_by(_v.id)
    .limit(bindparam("limit")),
    params=("limit",),
)
FEEDS = Statement("source.waits", select(_s.id, _s.name, _s.held, _s.silent_since))
REPORTS = Statement(
    "rule_report.of", select(_k.digest, _k.ruleset, _k.at, _k.by).where(_k.against == bindparam("now")), params=("now",)
)
# Told by a feed for as long as they hold: nobody need decide them, and what waits for them is listed as held.
_LASTING = frozenset(
    {
        Reason.CONFIDENTIAL_VISIT,
        Reason.PROTECTION_INDICATOR,
        Reason.ACCESS_RESTRICTION,
        Reason.PUBLICITY_RESTRICTED,
        Reason.PERSON_DELETED,
    }
)
_ALONE = (Reason.OUTCOME_UNKNOWN, Reason.POSSIBLE_DUPLICATE)  # each is a decision of its own
_BY_ANOTHER = frozenset({Reason.SOURCE_HELD, Reason.FEED_SILENT, Reason.STOPPED, *_ALONE})  # listed as what holds them
_AT_PLANNING = frozenset(reason for gate in PLANNING for reason in gate.holds)


class WorkKind(StrEnum):
    """What kind of thing waits."""

    STOPPED = "stopped"
    FEED_SILENT = "feed-silent"
    FEED_HELD = "feed-held"
    OUTCOME_UNKNOWN = "outcome-unknown"
    POSSIBLE_DUPLICATE = "possible-duplicate"
    PATIENT = "patient"
    REPLY = "reply"
    UNREAD = "unread"
    REVOCATION = "revocation"
    FETCH = "fetch"
    EXTRACT = "extract"
    WRITEBACK = "writeback"
    QUARANTINE = "quarantine"
    UNMAPPED_CODE = "unmapped-code"
    HELD = "held"
    RULES = "rules"
    CAMPAIGN = "campaign"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """One thing that waits: `about` an id or a name, `count` how many wait alike, `since` Millis UTC, `age` Millis.

    `command`: what settles it, to be typed.
    """

    kind: str
    about: str
    what: str
    count: int
    since: Millis | None
    age: Millis | None
    command: str


def worklist(gateway: Inspectable, *, kinds: Iterable[str] = (), limit: int = MOST) -> list[WorkItem]:
    """Everything that waits for a person, oldest first, of these kinds alone if any are told. Raises StoreError."""
    wanted = frozenset(kinds) or frozenset(WorkKind)
    with gateway.store.read() as unit:
        found = [one for one in _everything(gateway, unit, limit) if one.kind in wanted]
    return sorted(found, key=lambda one: (one.since is None, one.since or 0, one.kind, one.about))


def _everything(gateway: Inspectable, unit: Reader, limit: int) -> Iterator[WorkItem]:
    yield from _brakes(gateway, unit)
    yield from _feeds(unit)
    yield from _requests(unit, limit)
    yield from _patients(unit, limit)
    yield from _replies(unit, limit)
    yield from _unread(gateway, unit, limit)
    yield from _revocations(unit, limit)
    yield from _fetches(gateway, unit)
    yield from _extracts(gateway, unit)
    yield from _writebacks(gateway, unit)
    yield from _quarantine(gateway, unit)
    yield from _rules(unit)
    yield from _campaigns(gateway, unit)


def _item(
    unit: Reader, kind: WorkKind, about: object, what: str, command: str, *, since: Millis | None, count: int = 1
) -> WorkItem:
    age = None if since is None else max(unit.now - since, 0)
    return WorkItem(
        kind=kind.value, about=str(about), what=what, count=count, since=since, age=age, command=f"caregate {command}"
    )


def _brakes(gateway: Inspectable, unit: Reader) -> Iterator[WorkItem]:
    for one in brakes.on(unit):
        option = "" if one.value is None else f" --{one.scope} {one.value}"
        if one.value is not None and one.day_from is not None:
            option += f" --date {to_datetime(one.day_from, gateway.site.zone_of(one.value)).date()}"
        command = "restore --release" if one.why == brakes.RESTORED else f"outbox resume{option}"
        what = f"{option.replace(' --', ' ').strip() or one.scope} stopped by {one.by}: {one.why}"
        yield _item(unit, WorkKind.STOPPED, one.id, what, f"{command} {WHY}", since=one.at)


def _feeds(unit: Reader) -> Iterator[WorkItem]:
    for identity, name, held, silent in unit.all(FEEDS):
        if held:
            what = f"source {name} is held: it plans, and nothing of it leaves"
            yield _item(
                unit, WorkKind.FEED_HELD, name, what, f"feeds release {name} {WHY}", since=ids.time_of(identity)
            )
        if silent is not None:
            what = f"source {name} is silent against its habit"
            yield _item(unit, WorkKind.FEED_SILENT, name, what, f"feeds excuse {name} --for 20h {WHY}", since=silent)


def _requests(unit: Reader, limit: int) -> Iterator[WorkItem]:
    for why, count, first, overdue in unit.all(BY_REASON, (unit.now,)):
        if why in _BY_ANOTHER:
            continue
        since = ids.time_of(first) if overdue is None or why in _AT_PLANNING else overdue
        codes = why == Reason.UNMAPPED_CODE
        kind = WorkKind.UNMAPPED_CODE if codes else WorkKind.HELD
        command = f"holds codes {WHY}" if codes else f"outbox list --held --held-for {why}"
        yield _item(
            unit, kind, why or "", f"sends wait for {released_by(why or '')}", command, since=since, count=count
        )
    for reason in _ALONE:
        for identity, due, rule in unit.all(ONE_BY_ONE, (reason.value, limit)):
            since = due if reason is Reason.OUTCOME_UNKNOWN else ids.time_of(identity)
            what = f"request {identity} of {rule} waits for {released_by(reason)}"
            command = f"outbox release {identity} {WHY} (or withdraw)"
            yield _item(unit, WorkKind(reason.value), identity, what, command, since=since)


def _patients(unit: Reader, limit: int) -> Iterator[WorkItem]:
    held = [(token, split_reasons(hold) - _LASTING) for token, hold in unit.all(PATIENTS, (limit,))]
    tokens = [token for token, reasons in held if reasons]
    since = _held_since(unit, tokens)
    for token, reasons in held:
        for reason in sorted(reasons):
            what = f"patient {token} waits for {released_by(reason)}"
            command = f"holds release-patient {token} {reason} {WHY}"
            yield _item(unit, WorkKind.PATIENT, token, what, command, since=since.get((token, reason)))


def _held_since(unit: Reader, tokens: list[int]) -> dict[tuple[int, str], Millis]:
    """When each hold was set last, as the audit log tells."""
    links = unit.lookup(tables.audit_patient, ("audit",), "patient", tokens)
    rows = unit.lookup(tables.audit, ("id", "at", "entries"), "id", sorted({one for (one,) in links}))
    found: dict[tuple[int, str], Millis] = {}
    for _, at, entries in sorted(rows):
        for entry in _decode(entries):
            if entry[0] == Action.PATIENT_HELD:
                found |= {(entry[1], str(reason)): at for reason in entry[2:]}
    return found


def _replies(unit: Reader, limit: int) -> Iterator[WorkItem]:
    for identity, channel, meaning, received, request in unit.all(REPLIES, (limit,)):
        about = "" if request is None else f" about request {request}"
        what = f"somebody wrote back by {channel}{about}: {meaning}"
        command = f"replies decide {identity} done {WHY} (once `caregate replies read {identity} {WHY}` was acted on)"
        yield _item(unit, WorkKind.REPLY, identity, what, command, since=received)


def _unread(gateway: Inspectable, unit: Reader, limit: int) -> Iterator[WorkItem]:
    """In the portal, to be read, and not picked up in time; gone from here once it is read or can be read no more (EM-11)."""
    keeps = gateway.rules.current().ruleset.policy.portal_keeps
    for attempt, request, at, rule in unheard.unread(unit, keeps, limit):
        what = f"nobody has picked up what {rule} put in the portal (request {request}): call them"
        yield _item(unit, WorkKind.UNREAD, attempt, what, f"outbox seen {attempt} {WHY}", since=at)


def _revocations(unit: Reader, limit: int) -> Iterator[WorkItem]:
    for identity, target, consent, legal_by in unit.all(FAILED, (limit,)):
        late = " and is late by law" if legal_by < unit.now else ""
        what = f"the opt-out of consent entry {consent} did not reach {target}{late}: tell them by hand"
        command = f"consent told {identity} {WHY}"
        yield _item(unit, WorkKind.REVOCATION, identity, what, command, since=ids.time_of(identity))


def _writebacks(gateway: Inspectable, unit: Reader) -> Iterator[WorkItem]:
    for one in unwritten(unit, gateway.site.sources):
        what = f"the server of {one.source} could not be told of messages ({one.state})"
        command = f"writebacks again --source {one.source} {WHY} (or drop)"
        yield _item(unit, WorkKind.WRITEBACK, one.source, what, command, since=one.since, count=one.count)


def _quarantine(gateway: Inspectable, unit: Reader) -> Iterator[WorkItem]:
    names = {entry.id: name for name, entry in gateway.site.sources.items()}
    for source, count, first in unit.all(UNREAD):
        name = names.get(source, str(source))
        what = f"messages of {name} cannot be read"
        yield _item(unit, WorkKind.QUARANTINE, name, what, "quarantine list", since=first, count=count)


def _fetches(gateway: Inspectable, unit: Reader) -> Iterator[WorkItem]:
    """What a server refused or could not be understood of: asked again once somebody has mended why."""
    for one in failed(unit, gateway.site.sources):
        what = f"resources could not be read from the server of {one.source}: {one.state}"
        command = f"fetches again --source {one.source} {WHY} (or drop)"
        yield _item(unit, WorkKind.FETCH, one.source, what, command, since=one.since, count=one.count)


def _extracts(gateway: Inspectable, unit: Reader) -> Iterator[WorkItem]:
    """What a guard stopped: somebody looks at the table, and says that it is right, or that it is not."""
    for one in waiting(unit, gateway.site.sources):
        what = f"the table of {one.source} was not believed: {one.why}"
        command = f"tables believe {one.source} {WHY} (or give-up)"
        yield _item(unit, WorkKind.EXTRACT, one.source, what, command, since=one.started)


def _rules(unit: Reader) -> Iterator[WorkItem]:
    """Drafts that were replayed against what is in force and not put in force since."""
    for last in activations(unit, 1):
        for digest, ruleset, at, by in unit.all(REPORTS, (last.digest,)):
            if ruleset != last.digest and at >= last.activated:
                what = f"rules {ruleset[:12]} were replayed by {by} and are not in force"
                yield _item(unit, WorkKind.RULES, ruleset[:12], what, f"rules activate --report {digest}", since=at)


def _campaigns(gateway: Inspectable, unit: Reader) -> Iterator[WorkItem]:
    """What stands still until a person decides: stopped, planned and never approved, or not as it was approved."""
    rules = gateway.rules.current()
    for one in campaigns(unit, rules):
        if one.needs is not None:
            what = f"the campaign of {one.rule} {one.said}"
            yield _item(unit, WorkKind.CAMPAIGN, one.rule, what, f"campaign {one.needs}", since=one.decided)
