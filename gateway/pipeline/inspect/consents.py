"""The consent ledger by hand: entries are added, never changed; an opt-out and a clearance are strictly ordered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gateway.model.audit import Action
from gateway.model.consent import ANY, ChannelKind, Purpose
from gateway.model.errors import CommandError, Conflict
from gateway.model.party import ContactSystem, Identifier
from gateway.model.when import Millis
from gateway.pipeline.directory import CONSENT_COLUMNS, Directory
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.trace import family_of, find_patient
from gateway.store import tables
from gateway.store.uow import UnitOfWork

_SYSTEM = {ChannelKind.EMAIL: ContactSystem.EMAIL, ChannelKind.SMS: ContactSystem.SMS}
_TRIES = 3
COLUMNS = ("system", "type", "identifier", "decision", "purpose", "channel", "topic", "from", "until", "evidence")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did: how many entries, and why lines were refused as "line N: sentence"."""

    added: int
    refused: tuple[str, ...]


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
    check(purpose, channel, evidence)
    with gateway.store.begin(account) as uow:
        patient = find_patient(uow, gateway, identifier)
        directory = Directory(uow, gateway.store.keyring, gateway.rules.current().ruleset.policy)
        directory.load_tokens([patient])  # locks the patient: deliver locks in the same order, patient then address
        scope = (purpose, channel, topic)
        period = (valid_from if valid_from is not None else uow.now, valid_until)
        if valid_until is not None and valid_until <= period[0]:
            raise CommandError("the entry would end before it begins: check `until`, or leave it out")
        rows = [_row(uow, patient, None, scope, permit, period, evidence)]
        if topic == ANY and purpose == ANY and channel != ANY and valid_until is None:
            for address in _lock_addresses(uow, directory, patient, ChannelKind(channel)):
                if permit and _shared(uow, address, family_of(uow, patient)):
                    continue
                rows.append(_row(uow, None, address, scope, permit, period, evidence))
                uow.update(tables.address, ("id",), ("opted_out_at",), [(None if permit else uow.now, address)])
        uow.insert(tables.consent, CONSENT_COLUMNS, rows)
        decision = "permit" if permit else "deny"
        uow.audit([(Action.CONSENT_RECORDED, row[0], decision, *scope) for row in rows], patients=[patient])
        uow.commit()
    return [row[0] for row in rows]


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


def consent_import(
    gateway: Inspectable, lines: Iterable[Mapping[str, str]], *, account: str, dry_run: bool = False
) -> ImportReport:
    """Entries from rows with COLUMNS as keys; each is its own transaction, refused ones are listed with their line.

    `decision` is permit or deny; empty purpose, channel or topic means any; `from` and `until` are ISO dates.
    """
    added, refused = 0, []
    for number, line in enumerate(lines, start=2):
        try:
            entry = _parsed(line)
            if not dry_run:
                consent_add(gateway, **entry, account=account)  # type: ignore[arg-type]
            added += 1
        except CommandError as error:
            refused.append(f"line {number}: {error}")
    return ImportReport(added=added, refused=tuple(refused))


def check(purpose: str, channel: str, evidence: str) -> None:
    """Raises CommandError for words the ledger does not know, or evidence that is missing."""
    if purpose != ANY and purpose not in set(Purpose):
        raise CommandError(f"purpose must be one of {', '.join(Purpose)} or {ANY}")
    if channel != ANY and channel not in set(ChannelKind):
        raise CommandError(f"channel must be one of {', '.join(ChannelKind)} or {ANY}")
    if not evidence.strip():
        raise CommandError("evidence is missing: say how we know (form, text version, call reference)")


def _parsed(line: Mapping[str, str]) -> dict[str, object]:
    from datetime import UTC, datetime

    from gateway.model.when import to_millis

    def day(name: str) -> Millis | None:
        text = (line.get(name) or "").strip()
        try:
            return to_millis(datetime.fromisoformat(text).replace(tzinfo=UTC)) if text else None
        except ValueError:
            raise CommandError(f"column `{name}` must be a date such as 2026-03-01") from None

    decision = (line.get("decision") or "").strip().lower()
    if decision not in ("permit", "deny"):
        raise CommandError("column `decision` must be permit or deny")
    value = (line.get("identifier") or "").strip()
    if not value:
        raise CommandError("column `identifier` is empty")
    identifier = Identifier(
        system=(line.get("system") or "").strip(), type=(line.get("type") or "MR").strip(), value=value
    )
    scope = {name: (line.get(name) or "").strip() or ANY for name in ("purpose", "channel", "topic")}
    evidence = (line.get("evidence") or "").strip()
    check(scope["purpose"], scope["channel"], evidence)
    return {
        "identifier": identifier,
        "permit": decision == "permit",
        **scope,
        "valid_from": day("from"),
        "valid_until": day("until"),
        "evidence": evidence,
    }


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
    "COLUMNS",
    "ConsentLine",
    "ImportReport",
    "consent_add",
    "consent_import",
    "consent_list",
    "opt_out_address",
]
