"""What arrives at one feed and what becomes of it, as it happens: from the audit log alone, so never a word of what was said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, select

from gateway.model.audit import Action
from gateway.model.event import Result
from gateway.model.when import SECOND, Millis
from gateway.pipeline.inspect.feeds import source_of
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.words import held
from gateway.pipeline.tallying import reason_of
from gateway.store import ids, tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader

Entry = Sequence[Any]

LATE: Final[Millis] = 5 * SECOND
"""So far behind what was seen last is looked again: a gateway may commit after another that began later."""
_PAGE, _BACK, _EVER = 2_000, 10, (1 << 63) - 1
_AUDIT = ("id", "at", "entries")
_RESULTS: Final[dict[str, Result]] = {
    Action.MESSAGE_RECEIVED: Result.ACCEPTED,
    Action.MESSAGE_IGNORED: Result.IGNORED,
    Action.MESSAGE_INCOMPLETE: Result.INCOMPLETE,
    Action.MESSAGE_REPEATED: Result.DUPLICATE,
    Action.MESSAGE_QUARANTINED: Result.QUARANTINED,
}
_EVENTS = frozenset({Action.EVENT_APPLIED, Action.EVENT_UNCHANGED, Action.EVENT_STALE})
_a = tables.audit.c
_RECEIVED = _a.actor == "receive"

AFTER = Statement(
    "audit.received-after",
    select(_a.id).where(_a.id > bindparam("after"), _RECEIVED).order_by(_a.id).limit(bindparam("n")),
    params=("after", "n"),
)
BEFORE = Statement(
    "audit.received-before",
    select(_a.id).where(_a.id < bindparam("before"), _RECEIVED).order_by(_a.id.desc()).limit(bindparam("n")),
    params=("before", "n"),
)
_decode = msgspec.json.Decoder(list[list[Any]]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Became:
    """One send that a message led to. `what`: planned, held, withheld or withdrawn; `request`: None where none was made."""

    what: str
    rule: str
    step: str
    reason: str
    request: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One message. `message`: by which `caregate trace` goes on; of a repetition that of the first one. `at` Millis UTC."""

    message: int
    at: Millis
    type: str
    result: str
    reason: str
    events: tuple[str, ...]
    became: tuple[Became, ...]


class Tap:
    """Looks at one source's arrivals, each once. Raises CommandError where there is no such source, StoreError."""

    def __init__(self, gateway: Inspectable, source: str) -> None:
        self._store: Store = gateway.store
        self._source = source_of(gateway, source).name
        with self._store.read() as unit:
            newest = unit.one(BEFORE, (_EVER, 1))
            self._newest = newest[0] if newest else 0
            self._seen = set(self._late(unit))

    def last(self, most: int) -> list[Arrival]:
        """The last ones before the tap was opened, oldest first; not further back than some thousand messages."""
        found: list[Arrival] = []
        before = self._newest + 1
        with self._store.read() as unit:
            for _ in range(_BACK if most else 0):
                page = [one for (one,) in unit.all(BEFORE, (before, _PAGE))]
                found = [*_arrivals(unit, page, self._source), *found]
                if len(found) >= most or len(page) < _PAGE:
                    break
                before = page[-1]
        return found[-most:] if most else []

    def new(self) -> Iterator[Arrival]:
        """Those since the last look, in their order."""
        with self._store.read() as unit:
            every = self._late(unit)
            fresh = [one for one in every if one not in self._seen]
            for at in range(0, len(fresh), _PAGE):
                yield from _arrivals(unit, fresh[at : at + _PAGE], self._source)
        self._newest = every[-1] if every else self._newest
        self._seen = set(every)

    def _late(self, unit: Reader) -> list[int]:
        """What was received since a little before the newest that is known."""
        found: list[int] = []
        after = ids.compose(ids.time_of(self._newest) - LATE, 0)
        while True:
            page = [one for (one,) in unit.all(AFTER, (after, _PAGE))]
            found += page
            if len(page) < _PAGE:
                return found
            after = page[-1]


def _arrivals(unit: Reader, page: Sequence[int], source: str) -> list[Arrival]:
    rows = [(id_, at, _decode(entries)) for id_, at, entries in sorted(unit.lookup(tables.audit, _AUDIT, "id", page))]
    ours = [(*row, told) for row in rows if (told := _told(row[2][0])).get("source") == source]
    steps = _steps(unit, {one for _, _, entries, _ in ours for one in _requests(entries)})
    return [_arrival(*row, steps) for row in ours]


def _told(head: Entry) -> dict[str, Any]:
    """What the first entry of a receipt says of its message; nothing where it is none, or was refused out of turn."""
    return head[-1] if head[0] in _RESULTS and isinstance(head[-1], dict) else {}


def _arrival(
    audit: int, at: Millis, entries: Sequence[Entry], told: dict[str, Any], steps: dict[int, tuple[str, str]]
) -> Arrival:
    head = entries[0]
    refused = head[0] == Action.MESSAGE_QUARANTINED
    again = head[0] == Action.MESSAGE_REPEATED
    return Arrival(
        message=head[1] if again else audit,
        at=at,
        type=told.get("type", ""),
        result=head[1] if refused else _RESULTS[head[0]].value,
        reason=reason_of([list(head)]) or told.get("awaits", ""),
        events=tuple(dict.fromkeys(entry[1] for entry in entries if entry[0] in _EVENTS)),
        became=tuple(one for entry in entries if (one := _became(entry, steps)) is not None),
    )


def _became(entry: Entry, steps: dict[int, tuple[str, str]]) -> Became | None:
    match entry[0]:
        case Action.REQUEST_PLANNED:
            return _of(entry, "planned", "", steps)
        case Action.REQUEST_HELD:
            return _of(entry, "held", held(entry).reason, steps)
        case Action.REQUEST_WITHDRAWN:
            return _of(entry, "withdrawn", str(entry[2]), steps)
        case Action.REQUEST_WITHHELD:
            return Became(what="withheld", rule=entry[2], step=entry[3], reason=str(entry[4]), request=entry[1])
    return None


def _of(entry: Entry, what: str, reason: str, steps: dict[int, tuple[str, str]]) -> Became:
    rule, step = steps.get(entry[1], ("", ""))
    return Became(what=what, rule=rule, step=step, reason=reason, request=entry[1])


def _requests(entries: Sequence[Entry]) -> Iterator[int]:
    return (
        one[1] for one in entries if one[0] in (Action.REQUEST_PLANNED, Action.REQUEST_HELD, Action.REQUEST_WITHDRAWN)
    )


def _steps(unit: Reader, requests: set[int]) -> dict[int, tuple[str, str]]:
    """Rule and step by request."""
    rows = unit.lookup(tables.request, ("id", "rule", "step"), "id", sorted(requests))
    return {identity: (rule, step) for identity, rule, step in rows}
