"""What the pipeline knows of the site: its places, senders and sources; read once, never changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.model.event import OccurrenceKind
from gateway.model.facts import UNMAPPED, VOCABULARY, FactValue, Sensitivity
from gateway.model.party import Location, Organization
from gateway.model.when import Millis
from gateway.pipeline.habits import GENEROUS

_PLACES = tuple(f"{kind.prefix}.location" for kind in OccurrenceKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEntry:
    """One configured feed. `id` is its row in `source`; `quarantine_ack` what an unreadable message gets.

    `silent_after`: Millis it may be silent while it has no habit. `holds`: its silence holds what depends on it.
    """

    id: int
    name: str
    zone: str
    organization: str
    quarantine_ack: str = "AE"
    region: str = "US"
    silent_after: Millis = GENEROUS
    holds: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Places, senders, sources. `allowed`: the only recipients ever written to outside production, lower case.

    `sensitivity` says how much a fact's value tells (code tables may raise it above the fact's own; PV-08).
    """

    organizations: Mapping[str, Organization]
    locations: Mapping[str, Location]
    sources: Mapping[str, SourceEntry]
    production: bool
    allowed: frozenset[str] = field(default=frozenset(), repr=False)
    sensitivity: Callable[[str, FactValue | None], Sensitivity] = lambda name, _value: VOCABULARY[name].sensitivity

    def location(self, facts: Mapping[str, FactValue], facility: str | None) -> Location | None:
        """The configured location an occurrence's facts or its facility name; None when not known."""
        for name in _PLACES:
            value = facts.get(name)
            if isinstance(value, str) and value != UNMAPPED:
                return self.locations.get(value)
        return self.locations.get(facility) if facility else None

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
        return next((one for one in self.sources.values() if one.id == identity), None)

    def holds(self, source: int) -> bool:
        """Whether a feed's silence holds what depends on it; of one that nobody configures any more, it does."""
        entry = self.source(source)
        return entry is None or entry.holds

    def zone(self, location: Location | None, source: int) -> str:
        """The zone in which days are counted and times are told: the location's, else the organization's."""
        return location.zone if location is not None else self.organization(None, source).zone
