"""What each kind of occurrence is called and may be: the names of its structural facts, and FHIR's statuses for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.model.event import OccurrenceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a mapping is `about`. `starts`, `ends`: the facts that are its start and end; `statuses`: its FHIR R4 value set."""

    prefix: str
    starts: str = ""
    ends: str = ""
    statuses: frozenset[str] = frozenset()

    @property
    def structural(self) -> tuple[str, str, str, str]:
        """The facts that are also the occurrence's start, end, place and status."""
        return (self.starts, self.ends, f"{self.prefix}.location", f"{self.prefix}.status")


def _of(kind: OccurrenceKind, starts: str, statuses: str, *, ends: str = "end") -> Subject:
    prefix = kind.prefix
    return Subject(
        prefix=prefix, starts=f"{prefix}.{starts}", ends=f"{prefix}.{ends}", statuses=frozenset(statuses.split())
    )


_REQUEST = "draft active on-hold revoked completed entered-in-error unknown"  # FHIR request-status

# A Patient has no status, and its events are about no occurrence. Medication dispenses, documents,
# vaccinations and what is recommended of them have the statuses that their events can bring.
SUBJECTS: Mapping[str, Subject] = {
    "Appointment": _of(
        OccurrenceKind.APPOINTMENT,
        "start",
        "proposed pending booked arrived checked-in fulfilled cancelled noshow entered-in-error waitlist",
    ),
    "Encounter": _of(
        OccurrenceKind.ENCOUNTER,
        "start",
        "planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown",
    ),
    "Patient": Subject(prefix="patient"),
    "DiagnosticReport": _of(
        OccurrenceKind.DIAGNOSTIC_REPORT,
        "issued",
        "registered partial preliminary final amended corrected appended cancelled entered-in-error unknown",
    ),
    "MedicationRequest": _of(
        OccurrenceKind.MEDICATION_REQUEST,
        "written",
        "active on-hold cancelled completed entered-in-error stopped draft unknown",
    ),
    "MedicationDispense": _of(
        OccurrenceKind.MEDICATION_DISPENSE,
        "dispensed",
        "preparation in-progress cancelled on-hold completed entered-in-error stopped declined unknown",
    ),
    "DocumentReference": _of(
        OccurrenceKind.DOCUMENT_REFERENCE, "written", "preliminary current superseded entered-in-error"
    ),
    "Immunization": _of(OccurrenceKind.IMMUNIZATION, "given", "completed entered-in-error not-done"),
    "ImmunizationRecommendation": _of(OccurrenceKind.IMMUNIZATION_RECOMMENDATION, "due", "active entered-in-error"),
    "Observation": _of(
        OccurrenceKind.OBSERVATION,
        "issued",
        "registered preliminary final amended corrected cancelled entered-in-error unknown",
    ),
    "ServiceRequest": _of(OccurrenceKind.SERVICE_REQUEST, "start", _REQUEST),
    "CarePlan": _of(OccurrenceKind.CARE_PLAN, "start", _REQUEST),
    "Condition": _of(
        OccurrenceKind.CONDITION, "recorded", "active recurrence relapse inactive remission resolved entered-in-error"
    ),
    "Coverage": _of(OccurrenceKind.COVERAGE, "start", "active cancelled draft entered-in-error"),
    "DeviceRequest": _of(OccurrenceKind.DEVICE_REQUEST, "written", _REQUEST),
    "QuestionnaireResponse": _of(
        OccurrenceKind.QUESTIONNAIRE_RESPONSE, "answered", "in-progress completed amended entered-in-error stopped"
    ),
    "CommunicationRequest": _of(OccurrenceKind.COMMUNICATION_REQUEST, "start", _REQUEST),
    # What rows of tables tell; an offer is no resource, and has the words of a plan.
    "Group": _of(OccurrenceKind.GROUP, "entered", "active inactive"),
    "Offer": _of(OccurrenceKind.OFFER, "starts", "active cancelled", ends="ends"),
    "Device": _of(OccurrenceKind.DEVICE, "upgrade_due", "active inactive entered-in-error unknown"),
    "InsurancePlan": _of(OccurrenceKind.INSURANCE_PLAN, "renewal_due", "draft active retired unknown"),
}
