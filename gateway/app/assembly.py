"""Puts the parts together, once: the only place where settings, store, rules, connectors and broker meet."""

from __future__ import annotations

import os
import pwd
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway import telemetry
from gateway.app.sections import made, too_slow, unfit
from gateway.mapping.feed import Feed
from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import Pack, load_pack
from gateway.model.agreement import Agreement
from gateway.model.audit import Action
from gateway.model.consent import ChannelKind
from gateway.model.errors import ConfigError, SchemaError
from gateway.model.event import Format
from gateway.model.pace import Pace
from gateway.packs import shipped
from gateway.pipeline.approval import Signer
from gateway.pipeline.comingback import Settler
from gateway.pipeline.deliver import Deliverer
from gateway.pipeline.dispatch import Dispatcher
from gateway.pipeline.intake import IntakeThread
from gateway.pipeline.portal import Portal
from gateway.pipeline.receive import Receiver
from gateway.pipeline.rounds import Keep, Rounds
from gateway.pipeline.rules import Active, ActiveRules, activate, activations, in_force, newest
from gateway.pipeline.site import SinkEntry, Site, SourceEntry
from gateway.pipeline.witnessing import Witness
from gateway.policy import replies
from gateway.policy.replies import meaning
from gateway.ports import Channel, Clock, Reader, Source, SystemClock
from gateway.ruleset import RuleSet
from gateway.ruleset.load import load as load_rules
from gateway.ruleset.load import read_files
from gateway.settings import Settings, SinkSettings
from gateway.settings.sections import KmsSection, Pkcs11Section
from gateway.store import migrations, tables
from gateway.store.engine import Store, parsed, sqlite_path
from gateway.store.kek import KmsOptions, Pkcs11Options, root_of
from gateway.store.keyring import Keyring

ROLES = ("listen", "api", "work")


def account() -> str:
    """The operating-system account, for the audit log: the kernel's word, not the environment's."""
    try:
        return f"os:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"os:uid-{os.getuid()}"


@dataclass(slots=True, kw_only=True)
class Gateway:
    """An assembled gateway. `close` gives everything back; a gateway is used by one process."""

    settings: Settings
    clock: Clock
    store: Store
    site: Site
    rules: ActiveRules
    pack: Pack
    feeds: Mapping[str, Feed]
    reading: Callable[[RuleSet], Mapping[str, Reader]]
    receiver: Receiver
    channels: Mapping[ChannelKind, Channel]
    doorbell: Doorbell
    paces: Mapping[ChannelKind, Pace] = field(default_factory=dict)
    closing: list[Callable[[], None]] = field(default_factory=list)

    @property
    def readers(self) -> Mapping[str, Reader]:
        """By source what reads its messages, for the facts that the rules in force ask for."""
        return self.reading(self.rules.current().ruleset)

    def close(self) -> None:
        """Stop and give back, last opened first."""
        while self.closing:
            self.closing.pop()()

    def run(
        self,
        roles: Sequence[str] = ROLES,
        *,
        ready: Callable[[dict[str, Any]], None] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Run the given roles until `stop` is set or SIGTERM/SIGINT arrives; then finish what is in hand.

        `ready` is called once with what was opened ({"ports": {source: port}, "api": port}). Raises CommandError
        when something cannot start.
        """
        from gateway.app.running import run

        run(self, roles, ready=ready, stop=stop)


class Doorbell:
    """Rings the broker once one is there; before that, or without one, a doorbell is only a hint not given."""

    def __init__(self) -> None:
        self._ring: Callable[[Sequence[int]], None] | None = None

    def connect(self, ring: Callable[[Sequence[int]], None]) -> None:
        """Ring through this from now on."""
        self._ring = ring

    def __call__(self, ids: Sequence[int]) -> None:
        """Ring; never raises to the caller."""
        if self._ring is not None:
            self._ring(ids)


def assemble(
    settings: Settings, *, clock: Clock | None = None, keyring: Keyring | None = None, activates: bool = True
) -> Gateway:
    """Open the store, load rules and mappings, find connectors; nothing runs yet.

    `activates`: put the rule folder in force, audited. Commands that only look leave it as it is. With `approval:
    signature` the folder counts for nothing: what is in force is what was approved and lies in the database.

    An embedded SQLite file that does not exist yet is created; any other schema trouble is a SchemaError.
    Raises ConfigError, KeyringError, StoreError.
    """
    clock = clock or SystemClock()
    keyring = keyring or keyring_of(settings)
    channels, paces = _channels(settings, clock)
    store = _open(settings, keyring, clock)
    try:
        pack = _pack(settings)
        site = _site(settings, store, pack, agreements_of(settings, channels))
        people = signers(settings)
        rules = ActiveRules(_rules(settings, store, people, activates=activates), store, people)
        feeds = {name: feed_of(settings, name) for name in settings.sources}
        reading = _reading(pack, feeds)
    except BaseException:
        store.close()
        raise
    doorbell = Doorbell()
    receiver = Receiver(store=store, site=site, rules=rules, readers=reading, ring=doorbell)
    gateway = Gateway(
        settings=settings,
        clock=clock,
        store=store,
        site=site,
        rules=rules,
        pack=pack,
        feeds=feeds,
        reading=reading,
        receiver=receiver,
        channels=channels,
        doorbell=doorbell,
        paces=paces,
    )
    gateway.closing += [store.close, *(channel.close for channel in channels.values())]
    return gateway


def keyring_of(settings: Settings) -> Keyring:
    """The site's keys, opened with the token or KMS that guards them, if one does. Raises KeyringError."""
    return Keyring.load(settings.keys, root_of(guard_of(settings)))


def guard_of(settings: Settings) -> Pkcs11Options | KmsOptions | None:
    """What guards the key file, as the store wants it told."""
    told = settings.keys_root
    if isinstance(told, Pkcs11Section):
        return Pkcs11Options(module=told.module, token=told.token, key=told.key, pin=told.pin)
    if isinstance(told, KmsSection):
        return KmsOptions(key=told.key, region=told.region, endpoint=told.endpoint)
    return None


def signers(settings: Settings) -> dict[str, Signer] | None:
    """Who may stand for a rule set, by name; None where nobody need (`approval: none`)."""
    if settings.file.approval == "none":
        return None
    people = settings.file.people
    return {name: Signer(name=name, key=one.raw_key, roles=frozenset(one.roles)) for name, one in people.items()}


def _rules(settings: Settings, store: Store, people: Mapping[str, Signer] | None, *, activates: bool) -> Active:
    """What is in force: the folder, put there now, or what was approved. A look before the first approval sees the folder."""
    if people is not None or settings.file.report == "required":
        with store.read() as unit:
            known = activations(unit, 1)
        if known or (people is not None and activates):  # newest says what to do when nothing is in force
            return newest(store, settings.rules, people)
    if activates:  # also the first of those that need a report: there is nothing to compare with
        return activate(store, read_files(settings.rules), settings.rules, account=account())
    return in_force(store, load_rules(settings.rules))


def _open(settings: Settings, keyring: Keyring, clock: Clock) -> Store:
    holder = f"{socket.gethostname()}:{os.getpid()}"
    parts = parsed(settings.database_url)
    if parts.get_backend_name() == "sqlite" and not sqlite_path(parts).exists():
        migrations.migrate(settings.database_url, actor=account(), clock=clock)
    try:
        return Store.open(settings.database_url, keyring, clock, holder=holder)
    except SchemaError as error:
        telemetry.log().error("store.schema", error=type(error).__name__)
        raise


def agreements_of(settings: Settings, channels: Mapping[ChannelKind, Channel]) -> dict[ChannelKind, Agreement]:
    """By kind of channel the agreement on file; the gateway's own pages are nobody else's."""
    found = {ChannelKind.PORTAL: Agreement(party="", because="the gateway's own pages")}
    for kind, channel in channels.items():
        told = settings.channels[channel.name].agreement if channel.name in settings.channels else None
        if told is not None:
            found[kind] = told
    return found


def _site(settings: Settings, store: Store, pack: Pack, agreements: Mapping[ChannelKind, Agreement]) -> Site:
    ids = _source_rows(settings, store)
    entries = {
        name: SourceEntry(
            id=ids[name],
            name=name,
            zone=source.zone,
            organization=source.organization,
            quarantine_ack=source.quarantine_ack,
            region=source.region,
            silent_after=source.watch.silent_after,
            holds=source.watch.holds,
            behind_after=source.watch.behind_after,
            base=source.base,
            release=source.release,
            tells_messages=source.write_back.communications,
            tells_opt_outs=source.write_back.consents,
        )
        for name, source in settings.sources.items()
    }
    allowed = frozenset(one.casefold() for one in settings.allowed_recipients or ())
    return Site(
        organizations=settings.organizations,
        locations=settings.locations,
        sources=entries,
        production=settings.production,
        allowed=allowed,
        agreements=agreements,
        public_url=settings.api.public_url,
        sinks={name: _sink(sink) for name, sink in settings.sinks.items()},
        sensitivity=pack.sensitivity,
    )


def _sink(settings: SinkSettings) -> SinkEntry:
    told = settings.told
    return SinkEntry(
        name=settings.name,
        sources=frozenset(told.sources),
        rules=frozenset(told.rules),
        kinds=frozenset(told.kinds),
        facts=frozenset(told.facts),
        every=told.every,
        agreement=settings.agreement,
    )


def _source_rows(settings: Settings, store: Store) -> dict[str, int]:
    """The row of every configured source, made when it is new; `start: held` holds it from its first day."""
    if not settings.sources:
        return {}
    names = list(settings.sources)
    with store.begin(account()) as uow:
        known: dict[str, int] = dict(uow.lookup(tables.source, ("name", "id"), "name", names))
        fresh = [name for name in names if name not in known]
        if fresh:
            rows = [(uow.new_id(), name, int(settings.sources[name].held), None) for name in fresh]
            uow.insert_missing(tables.source, ("id", "name", "held", "last_received"), rows)
            uow.audit([(Action.CONFIGURATION_READ, "source", name) for name in fresh])
            uow.commit()
    if not fresh:
        return known
    with store.read() as unit:
        return dict(unit.lookup(tables.source, ("name", "id"), "name", names))


def _pack(settings: Settings) -> Pack:
    overlays = [settings.mappings] if settings.mappings.is_dir() else []
    pack = load_pack([shipped("mappings"), *overlays])
    rows = {name: (source.mapping, source.where) for name, source in settings.sources.items()}
    if strange := (*pack.check_sources(settings.sources), *pack.check_mappings(rows)):
        raise ConfigError(*strange)
    return pack


def _reading(pack: Pack, feeds: Mapping[str, Feed]) -> Callable[[RuleSet], Mapping[str, Reader]]:
    """Readers by the facts a rule set asks for, made once each; few rule sets of a process's life differ in them."""
    made: dict[frozenset[str], Mapping[str, Reader]] = {}

    def reading(ruleset: RuleSet) -> Mapping[str, Reader]:
        found = made.get(ruleset.facts_used)
        if found is None:
            found = made[ruleset.facts_used] = readers_of(pack, feeds, ruleset.facts_used)
        return found

    return reading


def readers_of(pack: Pack, feeds: Mapping[str, Feed], facts: frozenset[str]) -> dict[str, Reader]:
    """By source what reads its messages, keeping only `facts`. Raises ConfigError."""
    return {name: _reader(pack.of(name), feed, facts) for name, feed in feeds.items()}


def _reader(pack: Pack, feed: Feed, facts: frozenset[str]) -> Reader:
    """What reads the messages of one feed, by what they are."""
    if feed.format is Format.FHIR:
        from gateway.mapping.fhir.reader import FhirReader

        return FhirReader(pack, feed, facts=facts)
    if feed.format is Format.TABLE:
        from gateway.mapping.tables.reader import TableReader

        return TableReader(pack, feed, facts=facts)
    return Hl7v2Reader(pack, feed, facts=facts)


def feed_of(settings: Settings, name: str) -> Feed:
    """How one configured source speaks, for the mapping."""
    source = settings.sources[name]
    return Feed(
        name=name,
        zone=source.zone,
        charset=source.charset,
        charset_fallbacks=source.charset_fallbacks,
        default_authority=source.authority,
        default_region=source.region,
        not_vip=source.not_vip,
        strict_types=source.strict,
        test_identifiers=source.test_identifiers,
        locations=source.locations,
        organization=source.organization,
        format=source.format,
        release=source.release,
        base=source.base,
        also=source.also,
        systems=source.systems,
        refers=source.write_back.communications,
        mapping=source.mapping,
        told=frozenset().union(*(one.told.facts for one in settings.sinks.values() if name in one.told.sources)),
    )


def _channels(settings: Settings, clock: Clock) -> tuple[dict[ChannelKind, Channel], dict[ChannelKind, Pace]]:
    """The ways out by what they are, and how fast the providers of some take messages."""
    found: dict[ChannelKind, Channel] = {}
    paces: dict[ChannelKind, Pace] = {}
    for name, section in settings.channels.items():
        channel = made(section.section, clock)
        if channel.kind is ChannelKind.PORTAL and settings.api.public_url is None:
            raise ConfigError(
                f"{section.where}: channel {name}: the portal needs `api.public_url`, where patients reach it"
            )
        if channel.kind in found:
            raise ConfigError(f"{section.where}: channel {name}: there is already a channel of kind {section.kind}")
        if slow := too_slow(section.section, channel, settings.worker.time_limit):
            raise ConfigError(*slow)
        senders = [organization.sender_email for organization in settings.organizations.values()]
        if strange := unfit(section.section, channel, senders):
            raise ConfigError(*strange)
        found[channel.kind] = channel
        if section.pace is not None:
            paces[channel.kind] = section.pace
    return found, paces


def sources_of(settings: Settings, clock: Clock) -> list[Source]:
    """The configured sources, found by entry point, not started."""
    return [made(section.section, clock) for section in settings.sources.values()]


def dispatcher_of(gateway: Gateway, ring: Callable[[Sequence[int]], None]) -> Dispatcher:
    """The dispatcher of an assembled gateway."""
    return Dispatcher(gateway.store, ring, site=gateway.site, rules=lambda: gateway.rules.renew().ruleset)


def deliverer_of(gateway: Gateway) -> Deliverer:
    """The deliverer of an assembled gateway."""
    return Deliverer(
        store=gateway.store,
        site=gateway.site,
        rules=gateway.rules,
        channels=gateway.channels,
        lease=gateway.settings.worker.lease,
        ring=gateway.doorbell,
        paces=gateway.paces,
    )


def settler_of(gateway: Gateway) -> Settler:
    """Where the channels of an assembled gateway tell what came back."""
    return Settler(
        store=gateway.store, site=gateway.site, rules=gateway.rules, ring=gateway.doorbell, meaning=replies.meaning
    )


def portal_of(gateway: Gateway) -> Portal:
    """What the portal's pages of an assembled gateway may do."""
    return Portal(
        store=gateway.store,
        site=gateway.site,
        rules=gateway.rules,
        channels=gateway.channels,
        ring=gateway.doorbell,
        meaning=meaning,
    )


def intake_of(gateway: Gateway) -> IntakeThread:
    """The intake thread of an assembled gateway."""
    return IntakeThread(
        gateway.receiver,
        Witness(gateway.store),
        max_batch=gateway.settings.intake.batch,
        max_queue=gateway.settings.intake.queue,
    )


def rounds_of(gateway: Gateway) -> Rounds:
    """The quiet work of an assembled gateway: sealing and forgetting."""
    retention = gateway.settings.retention
    waits = gateway.settings.intake.join_within
    keep = Keep(raw=retention.raw, facts=retention.facts, bodies=retention.bodies, parts=waits)
    sources = {one.id for one in gateway.site.sources.values()}
    return Rounds(gateway.store, keep, gateway.settings.audit_heads, sources=sources)
