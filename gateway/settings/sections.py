"""The shape of caregate.yaml: untrusted text becomes typed, frozen sections, and a key nobody knows is an error."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.model.access import Role
from gateway.model.event import Format, Release
from gateway.model.outcome import OutcomeKind
from gateway.model.when import DAY, HOUR, MINUTE, SECOND
from gateway.settings.values import (
    Charset,
    Duration,
    FhirBase,
    Line,
    Lines,
    Mailbox,
    Name,
    PublicUrl,
    Rate,
    Share,
    Zone,
    between,
)

SIX_YEARS = 6 * 366 * DAY


class Section(BaseModel):
    """A mapping of the file. Frozen; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OrganizationSection(Section):
    """A facility: its zone, who writes, and the number a patient may call."""

    name: Line
    zone: Zone
    sender_name: Line
    sender_email: Mailbox
    callback: Line
    postal_address: Line | None = None
    parent: Name | None = None


class LocationSection(Section):
    """A place of care; `codes` are what feeds call it (PV1-3, AIL-3), joined as they come."""

    name: Line
    organization: Name
    zone: Zone | None = None  # else the organization's
    callback: Line | None = None
    sensitive: bool = False
    codes: tuple[Line, ...] = ()


class WatchSection(Section):
    """How a feed is watched. `silent_after`: how long it may be silent while nobody knows its habit yet, some weeks long.

    `holds`: while it is silent against its habit, what is about a visit ahead waits until it speaks again.
    `behind_after`: how long a message may wait at its broker, of a feed that reads a queue.
    """

    silent_after: Annotated[Duration, between(15 * MINUTE)] = 3 * DAY  # longer than a week-end
    holds: bool = True
    behind_after: Annotated[Duration, between(MINUTE)] = 15 * MINUTE


class WriteBackSection(Section):
    """What a FHIR server is told: of messages that its resources led to, and who wants none (W-01, CN-04)."""

    communications: bool = False  # what became of messages that its resources led to
    consents: bool = False  # opt-outs of its patients


class GuardSection(Section):
    """What a table may say of many people at once without a person's yes (SN-03).

    `shrink`: the least share of the rows of the last time. `grow`: so many times its rows are too many. `exits`: the
    share of the known rows that may end at once. `shared`: how many people one address may be told for.
    """

    shrink: Share | None = None
    grow: Annotated[float, Field(gt=1)] | None = None
    exits: Share | None = None
    shared: Annotated[int, Field(ge=1)] | None = None


class SourceSection(Section):
    """A feed and how it speaks. What is not listed here is an option of its connector, which checks it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Name
    organization: Name
    zone: Zone | None = None  # else the organization's: used where a time tells no offset (T-03)
    charset: Charset = "UTF-8"  # where MSH-18 is empty (C-02)
    charset_fallbacks: tuple[Charset, ...] = ()
    authority: str = ""  # of identifiers that name none (PI-02)
    region: str = "US"  # of phone numbers without a country code (PI-08), and of addresses that name no country
    locations: Mapping[Line, Name] = Field(default_factory=dict)
    test_identifiers: tuple[Line, ...] = ()
    not_vip: tuple[Line, ...] = ()  # values of PV1-16 that mean nothing special here
    quarantine_ack: Literal["AE", "AA"] = "AE"
    start: Literal["held", "running"] = "running"
    strict: bool = False
    watch: WatchSection = WatchSection()
    format: Format | None = None  # what its messages are; told by its kind unless told here
    release: Release | None = None  # of FHIR: R4 unless told
    base: FhirBase | None = None  # FHIR: the server whose logical ids these are, and from which alone anything is read
    also: Lines | None = None  # FHIR: other URLs by which that server calls itself in references
    systems: Mapping[Line, Line] = Field(default_factory=dict)  # FHIR identifier systems (URIs) → assigning authorities
    mapping: Name | None = None  # tables: the file in mappings/tables by which its rows are read
    guard: GuardSection = GuardSection()  # tables: what is believed of many people at once
    write_back: WriteBackSection | None = None  # FHIR: what its server is told


TOLD_TWICE = frozenset({"also", "base", "format", "release", "write_back"})
"""Keys of a source that its connector is told too."""


class AgreementSection(Section):
    """The business-associate agreement of whoever a channel hands PHI to (45 CFR 164.308(b), 164.504(e)).

    `expires`: its last day; of one without an end the day by which it is looked at again. Or `none_needed` and
    why: a relay of one's own, say, which hands over to the patient and nobody else.
    """

    party: Line | None = None
    signed: date | None = None
    expires: date | None = None
    none_needed: Line | None = None

    @model_validator(mode="after")
    def _complete(self) -> AgreementSection:
        told = (self.party, self.signed, self.expires)
        if self.none_needed is not None and told == (None, None, None):
            return self
        if self.none_needed is not None or None in told:
            raise ValueError("must have `party`, `signed` and `expires`, or `none_needed` and why")
        assert self.signed is not None
        assert self.expires is not None
        if self.expires < self.signed:
            raise ValueError("must not expire before it was signed")
        return self


class ChannelSection(Section):
    """A way out. What is not listed here is an option of its connector, which checks it.

    `pace`: how fast its provider takes messages, over all processes; what is too fast waits and spends no try.
    `agreement`: without one in force nothing leaves.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Name
    pace: Rate | None = None
    agreement: AgreementSection | None = None


class SinkSection(Section):
    """Another system that is told what became of messages. What is not listed here is an option of its connector.

    `sources`: it learns only of what these told us. `facts`: what it is given by name of that, and which is kept for it.
    `agreement`: as a channel's; without one in force it is told nothing.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Name
    sources: Annotated[Lines, Field(min_length=1)]
    rules: Lines = ()  # none: every rule
    kinds: tuple[OutcomeKind, ...] = ()  # none: every kind but events
    facts: Lines = ()
    every: Annotated[Duration, between(SECOND, DAY)] = 30 * SECOND
    agreement: AgreementSection | None = None


class AlertSection(Section):
    """A way to tell staff. What is not listed here is an option of its connector, which checks it.

    `channel`: the one of `channels` whose options it shares, a relay's say; what it says itself goes before.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Name
    channel: Name | None = None


class AlertsSection(Section):
    """Who is told that something needs them, and after how long again while it lasts."""

    repeat: Annotated[Duration, between(HOUR)] = 12 * HOUR
    to: Mapping[Name, AlertSection] = Field(default_factory=dict)


class RetentionSection(Section):
    """How long what is kept. Evidence stays six years (45 CFR 164.316(b)(2)(i), 164.530(j), 164.528)."""

    raw: Duration = 30 * DAY  # the replay window
    facts: Duration = 30 * DAY  # after the occurrence has ended
    bodies: Duration = 90 * DAY  # sealed text of what was sent
    attempts: Duration = SIX_YEARS
    consent: Duration = SIX_YEARS
    audit: Duration = SIX_YEARS

    @model_validator(mode="after")
    def _evidence_stays(self) -> RetentionSection:
        for name in ("attempts", "consent", "audit"):
            if getattr(self, name) < SIX_YEARS:
                raise ValueError(f"must keep {name} at least 6y: it is evidence (45 CFR 164.316(b)(2)(i), 164.530(j))")
        return self


class AuditSection(Section):
    """`heads`: the file signed heads are appended to; it belongs on another host's disk."""

    heads: Path | None = None


class IntakeSection(Section):
    """`batch`: most messages in one commit. `queue`: most that wait for one before senders are slowed down.

    `join_within`: how long the parts of a message wait for the next before they go into quarantine.
    """

    batch: int = Field(default=64, ge=1, le=10_000)
    queue: int = Field(default=1_000, ge=1, le=1_000_000)
    join_within: Annotated[Duration, between(SECOND, DAY)] = 10 * MINUTE

    @model_validator(mode="after")
    def _queue_holds_a_batch(self) -> IntakeSection:
        if self.queue < self.batch:
            raise ValueError("must have a queue that holds at least one batch")
        return self


class WorkerSection(Section):
    """Channel timeout < `time_limit` < `lease`, so that an attempt never outlives what guards it."""

    threads: int = Field(default=4, ge=1, le=256)
    time_limit: Duration = 90 * SECOND
    lease: Duration = 3 * MINUTE

    @model_validator(mode="after")
    def _lease_outlives_the_actor(self) -> WorkerSection:
        if not SECOND <= self.time_limit < self.lease:
            raise ValueError(
                "must have a time_limit of at least 1s and shorter than its lease: an attempt ends before what guards it"
            )
        return self


class ApiTlsSection(Section):
    """HTTPS: PEM files; with `client_ca` every caller, also of health and metrics, must show a certificate it signed."""

    certificate: Path  # with the intermediate ones behind it
    key: Path
    client_ca: Path | None = None


class OidcSection(Section):
    """Whose bearer tokens the API takes. `roles`: which value of the claim `roles_claim` gives which role here.

    `jwks`: where the provider publishes its keys, if not where its description says.
    """

    issuer: Line
    audience: Line
    roles_claim: Line = "roles"
    roles: Mapping[Line, Role] = Field(min_length=1)
    jwks: Line | None = None


class ApiSection(Section):
    """Where HTTP listens: health and metrics, what connectors serve, and on TLS or loopback the API and staff pages.

    `public_url`: where patients reach it, through whatever stands before it; links in messages begin with it.
    """

    bind: Line = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    public_url: PublicUrl | None = None
    tls: ApiTlsSection | None = None
    oidc: OidcSection | None = None


class Pkcs11Section(Section):
    """A key in a PKCS#11 token, by labels. `module`: the maker's library; `pin`: `env:NAME` or `file:PATH`."""

    module: Path
    token: Line
    key: Line
    pin: Line


class KmsSection(Section):
    """A key in AWS KMS, or in what speaks its protocol at `endpoint`. `key`: id, ARN or alias."""

    key: Line
    region: Line
    endpoint: Line | None = None


class KeysSection(Section):
    """The key file, and what guards it: nothing but its mode, a token, or a KMS. A text alone is `file`."""

    file: Path = Path("caregate.keys")
    pkcs11: Pkcs11Section | None = None
    kms: KmsSection | None = None

    @model_validator(mode="before")
    @classmethod
    def _text_is_the_file(cls, told: object) -> object:
        return {"file": told} if isinstance(told, str) else told

    @model_validator(mode="after")
    def _one_guard(self) -> KeysSection:
        if self.pkcs11 is not None and self.kms is not None:
            raise ValueError("must name pkcs11 or kms, not both")
        return self


class PersonSection(Section):
    """A person who may stand for a rule set: `key` is their Ed25519 public key in base64 (`caregate rules key`).

    Whoever left keeps their key here, with `roles: []`: what they signed while they were there still holds.
    """

    key: Line
    roles: tuple[Literal["analyst", "approver"], ...] = ()

    @field_validator("key")
    @classmethod
    def _is_a_key(cls, text: str) -> str:
        try:
            raw = base64.b64decode(text, validate=True)
        except ValueError:
            raw = b""
        if len(raw) != 32:  # RFC 8032 5.1.5
            raise ValueError("must be an Ed25519 public key in base64, as `caregate rules key` prints it")
        return text

    @property
    def raw_key(self) -> bytes:
        """The 32 bytes of the key."""
        return base64.b64decode(self.key)


class SiteFile(Section):
    """The whole of caregate.yaml."""

    environment: Name
    allowed_recipients: tuple[Mailbox, ...] | None = None
    organizations: Mapping[Name, OrganizationSection] = Field(min_length=1)
    locations: Mapping[Name, LocationSection] = Field(default_factory=dict)
    sources: Mapping[Name, SourceSection] = Field(default_factory=dict)
    channels: Mapping[Name, ChannelSection] = Field(default_factory=dict)
    sinks: Mapping[Name, SinkSection] = Field(default_factory=dict)
    database: Line = "sqlite:///caregate.db"
    broker: Line = "memory://"
    keys: KeysSection = KeysSection()
    rules: Path = Path("rules")
    mappings: Path = Path("mappings")
    retention: RetentionSection = RetentionSection()
    audit: AuditSection = AuditSection()
    intake: IntakeSection = IntakeSection()
    worker: WorkerSection = WorkerSection()
    api: ApiSection = ApiSection()
    alerts: AlertsSection = AlertsSection()
    approval: Literal["none", "signature"] = "none"
    report: Literal["no", "required"] = "no"
    people: Mapping[Name, PersonSection] = Field(default_factory=dict)
