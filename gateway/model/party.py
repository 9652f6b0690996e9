"""Patients as tokens, their identifiers and contact points; a repr here never shows an address."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum

from gateway.model.frozen import value
from gateway.model.when import Millis


class Cleared(Enum):
    """HL7's delete indicator `""` (C2 §2.5.3): the sender says to remove what we hold."""

    CLEARED = "cleared"


CLEARED = Cleared.CLEARED


@dataclass(frozen=True, slots=True)
class Identifier:
    """One patient identifier (HL7 CX): assigning authority, type code (table 0203), value."""

    system: str
    type: str
    value: str = field(repr=False)


class ContactSystem(StrEnum):
    """FHIR contact-point-system, as far as a channel exists or a gate must know."""

    EMAIL = "email"
    PHONE = "phone"
    SMS = "sms"  # a number known to be a mobile (table 0202 CP)
    OTHER = "other"  # fax, pager, modem, TDD: never written to (PI-06)


class ContactUse(StrEnum):
    """FHIR contact-point-use."""

    HOME = "home"
    WORK = "work"
    TEMP = "temp"
    OLD = "old"
    MOBILE = "mobile"


@value
class ContactPoint:
    """FHIR ContactPoint: an e-mail address or an E.164 number. Its repr hides the address."""

    system: ContactSystem
    value: str = field(repr=False)
    use: ContactUse = ContactUse.HOME
    rank: int = 99  # XTN.18, lowest first
    valid_from: Millis | None = None
    valid_until: Millis | None = None


@value
class Demographics:
    """What one message says about the person. None: not told (keep ours); CLEARED: remove ours.

    `telecom` holds, per field it came from ("PID-13"), the whole new set of that field (N-03, snapshot).
    `birth_date` is ISO text of its own precision: "1980", "1980-03" or "1980-03-15".
    `language` is BCP 47. `deceased` True/False as told (PI-12).
    """

    given_name: str | Cleared | None = field(default=None, repr=False)
    family_name: str | Cleared | None = field(default=None, repr=False)
    birth_date: str | Cleared | None = field(default=None, repr=False)
    language: str | Cleared | None = None
    state: str | Cleared | None = None
    postal_code: str | Cleared | None = field(default=None, repr=False)
    country: str | Cleared | None = None
    deceased: bool | None = None
    telecom: tuple[tuple[str, tuple[ContactPoint, ...] | Cleared], ...] = ()


@value
class RepresentativeStatement:
    """What a source says of who receives in a patient's stead (FHIR RelatedPerson): a representative to be, without ids.

    `id`: how the source names the statement itself, so that the next version replaces it. `role`: guardian, parent or
    agent by code table; `relation`: the code as told. `active`: False ends it at once, whatever the period says.
    `points`: where they are written to. `valid_until` is exclusive; None does not end.
    """

    id: Identifier
    role: str
    relation: str
    name: str = field(repr=False)
    points: tuple[ContactPoint, ...] = field(default=(), repr=False)
    active: bool = True
    valid_from: Millis | None = None
    valid_until: Millis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """A facility of the one covered entity: zone, sender identity and call-back number."""

    id: str
    name: str
    zone: str
    sender_name: str
    sender_email: str
    callback: str
    postal_address: str = ""
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place of care (FHIR Location): how it is called towards patients, and its zone."""

    id: str
    name: str
    organization: str
    zone: str
    callback: str | None = None
    sensitive: bool = False  # its very name betrays the care given there (PV-08)
