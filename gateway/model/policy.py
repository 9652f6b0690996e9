"""What the site allows, as data: basis, quiet hours, caps, ceilings, protected services; nothing here decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.model.consent import ANY, ChannelKind, ConsentKind, Purpose
from gateway.model.facts import Sensitivity
from gateway.model.when import DAY, HOUR, Millis

SERVICE_FACTS: tuple[str, ...] = (
    "appointment.service",
    "encounter.service",
    "result.code",
    "document.type",
    "immunization.vaccine",
    "observation.code",
    "order.code",
    "careplan.category",
    "condition.code",
    "device.code",
    "questionnaire.code",
    "communication.category",
)
"""What tells of which kind of care an occurrence is: a protected kind is never written about (PV-08)."""

# Facts the gates look at whatever the rules say; they are kept as if a rule named them (law 5).
GATE_FACTS: frozenset[str] = frozenset(
    {
        *SERVICE_FACTS,
        "appointment.location",
        "appointment.start",
        "encounter.location",
        "encounter.class",
        "result.location",
        "prescription.location",
        "document.location",
        "immunization.location",
        "order.location",
        "patient.age",
        "patient.state",
    }
)

# 47 CFR 64.1200(c)(1): no solicitation before 8 or after 21 at the called party's location. A channel for
# which policy.yaml says nothing is as quiet as that.
DEFAULT_QUIET: tuple[int, int] = (21 * 60, 8 * 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """A declared basis: `receive` writes a ledger entry of each kind that cites it. Never for HMARKT (45 CFR 164.508).

    `kinds`: texts only where the number was given for them (47 CFR 64.1200(a)(1)).
    """

    purpose: Purpose
    channel: ChannelKind
    topic: str  # or ANY
    because: str
    kinds: tuple[ConsentKind, ...] = (ConsentKind.MESSAGES,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """At most `at_most` messages `within` (millis) `per` patient or address, for a purpose, topic and channel or ANY."""

    per: str  # "patient" | "address"
    purpose: str
    topic: str
    channel: str = ANY
    at_most: int
    within: Millis

    def counts(self, *, purpose: str, topic: str, channel: str) -> bool:
        """Whether a message of this purpose and topic by this channel is under this cap."""
        return self.purpose in (ANY, purpose) and self.topic in (ANY, topic) and self.channel in (ANY, channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`policy.yaml` as data.

    `quiet_hours`: per channel, minute of the local day from which and until which nothing is sent; the two
    equal means never quiet. `ceilings`: the most sensitive thing a purpose may show on a channel; what is not
    listed may show nothing about a person. `hold_expires`: millis after which a hold nobody lifted ends.
    `look_again`: millis after which a hold that a feed may lift is judged again. `languages`: BCP 47 tags that every
    template must be there in, the first one beside the language folders. `link_domains`: hosts a template may link to.
    `minimum_age`: younger patients' messages go to a representative. `minors_own`: services that a minor may consent to
    alone, from `adolescent_from` years on. `portal_keeps`: millis for which a message can be picked up. `portal_same_contact_point`: the log-in code may go where
    the link went, when there is nowhere else. `portal_read_within`: millis after which a message nobody picked up is shown
    to staff, unless its rule says otherwise; None: never.
    """

    version: str
    basis: tuple[Basis, ...] = ()
    quiet_hours: Mapping[ChannelKind, tuple[int, int]]
    caps: tuple[Cap, ...] = ()
    ceilings: Mapping[tuple[Purpose, ChannelKind], Sensitivity]
    protected_services: frozenset[str] = frozenset()
    minimum_age: int = 18
    adolescent_from: int = 12
    minors_own: frozenset[str] = frozenset()
    hold_expires: Millis
    look_again: Millis = HOUR
    languages: tuple[str, ...] = ("en",)
    link_domains: frozenset[str] = frozenset()
    portal_keeps: Millis = 30 * DAY
    portal_same_contact_point: bool = False
    portal_read_within: Millis | None = None

    @property
    def language(self) -> str:
        """What a template says outside its language folders, hence whom no language is known of reads (BCP 47)."""
        return self.languages[0]

    def quiet(self, channel: ChannelKind) -> tuple[int, int]:
        """(from, until) in minutes of the local day; DEFAULT_QUIET when nothing is told."""
        return self.quiet_hours.get(channel, DEFAULT_QUIET)

    def ceiling(self, purpose: Purpose, channel: ChannelKind) -> Sensitivity:
        """The most sensitive thing that may be shown; PUBLIC (nothing about a person) when not listed."""
        return self.ceilings.get((purpose, channel), Sensitivity.PUBLIC)
