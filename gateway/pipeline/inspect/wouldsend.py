"""The shadow run's report: what the gates would say of everything a source planned, were it released; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from gateway.model.when import Millis
from gateway.pipeline.forecast import Ahead
from gateway.pipeline.inspect.feeds import source_of
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.rows import RequestRow
from gateway.store import tables
from gateway.store.statement import Statement

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
    rules = gateway.rules.current()
    found: dict[tuple[str, str, str, str], list[Millis]] = {}
    while more:
        with gateway.store.begin("would-send") as uow:  # never committed
            rows = [RequestRow(*row) for row in uow.all(WAITING, (source, after, _BATCH))]
            ahead = Ahead(uow, gateway.site, gateway.channels, rules, released=True)
            for row, (outcome, reason, _, _) in zip(rows, ahead.outcomes(rows), strict=True):
                found.setdefault((row.rule, row.step, outcome, reason), []).append(row.due)
        more, after = len(rows) == _BATCH, rows[-1].id if rows else after
    return [
        WouldSend(
            rule=rule, step=step, outcome=outcome, reason=why, count=len(due), first_due=min(due), last_due=max(due)
        )
        for (rule, step, outcome, why), due in sorted(found.items())
    ]
