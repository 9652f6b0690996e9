"""Unreadable messages: seen, opened with a reason, replayed after a mend, or discarded; nothing is lost meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from gateway.er7.ack import meaning
from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.event import Outcome, RawMessage, Result
from gateway.model.when import Millis
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.joining import reread
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

_q, _r = tables.quarantine.c, tables.raw.c
LISTED = Statement(
    "quarantine.listed",
    select(_q.raw, _q.at, _r.source, _r.type, _q.code, _q.place, _q.rule, _q.state)
    .select_from(tables.quarantine.join(tables.raw, _r.id == _q.raw))
    .where(_q.state == bindparam("in_state"))
    .order_by(_q.raw)
    .limit(bindparam("limit")),
    params=("in_state", "limit"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineLine:
    """One entry: `code` by HL7 table 0357 and what that `means`, `place` as ERL, `rule` what it breaks; never a value."""

    message: int
    at: Millis
    source: str
    type: str
    code: int
    means: str
    place: str
    rule: str
    state: str


def quarantine_list(gateway: Inspectable, *, state: str = "open", limit: int = 1000) -> list[QuarantineLine]:
    """Entries in a state (open, resolved, discarded), oldest first."""
    names = {entry.id: name for name, entry in gateway.site.sources.items()}
    with gateway.store.read() as unit:
        rows = unit.all(LISTED, (state, limit))
    return [
        QuarantineLine(
            message=raw,
            at=at,
            source=names.get(source, str(source)),
            type=kind,
            code=code,
            means=meaning(code),
            place=place,
            rule=rule,
            state=st,
        )
        for raw, at, source, kind, code, place, rule, st in rows
    ]


def quarantine_show(gateway: Inspectable, message: int, *, reason: str, account: str) -> bytes:
    """The sealed bytes of an entry, opened; audited with `reason`. Raises CommandError when gone or unknown."""
    with gateway.store.begin(account) as uow:
        opened = _opened(uow, gateway, message)
        uow.audit([(Action.CONTENT_READ, "quarantine", message, reason)], id=None)
        uow.commit()
    return opened.body


def quarantine_replay(gateway: Inspectable, message: int, *, account: str) -> Outcome:
    """Read the bytes again through the very same `receive`; a good reading resolves the entry.

    Raises CommandError when the bytes are gone, or the message still cannot be read.
    """
    with gateway.store.begin(account) as uow:
        raw = _opened(uow, gateway, message)
        uow.audit([(Action.CONTENT_READ, "quarantine", message, "replay")])
        uow.commit()
    outcome = gateway.receiver.receive([raw])[0]
    if outcome.result in (Result.ACCEPTED, Result.IGNORED):
        _decide(gateway, message, "resolved", "resolved by a replay", account)
    return outcome


def quarantine_discard(gateway: Inspectable, message: int, *, reason: str, account: str) -> None:
    """Decide that an entry needs nothing more; its bytes stay sealed until the replay window closes."""
    _decide(gateway, message, "discarded", f"discarded: {reason}", account, only_open=True)


def _decide(gateway: Inspectable, message: int, state: str, why: str, account: str, *, only_open: bool = False) -> None:
    with gateway.store.begin(account) as uow:
        found = uow.lookup(tables.quarantine, ("state",), "raw", [message])
        if not found:
            raise CommandError(f"there is no quarantined message {message}; `caregate quarantine list` shows them")
        if found[0][0] != "open":
            if only_open:
                raise CommandError(f"message {message} is already {found[0][0]}")
            return
        uow.update(tables.quarantine, ("raw",), ("state", "decided"), [(state, uow.now, message)])
        uow.audit([(Action.MESSAGE_RELEASED, message, why)])
        uow.commit()


def _opened(uow: UnitOfWork, gateway: Inspectable, message: int) -> RawMessage:
    """A quarantined message as it was received."""
    if not uow.lookup(tables.quarantine, ("raw",), "raw", [message]):
        raise CommandError(f"there is no quarantined message {message}; `caregate quarantine list` shows them")
    ((source,),) = uow.lookup(tables.raw, ("source",), "id", [message])
    if all(entry.id != source for entry in gateway.site.sources.values()):
        raise CommandError(f"the source of message {message} is no longer configured")
    opened = stored(uow, gateway, message)
    if opened is None:
        raise CommandError(f"the bytes of message {message} are gone: its replay window has closed")
    return opened


def stored(unit: Reader, gateway: Inspectable, message: int) -> RawMessage | None:
    """A message as it was received, whole if it came in parts; None when bytes, key or source are gone."""
    found = unit.lookup(tables.raw, ("source", "received"), "id", [message])
    source, received = found[0] if found else (None, 0)
    name = next((one for one, entry in gateway.site.sources.items() if entry.id == source), None)
    opened = reread(unit, message)
    if name is None or opened is None:
        return None
    body, charset = opened
    return RawMessage(source=name, format=gateway.feeds[name].format, body=body, received=received, charset=charset)
