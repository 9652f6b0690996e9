"""What a gate answers and why: Permit, Hold or Deny with a named reason; and the clearance that all permits buy."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.model.when import Millis


class Reason(StrEnum):
    """Why something is withheld, held, withdrawn or ignored; kebab-case, never renamed once shipped."""

    # permanent: known at planning
    DECEASED = "deceased"
    MERGED_AWAY = "merged-away"
    PROTECTED_SERVICE = "protected-service"
    EXPIRED = "expired"
    NOT_PRODUCTION = "not-production"
    TOO_OLD = "too-old"
    # hold for a person
    UNMAPPED_CODE = "unmapped-code"
    IDENTITY_DOUBTFUL = "identity-doubtful"
    IDENTITY_CONFLICT = "identity-conflict"
    CONFIDENTIAL_VISIT = "confidential-visit"  # PV1-16
    PROTECTION_INDICATOR = "protection-indicator"  # PD1-12
    ACCESS_RESTRICTION = "access-restriction"  # ARV
    PUBLICITY_RESTRICTED = "publicity-restricted"  # PD1-11, PV2-21 (PV-03)
    TIME_UNCERTAIN = "time-uncertain"  # no clock, a daylight-saving gap, or none at all
    CRITICAL_RESULT = "critical-result"  # OBX-8: never first told by a machine (OR-09)
    WRONG_PATIENT = "wrong-patient"  # OBX-11 = W: a privacy incident until somebody says otherwise (OR-05)
    CONSENT_UNCLEAR = "consent-unclear"  # CON that only a person can read (PV-06)
    POSSIBLE_DUPLICATE = "possible-duplicate"  # a merge, or a second feed, brought the same thing twice (AD-31)
    PERSON_DELETED = "person-deleted"  # A29 (AD-16)
    REPLANNED_AFTER_REVERSAL = "reversed"  # a death or merge was taken back: a person decides
    # decided at sending
    SOURCE_HELD = "source-held"
    FEED_SILENT = "feed-silent"  # what may have been cancelled meanwhile cannot be known
    HELD_BY_RULE = "held-by-rule"
    MINOR = "minor"
    AGE_UNKNOWN = "age-unknown"
    NO_CONSENT = "no-consent"
    CONSENT_DENIED = "consent-denied"
    OPTED_OUT = "opted-out"
    NO_ADDRESS = "no-address"
    CHANNEL_NOT_CONFIGURED = "channel-not-configured"
    ABOVE_CEILING = "above-ceiling"
    NOT_LISTED = "recipient-not-listed"
    QUIET_HOURS = "quiet-hours"
    NO_PLAUSIBLE_WINDOW = "no-plausible-window"
    FREQUENCY_CAP = "frequency-cap"
    SUPPRESSED = "suppressed"  # the address bounced for good, or its owner complained (EM-24, EM-26)
    NO_AGREEMENT = "no-agreement"  # no business-associate agreement of the channel is on file and in force
    NO_AUTHORIZATION = "no-authorization"  # marketing without a complete one (45 CFR 164.508(c))
    RESTRICTED = "restricted"  # a restriction that was agreed to (45 CFR 164.522(a))
    NO_REPRESENTATIVE = "no-representative"  # nobody is known who may receive in the patient's stead
    REPRESENTATIVE_UNCLEAR = "representative-unclear"  # several, or a scope that only a person can read
    NOT_AS_ANNOUNCED = "not-as-announced"  # what the message speaks of has changed since it was planned
    TEMPLATE_CHANGED = "template-changed"  # since it was approved
    LEGAL_LIMIT = "legal-limit"  # hours or frequency that the law of a place sets
    HELD_BY_HAND = "held-by-hand"  # a person said that this one waits
    STOPPED = "stopped"  # a person stopped it: everything, a channel, a rule, a facility's day
    NO_VERIFIED_TLS = "no-verified-tls"  # the mailbox cannot be reached under the encryption it needs (EM-01)
    PACED = "paced"  # the provider takes no more at the moment
    # of the occurrence or the rule set
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    NO_LONGER_MATCHES = "no-longer-matches"
    RULE_RETIRED = "rule-retired"
    NO_PATIENT = "no-patient"  # a row's identifiers name nobody who is known: it makes no patient
    SEVERAL_PATIENTS = "several-patients"  # a row's identifiers name different people: it is about none of them
    HOLDOUT = "holdout"  # of the share that a campaign writes nothing to, so that its effect can be measured
    CAMPAIGN_NOT_APPROVED = "campaign-not-approved"  # nobody has approved what a dry run of this very campaign showed
    CAMPAIGN_STOPPED = "campaign-stopped"  # it left its envelope, or a person stopped it
    CAMPAIGN_VOLUME = "campaign-volume"  # as many as this hour, this day or its ramp-up allow
    NOT_IN_EFFECT = "not-in-effect"  # outside the rule's `effective`
    CANCELLED_BY_EVENT = "cancelled-by-event"  # the rule's `cancel`: something else made it needless
    OFFSET_PAST = "offset-past"
    # of the attempt
    RENDER_FAILED = "render-failed"
    UNREADABLE = "unreadable"  # sealed content or consent could not be read: fail closed
    CHANNEL_UNAVAILABLE = "channel-unavailable"
    REFUSED = "refused"
    OUTCOME_UNKNOWN = "outcome-unknown"
    BOUNCED = "bounced"  # accepted, and sent back for good
    UNDELIVERED = "undelivered"  # accepted, and the carrier gave it up
    SILENT = "silent"  # nothing says that it arrived, and its rule has the next channel follow
    COMPLAINED = "complained"  # reported as unwanted (ARF)
    WITHDRAWN_BY_HAND = "withdrawn-by-hand"
    PATIENT_ERASED = "patient-erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The gate has nothing against it."""

    gate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Not now: `released_by` names what would release it; `until` when to look again (None: only a person).

    `detail`: the facts or the line that decided, never a value.
    """

    gate: str
    reason: Reason
    released_by: str
    until: Millis | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """Not ever, as things stand."""

    gate: str
    reason: Reason


Verdict = Permit | Hold | Deny

_MINT = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """Proof that every gate permitted; bound to one request, contact point, rule version and template.

    Only `gateway.policy.decide` can make one: anything else lacks the mint and is refused.
    """

    request: int
    patient: int
    channel: str
    contact_point: int
    rule: str
    ruleset: int
    template_digest: str
    reveals: tuple[str, ...]
    decided: Millis
    mint: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.mint is not _MINT:
            raise PermissionError("only policy.decide() makes a clearance")
