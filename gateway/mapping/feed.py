"""How one source speaks: everything about a feed that its messages leave unsaid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.model.event import Format, Release


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # compared by identity: caches are keyed by it
class Feed:
    """One source's habits. `zone`: IANA name of its clock (T-02). `charset` and fallbacks: for MSH-18 blank (C-02).

    `default_authority`: assigning authority where CX.4 is empty (PI-01). `default_region`: ISO 3166 country of
    numbers without a country code (PI-08), and of addresses that name none. `not_vip`: PV1-16 values that mean nothing special (PV-01).
    `strict_types`: refuse what is not mapped instead of ignoring it (A-06). `ignore_msh7_in_duplicates`: the
    sender restamps MSH-7 on a resend (D-03). `test_identifiers`: known test patients, "value" or
    "authority|value" (X-05). `locations`: the feed's place codes → configured location ids, written as far as
    they are told: "CARD^201^^GENHOSP", "CARD^^^GENHOSP", "CARD" or "^^^GENHOSP". `organization`: the
    facility of everything whose place is not mapped. `format`: what its messages are. Of FHIR: `release` as its server
    speaks it, `base` that server's URL without a slash at the end (logical ids are its), `also` what else it
    calls itself in references, and `systems`, the identifier systems (URIs) that other feeds know by an assigning authority's name: so the same number is the same person, visit
    or order in HL7 v2 and in FHIR. `refers`: which resource told an occurrence is kept with it, sealed, for its server is
    told what was sent about it (W-01). `mapping`: the file in `mappings/tables` by which its rows are read. `told`: facts that
    sinks are given by name: kept, like those that rules name.
    """

    name: str
    zone: str
    charset: str = "UTF-8"
    charset_fallbacks: tuple[str, ...] = ()
    default_authority: str = ""
    default_region: str = "US"
    not_vip: frozenset[str] = frozenset()
    strict_types: bool = False
    ignore_msh7_in_duplicates: bool = True
    test_identifiers: frozenset[str] = frozenset()
    locations: Mapping[str, str] = field(default_factory=dict)
    organization: str | None = None
    format: Format = Format.HL7V2
    release: Release = Release.R4
    base: str = ""
    also: tuple[str, ...] = ()
    systems: Mapping[str, str] = field(default_factory=dict)
    refers: bool = False
    mapping: str = ""
    told: frozenset[str] = frozenset()

    @property
    def bases(self) -> tuple[str, ...]:
        """What its server calls itself in references."""
        return (self.base, *self.also) if self.base else ()

    def keeps(self, facts: frozenset[str] | None) -> frozenset[str] | None:
        """What is kept of its messages where rules, templates and gates use `facts` (law 5); None keeps all."""
        return facts if facts is None else facts | self.told
