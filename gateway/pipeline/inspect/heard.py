"""Replies that wait for staff: opened one by one with a reason, decided once; what is decided acts as if the person had said it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from sqlalchemy import bindparam, select

from gateway.model.audit import Action
from gateway.model.comingback import ReplyMeaning
from gateway.model.consent import ChannelKind
from gateway.model.errors import CommandError, Erased
from gateway.model.when import Millis
from gateway.pipeline import answers, ledger
from gateway.pipeline.directory import Directory
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.rules import Active, Superseded
from gateway.store import tables
from gateway.store.datakeys import open_key
from gateway.store.keyring import unseal
from gateway.store.statement import Statement
from gateway.store.uow import UnitOfWork

_i = tables.inbound.c
_COLUMNS = ("id", "channel", "address", "received", "feed_key", "sealed", "meaning", "state", "patient", "request")
OPEN = Statement(
    "inbound.waiting",
    select(*(_i[name] for name in _COLUMNS))
    .where(_i.state == "open", _i.id > bindparam("after"))
    .order_by(_i.id)
    .limit(bindparam("limit")),
    params=("after", "limit"),
)
_decode = msgspec.json.Decoder(tuple[str, str]).decode
T = TypeVar("T")


class ReplyDecision(StrEnum):
    """What staff may say of a reply."""

    STOP = "stop"  # they want no more by this channel
    CONFIRM = "confirm"
    CANCEL_VISIT = "cancel-visit"
    RESCHEDULE = "reschedule"
    DONE = "done"  # read, and seen to by hand


_MEANS = {
    ReplyDecision.CONFIRM: ReplyMeaning.CONFIRM,
    ReplyDecision.CANCEL_VISIT: ReplyMeaning.CANCEL_VISIT,
    ReplyDecision.RESCHEDULE: ReplyMeaning.RESCHEDULE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyLine:
    """One reply without its words. `meaning`: what they were taken for. Millis UTC."""

    id: int
    channel: str
    received: Millis
    meaning: str
    state: str
    patient: int | None
    request: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyWords:
    """One reply as it was written; PHI: whoever has it was audited. Both None once its words were forgotten.

    `visits`: the open visits it may be about, as (request, start in Millis UTC), soonest first.
    """

    line: ReplyLine
    sender: str | None
    text: str | None
    visits: tuple[tuple[int, Millis], ...] = ()

    def __repr__(self) -> str:
        return f"ReplyWords({self.line.id})"


def replies_open(gateway: Inspectable, *, after: int = 0, limit: int = 100) -> list[ReplyLine]:
    """Replies that wait for a person, oldest first, from behind `after`."""
    with gateway.store.read() as unit:
        return [_line(row) for row in unit.all(OPEN, (after, limit))]


def reply_read(gateway: Inspectable, reply: int, *, reason: str, account: str) -> ReplyWords:
    """The words and whose number they came from; audited with the reason before they are shown. Raises CommandError."""
    with gateway.store.begin(account) as uow:
        row = _row(uow, reply)
        sender, text = _words(uow, row)
        visits = [
            (one.start_utc or 0, request) for request, one in answers.open_visits(uow, ChannelKind(row[1]), row[2])
        ]
        patients = [] if row[8] is None else [row[8]]
        uow.audit([(Action.CONTENT_READ, "reply", reply, reason)], request=row[9], patients=patients)
        uow.commit()
    ahead = tuple((request, start) for start, request in sorted(visits))
    return ReplyWords(line=_line(row), sender=sender, text=text, visits=ahead)


def _words(uow: UnitOfWork, row: tuple[Any, ...]) -> tuple[str | None, str | None]:
    if row[5] is None:
        return None, None
    try:
        return _decode(unseal(open_key(uow, row[4]), bytes(row[5]), b"inbound.sealed:%d" % row[0]))
    except Erased:
        return None, None


def reply_decide(
    gateway: Inspectable, reply: int, decision: str, *, reason: str, account: str, about: int | None = None
) -> None:
    """Settle a reply. `about`: the request that it answers, where several visits are open.

    Raises CommandError: decided already, or no one appointment is meant.
    """
    if decision not in frozenset(ReplyDecision):
        raise CommandError(f"a reply is decided as one of {', '.join(ReplyDecision)}")
    _renewing(gateway, lambda: _decide(gateway, reply, ReplyDecision(decision), about, reason, account))


def _renewing(gateway: Inspectable, act: Callable[[], T]) -> T:
    try:
        return act()
    except Superseded:
        gateway.rules.renew()
        return act()


def _decide(
    gateway: Inspectable, reply: int, decision: ReplyDecision, about: int | None, reason: str, account: str
) -> None:
    with gateway.store.begin(account) as uow:
        found = _row(uow, reply)
        patients = [] if found[8] is None else [found[8]]
        visits = answers.open_visits(uow, ChannelKind(found[1]), found[2]) if decision in _MEANS else []
        rules = gateway.rules.current()
        directory = Directory(uow, gateway.store.keyring, rules.ruleset.policy)
        if whose := {*patients, *(one.patient for _, one in visits)}:
            directory.lock_people(whose)
        row = _row(uow, reply, lock=True)
        if row[7] != "open":
            raise CommandError(f"reply {reply} is decided already")
        request = _act(gateway, uow, directory, rules, row, decision, about) or row[9]
        columns = ("state", "request", "decided")
        uow.update(tables.inbound, ("id",), columns, [("done", request, uow.now, reply)])
        uow.audit([(Action.REPLY_DECIDED, reply, decision, reason)], request=request, patients=patients)
        uow.commit()


def _act(
    gateway: Inspectable,
    uow: UnitOfWork,
    directory: Directory,
    rules: Active,
    row: tuple[Any, ...],
    decision: ReplyDecision,
    about: int | None,
) -> int | None:
    """Do what was decided; the request it turned out to answer, if any."""
    channel, patients = ChannelKind(row[1]), [] if row[8] is None else [row[8]]
    if decision is ReplyDecision.STOP:
        evidence = f"reply {row[0]}, read by staff"
        ledger.opt_out(uow, address=row[2], channel=channel, evidence=evidence, patients=patients)
    if decision not in _MEANS:
        return None
    gateway.rules.confirm(uow, rules)
    answered = answers.apply(uow, directory, gateway.site, rules, channel, row[2], _MEANS[decision], about=about)
    if answered is None:
        raise CommandError(
            f"reply {row[0]}: it is not clear which visit is meant; say which request it answers, or see to it by hand "
            "and decide it as done"
        )
    return answered.request


def _row(uow: UnitOfWork, reply: int, *, lock: bool = False) -> tuple[Any, ...]:
    rows = uow.lookup(tables.inbound, _COLUMNS, "id", [reply], lock=lock)
    if not rows:
        raise CommandError(f"there is no reply {reply}")
    return tuple(rows[0])


def _line(row: tuple[Any, ...]) -> ReplyLine:
    identity, channel, _, received, _, _, meaning, state, patient, request = row
    return ReplyLine(
        id=identity,
        channel=channel,
        received=received,
        meaning=meaning,
        state=state,
        patient=patient,
        request=request,
    )
