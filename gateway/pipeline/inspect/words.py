"""Audit entries in plain words: the same record the chain seals, said as a privacy officer would say it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.model.audit import Action
from gateway.model.when import to_datetime

Entry = Sequence[Any]


def _at(millis: Any) -> str:
    return to_datetime(int(millis)).strftime("%Y-%m-%d %H:%M UTC")


def _tail(entry: Entry, start: int) -> str:
    return " ".join(str(part) for part in entry[start:] if part is not None)


def _planned(e: Entry) -> str:
    return f"rule {e[2]}, step {e[3]}: planned as request {e[1]}, due {_at(e[4])}"


def _held(e: Entry) -> str:
    # the gate is often named like its reason: say it once
    told = list(dict.fromkeys(part for part in e[2:] if part is not None))
    more = [_at(part) if isinstance(part, int) and part > 10**11 else str(part) for part in told]
    return f"request {e[1]} held: {' '.join(more)}"


def _received(e: Entry) -> str:
    told = dict(e[1])
    reused = ", under a control id used before" if told.get("control_id_reused") else ""
    return f"{told.get('type')} received from {told.get('source')}{reused}"


_WORDS: dict[str, Callable[[Entry], str]] = {
    Action.MESSAGE_RECEIVED: _received,
    Action.MESSAGE_IGNORED: lambda e: f"message ignored: {e[1]}",
    Action.MESSAGE_REPEATED: lambda e: f"message {e[1]} came again; nothing stored, its acknowledgement repeated",
    Action.MESSAGE_QUARANTINED: lambda e: f"message {e[1]}: {e[2]} at {dict(e[3]).get('place') or 'the whole message'}",
    Action.MESSAGE_RELEASED: lambda e: f"quarantined message {e[1]}: {_tail(e, 2)}",
    Action.EVENT_APPLIED: lambda e: f"understood as {e[1]}" + (f", occurrence {e[2]} now {e[3]}" if len(e) > 3 else ""),
    Action.EVENT_UNCHANGED: lambda e: f"understood as {e[1]}; nothing changed ({_tail(e, 2)})",
    Action.EVENT_STALE: lambda e: (
        f"{e[1]} on occurrence {e[2]} not applied: {e[3] if len(e) > 3 else 'older than what is known'}"
    ),
    Action.PATIENT_CREATED: lambda e: f"patient {e[1]} is new",
    Action.PATIENT_CHANGED: lambda e: f"patient {e[1]} changed: {', '.join(map(str, e[2:]))}",
    Action.PATIENT_MERGED: lambda e: f"patient {e[1]} merged into {e[2]}" + (f" ({e[3]})" if len(e) > 3 else ""),
    Action.PATIENT_UNMERGED: lambda e: f"merge {e[3]} undone: {e[1]} is no longer {e[2]} ({_tail(e, 4)})",
    Action.OCCURRENCE_REPLACED: lambda e: f"occurrence {e[1]} replaced, by {e[2]}",
    Action.PATIENT_HELD: lambda e: f"patient {e[1]} held: {_tail(e, 2)}",
    Action.PATIENT_RELEASED: lambda e: f"patient {e[1]} no longer held: {_tail(e, 2)}",
    Action.VISIT_RELEASED: lambda e: f"occurrence {e[1]} no longer held: {_tail(e, 2)}",
    Action.CONSENT_RECORDED: lambda e: f"consent entry {_tail(e, 1)}",
    Action.RULE_UNMATCHED: lambda e: f"rule {e[1]} does not apply: line {e[2]}, {e[3]}",
    Action.REQUEST_PLANNED: _planned,
    Action.REQUEST_WITHHELD: lambda e: f"rule {e[2]}, step {e[3]}: withheld, {e[4]}",
    Action.REQUEST_WITHDRAWN: lambda e: f"request {e[1]} withdrawn: {_tail(e, 2)}",
    Action.REQUEST_HELD: _held,
    Action.REQUEST_RELEASED: lambda e: f"request {e[1]} released: {_tail(e, 2)}",
    Action.REQUEST_MOVED: lambda e: f"request {e[1]} moved to patient {e[2]}",
    Action.COMMUNICATION_CLEARED: lambda e: f"attempt {e[1]} by {e[3]} cleared for rule {e[2]}: every gate permitted",
    Action.COMMUNICATION_SETTLED: lambda e: f"attempt {e[1]}: {_tail(e, 2)}",
    Action.CONTENT_READ: lambda e: f"read by a person: {_tail(e, 1)}",
    Action.CONTENT_FORGOTTEN: lambda e: f"retention: {e[2]} {e[1]} contents forgotten",
}


def words(entry: Entry) -> str:
    """One audit entry as a sentence; an action without words of its own is shown as it stands."""
    say = _WORDS.get(entry[0])
    return say(entry) if say else f"{entry[0]}: {_tail(entry, 1)}"
