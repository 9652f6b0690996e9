"""An explanation on one screen: what matched and what decided, with every condition and gate only when asked for."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.analyst.explained import Answer, Asked, ChannelAsked, EventSaid, Explanation, Gate, RuleSaid, Step
from gateway.analyst.outcome import local


def lines(told: Explanation, *, verbose: bool = False) -> Iterator[str]:
    """The explanation in lines; `verbose`: every condition, every gate, and what the audit log says."""
    yield from _head(told)
    for event in told.events:
        yield from _event(event, verbose=verbose)
    if verbose and told.log:
        yield "audit log"
        yield from (f"  {entry}" for entry in told.log)


def _head(told: Explanation) -> Iterator[str]:
    number = "a message not stored" if told.message is None else f"message {told.message}"
    if told.source is not None:
        received = "" if told.received is None else f", received {local(told.received, 'UTC')} UTC"
        yield f"{number}: {told.type or 'type not readable'} from {told.source}{received}"
    yield f"rule set {told.ruleset[:12]}, legal.csv {told.law}"
    if told.ignored:
        yield f"ignored: {told.ignored}"
    yield from (f"fault: {fault}" for fault in told.faults)
    yield from (f"note: {note}" for note in told.notes)


def _event(event: EventSaid, *, verbose: bool) -> Iterator[str]:
    status = "" if event.status is None else f", now {event.status}"
    yield f"read as {event.event}{status}; happened {local(event.occurred, event.zone)} ({event.zone})"
    if event.standing in ("event.stale", "event.unchanged"):
        yield f"  {event.standing}: older than what is known, or nothing new; what stands is explained"
    if event.patient is not None:
        holds = f", held for {', '.join(event.holds)}" if event.holds else ""
        yield f"  patient {event.patient}{holds}"
    if event.facts:
        yield "  " + " · ".join(f"{name}: {value}" for name, value in event.facts)
    others = [rule.rule for rule in event.rules if rule.because == "when.event"]
    for rule in event.rules:
        if rule.because != "when.event":
            yield from _rule(rule, event, verbose=verbose)
    if others:
        yield f"not about {event.event} (when.event): {', '.join(others)}"


def _rule(rule: RuleSaid, event: EventSaid, *, verbose: bool) -> Iterator[str]:
    variant = "" if rule.variant is None else f", variant {rule.variant}"
    if rule.matches:
        yield f"{rule.rule}: applies{variant}"
    else:
        decided = next((one for one in rule.conditions if one.decided), None)
        why = rule.because if decided is None else f"{decided.part} {_condition(decided)}"
        yield f"{rule.rule}: does not apply ({rule.file}:{rule.line}: {why})"
    if rule.lost:
        yield f"  cannot be answered, nobody kept it: {', '.join(rule.lost)}"
    if rule.note:
        yield f"  {rule.note}"
    if verbose:
        yield from (f"  {_mark(one)} {one.part} line {one.line}: {_condition(one)}" for one in rule.conditions)
    for step in rule.steps:
        yield from _step(step, event, verbose=verbose)


def _condition(one: Asked) -> str:
    return f"{one.fact} wants {one.wants}, is {one.told}"


def _mark(one: Asked) -> str:
    """Whether a condition speaks for sending."""
    wanted = Answer.YES if one.part == "where" else Answer.NO
    return "+" if one.answer is wanted else "-"


def _step(step: Step, event: EventSaid, *, verbose: bool) -> Iterator[str]:
    stands = f"  [{step.stands}]" if step.stands else ""
    yield f"  {step.step} due {local(step.due, event.zone)}: {_outcome(step, event)}{stands}"
    if step.planning is not None and not step.channels and step.planning.released_by:
        yield f"    released by {step.planning.released_by}"
    for asked in step.channels:
        if verbose or asked.decided is not None:
            yield from _channel(asked, event, verbose=verbose)


def _outcome(step: Step, event: EventSaid) -> str:
    if step.outcome == "sends" and step.leaves is not None:
        return f"leaves {local(step.leaves, event.zone)} by {step.by}"
    if step.outcome == "skipped":
        return "skipped, its time was past"
    return f"{step.outcome}, {', '.join(step.because)} (gate {step.gate})"


def _channel(asked: ChannelAsked, event: EventSaid, *, verbose: bool) -> Iterator[str]:
    verdict = "every gate permits" if asked.decided is None else _gate(asked.decided, event)
    yield f"    {asked.channel} at {local(asked.at, event.zone)}: {verdict}"
    if verbose:
        yield from (f"      {number:2} {_gate(one, event)}" for number, one in enumerate(asked.gates, start=1))


def _gate(one: Gate, event: EventSaid) -> str:
    if one.answer == "permit":
        return f"{one.gate}: permit"
    until = "" if one.until is None else f" until {local(one.until, event.zone)}"
    released = f"; released by {one.released_by}" if one.released_by else ""
    return f"{one.gate}: {one.answer}, {one.reason}{until}{released}"
