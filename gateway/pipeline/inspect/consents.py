"""The consent ledger by hand: entries are added, never changed; an opt-out and a clearance are strictly ordered."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from gateway.model.audit import Action
from gateway.model.consent import ANY, ChannelKind, ConsentKind
from gateway.model.errors import CommandError, Conflict
from gateway.model.party import Identifier
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline import ledger
from gateway.pipeline.directory import CONSENT_KINDED, Directory
from gateway.pipeline.inspect import deciding
from gateway.pipeline.inspect.decisions import Decision, check
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.trace import family_of, find_patient
from gateway.store import tables

_TRIES = 3
_SHOWN = (*CONSENT_KINDED, "recorded_by", "text_version", "language")


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
    kind: str
    recorded_by: str | None
    text_version: str | None
    language: str | None


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
    kind: ConsentKind = ConsentKind.MESSAGES,
    text_version: str | None = None,
    language: str | None = None,
    elements: Mapping[str, str] | None = None,
    address: str | None = None,
) -> list[int]:
    """Record what a person decided; returns the ids of the entries.

    A denial of everything on a channel is an opt-out: it binds the person's addresses of that channel too, so
    that nobody who shares one is written to there. A permit of the same lifts that again, but never for an
    address somebody else has too: who of them said stop is not known. `evidence` says how we know (form, call,
    text version) and holds no PHI. A yes to texts or open mail is one to each address the person has now, or to
    `address`, and to no later one. A `deny` of kind alternative is a request to be written to by that channel or address
    only. Raises CommandError.
    """
    decision = Decision(
        permit=permit,
        purpose=purpose,
        channel=channel,
        topic=topic,
        valid_from=valid_from,
        valid_until=valid_until,
        evidence=evidence,
        kind=kind,
        text_version=text_version,
        language=language,
        elements=elements or {},
        address=address,
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
    recorded_by: str | None = None,
) -> list[int]:
    """As `consent_add`; `recorded_by`: who took it down, if not `account`. `once`: nothing (an empty list) when the very same entry is there already.

    `once` also refuses a permit for somebody whose identifiers are in conflict: whose it is, a person must say first; and
    one without a date of what was refused before: which of them is the later, nobody told.
    A dry run does all but commit. Raises CommandError; Unknown, Ambiguous.
    """
    check(gateway, decision, gateway.store.clock.now())
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
        if once and deciding.known(uow, directory, patient, decision):
            return []
        if once and deciding.is_answered_no(uow, directory, patient, decision):
            raise CommandError(
                "they said no to this before: tell in `from` since when the yes counts, or record it by hand"
            )
        entries = deciding.entries(uow, directory, patient, decision, period, recorded_by or account)
        made = ledger.append(uow, entries, patients=[patient])
        if not dry_run:
            uow.commit()
    return made


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
        made = ledger.opt_out(uow, address=identity, channel=channel, evidence=evidence)
        uow.commit()
    return made


def consent_list(gateway: Inspectable, identifier: Identifier, *, reason: str, account: str) -> list[ConsentLine]:
    """Every entry about a person and their addresses, oldest first; the look is audited."""
    with gateway.store.begin(account) as uow:
        patient = find_patient(uow, gateway, identifier)
        tokens = family_of(uow, patient)
        rows = uow.lookup(tables.consent, _SHOWN, "patient", tokens)
        held = uow.lookup(tables.contact_point, ("address",), "patient", tokens)
        about = uow.lookup(tables.consent, _SHOWN, "address", sorted({one for (one,) in held}))
        rows += [row for row in about if row[1] is None]
        uow.audit([(Action.CONTENT_READ, "consents", reason)], patients=tokens)
        uow.commit()
    return [_line(row) for row in sorted(set(rows))]


def _line(row: tuple[object, ...]) -> ConsentLine:
    fields = dict(zip(_SHOWN, row, strict=True))
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
