"""What a feed said: the raw message, what it means for one patient, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from typing import NamedTuple

from gateway.model.consent import ConsentStatement
from gateway.model.facts import FactValue
from gateway.model.frozen import value
from gateway.model.party import Demographics, Identifier, RepresentativeStatement
from gateway.model.verdict import Reason
from gateway.model.when import Millis, When


class Format(StrEnum):
    """What the bytes of a raw message are, hence which reader maps them."""

    HL7V2 = "hl7v2"
    FHIR = "fhir"  # one resource as JSON, or a history Bundle with the one DELETE it tells
    TABLE = (
        "table"  # one row of a table as a JSON object of columns, or the key of one that is gone (`gateway.rowjson`)
    )


class Release(StrEnum):
    """The release of FHIR a source speaks; R4 on the wire is read with R4B's classes."""

    STU3 = "STU3"
    R4 = "R4"
    R4B = "R4B"
    R5 = "R5"


class EventKind(StrEnum):
    """The closed set of event kinds; a rule cannot tell from which standard one came."""

    APPOINTMENT_BOOKED = "appointment.booked"
    APPOINTMENT_RESCHEDULED = "appointment.rescheduled"
    APPOINTMENT_MODIFIED = "appointment.modified"
    APPOINTMENT_CANCELLED = "appointment.cancelled"
    APPOINTMENT_DELETED = "appointment.deleted"
    APPOINTMENT_MISSED = "appointment.missed"
    ENCOUNTER_ADMITTED = "encounter.admitted"
    ENCOUNTER_REGISTERED = "encounter.registered"
    ENCOUNTER_DISCHARGED = "encounter.discharged"
    ENCOUNTER_UPDATED = "encounter.updated"
    ENCOUNTER_ADMISSION_CANCELLED = "encounter.admission-cancelled"
    ENCOUNTER_DISCHARGE_CANCELLED = "encounter.discharge-cancelled"
    ENCOUNTER_PREADMITTED = "encounter.preadmitted"
    ENCOUNTER_PREADMISSION_CANCELLED = "encounter.preadmission-cancelled"
    ENCOUNTER_TRANSFERRED = "encounter.transferred"
    ENCOUNTER_TRANSFER_CANCELLED = "encounter.transfer-cancelled"
    ENCOUNTER_CLASS_CHANGED = "encounter.class-changed"
    ENCOUNTER_DELETED = "encounter.deleted"
    ENCOUNTER_MERGED = "encounter.merged"
    ENCOUNTER_RENUMBERED = "encounter.renumbered"
    ENCOUNTER_MOVED = "encounter.moved"
    PATIENT_ADDED = "patient.added"
    PATIENT_UPDATED = "patient.updated"
    PATIENT_MERGED = "patient.merged"
    PATIENT_LINKED = "patient.linked"
    PATIENT_UNLINKED = "patient.unlinked"
    PATIENT_DELETED = "patient.deleted"
    PATIENT_IDENTIFIER_CHANGED = "patient.identifier-changed"
    PATIENT_IDENTIFIER_MOVED = "patient.identifier-moved"
    RESULT_PENDING = "result.pending"
    RESULT_AVAILABLE = "result.available"
    RESULT_CORRECTED = "result.corrected"
    RESULT_RETRACTED = "result.retracted"
    PRESCRIPTION_NEW = "prescription.new"
    PRESCRIPTION_CHANGED = "prescription.changed"
    PRESCRIPTION_RENEWED = "prescription.renewed"
    PRESCRIPTION_NO_REFILLS_LEFT = "prescription.no-refills-left"
    PRESCRIPTION_CANCELLED = "prescription.cancelled"
    PRESCRIPTION_DISCONTINUED = "prescription.discontinued"
    PRESCRIPTION_HELD = "prescription.held"
    PRESCRIPTION_RESUMED = "prescription.resumed"
    PRESCRIPTION_COMPLETED = "prescription.completed"
    PRESCRIPTION_DISPENSED = "prescription.dispensed"
    PRESCRIPTION_DISPENSE_CANCELLED = "prescription.dispense-cancelled"
    DOCUMENT_PENDING = "document.pending"
    DOCUMENT_AVAILABLE = "document.available"
    DOCUMENT_WITHDRAWN = "document.withdrawn"
    IMMUNIZATION_GIVEN = "immunization.given"
    IMMUNIZATION_RETRACTED = "immunization.retracted"
    IMMUNIZATION_RECOMMENDED = "immunization.recommended"
    IMMUNIZATION_RECOMMENDATION_WITHDRAWN = "immunization.recommendation-withdrawn"
    OBSERVATION_PENDING = "observation.pending"
    OBSERVATION_AVAILABLE = "observation.available"
    OBSERVATION_CORRECTED = "observation.corrected"
    OBSERVATION_RETRACTED = "observation.retracted"
    ORDER_PLACED = "order.placed"
    ORDER_HELD = "order.held"
    ORDER_COMPLETED = "order.completed"
    ORDER_CANCELLED = "order.cancelled"
    CAREPLAN_STARTED = "careplan.started"
    CAREPLAN_HELD = "careplan.held"
    CAREPLAN_COMPLETED = "careplan.completed"
    CAREPLAN_CANCELLED = "careplan.cancelled"
    CONDITION_RECORDED = "condition.recorded"
    CONDITION_RESOLVED = "condition.resolved"
    CONDITION_RETRACTED = "condition.retracted"
    COVERAGE_RECORDED = "coverage.recorded"
    COVERAGE_CANCELLED = "coverage.cancelled"
    DEVICE_ORDERED = "device.ordered"
    DEVICE_HELD = "device.held"
    DEVICE_COMPLETED = "device.completed"
    DEVICE_CANCELLED = "device.cancelled"
    QUESTIONNAIRE_ANSWERED = "questionnaire.answered"
    QUESTIONNAIRE_AMENDED = "questionnaire.amended"
    QUESTIONNAIRE_RETRACTED = "questionnaire.retracted"
    COMMUNICATION_REQUESTED = "communication.requested"
    COMMUNICATION_WITHDRAWN = "communication.withdrawn"
    AUDIENCE_ENTERED = "audience.entered"
    AUDIENCE_LEFT = "audience.left"
    OFFER_AVAILABLE = "offer.available"
    OFFER_WITHDRAWN = "offer.withdrawn"
    DEVICE_UPGRADE_DUE = "device.upgrade_due"
    DEVICE_UPGRADE_WITHDRAWN = "device.upgrade_withdrawn"
    PLAN_RENEWAL_DUE = "plan.renewal_due"
    PLAN_RENEWAL_WITHDRAWN = "plan.renewal_withdrawn"

    @property
    def is_update(self) -> bool:
        """Whether the kind only changes facts and leaves the occurrence's status as it was (AD-07, SI-03)."""
        return self in _UPDATES

    @property
    def fires(self) -> bool:
        """Whether a rule may name the kind: what is not released yet is recorded and tells nobody (OR-02, DO-01)."""
        return self not in _SILENT


_UPDATES = frozenset(
    {
        EventKind.APPOINTMENT_MODIFIED,
        EventKind.ENCOUNTER_UPDATED,
        EventKind.ENCOUNTER_TRANSFERRED,
        EventKind.ENCOUNTER_TRANSFER_CANCELLED,
        EventKind.ENCOUNTER_CLASS_CHANGED,
        EventKind.ENCOUNTER_MERGED,
        EventKind.ENCOUNTER_RENUMBERED,
        EventKind.ENCOUNTER_MOVED,
        EventKind.PRESCRIPTION_CHANGED,
    }
)
_SILENT = frozenset({EventKind.RESULT_PENDING, EventKind.DOCUMENT_PENDING, EventKind.OBSERVATION_PENDING})


class OccurrenceKind(StrEnum):
    """FHIR resource type of the thing an event is about; an offer of a product has none there, and its own word."""

    APPOINTMENT = "Appointment"
    ENCOUNTER = "Encounter"
    DIAGNOSTIC_REPORT = "DiagnosticReport"
    MEDICATION_REQUEST = "MedicationRequest"
    MEDICATION_DISPENSE = "MedicationDispense"
    DOCUMENT_REFERENCE = "DocumentReference"
    IMMUNIZATION = "Immunization"
    IMMUNIZATION_RECOMMENDATION = "ImmunizationRecommendation"
    OBSERVATION = "Observation"
    SERVICE_REQUEST = "ServiceRequest"
    CARE_PLAN = "CarePlan"
    CONDITION = "Condition"
    COVERAGE = "Coverage"
    DEVICE_REQUEST = "DeviceRequest"
    QUESTIONNAIRE_RESPONSE = "QuestionnaireResponse"
    COMMUNICATION_REQUEST = "CommunicationRequest"
    GROUP = "Group"  # one person's membership in an audience
    OFFER = "Offer"
    DEVICE = "Device"
    INSURANCE_PLAN = "InsurancePlan"

    @property
    def prefix(self) -> str:
        """What the names of its facts and event kinds begin with, such as "appointment" or "result"."""
        return _PREFIXES[self]


_PREFIXES = {
    OccurrenceKind.APPOINTMENT: "appointment",
    OccurrenceKind.ENCOUNTER: "encounter",
    OccurrenceKind.DIAGNOSTIC_REPORT: "result",
    OccurrenceKind.MEDICATION_REQUEST: "prescription",
    OccurrenceKind.MEDICATION_DISPENSE: "prescription",
    OccurrenceKind.DOCUMENT_REFERENCE: "document",
    OccurrenceKind.IMMUNIZATION: "immunization",
    OccurrenceKind.IMMUNIZATION_RECOMMENDATION: "immunization",
    OccurrenceKind.OBSERVATION: "observation",
    OccurrenceKind.SERVICE_REQUEST: "order",
    OccurrenceKind.CARE_PLAN: "careplan",
    OccurrenceKind.CONDITION: "condition",
    OccurrenceKind.COVERAGE: "coverage",
    OccurrenceKind.DEVICE_REQUEST: "device",
    OccurrenceKind.QUESTIONNAIRE_RESPONSE: "questionnaire",
    OccurrenceKind.COMMUNICATION_REQUEST: "communication",
    OccurrenceKind.GROUP: "audience",
    OccurrenceKind.OFFER: "offer",
    OccurrenceKind.DEVICE: "device",
    OccurrenceKind.INSURANCE_PLAN: "plan",
}


SERIES = "series:"
"""Before the key of a recurring appointment where all its occurrences are meant (SI-21)."""


@value
class Occurrence:
    """The appointment or visit an event is about, as this one message states it.

    `key`: identity in clear ("filler|id", with namespace and participant; SI-21); only its keyed digest
    is ever stored. `status`: FHIR status of the kind (R4), None when not implied (AD-07).
    `start` also carries zone and precision. `facility`: organization or location id, for hold-by-facility.
    `replaces`: key of the one whose place it takes, if any: another number of a visit (AD-19, AD-20), an older
    version of a document (DO-01). `version`: its own time of change, where it is not the message's (OR-03).
    `also`: other keys of the very same thing, such as the logical id behind an order number, by which a delete names it.
    `parent`: key of the appointment it is a part of, behind SERIES where it is one of its occurrences (SI-22). `named`: of one that ends, every key under which its
    own children may name it.
    """

    kind: OccurrenceKind
    key: str = field(repr=False)
    status: str | None
    start: When | None = None
    end: When | None = None
    facility: str | None = None
    replaces: str | None = field(default=None, repr=False)
    version: Millis | None = None
    parent: str | None = field(default=None, repr=False)
    named: tuple[str, ...] = field(default=(), repr=False)
    also: tuple[str, ...] = field(default=(), repr=False)


@value
class RawMessage:
    """Bytes exactly as received. `control_id` is MSH-10 (for logs of ours it is keyed first).

    `sequenced`: it came on a link that speaks the sequence number protocol (D-07); never set for what is read again.
    `charset`: what the transport said the bytes are in (table 0211 or Python's name); it goes before MSH-18 (H-03).
    `baseline`: what was there before us: state is stored and nothing is planned (K-16); never set for what is read again.
    """

    source: str
    format: Format
    body: bytes = field(repr=False)
    received: Millis
    sequenced: bool = False
    charset: str | None = None
    baseline: bool = False


class Told(NamedTuple):
    """What a message says about the person. `flags` are three-state holds; `faults` what was wrong with it."""

    demographics: Demographics
    flags: Mapping[Reason, bool]
    faults: tuple[Fault, ...] = ()


class Person:
    """The person of one message, read only when somebody asks: nearly every message repeats what is known (X-06).

    `key` and `flags_key` are all that the reading depends on, raw (PHI: only their keyed digests are ever stored):
    equal keys, equal readings; `flags_key` is empty when no flag is told, and `key` when nothing is told of the person
    (a resource that only refers to them): what is known of them is then neither compared nor changed. `passing`: something is said of the
    person that belongs to this message alone (a discharge as deceased), so that it is read whatever the keys are.
    """

    __slots__ = ("_read", "_told", "flags_key", "key", "passing")

    def __init__(self, key: bytes, flags_key: bytes, read: Callable[[], Told], *, passing: bool = False) -> None:
        self.key = key
        self.flags_key = flags_key
        self.passing = passing
        self._read = read
        self._told: Told | None = None

    @classmethod
    def of(cls, demographics: Demographics, flags: Mapping[Reason, bool] | None = None) -> Person:
        """One that is known already."""
        told = Told(demographics, flags or {})
        # astuple and not repr: a repr hides the values, and people who differ would have equal keys
        key = repr(astuple(demographics)).encode()
        return cls(key, repr(sorted(told.flags.items())).encode() if flags else b"", lambda: told)

    @property
    def told(self) -> Told:
        """What is said, read now if it was not yet."""
        if self._told is None:
            self._told = self._read()
        return self._told

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What was wrong with the part about the person, as far as it was read."""
        return self._told.faults if self._told is not None else ()

    def __reduce__(self) -> tuple[Callable[..., Person], tuple[object, ...]]:
        """What is sent to another process is read before."""
        return _read_already, (self.key, self.flags_key, self.told, self.passing)

    def __repr__(self) -> str:
        return "Person(…)"


def _read_already(key: bytes, flags_key: bytes, told: Told, passing: bool) -> Person:  # pickle has places only
    return Person(key, flags_key, lambda: told, passing=passing)


@value
class PatientEvent:
    """What happened to one patient, as typed facts from the closed vocabulary.

    `identifiers`: all of the person's, at least one usable (PI-01) unless it is `by_reference`. `merged_from`: MRG side of a merge, a move
    or a change of identifiers; `kind` says which. `consents`: what CON segments say (PV-06).
    `flags`: three-state holds told by the message: True sets, False lifts, absent says nothing; those in
    `visit_flags` belong to the occurrence, the others to the person.
    `occurred`: EVN-6, else EVN-2, else MSH-7 (AD-36). `recorded`: source time that orders updates (N-06).
    `facts`: vocabulary facts of the occurrence (never directory ones); a value of CLEARED removes.
    `by_reference`: the identifiers only say where the patient is told (FHIR `Patient/12`): nobody is made of them, who is
    not known yet is fetched first; without any it is about the occurrence it names, if that is known (a delete; SI-20). `existing`: somebody who is known already, or nobody: a row of a table makes no patient,
    and one whose identifiers name several of them is about none (SN-05).
    """

    kind: EventKind
    identifiers: tuple[Identifier, ...]
    person: Person
    occurred: Millis
    recorded: Millis
    production: bool
    occurrence: Occurrence | None = None
    facts: Mapping[str, FactValue] = field(default_factory=dict, repr=False)
    cleared: frozenset[str] = frozenset()
    visit_flags: Mapping[Reason, bool] = field(default_factory=dict)
    merged_from: tuple[Identifier, ...] = ()
    consents: tuple[ConsentStatement, ...] = ()
    by_reference: bool = False
    existing: bool = False
    representatives: tuple[RepresentativeStatement, ...] = ()

    @property
    def demographics(self) -> Demographics:
        """What is said about the person."""
        return self.person.told.demographics

    @property
    def flags(self) -> Mapping[Reason, bool]:
        """The holds told about the person."""
        return self.person.told.flags


class Severity(StrEnum):
    """HL7 table 0516."""

    WARNING = "W"
    INFORMATION = "I"
    ERROR = "E"
    FATAL = "F"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a message: HL7 ERL (C2A), 1-based; None from the first part not told."""

    segment: str
    sequence: int | None = None
    field: int | None = None
    repetition: int | None = None
    component: int | None = None
    subcomponent: int | None = None

    def __str__(self) -> str:
        parts = (self.sequence, self.field, self.repetition, self.component, self.subcomponent)
        return "^".join([self.segment, *("" if part is None else str(part) for part in parts)]).rstrip("^")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong with a message: condition (table 0357), severity, place and rule, never the value."""

    code: int
    rule: str
    place: Place | None = None
    severity: Severity = Severity.ERROR


class AckCode(StrEnum):
    """HL7 table 0008."""

    AA = "AA"
    AE = "AE"
    AR = "AR"
    CA = "CA"
    CE = "CE"
    CR = "CR"


@dataclass(frozen=True, slots=True)
class Fragment:
    """A message that is a part of one (C2 §2.10.2); the first part continues none, the last is not continued.

    `continues`: MSH-14, the pointer the part before it ended with. `continued`: DSC-1. Either may be empty.
    Scoped by sending application and facility. A pointer may name a patient: only its keyed digest is ever stored.
    """

    continues: str = field(default="", repr=False)
    continued: str = field(default="", repr=False)


@value
class Reading:
    """What a reader made of one raw message; pure, nothing is stored yet.

    Exactly one of: `events` not empty (understood), `ignored` set (a standard message nothing here
    uses), or `faults` with an error in them (not readable: `ack` says which refusal the standard asks).
    Or none of them, and `fragment` set: half a message, never read as a whole (B-07). A message that is whole in
    itself may have `fragment.continues` too: senders fill MSH-14 and do not mean it.
    `sequence`: MSH-13 where the link speaks that protocol, 0 and -1 (re)start it (D-08, D-09).
    `control_key`: sending application, facility and control id joined (D-01); None when MSH-10 is empty.
    `body_key`: the bytes that identify a resend (D-03). `processing_id`: MSH-11. `noticed`: what was wrong, but
    for the part about the person, which is read later. `rest`: what to make of all else that earlier versions of this
    resource came to, of whomever (Q-06); it names nobody, and stands beside `events` and `ignored` alike.
    """

    type: str = ""
    control_id: str = ""
    control_key: str | None = None
    body_key: bytes = field(default=b"", repr=False)
    processing_id: str = "P"
    events: tuple[PatientEvent, ...] = ()
    rest: PatientEvent | None = None
    ignored: str | None = None
    noticed: tuple[Fault, ...] = ()
    ack: AckCode = AckCode.AA
    sequence: int | None = None
    fragment: Fragment | None = None

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Everything wrong with the message; reads what was not read yet."""
        return self.noticed + tuple(fault for event in self.events for fault in event.person.told.faults)


class Result(StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"
    IGNORED = "ignored"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    INCOMPLETE = "incomplete"  # stored, and waits for the rest of the message (B-07)
    FAILED = "failed"  # trouble of our own: nothing stored, the sender may resend


@value
class Outcome:
    """What the receive commit decided about one message; the acknowledgement is made from it.

    `sequence`: MSA-4 where the link speaks the sequence number protocol (D-07 to D-11). `whole`: of a part of a
    message, the control id of the first part, which the application acknowledgement names; empty while the rest is
    awaited (B-07). None: not a part.
    """

    result: Result
    ack: AckCode
    message: int | None = None
    type: str = ""
    control_id: str = ""
    events: tuple[str, ...] = ()
    reason: str | None = None
    faults: tuple[Fault, ...] = ()
    rules: tuple[str, ...] = ()
    sequence: int | None = None
    whole: str | None = None
