"""What the pipeline knows of the site: its places, senders and sources; read once, never changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.model.agreement import Agreement
from gateway.model.consent import ChannelKind
from gateway.model.event import OccurrenceKind, Release
from gateway.model.facts import UNMAPPED, VOCABULARY, FactValue, Sensitivity
from gateway.model.outcome import OutcomeKind
from gateway.model.party import Location, Organization
from gateway.model.when import MINUTE, SECOND, Millis
from gateway.pipeline.habits import GENEROUS

_PLACES = tuple(f"{kind.prefix}.location" for kind in OccurrenceKind)
_PLACED = frozenset(_PLACES)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEntry:
    """One configured feed. `id` is its row in `source`; `quarantine_ack` what an unreadable message gets.

    `silent_after`: Millis it may be silent while it has no habit. `holds`: its silence holds what depends on it.
    `behind_after`: Millis that a message may wait in its queue, where it has one.
    `base`: of a FHIR server, its URL; whom its resources only refer to is then asked for there.
    `base`: of a FHIR server, its URL, and `release` what it speaks; `tells_messages`, `tells_opt_outs`: what is written back.
    """

    id: int
    name: str
    zone: str
    organization: str
    quarantine_ack: str = "AE"
    region: str = "US"
    silent_after: Millis = GENEROUS
    holds: bool = True
    behind_after: Millis = 15 * MINUTE
    base: str = ""
    release: Release = Release.R4
    tells_messages: bool = False
    tells_opt_outs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkEntry:
    """A configured sink: what it is told of. `sources`: whose occurrences it is about; `rules`, `kinds`: empty for all.

    `facts`: those it is given by name. `every`: Millis from one round to the next. `agreement`: None where none is on file,
    and then it is told nothing.
    """

    name: str
    sources: frozenset[str]
    rules: frozenset[str] = frozenset()
    kinds: frozenset[OutcomeKind] = frozenset()
    facts: frozenset[str] = frozenset()
    every: Millis = 30 * SECOND
    agreement: Agreement | None = None

    def tells(self, kind: OutcomeKind) -> bool:
        """Whether it is told of this kind; of events only where they are listed."""
        return kind in self.kinds if self.kinds else kind is not OutcomeKind.EVENT

    def agreed(self, now: Millis) -> bool:
        """Whether its business-associate agreement is in force, or none is needed."""
        return self.agreement is not None and self.agreement.in_force(now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Places, senders, sources. `allowed`: the only recipients ever written to outside production, lower case.

    `agreements`: what each channel's other side signed; a channel without one sends nothing (45 CFR 164.308(b)).
    `sinks`: others that are told what became of things.
    `public_url`: where patients reach our pages (https, or http on this machine), None when there are none.
    `sensitivity` says how much a fact's value tells (code tables may raise it above the fact's own; PV-08).
    """

    organizations: Mapping[str, Organization]
    locations: Mapping[str, Location]
    sources: Mapping[str, SourceEntry]
    production: bool
    allowed: frozenset[str] = field(default=frozenset(), repr=False)
    agreements: Mapping[ChannelKind, Agreement] = field(default_factory=dict)
    public_url: str | None = None
    sinks: Mapping[str, SinkEntry] = field(default_factory=dict)
    sensitivity: Callable[[str, FactValue | None], Sensitivity] = lambda name, _value: VOCABULARY[name].sensitivity

    def location(self, facts: Mapping[str, FactValue], facility: str | None) -> Location | None:
        """The configured location an occurrence's facts or its facility name; None when not known."""
        for name in () if _PLACED.isdisjoint(facts) else _PLACES:
            value = facts.get(name)
            if isinstance(value, str) and value != UNMAPPED:
                return self.locations.get(value)
        return self.locations.get(facility) if facility else None

    def facility(self, name: str | None) -> str:
        """A location or organization as the path of all that a stop of it may name, "main/lakeside"; empty: not known."""
        parts: list[str] = []
        while name and name not in parts:
            parts.append(name)
            place = self.locations.get(name)
            found = self.organizations.get(name)
            name = place.organization if place is not None else found.parent if found is not None else None
        return "/".join(parts)

    def zone_of(self, facility: str) -> str:
        """The zone of a location or organization; UTC for one that is configured no more."""
        found = self.locations.get(facility) or self.organizations.get(facility)
        return found.zone if found is not None else "UTC"

    def organization(self, location: Location | None, source: int) -> Organization:
        """The organization that speaks: the location's, else the source's."""
        if location is not None:
            return self.organizations[location.organization]
        entry = self.source(source)
        if entry is not None:
            return self.organizations[entry.organization]
        return next(iter(self.organizations.values()))

    def source(self, identity: int) -> SourceEntry | None:
        """The configured feed of a row of `source`; None when it is configured no more."""
        for one in self.sources.values():  # no generator: it is asked for every message, and feeds are few
            if one.id == identity:
                return one
        return None

    @property
    def own_zone(self) -> str:
        """The zone of the organization: what is counted by the day for all places together is counted there."""
        return next(iter(self.organizations.values())).zone

    def told(self, source: int) -> frozenset[str]:
        """Facts of a feed that some sink is given by name, hence kept whatever rules say (law 5)."""
        entry = self.source(source)
        return frozenset().union(*(one.facts for one in self.sinks.values() if entry and entry.name in one.sources))

    def holds(self, source: int) -> bool:
        """Whether a feed's silence holds what depends on it; of one that nobody configures any more, it does."""
        entry = self.source(source)
        return entry is None or entry.holds

    def agreed(self, channel: ChannelKind, now: Millis) -> bool:
        """Whether a channel's business-associate agreement is in force, or none is needed."""
        found = self.agreements.get(channel)
        return found is not None and found.in_force(now)

    def zone(self, location: Location | None, source: int) -> str:
        """The zone in which days are counted and times are told: the location's, else the organization's."""
        return location.zone if location is not None else self.organization(None, source).zone
