"""Unreadable messages: seen, opened with a reason, replayed after a mend, or discarded; nothing is lost meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.event import Format, Outcome, RawMessage, Result
from gateway.model.when import Millis
from gateway.pipeline.inspect.parts import Inspectable
from gateway.store import tables
from gateway.store.datakeys import open_key
from gateway.store.keyring import unseal
from gateway.store.statement import Statement
from gateway.store.uow import UnitOfWork

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
    """One entry: `code` by HL7 table 0357, `place` as ERL, `rule` what it breaks; never a value."""

    message: int
    at: Millis
    source: str
    type: str
    code: int
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
            place=place,
            rule=rule,
            state=st,
        )
        for raw, at, source, kind, code, place, rule, st in rows
    ]


def quarantine_show(gateway: Inspectable, message: int, *, reason: str, account: str) -> bytes:
    """The sealed bytes of an entry, opened; audited with `reason`. Raises CommandError when gone or unknown."""
    with gateway.store.begin(account) as uow:
        _, body, _ = _opened(uow, gateway, message)
        uow.audit([(Action.CONTENT_READ, "quarantine", message, reason)], id=None)
        uow.commit()
    return body


def quarantine_replay(gateway: Inspectable, message: int, *, account: str) -> Outcome:
    """Read the bytes again through the very same `receive`; a good reading resolves the entry.

    Raises CommandError when the bytes are gone, or the message still cannot be read.
    """
    with gateway.store.begin(account) as uow:
        source, body, received = _opened(uow, gateway, message)
        uow.audit([(Action.CONTENT_READ, "quarantine", message, "replay")])
        uow.commit()
    raw = RawMessage(source=source, format=Format.HL7V2, body=body, received=received)
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


def _opened(uow: UnitOfWork, gateway: Inspectable, message: int) -> tuple[str, bytes, Millis]:
    """Source name, bytes and receipt time of a quarantined message."""
    if not uow.lookup(tables.quarantine, ("raw",), "raw", [message]):
        raise CommandError(f"there is no quarantined message {message}; `caregate quarantine list` shows them")
    source, received, key, sealed = uow.lookup(
        tables.raw, ("source", "received", "feed_key", "sealed"), "id", [message]
    )[0]
    if sealed is None:
        raise CommandError(f"the bytes of message {message} are gone: its replay window has closed")
    name = next((one for one, entry in gateway.site.sources.items() if entry.id == source), None)
    if name is None:
        raise CommandError(f"the source of message {message} is no longer configured")
    return name, open_raw(uow, message, key, sealed), received


def open_raw(uow: UnitOfWork, message: int, key: int, sealed: bytes) -> bytes:
    """Unseal a raw message under its feed-day key. Raises Erased, KeyringError."""
    return unseal(open_key(uow, key), bytes(sealed), b"raw.sealed:%d" % message)
