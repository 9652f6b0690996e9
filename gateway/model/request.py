"""A planned send and its attempts, with FHIR's own status words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.model.when import Millis


class RequestStatus(StrEnum):
    """FHIR request-status; the active ones are the outbox."""

    ACTIVE = "active"
    ON_HOLD = "on-hold"
    REVOKED = "revoked"
    COMPLETED = "completed"
    ENTERED_IN_ERROR = "entered-in-error"


class CommunicationStatus(StrEnum):
    """FHIR event-status of one attempt."""

    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"  # handed over; a receipt may follow
    NOT_DONE = "not-done"  # provably not accepted
    STOPPED = "stopped"  # refused for good
    UNKNOWN = "unknown"


class Protection(StrEnum):
    """What guarded a message on its way: what is not known was not guarded (45 CFR 164.402 "unsecured")."""

    VERIFIED_TLS = "verified-tls"  # to the mailbox's own server, its certificate verified
    RELAY_TLS = "relay-tls"  # to our relay; how it went on from there is not known
    OPEN = "open"  # in the clear: text messages always, mail by the person's choice
    PORTAL = "portal"  # it never left; it was read over HTTPS

    @property
    def encrypted(self) -> bool:
        """Whether it was unreadable to others the whole way."""
        return self in (Protection.VERIFIED_TLS, Protection.PORTAL)


class RequestKind(StrEnum):
    """What planned the send: a rule, or one of law 3's built-in kinds."""

    RULE = "rule"
    OPT_OUT_CONFIRMATION = "opt-out-confirmation"  # 47 CFR 64.1200(a)(12): one, within five minutes
    HELP_REPLY = "help-reply"  # what HELP and texts nobody reads automatically are answered with
    CODE = "code"  # a log-in code, to a contact point other than the link's
    PICK_UP_NOTICE = "pick-up-notice"  # that something waits in the portal; no PHI (EM-10)


class Priority(StrEnum):
    """Lane of the outbox, most urgent first."""

    CLINICAL = "clinical"
    ROUTINE = "routine"
    MARKETING = "marketing"

    @property
    def lane(self) -> int:
        """0 for the most urgent; the order of the outbox index."""
        return (Priority.CLINICAL, Priority.ROUTINE, Priority.MARKETING).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicationRequest:
    """A planned send. `step` is the rule's offset as written ("7d"); times are Millis UTC."""

    id: int
    patient: int
    occurrence: int | None
    rule: str
    ruleset: int
    step: str
    material_version: int
    status: RequestStatus
    reason: str | None
    priority: int
    due: Millis
    expires: Millis | None
    fence: int
