"""Plans for what is already known and still ahead under the active rules: after go-live day, or after a new rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, or_, select

from gateway.model.audit import Action
from gateway.model.event import OccurrenceKind, RawMessage
from gateway.model.facts import UNMAPPED, VOCABULARY
from gateway.model.verdict import Reason, Verdict
from gateway.model.when import DAY
from gateway.pipeline import campaigns
from gateway.pipeline.batch import Batch
from gateway.pipeline.directory import Directory
from gateway.pipeline.forecast import Outlook, judged
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.quarantine import stored
from gateway.pipeline.inspect.words import ABOUT_REQUEST
from gateway.pipeline.matching import Matcher
from gateway.pipeline.preparing import prepare
from gateway.pipeline.rows import OccurrenceRow, PatientRow
from gateway.store import tables
from gateway.store.statement import Statement

_o = tables.occurrence.c
_BATCH = 200
_RECENT = 7 * DAY
OPEN = Statement(
    "occurrence.open",
    select(*(_o[name] for name in OccurrenceRow.COLUMNS))
    .where(
        _o.id > bindparam("after"),
        _o.status.not_in(("cancelled", "entered-in-error")),
        or_(_o.start_utc > bindparam("now"), _o.version > bindparam("since")),
    )
    .order_by(_o.id)
    .limit(bindparam("limit")),
    params=("after", "now", "since", "limit"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPlan:
    """What was (or, in a dry run, would be) planned: counts by "rule step", by reason, and what cannot be judged.

    `released`: what waited and waits no more, as when a code was added to its table; `withdrawn`: what stands no more.

    `held`: of the planned ones, those that wait for a person from the start, by reason. `outlook` (of a dry run only):
    what the gates would say of the others at their due time, by what is known now.
    """

    occurrences: int
    planned: dict[str, int]
    held: dict[str, int]
    withheld: dict[str, int]
    released: dict[str, int]
    withdrawn: dict[str, int]
    unjudged: tuple[Unjudged, ...]
    outlook: Outlook | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unjudged:
    """An occurrence, and the facts that rules ask for and nobody kept."""

    occurrence: int
    facts: tuple[str, ...]


@dataclass(slots=True)
class _Counts:
    """What one run has seen so far."""

    planned: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    withheld: Counter[str] = field(default_factory=Counter)
    released: Counter[str] = field(default_factory=Counter)
    withdrawn: Counter[str] = field(default_factory=Counter)
    unjudged: list[Unjudged] = field(default_factory=list)
    outlook: Outlook | None = None


def plan_open(gateway: Inspectable, *, dry_run: bool, account: str) -> OpenPlan:
    """Match every open occurrence against the active rules; a dry run commits nothing. Raises StoreError.

    Rules put in force meanwhile end it (Superseded): what was committed until then was planned by those before.
    """
    counts = _Counts(outlook=Outlook() if dry_run else None)
    seen, after = 0, 0
    while True:
        with gateway.store.begin(account) as uow:
            if not dry_run:  # which may be about a folder that is not in force
                gateway.rules.confirm(uow, gateway.rules.current())
            found = uow.all(OPEN, (after, uow.now, uow.now - _RECENT, _BATCH))
            if not found:
                break
            directory = Directory(uow, gateway.store.keyring, gateway.rules.current().ruleset.policy)
            ids = {name: entry.id for name, entry in gateway.site.sources.items()}
            batch = Batch(uow, gateway.store.keyring, directory, ids)
            rows = [OccurrenceRow(*row) for row in found]
            batch.take(rows)
            for row in rows:
                _plan(gateway, batch, row, counts)
            seen, after = seen + len(rows), rows[-1].id
            if not dry_run:
                batch.flush()
                campaigns.count_planned(uow, batch, gateway.rules.current().ruleset)
                uow.commit()
    return OpenPlan(
        occurrences=seen,
        planned=dict(counts.planned),
        held=dict(counts.held),
        withheld=dict(counts.withheld),
        released=dict(counts.released),
        withdrawn=dict(counts.withdrawn),
        unjudged=tuple(counts.unjudged),
        outlook=counts.outlook,
    )


def _plan(gateway: Inspectable, batch: Batch, row: OccurrenceRow, counts: _Counts) -> None:
    reread = _reread(gateway, batch, row)
    missing = () if reread else _missing(gateway, row)
    if missing:
        counts.unjudged.append(Unjudged(occurrence=row.id, facts=missing))
        return
    rules = gateway.rules.current()
    matcher = Matcher(batch, batch.directory, gateway.site, rules)
    patient = batch.directory.root(row.patient)
    plan = matcher.replan(row, patient, occurred=None, raw=row.raw or None, ended_by=Reason.NO_LONGER_MATCHES)
    for entry in plan.entries:
        if entry[0] in (Action.REQUEST_PLANNED, Action.REQUEST_HELD):
            counts.planned[f"{entry[2]} {entry[3]}"] += 1
        if entry[0] == Action.REQUEST_HELD:
            counts.held[str(entry[4])] += 1
        elif entry[0] == Action.REQUEST_WITHHELD:
            counts.withheld[str(entry[4])] += 1
        elif entry[0] == Action.REQUEST_RELEASED:
            counts.released[str(entry[2])] += 1
        elif entry[0] == Action.REQUEST_WITHDRAWN:
            counts.withdrawn[str(entry[2])] += 1
        elif entry[0] == Action.REQUEST_PLANNED and counts.outlook is not None:
            counts.outlook.count(_verdict(gateway, batch, matcher, row, patient, entry[1]))
    entries = plan.entries or (
        [(Action.EVENT_UNCHANGED, row.reached_by, row.id, "facts read again")] if row.dirty else []
    )
    if entries:
        _audit(batch, entries, patient.token, rules.id)


def _verdict(
    gateway: Inspectable, batch: Batch, matcher: Matcher, row: OccurrenceRow, patient: PatientRow, request: int
) -> Verdict | None:
    """What the gates would say of a request just planned."""
    made = next(one for one in row.requests if one.id == request)
    rules = gateway.rules.current()
    return judged(
        batch.uow, batch.directory, gateway.site, gateway.channels, rules, matcher.across,
        rule=rules.ruleset.rules[made.rule], request=made, patient=patient, occurrence=row,
    )  # fmt: skip


def _audit(batch: Batch, entries: Sequence[tuple[Any, ...]], patient: int, ruleset: int) -> None:
    """A row for each request, so that its own story begins here: no message of its own planned it."""
    of_requests = [entry for entry in entries if entry[0] in ABOUT_REQUEST and entry[1] is not None]
    for entry in of_requests:
        batch.uow.audit([entry], request=entry[1], patients=[patient], ruleset=ruleset)
    if rest := [entry for entry in entries if entry not in of_requests]:
        batch.uow.audit(rest, patients=[patient], ruleset=ruleset)


def _reread(gateway: Inspectable, batch: Batch, row: OccurrenceRow) -> bool:
    """Read the occurrence's last message again for facts the rules now name; False when its bytes are gone."""
    message = stored(batch.uow, gateway, row.raw)
    if message is None:
        return False
    return _merge(prepare_again(gateway, message), row)


def prepare_again(gateway: Inspectable, message: RawMessage) -> Sequence[tuple[bytes, dict[str, object]]]:
    """(occurrence key digest, facts) of every event the active mappings now read from a message."""
    prepared = prepare(gateway.store.keyring, message, gateway.readers[message.source](message))
    return [(key, dict(one.event.facts)) for one in prepared.events for key in one.keys]


def _merge(events: Sequence[tuple[bytes, dict[str, object]]], row: OccurrenceRow) -> bool:
    for key, facts in events:
        if key == row.key:
            known = row.facts or {}
            # What is stored is newer or equal; but a code that no table knew may have its entry by now.
            stored = {name: value for name, value in known.items() if value != UNMAPPED or name not in facts}
            row.facts = {**facts, **stored}  # type: ignore[dict-item]
            row.dirty = row.dirty or row.facts != known
            return True
    return False


def _missing(gateway: Inspectable, row: OccurrenceRow) -> tuple[str, ...]:
    """Facts of this kind of occurrence that rules on its state ask for and nobody kept."""
    prefix = f"{OccurrenceKind(row.kind).prefix}."
    ruleset = gateway.rules.current().ruleset
    asked = {
        condition.fact
        for rule in ruleset.rules.values()
        if row.reached_by in rule.events
        for condition in (*rule.where, *rule.unless)
        if condition.present is None
    }
    return tuple(
        sorted(
            name
            for name in asked
            if name.startswith(prefix) and name not in (row.facts or {}) and not VOCABULARY[name].computed
        )
    )
