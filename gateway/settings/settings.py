"""The site as the whole program sees it: one frozen value, read once, with secrets resolved and every reference checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.model.agreement import Agreement
from gateway.model.event import Format, Release
from gateway.model.pace import Pace
from gateway.model.party import Location, Organization
from gateway.model.when import Millis
from gateway.settings.sections import (
    AgreementSection,
    ApiSection,
    GuardSection,
    IntakeSection,
    KmsSection,
    Pkcs11Section,
    RetentionSection,
    SinkSection,
    SiteFile,
    WatchSection,
    WorkerSection,
    WriteBackSection,
)
from gateway.yamlfile import Node

PRODUCTION = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A connector's part of the file. `group`: "sources", "channels", "sinks" or "alerts"; `where`: "file:line:column" of its name.

    `options`: what is the connector's own, each where it stands, references resolved. Relative paths in it start in
    `folder`.
    """

    group: str
    name: str
    kind: str
    where: str
    options: Node = field(repr=False)
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """One feed. `options` belong to its connector; `locations` maps what the feed calls a place to a location id.

    `where` is "file:line:column" of its section, for errors about its options. `held`: plans, releases nothing
    until told. `zone`: IANA name or offset. `watch`: how its silence is judged, and what that does.
    `format`, `release`, `base`, `also`, `systems`, `mapping`: as `gateway.mapping.feed.Feed` has them. `write_back`: what its server is told.
    `guard`: what is believed of many people at once; what it does not tell is as `gateway.pipeline.extracting.Guards` has it.
    """

    name: str
    kind: str
    where: str
    organization: str
    zone: str
    charset: str
    charset_fallbacks: tuple[str, ...]
    authority: str
    region: str
    locations: Mapping[str, str]
    test_identifiers: frozenset[str] = field(repr=False)
    not_vip: frozenset[str]
    quarantine_ack: str
    held: bool
    strict: bool
    watch: WatchSection
    format: Format
    release: Release
    base: str
    also: tuple[str, ...]
    systems: Mapping[str, str]
    mapping: str
    guard: GuardSection
    write_back: WriteBackSection
    options: Mapping[str, object] = field(repr=False)
    section: Section = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """One way out. `options` belong to its connector; `pace`: how fast its provider takes messages, None: as they come.

    `agreement`: None where none is told, and then nothing leaves.
    """

    name: str
    kind: str
    where: str
    pace: Pace | None = None
    options: Mapping[str, object] = field(repr=False)
    section: Section = field(repr=False)
    agreement: Agreement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSettings:
    """Another system that is told what became of things. `told`: of what; `agreement`: None where none is on file."""

    name: str
    told: SinkSection
    section: Section = field(repr=False)
    agreement: Agreement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """caregate.yaml, checked. Paths are absolute; durations are Millis; URLs may carry passwords (never in the repr).

    `allowed_recipients`: the only addresses written to outside production, lower case; None in production.
    `alerts`: ways to tell staff, by name; `alert_repeat`: Millis after which what lasts is told again.
    `keys`: the key file; `keys_root`: the token or KMS that guards it, the PIN resolved.
    `mappings`: the site's overlays, absent when there are none; shipped mappings are read before them.
    """

    path: Path
    environment: str
    allowed_recipients: frozenset[str] | None = field(repr=False)
    organizations: Mapping[str, Organization]
    locations: Mapping[str, Location]
    sources: Mapping[str, SourceSettings]
    channels: Mapping[str, ChannelSettings]
    sinks: Mapping[str, SinkSettings]
    database_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    keys: Path
    keys_root: Pkcs11Section | KmsSection | None = field(repr=False)
    rules: Path
    mappings: Path
    audit_heads: Path | None
    retention: RetentionSection
    intake: IntakeSection
    worker: WorkerSection
    api: ApiSection
    alerts: Mapping[str, Section]
    alert_repeat: Millis
    file: SiteFile = field(repr=False)  # as written, with defaults: what --print-config shows

    @property
    def production(self) -> bool:
        """Whether patients are written to: only in the environment named "production"."""
        return self.environment == PRODUCTION


def agreement_of(told: AgreementSection | None) -> Agreement | None:
    """The agreement of a channel or sink as the gates know it."""
    if told is None:
        return None
    because = told.none_needed or ""
    return Agreement(party=told.party or "", signed=told.signed, expires=told.expires, because=because)
