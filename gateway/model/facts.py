"""The fact vocabulary: the whole list of what a rule, template or gate may know about an event.

Structural fields that are kept whatever the rules say (law 5): subject token, occurrence key (keyed
digest), source version, status, start and end, facility, source row key. Everything else here is kept
only while an active rule, template or gate names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum

from gateway.model.when import When


class FactType(StrEnum):
    """What kind of value a fact has, hence which conditions it takes."""

    CODE = "code"
    INTEGER = "integer"
    DATE = "date"
    DATETIME = "datetime"
    TEXT = "text"
    YESNO = "yesno"


class Sensitivity(IntEnum):
    """How much a value tells about a person's health; channels have a ceiling of it per purpose."""

    PUBLIC = 0  # about the organisation, not the person
    ORDINARY = 1  # identifies a patient or an unremarkable contact with care
    SENSITIVE = 2  # tells a condition, a test, a medicine
    PROTECTED = 3  # 42 CFR Part 2, psychotherapy, HIV, reproductive; and everything unmapped


FactValue = str | int | bool | date | When
UNMAPPED = "unmapped"  # what a code becomes when no table knows it: of the highest sensitivity


@dataclass(frozen=True, slots=True)
class Fact:
    """One vocabulary entry. `computed` facts are derived at matching or sending, never stored."""

    name: str
    type: FactType
    sensitivity: Sensitivity
    meaning: str
    citation: str
    computed: bool = False


def _vocabulary(*facts: Fact) -> dict[str, Fact]:
    return {fact.name: fact for fact in facts}


REFERENCE = "event.reference"
"""The URL of the resource that told an occurrence; kept, whatever rules say, where that server is told what was sent about it."""

ROW_KEY = "event.row_key"
"""The source's own key of the row that told an occurrence; kept, whatever rules say: by it the row's end and what came of it are told."""

_C, _I, _D, _T, _X, _Y = (
    FactType.CODE,
    FactType.INTEGER,
    FactType.DATE,
    FactType.DATETIME,
    FactType.TEXT,
    FactType.YESNO,
)
_PUB, _ORD, _SEN, _PRO = Sensitivity

VOCABULARY: dict[str, Fact] = _vocabulary(
    # -- the person, from the directory
    Fact(
        "patient.given_name",
        _X,
        _ORD,
        "name to greet with: preferred, else legal",
        "PID-5.2, XPN.7, Patient.name; PI-04",
    ),
    Fact("patient.family_name", _X, _ORD, "family name", "PID-5.1, Patient.name"),
    Fact(
        "patient.age", _I, _ORD, "completed years at the moment asked", "PID-7, Patient.birthDate; PI-14", computed=True
    ),
    Fact("patient.language", _C, _ORD, "language of communication, BCP 47", "PID-15, Patient.communication; PI-11"),
    Fact("patient.state", _C, _ORD, "state of residence, postal code letters", "PID-11.4, Patient.address"),
    Fact("patient.inpatient", _Y, _ORD, "an inpatient visit is open now", "PV1-2, A01/A03", computed=True),
    Fact(
        "patient.has_email",
        _Y,
        _ORD,
        "a usable e-mail address is known",
        "PID-13, Patient.telecom; PI-07",
        computed=True,
    ),
    # -- an appointment
    Fact("appointment.start", _T, _ORD, "when it begins", "SCH-11.4, TQ1-7, AIS-4, Appointment.start; SI-23"),
    Fact("appointment.end", _T, _ORD, "when it ends", "SCH-11.5, TQ1-8, Appointment.end"),
    Fact("appointment.status", _C, _ORD, "FHIR appointment status", "SCH-25, table 0278, Appointment.status; SI-25"),
    Fact("appointment.location", _C, _ORD, "configured location id", "AIL-3, PV1-3, Appointment.participant"),
    Fact(
        "appointment.service",
        _C,
        _ORD,
        "service category by code table",
        "AIS-3, SCH-8, PV1-10, Appointment.serviceType; PV-08",
    ),
    Fact("appointment.practitioner", _X, _ORD, "name of the practitioner seen", "AIP-3, Appointment.participant"),
    Fact("appointment.duration", _I, _ORD, "length in minutes", "SCH-9/10, Appointment.minutesDuration; SI-29"),
    Fact("appointment.answer", _C, _ORD, "what the patient answered: confirmed, cancel-asked, …", "SM-09; a reply"),
    Fact("appointment.answered", _T, _ORD, "when the patient answered", "a reply"),
    # -- a visit
    Fact("encounter.class", _C, _ORD, "inpatient, outpatient, emergency, …", "PV1-2, table 0004, Encounter.class"),
    Fact("encounter.status", _C, _ORD, "FHIR encounter status", "ADT trigger, Encounter.status; AD-01 to AD-35"),
    Fact("encounter.start", _T, _ORD, "when it began", "PV1-44, Encounter.period"),
    Fact("encounter.end", _T, _ORD, "when it ended", "PV1-45, Encounter.period; AD-35"),
    Fact("encounter.location", _C, _ORD, "configured location id", "PV1-3"),
    Fact("encounter.service", _C, _ORD, "hospital service by code table", "PV1-10, Encounter.serviceType; PV-08"),
    Fact(
        "encounter.disposition",
        _C,
        _ORD,
        "where the patient went: home, transfer, expired, …",
        "PV1-36, table 0112, Encounter.hospitalization",
    ),
    # -- a result (its values are never kept)
    Fact("result.code", _C, _SEN, "kind of test by code table", "OBR-4, DiagnosticReport.code; PV-08"),
    Fact(
        "result.status",
        _C,
        _ORD,
        "FHIR diagnostic report status",
        "OBR-25, OBX-11, DiagnosticReport.status; OR-01 to OR-03",
    ),
    Fact("result.abnormal", _Y, _SEN, "whether any value is flagged", "OBX-8, Observation.interpretation; OR-09"),
    Fact("result.issued", _T, _ORD, "when the report got its status", "OBR-22, DiagnosticReport.issued; OR-03"),
    Fact("result.location", _C, _ORD, "configured location id", "PV1-3"),
    # -- a prescription and what was dispensed of it
    Fact(
        "prescription.drug",
        _X,
        _SEN,
        "name of the medicine",
        "RXE-2, RXO-1, RXD-2, MedicationRequest.medication[x]; RX-04",
    ),
    Fact(
        "prescription.status",
        _C,
        _ORD,
        "FHIR medication request or dispense status",
        "ORC-1, table 0119, MedicationRequest.status; RX-03",
    ),
    Fact(
        "prescription.refills_remaining", _I, _ORD, "refills that remain; not told is unknown", "RXE-16, RXD-8; RX-01"
    ),
    Fact("prescription.written", _T, _ORD, "when it was ordered", "ORC-9, RXE-32, MedicationRequest.authoredOn"),
    Fact(
        "prescription.dispensed", _T, _ORD, "when it was dispensed", "RXD-3, MedicationDispense.whenHandedOver; RX-02"
    ),
    Fact("prescription.supply_ends", _T, _SEN, "when what was supplied is used up", "MedicationDispense.daysSupply"),
    Fact("prescription.location", _C, _ORD, "configured location id", "PV1-3"),
    # -- a document
    Fact("document.type", _C, _SEN, "kind of document by code table", "TXA-2, table 0270; PV-08"),
    Fact("document.status", _C, _ORD, "FHIR document status", "TXA-17, TXA-19; DO-01"),
    Fact("document.written", _T, _ORD, "when it was written", "TXA-6, TXA-4"),
    Fact("document.location", _C, _ORD, "configured location id", "PV1-3"),
    # -- a vaccination
    Fact(
        "immunization.vaccine", _C, _SEN, "kind of vaccine by code table", "RXA-5, Immunization.vaccineCode, CVX; VX-01"
    ),
    Fact("immunization.status", _C, _ORD, "FHIR immunization status", "RXA-20, RXA-21, Immunization.status; VX-01"),
    Fact("immunization.given", _T, _ORD, "when it was given", "RXA-3, Immunization.occurrence[x]"),
    Fact("immunization.location", _C, _ORD, "configured location id", "PV1-3"),
    Fact("immunization.due", _T, _SEN, "when the next dose is due", "ImmunizationRecommendation dateCriterion"),
    # -- a single observation, such as a measurement (its value is never kept)
    Fact("observation.code", _C, _SEN, "kind of observation by code table", "Observation.code; PV-08"),
    Fact("observation.status", _C, _ORD, "FHIR observation status", "Observation.status; Q-12"),
    Fact("observation.abnormal", _Y, _SEN, "whether it is flagged", "Observation.interpretation; OR-09"),
    Fact("observation.issued", _T, _ORD, "when it got its status", "Observation.issued"),
    # -- an order for a service
    Fact("order.code", _C, _SEN, "kind of service by code table", "ServiceRequest.code; PV-08"),
    Fact("order.status", _C, _ORD, "FHIR request status", "ServiceRequest.status"),
    Fact("order.written", _T, _ORD, "when it was ordered", "ServiceRequest.authoredOn"),
    Fact("order.start", _T, _ORD, "when it is to happen", "ServiceRequest.occurrence[x]"),
    Fact("order.location", _C, _ORD, "configured location id", "ServiceRequest.locationReference"),
    # -- a care plan
    Fact("careplan.category", _C, _SEN, "kind of plan by code table", "CarePlan.category; PV-08"),
    Fact("careplan.status", _C, _ORD, "FHIR request status", "CarePlan.status"),
    Fact("careplan.start", _T, _ORD, "when it begins", "CarePlan.period"),
    Fact("careplan.end", _T, _ORD, "when it ends", "CarePlan.period"),
    # -- a condition
    Fact("condition.code", _C, _SEN, "kind of condition by code table", "Condition.code; PV-08"),
    Fact("condition.status", _C, _SEN, "FHIR clinical status", "Condition.clinicalStatus"),
    Fact("condition.recorded", _T, _ORD, "when it was recorded", "Condition.recordedDate"),
    # -- insurance
    Fact("coverage.status", _C, _ORD, "FHIR coverage status", "Coverage.status"),
    Fact("coverage.start", _T, _ORD, "when it begins", "Coverage.period"),
    Fact("coverage.end", _T, _ORD, "when it ends", "Coverage.period"),
    # -- an order for a device
    Fact("device.code", _C, _SEN, "kind of device by code table", "DeviceRequest.code; PV-08"),
    Fact("device.status", _C, _ORD, "FHIR request status", "DeviceRequest.status"),
    Fact("device.written", _T, _ORD, "when it was ordered", "DeviceRequest.authoredOn"),
    # -- a questionnaire the patient answered (answers are never kept)
    Fact("questionnaire.code", _C, _SEN, "which one by code table", "QuestionnaireResponse.questionnaire; PV-08"),
    Fact("questionnaire.status", _C, _ORD, "FHIR questionnaire response status", "QuestionnaireResponse.status"),
    Fact("questionnaire.answered", _T, _ORD, "when it was answered", "QuestionnaireResponse.authored"),
    # -- what another system asks us to tell the patient
    Fact("communication.category", _C, _SEN, "what it is about by code table", "CommunicationRequest.category; PV-08"),
    Fact("communication.status", _C, _ORD, "FHIR request status", "CommunicationRequest.status; W-02"),
    Fact("communication.start", _T, _ORD, "not before this", "CommunicationRequest.occurrence[x]; W-02"),
    # -- membership in an audience of a customer data platform (never a consent; SN-05)
    Fact("audience.name", _C, _SEN, "which audience by code table", "a column; SN-03"),
    Fact("audience.segment", _C, _SEN, "which segment of it by code table", "a column"),
    Fact("audience.status", _C, _ORD, "active or inactive", "Group.member.inactive; SN-03"),
    Fact("audience.entered", _T, _ORD, "when they entered it", "a column; Group.member.period"),
    # -- an offer of a product
    Fact("offer.product", _C, _PUB, "what is offered by code table, which says how sensitive it is", "a column"),
    Fact("offer.campaign", _C, _PUB, "the platform's own campaign by code table", "a column"),
    Fact("offer.status", _C, _ORD, "active or cancelled", "a column"),
    Fact("offer.starts", _T, _PUB, "from when it is valid", "a column"),
    Fact("offer.ends", _T, _PUB, "until when it is valid", "a column"),
    # -- equipment that may be renewed
    Fact("device.kind", _C, _SEN, "what the person has by code table", "a column; Device.type"),
    Fact("device.product", _C, _SEN, "what it may be replaced by, by code table", "a column"),
    Fact("device.upgrade_due", _T, _ORD, "from when it may be replaced", "a column"),
    # -- a plan that runs out
    Fact("plan.name", _C, _ORD, "which plan by code table", "a column; InsurancePlan.name"),
    Fact("plan.status", _C, _ORD, "active or retired", "a column; InsurancePlan.status"),
    Fact("plan.renewal_due", _T, _ORD, "by when it must be renewed", "a column; InsurancePlan.period"),
    # -- the event itself
    Fact("event.occurred", _T, _ORD, "when it happened", "EVN-6, EVN-2, MSH-7; AD-36", computed=True),
    Fact(ROW_KEY, _X, _PRO, "the key of the row it came from", "design law 5; SN-39"),
    Fact(REFERENCE, _X, _PRO, "the FHIR resource it came from, where its server is written back to", "W-01"),
)

WHEN_DUE: frozenset[str] = frozenset({"patient.inpatient", "patient.has_email"})
"""Facts that are looked at when a message is due and never at planning: only `hold` can ask for them."""
