"""The consent ledger's words: purposes, channels, and one entry with its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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


ANY = "*"  # a dimension an entry does not narrow


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One ledger entry; never changed, only followed by another.

    `patient` or `address` (a keyed-digest row id) says whom it is about; at least one is set. `purpose`,
    `channel`, `topic` may be ANY. `evidence` says how we know: source, text version, policy version,
    recorder; never PHI. `valid_until` is exclusive; None does not end.
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

    def covers(self, *, purpose: str, channel: str, topic: str, now: Millis) -> bool:
        """Whether the entry speaks about this purpose × channel × topic at this moment."""
        return (
            self.purpose in (ANY, purpose)
            and self.channel in (ANY, channel)
            and self.topic in (ANY, topic)
            and self.valid_from <= now
            and (self.valid_until is None or now < self.valid_until)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentStatement:
    """What a feed says of one decision (HL7 CON): a ledger entry to be, without ids.

    `purpose`, `channel`, `topic` as in `Consent`. `valid_from` None: not told, so that only a change of the
    decision is news; `valid_until` is exclusive.
    """

    permit: bool
    purpose: str
    channel: str
    topic: str
    valid_from: Millis | None = None
    valid_until: Millis | None = None
