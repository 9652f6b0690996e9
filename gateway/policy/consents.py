"""What the ledger says about one send: deny beats permit, no kind stands in for another, only a later permit of the same scope lifts.

Adding a denial therefore never makes anything leave. A permit whose time is over lifts nothing, nor does one from before the denial.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from gateway.model.consent import ChannelKind, Consent, ConsentKind, Purpose
from gateway.model.verdict import Reason
from gateway.policy.circumstances import Circumstances


class Standing(StrEnum):
    """What the ledger's entries of one kind amount to."""

    PERMITTED = "permitted"
    DENIED = "denied"
    SILENT = "silent"


# Consent to the very number or mailbox: a new one inherits nothing (PH-02, SM-15).
_NAMES_ITS_ADDRESS = frozenset({ConsentKind.TEXTS, ConsentKind.OPEN_EMAIL})


def against(c: Circumstances) -> Reason | None:
    """Why the ledger forbids one send; None: everything the law asks of purpose and channel is on file and in force.

    Messages at all (45 CFR 164.508, 164.522(b)); by SMS automated texts to this number too (47 CFR 64.1200(a)(1), for
    HMARKT one that names it: prior express written consent, (f)(9)); for HMARKT an authorization (164.508(a)(3)).
    """
    if restricted(c):
        return Reason.RESTRICTED
    wanted = [(ConsentKind.MESSAGES, Reason.NO_CONSENT)]
    if c.channel is ChannelKind.SMS:
        wanted.append((ConsentKind.TEXTS, Reason.NO_CONSENT))
    if c.purpose is Purpose.HMARKT:
        wanted.append((ConsentKind.AUTHORIZATION, Reason.NO_AUTHORIZATION))
    found = [(standing(c, kind), missing) for kind, missing in wanted]
    if any(said is Standing.DENIED for said, _ in found):
        return Reason.CONSENT_DENIED
    return next((missing for said, missing in found if said is Standing.SILENT), None)


def amount(c: Circumstances) -> Standing:
    """What all kinds of entries together amount to for one send, as the gate `consent` asks it."""
    why = against(c)
    if why is None:
        return Standing.PERMITTED
    return Standing.DENIED if why in (Reason.CONSENT_DENIED, Reason.RESTRICTED) else Standing.SILENT


def standing(c: Circumstances, kind: ConsentKind = ConsentKind.MESSAGES) -> Standing:
    """What the entries of one kind amount to for purpose × channel × topic at `c.now`.

    Entries about another address are not looked at: a new number or mailbox inherits nothing (PH-02, SM-15).
    An entry about an address alone (STOP, START) denies everyone who shares it and lifts such a denial, but is
    no person's consent. For HMARKT only a permit that names HMARKT counts (45 CFR 164.508(a)(3)).
    """
    current = [one for one in c.consents if one.kind is kind and one.address in (None, c.address) and _covers(one, c)]
    permits = [entry for entry in current if entry.permit]
    if any(not entry.permit and not lifted(entry, permits) for entry in current):
        return Standing.DENIED
    return Standing.PERMITTED if any(_permits(entry, c) for entry in permits) else Standing.SILENT


def restricted(c: Circumstances) -> bool:
    """Whether a restriction was agreed to (45 CFR 164.522(a)), or another channel or address asked for (164.522(b))."""
    if standing(c, ConsentKind.RESTRICTION) is Standing.DENIED:
        return True
    return any(not _asked_for(one, c) for one in alternatives(c.consents, purpose=c.purpose, topic=c.topic, now=c.now))


def alternatives(entries: Iterable[Consent], *, purpose: str, topic: str, now: int) -> list[Consent]:
    """The requests to be written to in another way that are in force; a send must fit every one (164.522(b); PH-03)."""
    said = [
        one
        for one in entries
        if one.kind is ConsentKind.ALTERNATIVE and one.about(purpose=purpose, topic=topic, now=now)
    ]
    permits = [one for one in said if one.permit]
    return [one for one in said if not one.permit and not lifted(one, permits)]


def open_allowed(c: Circumstances) -> bool:
    """Whether the person chose unencrypted mail for this very mailbox after the warning (78 FR 5634; PH-01, PH-02)."""
    return c.channel is ChannelKind.EMAIL and standing(c, ConsentKind.OPEN_EMAIL) is Standing.PERMITTED


def _asked_for(one: Consent, c: Circumstances) -> bool:
    fits = one.covers(purpose=c.purpose, channel=c.channel, topic=c.topic, now=c.now)
    return fits and (one.address is None or one.address == c.address)


def _covers(entry: Consent, c: Circumstances) -> bool:
    return entry.covers(purpose=c.purpose, channel=c.channel, topic=c.topic, now=c.now)


def _permits(entry: Consent, c: Circumstances) -> bool:
    if entry.patient is None or (c.purpose is Purpose.HMARKT and entry.purpose != Purpose.HMARKT):
        return False
    if entry.kind in _NAMES_ITS_ADDRESS and (entry.address is None or entry.address != c.address):
        return False
    return entry.kind is not ConsentKind.AUTHORIZATION or entry.remuneration or not c.paid


def lifted(denial: Consent, permits: Sequence[Consent]) -> bool:
    """Whether one of these was said of the very same scope since a denial."""
    return any(_is_later(permit, denial) and _scope(permit) == _scope(denial) for permit in permits)


def _is_later(permit: Consent, denial: Consent) -> bool:
    """An old yes that is only recorded late (a table imported, a feed behind) undoes no no that was said since."""
    return permit.recorded > denial.recorded and permit.valid_from >= denial.valid_from


def _scope(entry: Consent) -> tuple[object, ...]:
    return entry.patient, entry.address, entry.purpose, entry.channel, entry.topic
