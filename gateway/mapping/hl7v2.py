"""The HL7 v2 reader: bytes in, a Reading out, whatever the bytes are; pure, and it never raises on foreign input."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.er7.bounds import CACHED, MOST_GROUPS, too_many
from gateway.er7.continuation import fragment_of
from gateway.er7.header import Header, read_header
from gateway.er7.reader import Message, parse
from gateway.mapping.envelope import ACKNOWLEDGEMENT, check_control_id, check_header, check_type, first_of, type_of
from gateway.mapping.events import Heard, Plan
from gateway.mapping.feed import Feed
from gateway.mapping.moments import moments_of
from gateway.mapping.orders import DecidedPlan
from gateway.mapping.pack import Family, Pack
from gateway.mapping.schema import Trigger
from gateway.mapping.scope import message_zone
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Fragment, PatientEvent, Place, RawMessage, Reading

_ABSENT = ("",) * 13  # MSH-3 to MSH-12 are read by position
# The PATIENT group is optional (C10 SIU_S12, C7 ORU_R01, C4 ORM_O01, OMP_O09, RDE_O11, RDS_O13; SI-20).
_PATIENT_OPTIONAL = frozenset({"SIU", "ORU", "ORM", "OMP", "RDE", "RDS"})
_NO_EVENTS: tuple[PatientEvent, ...] = ()
_NUMBERED = Place("MSH", 1, 13)
_DIGITS = 15  # of an NM (C2A)


@dataclass(slots=True, kw_only=True)
class _Told:
    """What is known of a message so far; a refusal keeps it, so that the answer can name the message."""

    type: str = ""
    control_id: str = ""
    control_key: str | None = None
    body_key: bytes = b""
    processing_id: str = ""
    sequence: int | None = None
    fragment: Fragment | None = None


class Hl7v2Reader:
    """Reads and maps the messages of one feed under one pack.

    `facts`: the vocabulary facts that active rules, templates and gates use; nothing else about a visit is
    even extracted (law 5). None keeps all. Demographics are always read: the directory needs them. The plan of a
    message type is compiled at its first message: few feeds send many of them, and `load_pack` found what cannot work.
    """

    def __init__(self, pack: Pack, feed: Feed, *, facts: frozenset[str] | None = None) -> None:
        self._feed = feed
        self._ignored: dict[str, str] = {}
        self._plans: dict[str, Plan | DecidedPlan] = {}
        self._mapped: dict[str, tuple[Family, Trigger]] = {}
        self._pack, self._facts = pack, feed.keeps(facts)
        for family in pack.families.values():
            for type_, trigger in family.messages.items():
                if trigger.ignored is not None:
                    self._ignored[type_] = trigger.ignored
                else:
                    self._mapped[type_] = family, trigger

    def compile(self) -> None:
        """Compile every plan now: a gateway that listens starts a little later, and no message waits for its type's plan."""
        for type_ in self._mapped.keys() - self._plans.keys():
            self._compiled(type_)

    def _compiled(self, type_: str) -> Plan | DecidedPlan | None:
        """The plan of a message type nobody sent before; None when nothing maps it."""
        if type_ not in self._mapped:
            return None
        plan = self._plans[type_] = self._plan(*self._mapped[type_], self._pack, self._facts)
        return plan

    def _plan(self, family: Family, trigger: Trigger, pack: Pack, facts: frozenset[str] | None) -> Plan | DecidedPlan:
        return (DecidedPlan if trigger.when else Plan)(family, trigger, pack, facts)

    def __call__(self, message: RawMessage) -> Reading:
        """Read one message (C2 §2.9.2): understood, ignored for a reason, or refused with AR or AE and the fault."""
        told = _Told(body_key=message.body)
        try:
            return self._read(message, told)
        except Unreadable as refusal:
            return _reading(told, faults=(refusal.fault,), ack=refusal.ack)

    def _read(self, message: RawMessage, told: _Told) -> Reading:
        header = read_header(message.body)
        fields = (*header.fields, *_ABSENT)
        encoding = fields[2]
        if len(fields[9]) + len(fields[11]) + len(fields[12]) > CACHED:
            raise Unreadable(
                Fault(code=104, rule="a code in the header is too long", place=Place("MSH", 1, 9)), AckCode.AE
            )
        told.type = type_ = type_of(fields[9], encoding)
        told.control_id = control_id = header.control_id
        told.processing_id = first_of(fields[11], encoding)
        told.control_key = control_key(header, control_id)
        if self._feed.ignore_msh7_in_duplicates:
            told.body_key = without_time(message.body, header)
        plan = self._plans.get(type_) or self._compiled(type_)
        if plan is None and is_acknowledgement(type_, message.body, header):
            return _reading(told, ignored=ACKNOWLEDGEMENT)
        if message.sequenced:
            told.sequence = sequence_of(header)
            if told.sequence <= 0:
                return _reading(told, ignored="the sender (re)starts its numbers")  # D-10: nothing else is looked at
        if plan is None and type_ not in self._ignored:
            check_type(type_)
        warnings = check_header(fields[11], fields[12], encoding)
        check_control_id(control_id)
        if plan is None:
            return self._unused(told, warnings)
        return self._understood(plan, message, header, told, warnings)

    def _parsed(self, raw: RawMessage, header: Header) -> Message:
        feed = self._feed
        return parse(
            raw.body,
            default_charset=feed.charset,
            fallbacks=feed.charset_fallbacks,
            header=header,
            charset=raw.charset,
        )

    def _unused(self, told: _Told, warnings: tuple[Fault, ...]) -> Reading:
        """A standard message nothing here uses: ignored so that the sender's queue goes on, unless strict (A-06)."""
        if told.type in self._ignored:
            return _reading(told, ignored=self._ignored[told.type], faults=warnings)
        if self._feed.strict_types:
            code = 201 if any(type_[:3] == told.type[:3] for type_ in self._mapped) else 200
            fault = Fault(code=code, rule="this feed refuses what it does not map", place=Place("MSH", 1, 9))
            raise Unreadable(fault, AckCode.AR)
        return _reading(told, ignored=f"{told.type} is not mapped", faults=warnings)

    def _understood(
        self, plan: Plan | DecidedPlan, raw: RawMessage, header: Header, told: _Told, warnings: tuple[Fault, ...]
    ) -> Reading:
        feed = self._feed
        message = self._parsed(raw, header)
        if "MSA" in message:
            return _reading(told, ignored=ACKNOWLEDGEMENT)
        if "DSC" in message or header.raw(14):
            told.fragment = fragment_of(message)
            if told.fragment is not None and (told.fragment.continued or "PID" not in message):
                return _reading(told, faults=warnings)  # half a message is never read as a whole (B-07)
        patients = message.patients()
        sent = header.raw(7)
        if not sent.isdigit():
            sent = header.time  # an offset, or components to cut (T-05)
        zone = message_zone(sent, feed.zone)
        moments, faults = moments_of(message, sent, zone, raw.received)
        found, several = Heard(faults=faults), len(patients) > 1
        if not patients:
            plan.read_without_patient(message, feed, moments, found, zone=zone)
            if not found.events:
                return _without_patient(told, warnings)
        for place, group in enumerate(patients, 1):
            plan.read(group, feed, moments, found, zone=zone, place=place, several=several)
            if len(found.events) + len(found.reasons) > MOST_GROUPS:
                raise too_many("PID")
        ignored = None if found.events else found.reasons[0]
        return _reading(told, events=tuple(found.events), ignored=ignored, faults=(*warnings, *found.faults))


def control_key(header: Header, control_id: str) -> str | None:
    """Sending application, facility and control id, joined (D-01); None when MSH-10 is empty (D-05)."""
    return f"{header.fields[3]}\x1f{header.fields[4]}\x1f{control_id}" if control_id else None


def without_time(body: bytes, header: Header) -> bytes:
    """The body with MSH-7 blank: senders may restamp it on a resend (D-03)."""
    sent = header.raw(7)
    if not sent:
        return body
    separator = header.fields[1]
    return body.replace(f"{separator}{sent}{separator}".encode("latin-1"), f"{separator * 2}".encode("latin-1"), 1)


def is_acknowledgement(type_: str, body: bytes, header: Header) -> bool:
    """Whether it answers a message of ours: an ACK, or anything with an MSA segment (A-17)."""
    if type_.startswith("ACK"):
        return True
    mark = b"MSA" + header.separators.field.encode("latin-1")
    return b"\r" + mark in body or b"\n" + mark in body


def sequence_of(header: Header) -> int:
    """MSH-13 on a link with the sequence number protocol: positive, 0 or -1 (C2 §2.10.1).

    Raises Unreadable (AE) at MSH-13: 101 when it is missing, 102 when it is no such number.
    """
    told = header.get(13).strip(" ")
    if not told:
        raise Unreadable(Fault(code=101, rule="the sequence number is missing", place=_NUMBERED), AckCode.AE)
    if told != "-1" and not (told.isascii() and told.isdecimal() and len(told) <= _DIGITS):
        raise Unreadable(Fault(code=102, rule="the sequence number is none", place=_NUMBERED), AckCode.AE)
    return int(told)


def _without_patient(told: _Told, warnings: tuple[Fault, ...]) -> Reading:
    if told.type[:3] in _PATIENT_OPTIONAL:
        return _reading(told, ignored="no patient in the message", faults=warnings)  # SI-20
    fault = Fault(code=100, rule="the PID segment is missing", place=Place("PID", 1))
    raise Unreadable(fault, AckCode.AE)


def _reading(
    told: _Told,
    *,
    events: tuple[PatientEvent, ...] = _NO_EVENTS,
    ignored: str | None = None,
    faults: tuple[Fault, ...] = (),
    ack: AckCode = AckCode.AA,
) -> Reading:
    return Reading(
        type=told.type,
        control_id=told.control_id,
        control_key=told.control_key,
        body_key=told.body_key,
        processing_id=told.processing_id,
        events=events,
        ignored=ignored,
        noticed=faults,
        ack=ack,
        sequence=told.sequence,
        fragment=told.fragment,
    )
