"""Why nothing was planned is a story too: which rules a message did not concern, and the condition that decided against each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select

from gateway.model.audit import Action
from gateway.model.rule import Condition, Rule
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.words import Entry, held
from gateway.ruleset.index import RuleSet
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader

SILENT = "rule.silent"  # the action of a line that explains; no audit entry has it
_rs = tables.ruleset.c
IN_FORCE_AT = Statement(
    "ruleset.in-force-at",
    select(_rs.id, _rs.digest).where(_rs.activated <= bindparam("at")).order_by(_rs.id.desc()).limit(1),
    params=("at",),
)


class Row(NamedTuple):
    """One audit row, decoded."""

    id: int
    at: Millis
    entries: Sequence[Entry]


def silent(gateway: Inspectable, unit: Reader, row: Row) -> Iterator[str]:
    """A sentence about each rule that a message's event did not fire and the audit log does not name.

    What an occurrence's later life may have changed is left out. Nothing is opened: no fact's value is looked at.
    """
    applied = [(entry[1], entry[2]) for entry in row.entries if entry[0] == Action.EVENT_APPLIED and len(entry) > 3]
    if not applied or row.entries[0][0] != Action.MESSAGE_RECEIVED:
        return
    if dict(row.entries[0][1]).get("baseline"):
        yield "loaded as state (--baseline), so nothing was planned; `caregate plan --open` plans for what is still ahead"
        return
    rules = gateway.rules.current().ruleset
    if (then := changed_since(gateway, unit, row.at)) is not None:
        if not _told(row.entries):
            yield f"no rule fired; rule set {then} was in force then, and the rules have been changed since"
        return
    # once each: a series that is cancelled says the same of all its visits
    yield from dict.fromkeys(line for kind, one in applied for line in _about(unit, rules, row, kind, one))


def changed_since(gateway: Inspectable, unit: Reader, at: Millis) -> int | None:
    """The rule set that was in force at a moment, when it is not the active one; else None."""
    then = unit.one(IN_FORCE_AT, (at,))
    same = then is None or then[1] == gateway.rules.current().ruleset.digest
    return None if same or then is None else int(then[0])


def unmatched(gateway: Inspectable, entry: Entry) -> str | None:
    """The condition that decided against a rule, as its file says it; None when the active rules have no such line."""
    if entry[0] != Action.RULE_UNMATCHED:
        return None
    rule = gateway.rules.current().ruleset.named(entry[1])
    found = next((one for one in (*rule.where, *rule.unless) if one.line == entry[2]), None) if rule else None
    return None if rule is None or found is None else _decided(rule, found)


def _about(unit: Reader, rules: RuleSet, row: Row, kind: str, occurrence: int) -> Iterator[str]:
    reached = _reached(unit, row, kind, occurrence)
    concerned = [rule for rule in rules.rules.values() if reached in rule.events]
    if not concerned:
        yield _nobody(rules, kind)
        return
    told = _told(row.entries)
    before = _planned_before(unit, occurrence, row.id)
    for rule in concerned:
        if rule.name in told:
            continue
        if rule.name in before:
            yield f"rule {rule.name} applies; what it planned before stands, nothing it tells has changed"
        elif (unmet := rules.found_by(reached, rule.name)) is not None:
            yield _decided(rule, unmet)  # it was not even looked at for this one: another may be against it, too


def _reached(unit: Reader, row: Row, kind: str, occurrence: int) -> str:
    """What rules are matched by: the event that led to the status, which an update does not change."""
    found = unit.lookup(tables.occurrence, ("reached_by", "raw"), "id", [occurrence])
    return str(found[0][0]) if found and found[0][1] == row.id else kind


def _nobody(rules: RuleSet, kind: str) -> str:
    prefix = kind.partition(".")[0]
    others = {
        name: sorted(one for one in rule.events if one.startswith(f"{prefix}.")) for name, rule in rules.rules.items()
    }
    listed = "; ".join(f"{name} ({', '.join(events)})" for name, events in others.items() if events)
    return f"no rule is about {kind}" + (
        f"; rules about its kind: {listed}" if listed else f", and none about any {prefix}"
    )


def _told(entries: Sequence[Entry]) -> frozenset[str]:
    """The rules that the row's own entries name."""
    places: Mapping[str, int] = {Action.RULE_UNMATCHED: 1, Action.REQUEST_PLANNED: 2, Action.REQUEST_WITHHELD: 2}
    named = {str(entry[places[entry[0]]]) for entry in entries if entry[0] in places}
    return frozenset(named | {entry[2] for entry in entries if entry[0] == Action.REQUEST_HELD and held(entry).of})


def _planned_before(unit: Reader, occurrence: int, message: int) -> frozenset[str]:
    rows: list[Any] = unit.lookup(tables.request, ("rule", "id", "state", "reason"), "occurrence", [occurrence])
    gone = (Reason.NO_LONGER_MATCHES, Reason.CANCELLED, Reason.SUPERSEDED)
    return frozenset(rule for rule, identity, _, reason in rows if identity < message and reason not in gone)


def _decided(rule: Rule, condition: Condition) -> str:
    part = "where" if condition in rule.where else "unless"
    return f"rule {rule.name} kept silent: {rule.file} line {condition.line}, {part} {described(condition)}"


def described(condition: Condition) -> str:
    """A condition as its file says it: fact and what it may be."""
    if condition.present is not None:
        return f"{condition.fact} present: {'yes' if condition.present else 'no'}"
    if condition.values is not None:
        return f"{condition.fact} in {', '.join(sorted(map(str, condition.values)))}"
    bounds = ((name, getattr(condition, name)) for name in ("at_least", "at_most", "after", "before"))
    return f"{condition.fact} " + ", ".join(
        f"{name.replace('_', ' ')} {bound}" for name, bound in bounds if bound is not None
    )
