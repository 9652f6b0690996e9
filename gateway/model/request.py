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


class RequestKind(StrEnum):
    """What planned the send: a rule, or one of law 3's built-in kinds."""

    RULE = "rule"


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
