"""What others are told: closed words, our own ids, a token and their own row key; never a person, and of facts only those named for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gateway.model.consent import ANY
from gateway.model.event import EventKind, OccurrenceKind
from gateway.model.facts import VOCABULARY, Sensitivity
from gateway.model.verdict import Reason
from gateway.model.when import Millis


class OutcomeKind(StrEnum):
    """What became of it; never renamed once shipped."""

    PLANNED = "planned"
    HELD = "held"  # it waits; `reason` says for what
    WITHHELD = "withheld"  # a gate said no
    WITHDRAWN = "withdrawn"  # it was planned, and is needed no more
    SENT = "sent"  # the other side took it over
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    UNDELIVERED = "undelivered"
    REFUSED = "refused"  # the other side never took it
    COMPLAINED = "complained"
    OPTED_OUT = "opted-out"
    OPTED_IN = "opted-in"
    EVENT = "event"  # something happened; `SinkRow.event` says what


Told = str | int | bool
"""The value of a fact as others get it: a code, a number, yes or no, or a time as FHIR's dateTime writes it."""

_PREFIXES: Final = tuple(f"{one.prefix}." for one in OccurrenceKind)

EVENTS: Final = frozenset(one for one in EventKind if one.startswith(_PREFIXES) and one.fires)
"""The events that others may be told of: of something other than the person alone, and that our own rules may name (OR-02, DO-01)."""

TELLABLE: Final = frozenset(
    name
    for name, fact in VOCABULARY.items()
    if name.startswith(_PREFIXES) and not fact.computed and fact.sensitivity < Sensitivity.PROTECTED
)
"""Facts a sink may be given by name: of what happened, never of the person, and never protected ones (42 CFR 2.13)."""


NOT_TOLD: Final = "not-told"
"""Instead of a reason that would tell something of the person."""

TOLD: Final = frozenset(
    {
        Reason.EXPIRED,
        Reason.NOT_PRODUCTION,
        Reason.TOO_OLD,
        Reason.SOURCE_HELD,
        Reason.HELD_BY_RULE,
        Reason.NO_CONSENT,
        Reason.CONSENT_DENIED,
        Reason.OPTED_OUT,
        Reason.NO_ADDRESS,
        Reason.CHANNEL_NOT_CONFIGURED,
        Reason.NOT_LISTED,
        Reason.QUIET_HOURS,
        Reason.NO_PLAUSIBLE_WINDOW,
        Reason.FREQUENCY_CAP,
        Reason.SUPPRESSED,
        Reason.NO_AGREEMENT,
        Reason.NO_AUTHORIZATION,
        Reason.TEMPLATE_CHANGED,
        Reason.LEGAL_LIMIT,
        Reason.HELD_BY_HAND,
        Reason.STOPPED,
        Reason.NO_VERIFIED_TLS,
        Reason.PACED,
        Reason.SUPERSEDED,
        Reason.NO_LONGER_MATCHES,
        Reason.RULE_RETIRED,
        Reason.HOLDOUT,
        Reason.CAMPAIGN_NOT_APPROVED,
        Reason.CAMPAIGN_STOPPED,
        Reason.CAMPAIGN_VOLUME,
        Reason.NOT_IN_EFFECT,
        Reason.CANCELLED_BY_EVENT,
        Reason.OFFSET_PAST,
        Reason.RENDER_FAILED,
        Reason.CHANNEL_UNAVAILABLE,
        Reason.REFUSED,
        Reason.OUTCOME_UNKNOWN,
        Reason.BOUNCED,
        Reason.UNDELIVERED,
        Reason.SILENT,
        Reason.COMPLAINED,
        Reason.WITHDRAWN_BY_HAND,
    }
)
"""Reasons about the message, the address, or what the person said of messages. A death, an age, a flag of the chart is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkRow:
    """One thing that became of a row, a message or a consent. `id`: the same whenever it is told; `at`: Millis UTC.

    `patient`: our token, a number as text. `source` and `row_key`: whose row led to it, and that row's own key where the
    source is one of rows ("": it is forgotten, or there is none). `topic`: of the message or the consent, ANY for all.
    `event`: what happened, of kind EVENT. `occurrence`: our number, as text, of what it is about. `facts`: those named for
    the sink, as they stand when it is told; everything else never changes.
    """

    id: str
    kind: OutcomeKind
    at: Millis
    patient: str
    source: str
    rule: str = ""
    variant: str = ""
    channel: str = ""
    topic: str = ANY
    reason: str = ""
    step: str = ""
    row_key: str = field(default="", repr=False)
    event: str = ""
    occurrence: str = ""
    facts: Mapping[str, Told] = field(default_factory=dict, repr=False)
