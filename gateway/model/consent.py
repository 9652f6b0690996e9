"""The consent ledger's words: purposes, channels, and one entry with its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.model.frozen import value
from gateway.model.when import Millis


class Purpose(StrEnum):
    """HL7 v3 PurposeOfUse, the four a message to a patient can have."""

    TREAT = "TREAT"
    HPAYMT = "HPAYMT"
    HOPERAT = "HOPERAT"
    HMARKT = "HMARKT"


class ChannelKind(StrEnum):
    """How a message reaches a person."""

    EMAIL = "email"
    SMS = "sms"
    PORTAL = "portal"


class ConsentKind(StrEnum):
    """What an entry is consent to; one kind never stands in for another (CN-08)."""

    MESSAGES = "messages"  # to be written to at all, for a purpose, channel and topic
    TEXTS = "texts"  # prior express consent to automated texts (47 CFR 64.1200(a)(1)); HMARKT: written (f)(9)
    OPEN_EMAIL = "open-email"  # unencrypted, after the warning (78 FR 5634; PH-01), for one address
    AUTHORIZATION = "authorization"  # marketing, complete in its elements (45 CFR 164.508(c))
    PART_2 = "part-2"  # 42 CFR 2.31
    RESTRICTION = "restriction"  # agreed to under 45 CFR 164.522(a): a denial; a permit of the same scope ends it
    # asked for under 45 CFR 164.522(b): a denial of everything but its channel and address; a permit of the same ends it
    ALTERNATIVE = "alternative"


ANY = "*"  # a dimension an entry does not narrow


@value
class Consent:
    """One ledger entry; never changed, only followed by another.

    `patient` or `address` (a keyed-digest row id) says whom it is about; at least one is set. `purpose`,
    `channel`, `topic` may be ANY. `evidence` says how we know: source, text version, policy version,
    recorder; never PHI. `valid_until` is exclusive; None does not end. `kind`: what it is consent to. `remuneration`:
    an authorization that says that the site is paid for the message (45 CFR 164.508(a)(3)(ii)).
    """

    id: int
    patient: int | None
    address: int | None
    purpose: str
    channel: str
    topic: str
    permit: bool
    valid_from: Millis
    valid_until: Millis | None
    evidence: str
    recorded: Millis
    kind: ConsentKind = ConsentKind.MESSAGES
    remuneration: bool = False

    def covers(self, *, purpose: str, channel: str, topic: str, now: Millis) -> bool:
        """Whether the entry speaks about this purpose × channel × topic at this moment."""
        return self.channel in (ANY, channel) and self.about(purpose=purpose, topic=topic, now=now)

    def about(self, *, purpose: str, topic: str, now: Millis) -> bool:
        """Whether the entry speaks about this purpose × topic at this moment, by whatever channel."""
        return (
            self.purpose in (ANY, purpose)
            and self.topic in (ANY, topic)
            and self.valid_from <= now
            and (self.valid_until is None or now < self.valid_until)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentStatement:
    """What a feed says of one decision (HL7 CON): a ledger entry to be, without ids.

    `purpose`, `channel`, `topic` as in `Consent`. `valid_from` None: not told, so that only a change of the
    decision is news; `valid_until` is exclusive. `kind`: what it is consent to.
    """

    permit: bool
    purpose: str
    channel: str
    topic: str
    valid_from: Millis | None = None
    valid_until: Millis | None = None
    kind: ConsentKind = ConsentKind.MESSAGES
