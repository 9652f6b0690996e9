"""Plans for what is already known and still ahead under the active rules: after go-live day, or after a new rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, or_, select

from gateway.model.audit import Action
from gateway.model.errors import KeyringError
from gateway.model.event import Format, OccurrenceKind, RawMessage
from gateway.model.facts import UNMAPPED, VOCABULARY
from gateway.model.verdict import Reason
from gateway.model.when import DAY
from gateway.pipeline.applying import Applier
from gateway.pipeline.batch import Batch, prepare
from gateway.pipeline.directory import Directory
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.quarantine import open_raw
from gateway.pipeline.rows import OccurrenceRow
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

    `unjudged`: occurrence id and the facts that rules ask for and nobody kept.
    """

    occurrences: int
    planned: dict[str, int]
    withheld: dict[str, int]
    unjudged: tuple[tuple[int, tuple[str, ...]], ...]


def plan_open(gateway: Inspectable, *, dry_run: bool, account: str) -> OpenPlan:
    """Match every open occurrence against the active rules; a dry run commits nothing. Raises StoreError."""
    planned: Counter[str] = Counter()
    withheld: Counter[str] = Counter()
    unjudged: list[tuple[int, tuple[str, ...]]] = []
    seen, after = 0, 0
    while True:
        with gateway.store.begin(account) as uow:
            found = uow.all(OPEN, (after, uow.now, uow.now - _RECENT, _BATCH))
            if not found:
                break
            directory = Directory(uow, gateway.store.keyring, gateway.rules.current().ruleset.policy)
            ids = {name: entry.id for name, entry in gateway.site.sources.items()}
            batch = Batch(uow, gateway.store.keyring, directory, ids)
            rows = [OccurrenceRow(*row) for row in found]
            batch.take(rows)
            for row in rows:
                _plan(gateway, batch, row, planned, withheld, unjudged)
            seen, after = seen + len(rows), rows[-1].id
            if not dry_run:
                batch.flush()
                uow.commit()
    return OpenPlan(occurrences=seen, planned=dict(planned), withheld=dict(withheld), unjudged=tuple(unjudged))


def _plan(
    gateway: Inspectable,
    batch: Batch,
    row: OccurrenceRow,
    planned: Counter[str],
    withheld: Counter[str],
    unjudged: list[tuple[int, tuple[str, ...]]],
) -> None:
    reread = _reread(gateway, batch, row)
    missing = () if reread else _missing(gateway, row)
    if missing:
        unjudged.append((row.id, missing))
        return
    rules = gateway.rules.current()
    applier = Applier(batch, batch.directory, gateway.site, rules, baseline=False)
    patient = batch.directory.root(row.patient)
    plan = applier.replan(row, patient, occurred=None, raw=row.raw or None, ended_by=Reason.NO_LONGER_MATCHES)
    for entry in plan.entries:
        if entry[0] in (Action.REQUEST_PLANNED, Action.REQUEST_HELD):
            planned[f"{entry[2]} {entry[3]}"] += 1
        elif entry[0] == Action.REQUEST_WITHHELD:
            withheld[str(entry[4])] += 1
    entries = plan.entries or (
        [(Action.EVENT_UNCHANGED, row.reached_by, row.id, "facts read again")] if row.dirty else []
    )
    if entries:
        batch.uow.audit(entries, patients=[patient.token], ruleset=rules.id)


def _reread(gateway: Inspectable, batch: Batch, row: OccurrenceRow) -> bool:
    """Read the occurrence's last message again for facts the rules now name; False when its bytes are gone."""
    found = batch.uow.lookup(tables.raw, ("source", "received", "feed_key", "sealed"), "id", [row.raw])
    if not found or found[0][3] is None:
        return False
    source, received, key, sealed = found[0]
    name = next((one for one, entry in gateway.site.sources.items() if entry.id == source), None)
    if name is None:
        return False
    try:
        body = open_raw(batch.uow, row.raw, key, sealed)
    except KeyringError:
        return False
    message = RawMessage(source=name, format=Format.HL7V2, body=body, received=received)
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
