"""What a person wrote back is kept sealed and acted on at once: STOP binds the address, the rest answers, moves on, or waits for staff."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import bindparam, select

from gateway.model.audit import Action
from gateway.model.comingback import Reply, ReplyMeaning
from gateway.model.consent import ANY, ChannelKind
from gateway.model.request import RequestKind
from gateway.model.when import DAY, MINUTE, Millis
from gateway.pipeline import answers, builtin, ledger
from gateway.pipeline.answers import ANSWERS, Answered
from gateway.pipeline.directory import Directory
from gateway.store import tables
from gateway.store.datakeys import feed_key
from gateway.store.keyring import seal
from gateway.store.statement import Statement
from gateway.store.uow import UnitOfWork

_INBOUND = (
    "id", "channel", "provider_event", "address", "sender", "received", "feed_key", "sealed", "meaning", "state",
    "patient", "request", "decided",
)  # fmt: skip
CONFIRM_WITHIN: Millis = 5 * MINUTE
"""47 CFR 64.1200(a)(12): one confirmation of an opt-out, within five minutes."""
_HELP_WITHIN: Millis = 10 * MINUTE
_STARTED_BY_STOP = "reply STOP"
START_VERSION = "opt-out-confirmation-1"
"""Of the words that offered START (gateway/render/builtin/opt_out_confirmation); change it with them."""
_OPEN, _DONE = "open", "done"
_c = tables.communication.c
_LAST = Statement(
    "communication.last-to-address",
    select(_c.id, _c.patient, _c.request)
    .where(_c.address == bindparam("address"), _c.channel == bindparam("channel"), _c.at >= bindparam("since"))
    .order_by(_c.at.desc())
    .limit(bindparam("n")),
    params=("address", "channel", "since", "n"),
)
_i = tables.inbound.c
_EARLIER = Statement(
    "inbound.earlier",
    select(_i.meaning)
    .where(_i.address == bindparam("address"), _i.received >= bindparam("since"), _i.id < bindparam("before"))
    .order_by(_i.received.desc())
    .limit(1),
    params=("address", "since", "before"),
)
_SAME = Statement(
    "inbound.earlier-of-a-meaning",
    select(_i.id)
    .where(
        _i.address == bindparam("address"), _i.received >= bindparam("since"), _i.id < bindparam("before"),
        _i.meaning == bindparam("meaning"),
    )
    .limit(bindparam("n")),
    params=("address", "since", "before", "meaning", "n"),
)  # fmt: skip
_MOST_ANSWERS = 3  # of the same kind to one address in a day: two machines must not talk to each other for ever
_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What was done with a reply: its row, its meaning in force, and what to ring."""

    id: int
    meaning: ReplyMeaning
    rings: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Arrived:
    """One reply in its unit of work."""

    id: int
    address: int
    patient: int | None
    reply: Reply


Answer = Callable[[ChannelKind, int, ReplyMeaning], Answered | None]
"""Applies what was answered about a visit (`answers.apply`): (channel, address, meaning); None: staff must look."""


def record(uow: UnitOfWork, directory: Directory, reply: Reply, meaning: ReplyMeaning, answer: Answer) -> Heard | None:
    """Keep a reply and act on it; None when it was told before. Locks patients, then address. Raises StoreError."""
    known = uow.lookup(tables.inbound, ("channel",), "provider_event", [reply.event])
    if (reply.channel,) in known:
        return None
    meaning = reply.provider_opt_out or meaning
    address = directory.address(reply.sender)
    directory.flush()
    patient = _whose(uow, address, reply.channel)
    visits = answers.open_visits(uow, reply.channel, address) if meaning in ANSWERS else []
    whose = {row.patient for _, row in visits} | ({patient} if patient is not None else set())
    if whose:
        directory.lock_people(whose)
    one = _Arrived(uow.new_id(), address, patient, reply)
    if meaning is ReplyMeaning.YES and not _start_was_asked(uow, one):
        meaning = ReplyMeaning.FREE_TEXT  # YES opts in only after START was asked (SM-09)
    answered = answer(reply.channel, address, meaning) if meaning in ANSWERS else None
    state, rings = _act(uow, one, meaning) if answered is None else (answered.state, list(answered.rings))
    _keep(uow, one, meaning, state, None if answered is None else answered.request)
    return Heard(id=one.id, meaning=meaning, rings=tuple(ring for ring in rings if ring))


def _whose(uow: UnitOfWork, address: int, channel: ChannelKind) -> int | None:
    """Whom the last message to this address was for; who they are merged into now. None: we never wrote to it."""
    found = uow.all(_LAST, (address, channel, 0, 1))
    return _survivor(uow, found[0][1]) if found else None


def _survivor(uow: UnitOfWork, patient: int) -> int:
    rows = uow.lookup(tables.patient, ("survivor",), "token", [patient])
    return patient if not rows or rows[0][0] is None else _survivor(uow, rows[0][0])


def _start_was_asked(uow: UnitOfWork, one: _Arrived) -> bool:
    """Whether START is the last that was heard from this address within a day."""
    return uow.one(_EARLIER, (one.address, uow.now - DAY, one.id)) == (ReplyMeaning.START,)


def _was_said(uow: UnitOfWork, one: _Arrived, meaning: ReplyMeaning, most: int) -> bool:
    """Whether the address said it `most` times within a day before, whatever else it said."""
    return len(uow.all(_SAME, (one.address, uow.now - DAY, one.id, meaning, most))) >= most


def _act(uow: UnitOfWork, one: _Arrived, meaning: ReplyMeaning) -> tuple[str, list[int | None]]:
    """(state of the reply, requests to ring)."""
    match meaning:
        case ReplyMeaning.STOP:
            return _DONE, [_stop(uow, one)]
        case ReplyMeaning.START | ReplyMeaning.YES:
            return (_DONE if _start(uow, one) else _OPEN), []
        case ReplyMeaning.HELP:
            return _DONE, [_help(uow, one, meaning, _MOST_ANSWERS)]
        case ReplyMeaning.FREE_TEXT:
            # it may be an emergency: say once that nobody reads this at once, and have somebody read it (SM-18)
            return _OPEN, [_help(uow, one, meaning, 1)]
        case _:  # about a visit, or of no meaning that is known here
            return _OPEN, []


def _stop(uow: UnitOfWork, one: _Arrived) -> int | None:
    """Everything by this channel to this address ends, for everyone who shares it; one confirmation leaves (SM-11).

    Who has said so already hears nothing more: two machines must not talk to each other for ever. The provider that
    took STOP itself has answered it.
    """
    patients = [] if one.patient is None else [one.patient]
    uow.lock(tables.address, "id", [one.address])
    ((before,),) = uow.lookup(tables.address, ("opted_out_at",), "id", [one.address])
    ledger.opt_out(
        uow, address=one.address, channel=one.reply.channel, evidence=f"{_STARTED_BY_STOP} {one.id}", patients=patients
    )
    told = before is not None or _was_said(uow, one, ReplyMeaning.STOP, _MOST_ANSWERS)
    if told or one.reply.provider_opt_out is not None:
        return None
    return _answer(uow, one, RequestKind.OPT_OUT_CONFIRMATION, CONFIRM_WITHIN)


def _start(uow: UnitOfWork, one: _Arrived) -> bool:
    """The address may be written to again, by whoever has a consent of their own; it is no consent (SM-14).

    An address several people have is lifted by a person: who of them said STOP is not known.
    """
    owners = {token for (token,) in uow.lookup(tables.contact_point, ("patient",), "address", [one.address])}
    roots = {_survivor(uow, token) for token in owners}
    if len(roots) > 1:
        return False
    uow.lock(tables.address, "id", [one.address])
    uow.update(tables.address, ("id",), ("opted_out_at",), [(None, one.address)])
    scope = (ANY, one.reply.channel.value, ANY)
    said = ledger.Entry(
        patient=None, address=one.address, scope=scope, permit=True, evidence=f"reply START {one.id}",
        text_version=START_VERSION,
    )  # fmt: skip
    ledger.append(uow, [said], patients=sorted(roots))
    return True


def _help(uow: UnitOfWork, one: _Arrived, meaning: ReplyMeaning, most: int) -> int | None:
    if _was_said(uow, one, meaning, most):
        return None
    return _answer(uow, one, RequestKind.HELP_REPLY, _HELP_WITHIN)


def _answer(uow: UnitOfWork, one: _Arrived, kind: RequestKind, within: Millis) -> int | None:
    """Plan an answer to whoever the address belongs to; a number that is nobody's gets none."""
    if one.patient is None or uow.now - one.reply.at > within:
        return None
    return builtin.plan(
        uow,
        kind=kind,
        patient=one.patient,
        about=one.id,
        channel=one.reply.channel,
        address=one.address,
        due=uow.now,
        expires=uow.now + within,
    )


def _keep(uow: UnitOfWork, one: _Arrived, meaning: ReplyMeaning, state: str, request: int | None) -> None:
    """The words sealed under the day's key, as raw bytes are: whose they are is not proven."""
    key = feed_key(uow, 0)
    body = _json([one.reply.sender, one.reply.text])
    sealed = seal(key.plain, body, b"inbound.sealed:%d" % one.id)
    row: tuple[Any, ...] = (
        one.id, one.reply.channel, one.reply.event, one.address, one.reply.to, one.reply.at, key.id, sealed, meaning,
        state, one.patient, request, uow.now if state == _DONE else None,
    )  # fmt: skip
    uow.insert(tables.inbound, _INBOUND, [row])
    patients = [] if one.patient is None else [one.patient]
    uow.audit([(Action.REPLY_RECEIVED, one.id, one.reply.channel, meaning, state)], request=request, patients=patients)
