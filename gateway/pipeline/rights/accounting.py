"""An accounting of disclosures says of each who got what, when and why, and why the others need not be told (45 CFR 164.528)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import func, select

from gateway.model.audit import Action
from gateway.model.consent import Consent, ConsentKind, Purpose
from gateway.model.disclosure import Exemption, Recipient
from gateway.model.errors import CommandError
from gateway.model.when import DAY, Millis
from gateway.pipeline.directory import CONSENT_COLUMNS
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.rights.persons import Who, families, roots_of
from gateway.pipeline.rights.sendings import Sending, Sendings, digests_of
from gateway.policy.disclosures import exemption
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader

SIX_YEARS: Millis = 6 * 366 * DAY
ANSWER_WITHIN: Millis = 60 * DAY
"""164.528(c)(1)(i)."""
_FIRST = Statement("audit.first", select(func.min(tables.audit.c.at)))
_entries = msgspec.json.Decoder(list[list[Any]]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """One thing that left. `address`: keyed digest. `what`: facts revealed, else topic and template alone.

    `template_digest`, `consents`: the very words, and the ledger entries that spoke about it at that moment (AU-06).
    `certain`: False when nobody knows whether it arrived. `label`: part-2 (42 CFR 2.25), or None.
    """

    at: Millis
    recipient: Recipient
    channel: str
    address: str | None
    what: str
    facts: tuple[str, ...] | None
    purpose: str
    exemption: Exemption
    clause: str
    label: str | None
    certain: bool
    protection: str | None
    communication: int | None
    template_digest: str | None = None
    consents: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """What to hand over: `disclosures` from `since` on, `exempt` the number that `all` would add.

    `complete_from`: nothing older is known here; later than `since` it must be said. `answer_by`: the legal deadline.
    """

    asked: Millis
    since: Millis
    complete_from: Millis
    answer_by: Millis
    persons: int
    disclosures: tuple[Disclosure, ...]
    exempt: int

    @property
    def complete(self) -> bool:
        """Whether evidence reaches back as far as was asked."""
        return self.complete_from <= self.since


def account_for(
    gateway: Inspectable, who: Who, *, span: Millis = SIX_YEARS, kept: Millis, everything: bool, account: str
) -> Accounting:
    """Every disclosure about a person, and about everybody merged into them, in the last `span` ms; audited.

    `kept`: how long attempts are evidence here. CommandError: nobody has the identifier, or `span` reaches back further
    than evidence is kept. Whoever was erased is accounted for too: by identifier, or by token.
    """
    if span > kept:
        raise CommandError(
            f"evidence is kept for {kept // (366 * DAY)} years: an accounting reaches back no further (45 CFR 164.528(a)(1))"
        )
    with gateway.store.read() as unit:  # old rule sets are compiled: nobody is kept from writing meanwhile
        tokens = families(unit, gateway, who)
        since = unit.now - span
        found = [one for one in _disclosures(unit, gateway, tokens) if one.at >= since]
        told = [one for one in found if everything or one.exemption is Exemption.NONE]
        first = unit.one(_FIRST)
        answer = Accounting(
            asked=unit.now,
            since=since,
            complete_from=max(since, int(first[0]) if first and first[0] else unit.now),
            answer_by=unit.now + ANSWER_WITHIN,
            persons=len(tokens),
            disclosures=tuple(told),
            exempt=sum(one.exemption is not Exemption.NONE for one in found),
        )
    with gateway.store.begin(account) as uow:
        entry = (Action.DISCLOSURES_ACCOUNTED, tokens[0], since, len(told), len(found) - len(told))
        uow.audit([entry], patients=tokens)
        uow.commit()
    return answer


def _disclosures(unit: Reader, gateway: Inspectable, tokens: Sequence[int]) -> list[Disclosure]:
    sendings = Sendings(unit, gateway).about(tokens)
    digests = digests_of(unit, [one.address for one in sendings])
    roots = roots_of(unit, [token for one in sendings for token in (one.patient, one.owner)])
    authorized = _authorizations(unit, tokens)
    ledger = _ledger(unit, tokens, sorted({one.address for one in sendings}))
    found = [_disclosure(one, tokens, roots, digests, authorized, ledger) for one in sendings]
    found += _audited(unit, tokens)
    found += _revocations(unit, tokens, {one.address for one in sendings})
    return sorted(found, key=lambda one: one.at)


def _disclosure(
    one: Sending,
    tokens: Sequence[int],
    roots: dict[int, int],
    digests: dict[int, str],
    authorized: Sequence[tuple[Millis, Millis | None]],
    ledger: Sequence[Consent],
) -> Disclosure:
    recipient = recipient_of(one, tokens, roots)
    allowed = any(since <= one.at and (until is None or one.at < until) for since, until in authorized)
    why = exemption(recipient, one.purpose, authorized=allowed)
    told = ", ".join(one.reveals) if one.reveals else "text by template"
    return Disclosure(
        at=one.at,
        recipient=recipient,
        channel=one.channel,
        address=digests.get(one.address),
        what=f"{one.topic or 'message'} ({one.template}): {told}",
        facts=one.reveals,
        purpose=one.purpose,
        exemption=why,
        clause=why.clause,
        label=one.label,
        certain=one.known,
        protection=one.protection,
        communication=one.id,
        template_digest=one.template_digest,
        consents=_standing(ledger, one),
    )


def _ledger(unit: Reader, tokens: Sequence[int], addresses: Sequence[int]) -> list[Consent]:
    rows = unit.lookup(tables.consent, CONSENT_COLUMNS, "patient", tokens)
    rows += unit.lookup(tables.consent, CONSENT_COLUMNS, "address", addresses)
    return [
        Consent(**{**dict(zip(CONSENT_COLUMNS, row, strict=True)), "permit": bool(row[6])}) for row in sorted(set(rows))
    ]


def _standing(ledger: Sequence[Consent], one: Sending) -> tuple[int, ...]:
    """The entries, permits and denials, that were known and spoke about this message when it left."""
    return tuple(
        entry.id
        for entry in ledger
        if entry.recorded <= one.at
        and entry.address in (None, one.address)
        and entry.covers(purpose=one.purpose, channel=one.channel, topic=one.topic, now=one.at)
    )


def recipient_of(one: Sending, tokens: Sequence[int], roots: dict[int, int]) -> Recipient:
    """Who was meant, seen from the people the accounting is about.

    A visit of theirs that was told to somebody else (a merge taken back, a visit that was moved) went to another person.
    """
    if one.patient not in tokens and roots.get(one.patient, one.patient) not in tokens:
        return Recipient.ANOTHER
    return Recipient.INDIVIDUAL if one.recipient == one.patient else Recipient.REPRESENTATIVE


def _authorizations(unit: Reader, tokens: Sequence[int]) -> list[tuple[Millis, Millis | None]]:
    """When an authorization under 164.508 was in force; a later denial of marketing ends it."""
    columns = ("recorded", "kind", "purpose", "permit", "valid_from", "valid_until")
    rows = sorted(unit.lookup(tables.consent, columns, "patient", tokens), key=lambda row: row[0])
    ends = [row[4] for row in rows if not row[3] and row[2] in ("*", Purpose.HMARKT)]
    given = [(row[4], row[5]) for row in rows if row[3] and row[1] == ConsentKind.AUTHORIZATION]
    return [
        (since, min((end for end in (until, *ends) if end is not None and end >= since), default=None))
        for since, until in given
    ]


def _audited(unit: Reader, tokens: Sequence[int]) -> list[Disclosure]:
    """What the audit log alone tells of: copies made for the person, and what other systems were told of them."""
    audits = sorted({one for (one,) in unit.lookup(tables.audit_patient, ("audit",), "patient", tokens)})
    return [
        _other(at, *told)
        for at, entries in unit.lookup(tables.audit, ("at", "entries"), "id", audits)
        for told in map(_told, _entries(entries))
        if told is not None
    ]


def _told(entry: Sequence[Any]) -> tuple[Recipient, str, str] | None:
    """To whom, by what and what, as an entry says: to the individual (164.524), or to a system of ours, hence exempt."""
    match entry[0]:
        case Action.PATIENT_EXPORTED:
            return Recipient.INDIVIDUAL, "file", "a copy of everything held (45 CFR 164.524)"
        case Action.OUTCOMES_TOLD:
            return Recipient.SYSTEM, str(entry[1]), "what became of rows, visits and messages"
    return None


def _revocations(unit: Reader, tokens: Sequence[int], written_to: set[int]) -> list[Disclosure]:
    """Opt-outs that other systems were told of, of theirs or of an address of theirs: operations, hence exempt.

    `written_to`: addresses that messages about them went to; of whoever was erased no others are known.
    """
    held = {one for (one,) in unit.lookup(tables.contact_point, ("address",), "patient", tokens)}
    rows = unit.lookup(tables.consent, ("id", "patient"), "address", sorted(held | written_to))
    consents = sorted(one for one, patient in rows if patient is None or patient in tokens)
    rows = unit.lookup(tables.revocation, ("target", "acknowledged"), "consent", consents)
    return [
        _other(at, Recipient.SYSTEM, target, "that they opted out, and of what")
        for target, at in rows
        if at is not None
    ]


def _other(at: Millis, recipient: Recipient, channel: str, what: str) -> Disclosure:
    why = exemption(recipient, Purpose.HOPERAT, authorized=False)
    return Disclosure(
        at=at, recipient=recipient, channel=channel, address=None, what=what, facts=None, purpose=Purpose.HOPERAT,
        exemption=why, clause=why.clause, label=None, certain=True, protection=None, communication=None,
    )  # fmt: skip
