"""The consent ledger by hand: entries are added, never changed; an opt-out and a clearance are strictly ordered."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gateway.model.audit import Action
from gateway.model.consent import ANY, ChannelKind
from gateway.model.errors import CommandError, Conflict
from gateway.model.party import ContactSystem, Identifier
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline.directory import CONSENT_COLUMNS, Directory
from gateway.pipeline.inspect.decisions import Decision, check
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.trace import family_of, find_patient
from gateway.store import tables
from gateway.store.uow import UnitOfWork

_SYSTEM = {ChannelKind.EMAIL: ContactSystem.EMAIL, ChannelKind.SMS: ContactSystem.SMS}
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentLine:
    """One ledger entry as people see it; the address is a row id, never the address."""

    id: int
    patient: int | None
    address: int | None
    purpose: str
    channel: str
    topic: str
    decision: str
    valid_from: Millis
    valid_until: Millis | None
    evidence: str
    recorded: Millis


class Ambiguous(CommandError):
    """The identifier is one of several that point to different people, and nobody has settled it."""


def consent_add(
    gateway: Inspectable,
    identifier: Identifier,
    *,
    permit: bool,
    purpose: str = ANY,
    channel: str = ANY,
    topic: str = ANY,
    valid_from: Millis | None = None,
    valid_until: Millis | None = None,
    evidence: str,
    account: str,
) -> list[int]:
    """Record what a person decided; returns the ids of the entries.

    A denial of everything on a channel is an opt-out: it binds the person's addresses of that channel too, so
    that nobody who shares one is written to there. A permit of the same lifts that again, but never for an
    address somebody else has too: who of them said stop is not known. `evidence` says how we know (form, call,
    text version) and holds no PHI. Raises CommandError.
    """
    decision = Decision(
        permit=permit,
        purpose=purpose,
        channel=channel,
        topic=topic,
        valid_from=valid_from,
        valid_until=valid_until,
        evidence=evidence,
    )
    return record(gateway, identifier, decision, account=account)


def record(
    gateway: Inspectable,
    identifier: Identifier,
    decision: Decision,
    *,
    account: str,
    once: bool = False,
    dry_run: bool = False,
) -> list[int]:
    """As `consent_add`; `once`: nothing (an empty list) when the very same entry is there already.

    `once` also refuses a permit for somebody whose identifiers are in conflict: whose it is, a person must say first.
    A dry run does all but commit. Raises CommandError; Unknown, Ambiguous.
    """
    check(gateway, decision)
    with gateway.store.begin(account) as uow:
        patient = find_patient(uow, gateway, identifier)
        directory = Directory(uow, gateway.store.keyring, gateway.rules.current().ruleset.policy)
        directory.load_tokens([patient])  # locks the patient: deliver locks in the same order, patient then address
        period = (decision.valid_from if decision.valid_from is not None else uow.now, decision.valid_until)
        if period[1] is not None and period[1] <= period[0]:
            raise CommandError("the entry would end before it begins: check `until`, or leave it out")
        if once and decision.permit and Reason.IDENTITY_CONFLICT in directory.patients[patient].holds:
            raise Ambiguous(
                "this identifier is in conflict with another person's; settle that first (identity-conflict)"
            )
        if once and _known(uow, patient, decision):
            return []
        rows = [_row(uow, patient, None, decision.scope, decision.permit, period, decision.evidence)]
        rows += _addresses(uow, directory, patient, decision, period)
        uow.insert(tables.consent, CONSENT_COLUMNS, rows)
        word = "permit" if decision.permit else "deny"
        uow.audit([(Action.CONSENT_RECORDED, row[0], word, *decision.scope) for row in rows], patients=[patient])
        if not dry_run:
            uow.commit()
    return [row[0] for row in rows]


def _addresses(
    uow: UnitOfWork, directory: Directory, patient: int, decision: Decision, period: tuple[Millis, Millis | None]
) -> list[tuple[Any, ...]]:
    """The entries of a person's addresses, which all or nothing on a channel binds too."""
    purpose, channel, topic = decision.scope
    rows: list[tuple[Any, ...]] = []
    if topic == ANY and purpose == ANY and channel != ANY and decision.valid_until is None:
        for address in _lock_addresses(uow, directory, patient, ChannelKind(channel)):
            if decision.permit and _shared(uow, address, family_of(uow, patient)):
                continue
            rows.append(_row(uow, None, address, decision.scope, decision.permit, period, decision.evidence))
            stopped = None if decision.permit else uow.now
            uow.update(tables.address, ("id",), ("opted_out_at",), [(stopped, address)])
    return rows


def _known(uow: UnitOfWork, patient: int, decision: Decision) -> bool:
    """Whether the ledger has this entry: same scope, end and evidence; same beginning, where one is told."""
    wanted = (*decision.scope, int(decision.permit), decision.valid_until, decision.evidence)
    for row in uow.lookup(tables.consent, CONSENT_COLUMNS, "patient", family_of(uow, patient)):
        _, _, _, purpose, channel, topic, permit, since, until, evidence, recorded = row
        begins = recorded if decision.valid_from is None else decision.valid_from
        if (purpose, channel, topic, permit, until, evidence) == wanted and since == begins:
            return True
    return False


def opt_out_address(gateway: Inspectable, address: str, *, channel: ChannelKind, evidence: str, account: str) -> int:
    """An opt-out that names only an address (a reply, a call): binds it for everyone who shares it.

    Returns the ledger entry's id; an address nobody has yet is remembered too. Raises StoreError.
    """
    for _ in range(_TRIES):
        with suppress(Conflict):  # a message brought the same new address at this moment: look again, it is there now
            return _opt_out(gateway, address, channel, evidence, account)
    return _opt_out(gateway, address, channel, evidence, account)


def _opt_out(gateway: Inspectable, address: str, channel: ChannelKind, evidence: str, account: str) -> int:
    with gateway.store.begin(account) as uow:
        directory = Directory(uow, gateway.store.keyring, gateway.rules.current().ruleset.policy)
        identity = directory.address(address)
        directory.flush()
        uow.lookup(tables.address, ("id",), "id", [identity], lock=True)
        scope = (ANY, channel.value, ANY)
        row = _row(uow, None, identity, scope, False, (uow.now, None), evidence)
        uow.update(tables.address, ("id",), ("opted_out_at",), [(uow.now, identity)])
        uow.insert(tables.consent, CONSENT_COLUMNS, [row])
        uow.audit([(Action.CONSENT_RECORDED, row[0], "deny", *scope)])
        uow.commit()
    return int(row[0])


def consent_list(gateway: Inspectable, identifier: Identifier, *, reason: str, account: str) -> list[ConsentLine]:
    """Every entry about a person and their addresses, oldest first; the look is audited."""
    with gateway.store.begin(account) as uow:
        patient = find_patient(uow, gateway, identifier)
        tokens = family_of(uow, patient)
        rows = uow.lookup(tables.consent, CONSENT_COLUMNS, "patient", tokens)
        held = uow.lookup(tables.contact_point, ("address",), "patient", tokens)
        about = uow.lookup(tables.consent, CONSENT_COLUMNS, "address", sorted({one for (one,) in held}))
        rows += [row for row in about if row[1] is None]
        uow.audit([(Action.CONTENT_READ, "consents", reason)], patients=tokens)
        uow.commit()
    return [_line(row) for row in sorted(set(rows))]


def _row(
    uow: UnitOfWork,
    patient: int | None,
    address: int | None,
    scope: tuple[str, str, str],
    permit: bool,
    period: tuple[Millis, Millis | None],
    evidence: str,
) -> tuple[Any, ...]:
    return (uow.new_id(), patient, address, *scope, int(permit), *period, evidence, uow.now)


def _lock_addresses(uow: UnitOfWork, directory: Directory, patient: int, channel: ChannelKind) -> list[int]:
    """The person's addresses of a channel, locked in the order deliver locks them."""
    wanted = _SYSTEM.get(channel)
    contacts = directory.contacts(directory.root(patient))
    ids = sorted({one.address for one in contacts if one.system == wanted})
    uow.lookup(tables.address, ("id",), "id", ids, lock=True)
    return ids


def _shared(uow: UnitOfWork, address: int, family: list[int]) -> bool:
    """Whether somebody outside this person's merged family has the address too."""
    return any(one not in family for (one,) in uow.lookup(tables.contact_point, ("patient",), "address", [address]))


def _line(row: tuple[object, ...]) -> ConsentLine:
    fields = dict(zip(CONSENT_COLUMNS, row, strict=True))
    fields["decision"] = "permit" if fields.pop("permit") else "deny"
    return ConsentLine(**fields)  # type: ignore[arg-type]  # the columns are the fields


__all__ = [
    "Ambiguous",
    "ConsentLine",
    "consent_add",
    "consent_list",
    "opt_out_address",
    "record",
]
