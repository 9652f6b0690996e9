"""A message is read and digested before its transaction opens: what it may touch is known, and a retry begins from it again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from gateway.model.event import SERIES, AckCode, Format, OccurrenceKind, PatientEvent, RawMessage, Reading
from gateway.pipeline.directory import identifier_digests, person_digests
from gateway.store.keyring import Keyring

CONSENT = "Consent"
_TYPE = lru_cache(maxsize=256)(re.compile(r"[A-Z][A-Z0-9]{2}(?:\^[A-Z][A-Z0-9]{2})?").fullmatch)
_RESOURCE = re.compile(r"([A-Z][A-Za-z]{2,40}/[A-Za-z0-9.\-]{1,64})/_history/.*", re.ASCII | re.DOTALL)
_RESOURCES = frozenset({"Patient", CONSENT, "RelatedPerson", "Communication", "Bundle", *OccurrenceKind})
_FHIR, _TABLE, _TAKEN = Format.FHIR, Format.TABLE, AckCode.AA


@dataclass(frozen=True, slots=True)
class Readings:
    """What messages were read as ahead of their unit, for rules that ask for `facts`; None: that one was not."""

    facts: frozenset[str]
    each: Sequence[Reading | None] = field(repr=False)


@dataclass(slots=True)
class PreparedEvent:
    """An event with its keyed digests, computed before the transaction opens."""

    event: PatientEvent
    ids: list[tuple[bytes, ...]]
    merged: list[tuple[bytes, ...]]
    keys: tuple[bytes, ...]
    person: tuple[bytes, bytes]
    replaced: tuple[bytes, ...] = ()
    parent: tuple[bytes, ...] = ()
    above: tuple[bytes, ...] = ()
    named: tuple[bytes, ...] = ()
    also: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Prepared:
    """A message read and digested; pure, so a retried transaction starts from it again.

    `reference`: of a FHIR resource, "Appointment/12"; empty where it has no id. `resource`: that within its feed, digested.
    `rest`: what to make of what earlier versions of it came to, and this one does not.
    """

    message: RawMessage
    reading: Reading
    control: tuple[bytes, ...]
    bodies: tuple[bytes, ...]
    events: list[PreparedEvent]
    generation: int
    reference: str = field(default="", repr=False)
    resource: tuple[bytes, ...] = ()
    rest: PreparedEvent | None = None

    @property
    def all_events(self) -> list[PreparedEvent]:
        """All that may touch something."""
        return self.events if self.rest is None else [*self.events, self.rest]


def prepare(keyring: Keyring, message: RawMessage, reading: Reading) -> Prepared:
    """Digest a reading's keys: control id within its feed (D-01), body, identifiers, occurrence."""
    if not _is_type(message, reading):
        reading = replace(reading, type="")  # MSH-9 of a garbled message may hold anything, a name too
    # What has no control id is known by its bytes: a poison message resent for ever is stored once (A-08, D-05).
    key = reading.control_key if reading.control_key is not None else (reading.body_key or message.body).hex()
    control = keyring.sought("control", f"{message.source}\x1f{key}")
    bodies = keyring.sought("body", reading.body_key or message.body)
    events = [_prepare_event(keyring, message, event) for event in reading.events if event.production]
    if message.format is not _FHIR or (told := _RESOURCE.fullmatch(reading.control_id)) is None:
        return Prepared(message, reading, control, bodies, events, keyring.generation)
    resource = keyring.sought("resource", f"{message.source}\x1f{told[1]}")
    rest = reading.rest
    left = _prepare_event(keyring, message, rest) if rest is not None and rest.production else None
    return Prepared(message, reading, control, bodies, events, keyring.generation, told[1], resource, left)


def _is_type(message: RawMessage, reading: Reading) -> bool:
    """Whether the type may be stored: a FHIR resource that was read has been checked, and a row's is its mapping's name."""
    if message.format is not _FHIR:
        return message.format is _TABLE or _TYPE(reading.type) is not None
    return reading.ack is _TAKEN or reading.type in _RESOURCES


def _prepare_event(keyring: Keyring, message: RawMessage, event: PatientEvent) -> PreparedEvent:
    if event.recorded > message.received:
        # A source's clock that runs ahead, or a typed year, must not make all that follows look overtaken (N-06).
        event = replace(event, recorded=message.received)
    told = event.occurrence
    keys: tuple[bytes, ...] = ()
    replaced: tuple[bytes, ...] = ()
    parent: tuple[bytes, ...] = ()
    above: tuple[bytes, ...] = ()
    named: tuple[bytes, ...] = ()
    also: tuple[bytes, ...] = ()
    if told is not None:
        if told.version is not None and told.version > message.received:
            told = replace(told, version=message.received)
            event = replace(event, occurrence=told)
        kind = told.kind.value  # an f-string formats a member of an Enum ten times slower
        keys = _occurrence_digests(keyring, message.source, kind, told.key)
        if told.replaces is not None:
            replaced = _occurrence_digests(keyring, message.source, kind, told.replaces)
        if told.parent is not None:
            parent = _occurrence_digests(keyring, message.source, kind, told.parent)
            # an occurrence of a series is below the series, whose key it has but for its number
            above = _occurrence_digests(keyring, message.source, kind, told.parent.removeprefix(SERIES))
        for key in told.named:
            named += _occurrence_digests(keyring, message.source, kind, key)
        for key in told.also:
            also += _occurrence_digests(keyring, message.source, kind, key)
    return PreparedEvent(
        event,
        [identifier_digests(keyring, one) for one in event.identifiers],
        [identifier_digests(keyring, one) for one in event.merged_from],
        keys,
        person_digests(keyring, event),
        replaced,
        parent,
        above,
        named,
        also,
    )


def _occurrence_digests(keyring: Keyring, source: str, kind: str, key: str) -> tuple[bytes, ...]:
    """Digests of an occurrence's key; one without a namespace is only unique within its feed (SI-21)."""
    scope = "" if _namespace(key) else source
    return keyring.sought("occurrence", f"{scope}\x1f{kind}\x1f{key}")


def _namespace(key: str) -> str:
    """The namespace of "filler|id|namespace|…" or "visit|id|authority"; empty when the message told none."""
    parts = key.split("|")
    return parts[2] if len(parts) > 2 else ""
