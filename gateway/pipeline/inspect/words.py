"""Audit entries in plain words: the same record the chain seals, said as a privacy officer would say it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gateway.model.audit import Action
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.model.when import to_datetime
from gateway.policy.gates import RELEASED_BY
from gateway.policy.sending import SENDING

Entry = Sequence[Any]

ABOUT_REQUEST = frozenset(
    {
        Action.REQUEST_PLANNED,
        Action.REQUEST_HELD,
        Action.REQUEST_FELL_BACK,
        Action.FALLBACK_ENDED,
        Action.REQUEST_WITHDRAWN,
        Action.REQUEST_RELEASED,
        Action.REQUEST_MOVED,
    }
)
"""Actions whose entries name a request first."""

_REASONS = frozenset(Reason)
_GATES = frozenset(gate.name for gate in SENDING)
_STATES = {
    RequestStatus.ACTIVE: "planned",
    RequestStatus.ON_HOLD: "on hold",
    RequestStatus.COMPLETED: "sent",
    RequestStatus.REVOKED: "withdrawn",
}


def state_word(state: str) -> str:
    """A request's FHIR status as people say it: what FHIR calls revoked is withdrawn."""
    return _STATES.get(RequestStatus(state), state)


def _at(millis: Any) -> str:
    return to_datetime(int(millis)).strftime("%Y-%m-%d %H:%M UTC")


def _tail(entry: Entry, start: int) -> str:
    return " ".join(str(part) for part in entry[start:] if part is not None)


def _of(parts: Entry) -> str:
    """An id among these words is an occurrence's."""
    return " ".join(f"occurrence {one}" if isinstance(one, int) else str(one) for one in parts if one is not None)


def _by(parts: Entry) -> str:
    """A merge's id, with what takes it back; else why nobody was merged."""
    told = "".join(str(one) for one in parts)
    return (
        f" (merge {told}; undone by `caregate patient unmerge {told}`)"
        if told.isdigit()
        else f" ({told})"
        if told
        else ""
    )


def _planned(e: Entry) -> str:
    return f"rule {e[2]}, step {e[3]}: planned as request {e[1]}, due {_at(e[4])}"


class Held(NamedTuple):
    """What a `request.held` entry tells, whoever wrote it. `until` Millis: when it is looked at again by itself."""

    request: int
    of: str  # "rule R, step S: " when it was planned on hold
    reason: str
    until: int | None
    detail: str  # facts or a line, never a value


def held(e: Entry) -> Held:
    """Reads an entry: (action, request, rule, step, reason, detail?) of planning, else (action, request, reason, more…)."""
    planned = len(e) > 4 and e[4] in _REASONS
    of, rest = (f"rule {e[2]}, step {e[3]}: ", list(e[4:])) if planned else ("", list(e[2:]))
    until = next((part for part in rest[1:] if isinstance(part, int)), None)
    told = [str(part) for part in rest[1:] if isinstance(part, str) and part not in _GATES]  # which gate says no more
    return Held(e[1], of, str(rest[0]), until, " ".join(told))


def released_by(reason: str, detail: str = "") -> str:
    """What ends a hold, in words; `detail` as in the entry."""
    end = RELEASED_BY.get(Reason(reason), "a person") if reason in _REASONS else "a person"
    return f"{end} ({detail})" if detail else end


def _held(e: Entry) -> str:
    one = held(e)
    when = f", looked at again {_at(one.until)}" if one.until is not None else ""
    return f"request {one.request} held: {one.of}{one.reason}{when}; released by {released_by(one.reason, one.detail)}"


def _withdrawn(e: Entry) -> str:
    """The reason, what else is told of it, and the gate that gave it."""
    gates = [f"(gate {part})" for part in e[3:] if part in _GATES]
    told = [str(part) for part in e[2:] if part is not None and (part is e[2] or part not in _GATES)]
    return f"request {e[1]} withdrawn: {' '.join([*told, *gates])}"


def _received(e: Entry) -> str:
    told = dict(e[1])
    reused = ", under a control id used before" if told.get("control_id_reused") else ""
    return f"{told.get('type')} received from {told.get('source')}{reused}"


def _scope(scope: Entry) -> str:
    """Purpose, channel and topic in words; * is any."""
    names = ("purpose", "channel", "topic")
    return ", ".join(f"any {name}" if one == "*" else str(one) for name, one in zip(names, scope, strict=False))


def _incomplete(e: Entry) -> str:
    told = dict(e[1])
    if "awaits" in told:
        return f"{told.get('type')} received from {told.get('source')}; it waits for its {told['awaits']}, who is fetched first"
    return f"a part of {told.get('type') or 'a message'} received from {told.get('source')}; it waits for the rest"


_WORDS: dict[str, Callable[[Entry], str]] = {
    Action.MESSAGE_RECEIVED: _received,
    Action.MESSAGE_IGNORED: lambda e: f"message ignored: {e[1]}",
    Action.MESSAGE_REPEATED: lambda e: f"message {e[1]} came again; nothing stored, its acknowledgement repeated",
    Action.MESSAGE_QUARANTINED: lambda e: f"message {e[1]}: {e[2]} at {dict(e[3]).get('place') or 'the whole message'}",
    Action.MESSAGE_INCOMPLETE: _incomplete,
    Action.MESSAGE_JOINED: lambda e: f"put together from the parts {', '.join(map(str, e[1:]))}",
    Action.FETCH_WANTED: lambda e: f"fetch {e[1]}: something is read from the server of {e[2]}: {e[3]}",
    Action.FETCH_ENDED: lambda e: f"fetch {e[1]}: {_tail(e, 2)}",
    Action.CURSOR_MOVED: lambda e: f"{e[1]} remembers where it stands: {e[2]}",
    Action.SEQUENCE_STARTED: lambda e: f"{e[1]} started its numbers again; told to go on with {e[2]}",
    Action.SEQUENCE_RESET: lambda e: f"{e[1]} began its numbers anew; the last one was {e[2]}",
    Action.SEQUENCE_REFUSED: lambda e: f"{e[1]} sent number {e[2]}, expected was {e[3]}: not stored, not processed",
    Action.NODE_REFUSED: lambda e: f"{e[1]}: {e[4]} turned away at the door from {e[3] or 'unknown'}: {e[2]}",
    Action.MESSAGE_RELEASED: lambda e: f"quarantined message {e[1]}: {_tail(e, 2)}",
    Action.EVENT_APPLIED: lambda e: f"understood as {e[1]}" + (f", occurrence {e[2]} now {e[3]}" if len(e) > 3 else ""),
    Action.EVENT_UNCHANGED: lambda e: f"understood as {e[1]}; nothing changed ({_of(e[2:])})",
    Action.EVENT_STALE: lambda e: (
        f"{e[1]} on occurrence {e[2]} not applied: {e[3] if len(e) > 3 else 'older than what is known'}"
    ),
    Action.PATIENT_CREATED: lambda e: f"patient {e[1]} is new",
    Action.PATIENT_CHANGED: lambda e: f"patient {e[1]} changed: {', '.join(map(str, e[2:]))}",
    Action.PATIENT_MERGED: lambda e: f"patient {e[1]} merged into {e[2]}{_by(e[3:])}",
    Action.PATIENT_UNMERGED: lambda e: f"merge {e[3]} undone: {e[1]} is no longer {e[2]} ({_tail(e, 4)})",
    Action.OCCURRENCE_REPLACED: lambda e: f"occurrence {e[1]} replaced, by {e[2]}",
    Action.PATIENT_HELD: lambda e: f"patient {e[1]} held: {_tail(e, 2)}",
    Action.PATIENT_RELEASED: lambda e: f"patient {e[1]} no longer held: {_tail(e, 2)}",
    Action.VISIT_RELEASED: lambda e: f"occurrence {e[1]} no longer held: {_tail(e, 2)}",
    Action.CONSENT_RECORDED: lambda e: (
        f"consent entry {e[1]}: {' '.join(map(str, e[2:3]))} {_scope(e[3:6])}{f', {e[6]}' if len(e) > 6 else ''}"
    ),
    Action.RULE_UNMATCHED: lambda e: f"rule {e[1]} does not apply: line {e[2]}, {e[3]}",
    Action.REQUEST_PLANNED: _planned,
    Action.REQUEST_WITHHELD: lambda e: f"rule {e[2]}, step {e[3]}: withheld, {e[4]}",
    Action.REQUEST_FELL_BACK: lambda e: (
        f"nothing says that attempt {e[2]} arrived: request {e[1]} goes on by the next channel"
    ),
    Action.FALLBACK_ENDED: lambda e: f"request {e[1]} leaves by no other channel: {_tail(e, 2)}",
    Action.REQUEST_WITHDRAWN: _withdrawn,
    Action.REQUEST_HELD: _held,
    Action.REQUEST_RELEASED: lambda e: f"request {e[1]} released: {_tail(e, 2)}",
    Action.REQUEST_MOVED: lambda e: f"request {e[1]} moved to patient {e[2]}",
    Action.COMMUNICATION_CLEARED: lambda e: (
        f"attempt {e[1]} by {e[3]} cleared for rule {e[2]}{f', variant {e[5]}' if e[5:6] not in ([], ['']) else ''}: "
        f"every gate permitted{f' ({_tail(e, 6)})' if len(e) > 6 else ''}"
    ),
    Action.COMMUNICATION_SETTLED: lambda e: f"attempt {e[1]}: {_tail(e, 2)}",
    Action.LINK_MADE: lambda e: f"link {e[1]} made ({e[2]}), good until {_at(e[3])}",
    Action.LINK_ENDED: lambda e: f"link {e[1]} ({e[2]}) ended: {e[3]}",
    Action.PORTAL_STARTED: lambda e: f"somebody followed link {e[2]} ({e[3]}): log-in {e[1]}",
    Action.PORTAL_ENTERED: lambda e: f"log-in {e[1]}: birth date and code were right",
    Action.PORTAL_LEFT: lambda e: f"log-in {e[1]}: logged out",
    Action.PORTAL_REFUSED: lambda e: (
        f"attempt {e[1]} not shown to its reader: {e[2]} (gate {e[3]})"
        if len(e) > 3
        else f"log-in {e[1]} refused: {e[2]}"
    ),
    Action.PORTAL_READ: lambda e: (
        f"preferences shown, log-in {e[2]}"
        if e[1] == "preferences"
        else f"attempt {e[1]} read in the portal by link {e[2]}"
    ),
    Action.CAMPAIGN_FORECAST: lambda e: (
        f"dry run {e[1]} of campaign {e[2]} by {e[5]}: {e[3]} people, {e[4]} would leave"
    ),
    Action.CAMPAIGN_APPROVED: lambda e: (
        f"dry run {e[1]} of campaign {e[2]} approved for {e[3]} people by {_tail(e, 4)}"
    ),
    Action.CAMPAIGN_STOPPED: lambda e: f"campaign {e[2]} stopped by {_tail(e, 3)}",
    Action.CAMPAIGN_RESUMED: lambda e: f"campaign {e[2]} resumed by {_tail(e, 3)}",
    Action.CAMPAIGN_ENDED: lambda e: f"campaign {e[2]} ended by {_tail(e, 3)}",
    Action.FEED_SILENT: lambda e: f"feed {e[1]} is silent against its habit since {_at(e[2])}",
    Action.FEED_HEARD: lambda e: f"feed {e[1]} is not silent any more (it was since {_at(e[2])})",
    Action.FEED_EXCUSED: lambda e: f"silence of feed {e[1]} expected until {_at(e[2])}: {e[3]}",
    Action.PATIENT_EXPORTED: lambda e: f"everything held about patient {e[1]} copied: {_tail(e, 2)}",
    Action.DISCLOSURES_ACCOUNTED: lambda e: f"disclosures accounted for since {_at(e[2])}: {e[3]} told, {e[4]} not",
    Action.PATIENT_ERASED: lambda e: f"patient {e[1]} erased: {e[2]}",
    Action.BREACH_ASSESSED: lambda e: f"breach assessed, {_at(e[1])} to {_at(e[2])}: {e[5]} people, {e[6]} unsecured",
    Action.KEY_DESTROYED: lambda e: f"key {e[1]} destroyed: what it sealed is gone",
    Action.KEYS_PROTECTED: lambda e: f"the key file put under {e[1]} key {e[2]}",
    Action.ADDRESS_RESTORED: lambda e: f"address {e[1]} may be written to again: {_tail(e, 2)}",
    Action.UNREAD_SEEN: lambda e: f"message {e[1]} lies unread; seen to by hand: {_tail(e, 2)}",
    Action.WRITEBACK_WANTED: lambda e: f"the server of {e[1]} is to be told of {e[2]} messages",
    Action.WRITEBACK_TOLD: lambda e: f"attempt {e[1]}: the server of {e[2]} was told: {e[3]}",
    Action.WRITEBACK_SETTLED: lambda e: f"attempt {e[1]}: the server of {e[2]}: {e[3]}, {_tail(e, 4)}",
    Action.OUTCOMES_TOLD: lambda e: f"{e[2]} outcomes told to {e[1]}, of what was written up to {e[3]}",
    Action.OUTCOMES_REWOUND: lambda e: (
        f"{e[1]} is told what was written after {e[3]} (it stood at {e[2]}): {_tail(e, 4)}"
    ),
    Action.REVOCATION_SETTLED: lambda e: f"the opt-out of consent {e[1]} told to {e[2]} by hand: {_tail(e, 3)}",
    Action.RECEIPT_RECORDED: lambda e: f"attempt {e[1]}: the provider says {_tail(e, 2)}",
    Action.REPLY_RECEIVED: lambda e: f"reply {e[1]} by {e[2]}: understood as {e[3]}, {e[4]}",
    Action.REPLY_DECIDED: lambda e: f"reply {e[1]} decided as {e[2]}: {_tail(e, 3)}",
    Action.ACCESS_GRANTED: lambda e: f"{e[1]} {e[2]} begun: {_tail(e, 3)}",
    Action.ACCESS_REVOKED: lambda e: f"{e[1]} {e[2]} ended: {_tail(e, 3)}",
    Action.ACCESS_REFUSED: lambda e: (
        f"{e[4]} times {e[3] or 'others'} turned away from {e[2] or 'several routes'}: {e[1]}"
    ),
    Action.CONTENT_READ: lambda e: f"read by a person: {_tail(e, 1)}",
    Action.CONTENT_FORGOTTEN: lambda e: f"retention: {e[2]} {e[1]} contents forgotten",
}


def words(entry: Entry) -> str:
    """One audit entry as a sentence; an action without words of its own is shown as it stands."""
    say = _WORDS.get(entry[0])
    return say(entry) if say else f"{entry[0]}: {_tail(entry, 1)}"
