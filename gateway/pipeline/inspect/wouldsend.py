"""The shadow run's report: what the gates would say of everything a source planned, were it released; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from gateway.model.errors import KeyringError
from gateway.model.verdict import Deny, Hold, Reason
from gateway.model.when import Millis
from gateway.pipeline.across import Across
from gateway.pipeline.directory import Directory
from gateway.pipeline.forecast import NEEDLESS, judged
from gateway.pipeline.inspect.feeds import source_of
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.packing import unpack
from gateway.pipeline.rows import OccurrenceRow, RequestRow
from gateway.pipeline.weighing import weigh_facts
from gateway.ruleset.match import deciding
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import UnitOfWork

_BATCH = 100
_o, _r = tables.occurrence.c, tables.request.c
WAITING = Statement(
    "request.of-source",
    select(*(_r[name] for name in RequestRow.COLUMNS))
    .select_from(tables.request.join(tables.occurrence, _o.id == _r.occurrence))
    .where(_r.state.in_(["active", "on-hold"]), _o.source == bindparam("of_source"), _r.id > bindparam("after"))
    .order_by(_r.id)
    .limit(bindparam("limit")),
    params=("of_source", "after", "limit"),
)
# What the source's being held, or its silence, holds is judged as if it were due; other holds wait for a person.
_JUDGED = (None, Reason.SOURCE_HELD, Reason.FEED_SILENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldSend:
    """Planned sends of one rule and step, and what would become of them: `outcome` "send", "wait", "refuse" or "withdraw".

    `reason`: the gate's, empty for "send". `first_due`, `last_due`: Millis UTC.
    """

    rule: str
    step: str
    outcome: str
    reason: str
    count: int
    first_due: Millis
    last_due: Millis


def would_send(gateway: Inspectable, name: str) -> list[WouldSend]:
    """Every waiting request of a source, judged at its due time by what is known now, as if the source were not held.

    By rule, step, outcome and reason. Raises CommandError.
    """
    source, after, more = source_of(gateway, name).id, 0, True
    found: dict[tuple[str, str, str, str], list[Millis]] = {}
    while more:
        with gateway.store.begin("would-send") as uow:  # never committed: judging locks what sending locks
            rows = [RequestRow(*row) for row in uow.all(WAITING, (source, after, _BATCH))]
            for row, (outcome, reason) in _judge(gateway, uow, rows):
                found.setdefault((row.rule, row.step, outcome, reason), []).append(row.due)
        more, after = len(rows) == _BATCH, rows[-1].id if rows else after
    return [
        WouldSend(
            rule=rule, step=step, outcome=outcome, reason=why, count=len(due), first_due=min(due), last_due=max(due)
        )
        for (rule, step, outcome, why), due in sorted(found.items())
    ]


def _judge(
    gateway: Inspectable, uow: UnitOfWork, rows: list[RequestRow]
) -> Iterable[tuple[RequestRow, tuple[str, str]]]:
    ruleset = gateway.rules.current().ruleset
    directory = Directory(uow, gateway.store.keyring, ruleset.policy)
    across = Across.alone(uow, directory, gateway.site, ruleset)
    for row in rows:
        if row.state == "on-hold" and row.reason not in _JUDGED:
            yield row, ("wait", str(row.reason))
            continue
        try:
            yield row, _outcome(gateway, uow, directory, across, row)
        except KeyringError:
            yield row, ("wait", Reason.UNREADABLE.value)


def _outcome(
    gateway: Inspectable, uow: UnitOfWork, directory: Directory, across: Across, row: RequestRow
) -> tuple[str, str]:
    rules = gateway.rules.current()
    rule = rules.ruleset.named(row.rule)
    if rule is None or all(step.label != row.step for step in rule.schedule.steps):
        return "withdraw", Reason.RULE_RETIRED.value
    occurrence = _occurrence(uow, directory, row)
    directory.load_tokens([row.patient])
    patient = directory.root(row.patient)
    if directory.root(occurrence.patient).token != patient.token:
        return "withdraw", Reason.IDENTITY_CONFLICT.value
    facts = weigh_facts(uow, directory, gateway.site, occurrence, patient)
    if occurrence.reached_by not in rule.events or deciding(rule, facts) is not None:
        return "withdraw", Reason.NO_LONGER_MATCHES.value
    verdict = judged(
        uow, directory, gateway.site, gateway.channels, rules, across,
        rule=rule, request=row, patient=patient, occurrence=occurrence, released=True,
    )  # fmt: skip
    if not isinstance(verdict, Hold | Deny):
        return "send", ""
    if verdict.reason in NEEDLESS:
        return "withdraw", verdict.reason.value
    return "wait" if isinstance(verdict, Hold) else "refuse", verdict.reason.value


def _occurrence(uow: UnitOfWork, directory: Directory, row: RequestRow) -> OccurrenceRow:
    found = uow.lookup(tables.occurrence, OccurrenceRow.COLUMNS, "id", [row.occurrence])
    occurrence = OccurrenceRow(*found[0])
    directory.load_tokens([occurrence.patient])
    owner = directory.patients[occurrence.patient]
    occurrence.facts = unpack(directory.open_facts(owner, occurrence.sealed_facts, occurrence.id))
    return occurrence
