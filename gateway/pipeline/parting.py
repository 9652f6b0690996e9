"""What becomes of one part of a message: it waits, completes the whole, or goes into quarantine with its like (B-07)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from gateway.er7.header import read_header
from gateway.model.audit import Action
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Outcome, Place, RawMessage, Reading, Result
from gateway.pipeline.batch import Batch, Seen
from gateway.pipeline.joining import Apart, Part, give_up, parts_of, read_again
from gateway.pipeline.preparing import Prepared, prepare
from gateway.store.uow import Reader

_LIES = "the whole message lies in quarantine"


class Settle(Protocol):
    """What `receive` does with a message that is whole."""

    def __call__(self, one: Prepared, *, raw: int, joined: Sequence[int]) -> Outcome:
        """Apply or refuse it under the id `raw`; `joined` are its parts in order."""
        ...


def is_part(batch: Batch, one: Prepared) -> bool:
    """Whether a message must not be taken by itself: half of one, or what another waits for.

    MSH-14 alone proves nothing: senders fill it in messages that are whole.
    """
    reading = one.reading
    if reading.fragment is None or batch.joins is None:
        return False
    by_itself = bool(reading.events or reading.ignored or reading.ack is not AckCode.AA)
    return not by_itself or batch.joins.awaited(one.message.source, reading.fragment)


def take(
    batch: Batch,
    one: Prepared,
    *,
    mended: Callable[[], Sequence[int]],
    kept: Seen | None,
    read: Callable[[RawMessage], Reading],
    settle: Settle,
    refusal: AckCode,
) -> Outcome:
    """Store a part; with the last that was missing the whole is applied in this very unit.

    `mended`: quarantine entries this message settles, `kept` its copy that lies there. `refusal`: what the feed gets
    for what is quarantined.
    """
    if kept is not None and parts_of(batch.uow, kept.id):
        return _again(batch, one, kept)
    joins, raw, fragment = batch.joins, batch.uow.new_id(), one.reading.fragment
    assert joins is not None
    assert fragment is not None
    try:
        chain = joins.add(raw, batch.source_id(one.message.source), one.message, fragment)
        if chain is None:
            return _wait(batch, one, raw, mended())
        message = joins.whole(chain)
    except Apart as apart:
        return _apart(batch, one, raw, apart, refusal)
    joins.end(chain, raw)
    return _whole(batch, one, raw, chain, message, read=read, settle=settle)


def _whole(
    batch: Batch,
    one: Prepared,
    raw: int,
    chain: Sequence[Part],
    message: RawMessage,
    *,
    read: Callable[[RawMessage], Reading],
    settle: Settle,
) -> Outcome:
    """The joined message is applied; what is stored is the part that came last, under its own name and bytes."""
    whole = prepare(batch.keyring, message, read(message))
    batch.load_events(whole.events)
    last = Prepared(one.message, whole.reading, one.control, one.bodies, whole.events, one.generation)
    outcome = settle(last, raw=raw, joined=[part.raw for part in chain])
    return replace(outcome, control_id=one.reading.control_id, whole=whole.reading.control_id)


def _again(batch: Batch, one: Prepared, kept: Seen) -> Outcome:
    """The last part of a whole that lies in quarantine comes again: the same answer (A-08)."""
    batch.uow.audit([(Action.MESSAGE_REPEATED, kept.id, {"source": one.message.source})])
    return _quarantined(one, kept.id, AckCode(kept.ack), Fault(code=199, rule=_LIES, place=Place("DSC", 1, 1)))


def _wait(batch: Batch, one: Prepared, raw: int, mended: Sequence[int]) -> Outcome:
    batch.keep_raw(one, raw, AckCode.AA.value, Result.INCOMPLETE.value)
    for entry in mended:
        batch.resolve_quarantine(entry)
    released = [(Action.MESSAGE_RELEASED, entry, "waits for its rest again") for entry in mended]
    batch.uow.audit([(Action.MESSAGE_INCOMPLETE, _details(one)), *released], id=raw)
    return Outcome(
        result=Result.INCOMPLETE,
        ack=AckCode.AA,
        message=raw,
        type=one.reading.type,
        control_id=one.reading.control_id,
        reason="waits for the rest of the message",
        faults=one.reading.noticed,
        whole="",
    )


def _apart(batch: Batch, one: Prepared, raw: int, apart: Apart, refusal: AckCode) -> Outcome:
    """Parts that cannot be made whole wait for a person: this one and those it was to go with."""
    batch.keep_raw(one, raw, refusal.value, Result.INCOMPLETE.value)
    batch.write_raw()
    give_up(batch.uow, apart.parts, apart.fault.rule)
    batch.forget(apart.parts)
    batch.uow.audit([(Action.MESSAGE_INCOMPLETE, _details(one))], id=raw)
    return _quarantined(one, raw, refusal, apart.fault)


def _quarantined(one: Prepared, message: int, ack: AckCode, fault: Fault) -> Outcome:
    return Outcome(
        result=Result.QUARANTINED,
        ack=ack,
        message=message,
        type=one.reading.type,
        control_id=one.reading.control_id,
        reason=fault.rule,
        faults=(*one.reading.noticed, fault),
    )


def _details(one: Prepared) -> dict[str, str]:
    return {"source": one.message.source, "type": one.reading.type}


def first_control_id(unit: Reader, message: int) -> str | None:
    """MSH-10 of the first part of a joined message; None for any other, or when its bytes are gone."""
    parts = parts_of(unit, message)
    found = read_again(unit, parts[:1])
    try:
        return next((read_header(body).control_id for body, _ in found.values()), None)
    except Unreadable:
        return None
