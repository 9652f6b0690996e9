"""How one source speaks: everything about a feed that its messages leave unsaid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # compared by identity: caches are keyed by it
class Feed:
    """One source's habits. `zone`: IANA name of its clock (T-02). `charset` and fallbacks: for MSH-18 blank (C-02).

    `default_authority`: assigning authority where CX.4 is empty (PI-01). `default_region`: ISO 3166 country of
    numbers without a country code (PI-08). `not_vip`: PV1-16 values that mean nothing special (PV-01).
    `strict_types`: refuse what is not mapped instead of ignoring it (A-06). `ignore_msh7_in_duplicates`: the
    sender restamps MSH-7 on a resend (D-03). `test_identifiers`: known test patients, "value" or
    "authority|value" (X-05). `locations`: the feed's place codes → configured location ids, written as far as
    they are told: "CARD^201^^GENHOSP", "CARD^^^GENHOSP", "CARD" or "^^^GENHOSP". `organization`: the
    facility of everything whose place is not mapped.
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
