"""A message is read and digested before its transaction opens: what it may touch is known, and a retry begins from it again."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from gateway.model.event import SERIES, PatientEvent, RawMessage, Reading
from gateway.pipeline.directory import identifier_digests, person_digests
from gateway.store.keyring import Keyring

_TYPE = lru_cache(maxsize=256)(re.compile(r"[A-Z][A-Z0-9]{2}(?:\^[A-Z][A-Z0-9]{2})?").fullmatch)


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


@dataclass(slots=True)
class Prepared:
    """A message read and digested; pure, so a retried transaction starts from it again."""

    message: RawMessage
    reading: Reading
    control: tuple[bytes, ...]
    bodies: tuple[bytes, ...]
    events: list[PreparedEvent]
    generation: int


def prepare(keyring: Keyring, message: RawMessage, reading: Reading) -> Prepared:
    """Digest a reading's keys: control id within its feed (D-01), body, identifiers, occurrence."""
    if not _TYPE(reading.type):
        reading = replace(reading, type="")  # MSH-9 of a garbled message may hold anything, a name too
    # What has no control id is known by its bytes: a poison message resent for ever is stored once (A-08, D-05).
    key = reading.control_key if reading.control_key is not None else (reading.body_key or message.body).hex()
    control = keyring.sought("control", f"{message.source}\x1f{key}")
    bodies = keyring.sought("body", reading.body_key or message.body)
    events = [_prepare_event(keyring, message, event) for event in reading.events if event.production]
    return Prepared(message, reading, control, bodies, events, keyring.generation)


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
    )


def _occurrence_digests(keyring: Keyring, source: str, kind: str, key: str) -> tuple[bytes, ...]:
    """Digests of an occurrence's key; one without a namespace is only unique within its feed (SI-21)."""
    scope = "" if _namespace(key) else source
    return keyring.sought("occurrence", f"{scope}\x1f{kind}\x1f{key}")


def _namespace(key: str) -> str:
    """The namespace of "filler|id|namespace|…" or "visit|id|authority"; empty when the message told none."""
    parts = key.split("|")
    return parts[2] if len(parts) > 2 else ""
