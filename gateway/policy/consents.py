"""What the ledger says about one send: deny beats permit, and only a later permit of the very same scope lifts a deny.

Adding a denial therefore never makes anything leave. A permit whose time is over lifts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from gateway.model.consent import Consent, Purpose
from gateway.policy.circumstances import Circumstances


class Standing(StrEnum):
    """What the ledger amounts to."""

    PERMITTED = "permitted"
    DENIED = "denied"
    SILENT = "silent"


def standing(c: Circumstances) -> Standing:
    """The ledger's answer for purpose × channel × topic at `c.now`.

    Entries about another address are not looked at: a new number or mailbox inherits nothing (PH-02, SM-15).
    An entry about an address alone (STOP, START) denies everyone who shares it and lifts such a denial, but is
    no person's consent. For HMARKT only a permit that names HMARKT counts (45 CFR 164.508(a)(3)).
    """
    current = [entry for entry in c.consents if entry.address in (None, c.address) and _covers(entry, c)]
    permits = [entry for entry in current if entry.permit]
    if any(not entry.permit and not _lifted(entry, permits) for entry in current):
        return Standing.DENIED
    return Standing.PERMITTED if any(_permits(entry, c) for entry in permits) else Standing.SILENT


def _covers(entry: Consent, c: Circumstances) -> bool:
    return entry.covers(purpose=c.purpose, channel=c.channel, topic=c.topic, now=c.now)


def _permits(entry: Consent, c: Circumstances) -> bool:
    named = c.purpose is not Purpose.HMARKT or entry.purpose == Purpose.HMARKT
    return named and entry.patient is not None


def _lifted(denial: Consent, permits: Iterable[Consent]) -> bool:
    return any(permit.recorded > denial.recorded and _scope(permit) == _scope(denial) for permit in permits)


def _scope(entry: Consent) -> tuple[object, ...]:
    return entry.patient, entry.address, entry.purpose, entry.channel, entry.topic
