"""What a decision is in the consent ledger: the person's own entry, then one for each address it binds or is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time

import msgspec

from gateway.model.authorization import expiry
from gateway.model.consent import ANY, ChannelKind, ConsentKind
from gateway.model.errors import CommandError
from gateway.model.party import ContactSystem
from gateway.model.when import DAY, Millis, to_millis
from gateway.pipeline import ledger, representing
from gateway.pipeline.directory import CONSENT_KINDED, Directory
from gateway.pipeline.inspect.decisions import Decision
from gateway.store import tables
from gateway.store.uow import UnitOfWork

Period = tuple[Millis, Millis | None]
"""From, and until (exclusive; None: without an end)."""
_SYSTEM = {ChannelKind.EMAIL: ContactSystem.EMAIL, ChannelKind.SMS: ContactSystem.SMS}
_NAMES_ADDRESSES = frozenset({ConsentKind.TEXTS, ConsentKind.OPEN_EMAIL})
_ABOUT_IT = frozenset({ConsentKind.MESSAGES, ConsentKind.RESTRICTION, ConsentKind.ALTERNATIVE})
_json = msgspec.json.Encoder().encode


def entries(
    uow: UnitOfWork, directory: Directory, patient: int, decision: Decision, period: Period, account: str
) -> list[ledger.Entry]:
    """What a decision is in the ledger; takes the locks of the addresses it binds. CommandError: it needs one and has none.

    The patient is loaded and locked. `period` as asked for: an authorization may end sooner.
    """
    period = _until(decision, period)
    named = None if decision.address is None else _told_address(uow, directory, decision.address)
    own = _entry(uow, directory, patient, named if decision.kind in _ABOUT_IT else None, decision, period, account)
    if decision.kind in _NAMES_ADDRESSES:
        if not decision.permit:
            return [own]
        channel = ChannelKind.SMS if decision.kind is ConsentKind.TEXTS else ChannelKind.EMAIL
        theirs = _lock_addresses(uow, directory, patient, channel) if named is None else [named]
        if not theirs:
            raise CommandError(f"no {channel} address is known of the person: consent of this kind is to one address")
        return [own, *(replace(own, id=None, address=one) for one in theirs)]
    if decision.kind is not ConsentKind.MESSAGES:
        return [own]
    return [own, *_bound(uow, directory, patient, decision, own)]


def _until(decision: Decision, period: Period) -> Period:
    """An authorization ends on its own day at the latest (45 CFR 164.508(b)(2)(i))."""
    last = expiry(decision.elements)
    if last is None:
        return period
    ends = to_millis(datetime.combine(last, time(), UTC)) + DAY
    return period[0], ends if period[1] is None else min(ends, period[1])


def _entry(
    uow: UnitOfWork,
    directory: Directory,
    patient: int,
    address: int | None,
    decision: Decision,
    period: Period,
    account: str,
) -> ledger.Entry:
    identity = uow.new_id()
    sealed = None
    if decision.elements:
        plain = _json(dict(decision.elements))
        sealed = directory.seal_for(directory.patients[patient], plain, b"consent.sealed:%d" % identity)
    return ledger.Entry(
        id=identity,
        patient=patient,
        address=address,
        scope=decision.scope,
        permit=decision.permit,
        evidence=decision.evidence,
        valid_from=period[0],
        valid_until=period[1],
        kind=decision.kind,
        recorded_by=account,
        text_version=decision.text_version,
        language=decision.language,
        sealed=sealed,
    )


def _told_address(uow: UnitOfWork, directory: Directory, value: str) -> int:
    """The row of an address that was told, made when nobody has it yet; locked as deliver locks it."""
    identity = directory.address(value)
    directory.flush()
    uow.lookup(tables.address, ("id",), "id", [identity], lock=True)
    return identity


def _bound(
    uow: UnitOfWork, directory: Directory, patient: int, decision: Decision, own: ledger.Entry
) -> list[ledger.Entry]:
    """The entries of a person's addresses, which all or nothing on a channel binds too."""
    purpose, channel, topic = decision.scope
    if not (topic == ANY and purpose == ANY and channel != ANY and own.valid_until is None and own.address is None):
        return []
    found: list[ledger.Entry] = []
    for address in _lock_addresses(uow, directory, patient, ChannelKind(channel)):
        if decision.permit and _shared(uow, address, directory.family(patient)):
            continue
        found.append(replace(own, id=None, patient=None, address=address))
        if not decision.permit or _lifts(uow, address, own.valid_from or uow.now):
            stopped = None if decision.permit else uow.now
            uow.update(tables.address, ("id",), ("opted_out_at",), [(stopped, address)])
    return found


def _lifts(uow: UnitOfWork, address: int, since: Millis) -> bool:
    """Whether a yes that counts since then comes after the opt-out of an address: an old form lifts no later STOP (SM-14)."""
    ((opted_out,),) = uow.lookup(tables.address, ("opted_out_at",), "id", [address])
    return since <= uow.now and (opted_out is None or opted_out <= since)


def _lock_addresses(uow: UnitOfWork, directory: Directory, patient: int, channel: ChannelKind) -> list[int]:
    """The person's addresses of a channel, locked in the order deliver locks them."""
    wanted = _SYSTEM.get(channel)
    contacts = list(directory.contacts(directory.root(patient)))
    for one in representing.known(uow, directory.family(patient)):  # who receives in their stead decides for them
        contacts += representing.contacts(uow, directory, one.id) if one.in_force(uow.now) else ()
    ids = sorted({one.address for one in contacts if one.system == wanted})
    uow.lookup(tables.address, ("id",), "id", ids, lock=True)
    return ids


def _shared(uow: UnitOfWork, address: int, family: list[int]) -> bool:
    """Whether somebody outside this person's merged family has the address too."""
    return any(one not in family for (one,) in uow.lookup(tables.contact_point, ("patient",), "address", [address]))


def known(uow: UnitOfWork, directory: Directory, patient: int, decision: Decision) -> bool:
    """Whether the ledger has this entry: same scope, end and evidence; same beginning, where one is told."""
    until = _until(decision, (0, decision.valid_until))[1]
    wanted = (*decision.scope, int(decision.permit), until, decision.evidence, decision.kind.value)
    for row in uow.lookup(tables.consent, CONSENT_KINDED, "patient", directory.family(patient)):
        _, _, _, purpose, channel, topic, permit, since, ends, evidence, recorded, kind = row
        begins = recorded if decision.valid_from is None else decision.valid_from
        if (purpose, channel, topic, permit, ends, evidence, kind) == wanted and since == begins:
            return True
    return False


def is_answered_no(uow: UnitOfWork, directory: Directory, patient: int, decision: Decision) -> bool:
    """Whether it is a yes without a date to what the person, or one of their addresses, refused: it may be the older."""
    if not decision.permit or decision.valid_from is not None:
        return False
    family = directory.family(patient)
    held = sorted({one for (one,) in uow.lookup(tables.contact_point, ("address",), "patient", family)})
    columns = ("patient", "permit", "purpose", "channel", "topic", "kind")
    rows = uow.lookup(tables.consent, columns, "patient", family)
    rows += [row for row in uow.lookup(tables.consent, columns, "address", held) if row[0] is None]
    said = (0, *decision.scope, decision.kind.value)
    return any(tuple(row[1:]) == said for row in rows)
