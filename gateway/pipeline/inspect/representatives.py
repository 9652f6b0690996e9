"""Representatives by hand: who receives in a patient's stead, recorded with evidence and ended by a date, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model.audit import Action
from gateway.model.consent import ANY
from gateway.model.errors import CommandError
from gateway.model.party import ContactSystem, Identifier
from gateway.model.when import Millis
from gateway.pipeline import representing
from gateway.pipeline.directory import Directory
from gateway.pipeline.inspect.decisions import topics as known_topics
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.trace import family_of, find_patient
from gateway.pipeline.rows import ContactRow
from gateway.store import tables


@dataclass(frozen=True, slots=True, kw_only=True)
class RepresentativeLine:
    """One representation as people see it; the name is shown, the addresses are not."""

    id: int
    role: str
    topics: str
    valid_from: Millis
    valid_until: Millis | None
    evidence: str
    recorded: Millis
    recorded_by: str
    name: str


def add(
    gateway: Inspectable,
    identifier: Identifier,
    *,
    name: str,
    addresses: Sequence[str],
    role: str,
    topics: str = ANY,
    valid_until: Millis | None = None,
    evidence: str,
    account: str,
) -> int:
    """Record who receives for a patient who may not be written to directly; returns its id (45 CFR 164.502(g)).

    `addresses`: e-mail or E.164, each of a kind once; `role` as in table 0063, or guardian, agent; `topics`
    comma-joined; `evidence`: how we know (order, form), nothing personal. What state law lets a minor decide alone is
    never sent to them, whatever their scope. Raises CommandError.
    """
    told = [_system(one) for one in addresses]
    if not told or len({system for system, _ in told}) < len(told):
        raise CommandError("a representative has an e-mail address, a number like +13125550100, or one of each")
    wanted = [one.strip() for one in topics.split(",")]
    known = known_topics(gateway)
    if any(one != ANY and one not in known for one in wanted):
        raise CommandError(f"topics must be of {', '.join(sorted(known))}, or {ANY}")
    if not (evidence.strip() and role.strip() and name.strip()):
        raise CommandError("name, role and evidence must be told: say how we know that they may act for the patient")
    with gateway.store.begin(account) as uow:
        patient = find_patient(uow, gateway, identifier)
        directory = Directory(uow, gateway.store.keyring, gateway.rules.current().ruleset.policy)
        directory.load_tokens([patient])
        row = directory.root(patient)
        identity = uow.new_id()
        sealed = directory.seal_for(row, name.encode(), b"representative.sealed:%d" % identity)
        period = (uow.now, valid_until)
        values = (
            identity, row.token, role, ",".join(wanted), *period, evidence, uow.now, account, sealed,
        )  # fmt: skip
        contacts = [representing.contact(uow, directory, row, identity, system, value) for system, value in told]
        directory.flush()
        uow.insert(tables.representative, representing.COLUMNS, [values])
        uow.insert(tables.contact_point, ContactRow.COLUMNS, contacts)
        uow.audit([(Action.REPRESENTATIVE_RECORDED, identity, role, *wanted)], patients=[row.token])
        uow.commit()
    return identity


def end(gateway: Inspectable, representative: int, *, reason: str, account: str) -> None:
    """From now on they receive nothing. Raises CommandError when there is none, or it is over already."""
    with gateway.store.begin(account) as uow:
        columns = ("patient", "valid_until")
        found = uow.lookup(tables.representative, columns, "id", [representative])
        if not found:
            raise CommandError(f"there is no representative {representative}; `caregate guardian list` shows them")
        ((patient, until),) = found
        uow.lookup(tables.patient, ("token",), "token", [patient], lock=True)
        if until is not None and until <= uow.now:
            raise CommandError(f"representative {representative} has ended already")
        uow.update(tables.representative, ("id",), ("valid_until",), [(uow.now, representative)])
        uow.audit([(Action.REPRESENTATIVE_ENDED, representative, reason)], patients=[patient])
        uow.commit()


def listed(gateway: Inspectable, identifier: Identifier, *, reason: str, account: str) -> list[RepresentativeLine]:
    """Everybody who represents, or represented, a person, oldest first; the look is audited."""
    with gateway.store.begin(account) as uow:
        patient = find_patient(uow, gateway, identifier)
        directory = Directory(uow, gateway.store.keyring, gateway.rules.current().ruleset.policy)
        family = family_of(uow, patient)
        directory.load_tokens(family, lock=False)
        found = representing.known(uow, family)
        uow.audit([(Action.CONTENT_READ, "representatives", reason)], patients=family)
        lines = [_line(directory, one) for one in sorted(found, key=lambda one: one.id)]
        uow.commit()
    return lines


def _line(directory: Directory, one: representing.RepresentativeRow) -> RepresentativeLine:
    row, aad = directory.patients[one.patient], b"representative.sealed:%d" % one.id
    return RepresentativeLine(
        id=one.id,
        role=one.role,
        topics=one.scope,
        valid_from=one.valid_from,
        valid_until=one.valid_until,
        evidence=one.evidence,
        recorded=one.recorded,
        recorded_by=one.recorded_by,
        name=directory.unseal_for(row, one.sealed, aad).decode(),
    )


def _system(text: str) -> tuple[ContactSystem, str]:
    told = text.strip()
    if told.startswith("+") and told[1:].isascii() and told[1:].isdigit() and 8 <= len(told) <= 16:
        return ContactSystem.SMS, told
    name, at, domain = told.partition("@")
    if not (name and at and "." in domain) or any(one.isspace() for one in told):
        raise CommandError("an address is an e-mail address or a number like +13125550100")
    return ContactSystem.EMAIL, told
