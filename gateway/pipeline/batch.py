"""The working set of one receive: everything the batch's messages touch, read in bulk, changed in order, written in bulk."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.model.event import PatientEvent, RawMessage, Reading, Result
from gateway.model.when import Millis, Precision, When
from gateway.pipeline.directory import Directory, identifier_digests, person_digests
from gateway.pipeline.occurrences import State
from gateway.pipeline.packing import pack, unpack
from gateway.pipeline.rows import OccurrenceRow, PatientRow, RequestRow, join_reasons, split_reasons
from gateway.store import tables
from gateway.store.datakeys import DataKey, feed_key
from gateway.store.keyring import Keyring, seal
from gateway.store.uow import UnitOfWork

_RAW = ("id", "source", "control_hmac", "body_hmac", "received", "feed_key", "sealed", "type", "ack", "result")
_SEEN = ("control_hmac", "body_hmac", "id", "ack", "result", "type")
_TYPE = re.compile(r"[A-Z][A-Z0-9]{2}(?:\^[A-Z][A-Z0-9]{2})?").fullmatch
_QUARANTINE = ("raw", "control_hmac", "code", "place", "rule", "state", "at", "decided")


@dataclass(slots=True)
class PreparedEvent:
    """An event with its keyed digests, computed before the transaction opens."""

    event: PatientEvent
    ids: list[tuple[bytes, ...]]
    merged: list[tuple[bytes, ...]]
    keys: tuple[bytes, ...]
    person: tuple[bytes, bytes]
    replaced: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Prepared:
    """A message read and digested; pure, so a retried transaction starts from it again."""

    message: RawMessage
    reading: Reading
    control: tuple[bytes, ...]
    bodies: tuple[bytes, ...]
    events: list[PreparedEvent]
    generation: int


@dataclass(frozen=True, slots=True)
class Seen:
    """An earlier message with the same control key."""

    body: bytes
    id: int
    ack: str
    result: str
    type: str

    @property
    def refused(self) -> bool:
        """Whether it lies, or lay, in quarantine."""
        return self.result == Result.QUARANTINED


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
    if told is not None:
        if told.version is not None and told.version > message.received:
            told = replace(told, version=message.received)
            event = replace(event, occurrence=told)
        keys = _occurrence_digests(keyring, message.source, told.kind, told.key)
        if told.replaces is not None:
            replaced = _occurrence_digests(keyring, message.source, told.kind, told.replaces)
    return PreparedEvent(
        event,
        [identifier_digests(keyring, one) for one in event.identifiers],
        [identifier_digests(keyring, one) for one in event.merged_from],
        keys,
        person_digests(keyring, event),
        replaced,
    )


def _occurrence_digests(keyring: Keyring, source: str, kind: str, key: str) -> tuple[bytes, ...]:
    """Digests of an occurrence's key; one without a namespace is only unique within its feed (SI-21)."""
    scope = "" if _namespace(key) else source
    return keyring.sought("occurrence", f"{scope}\x1f{kind}\x1f{key}")


def _namespace(key: str) -> str:
    """The namespace of "filler|id|namespace|…" or "visit|id|authority"; empty when the message told none."""
    parts = key.split("|")
    return parts[2] if len(parts) > 2 else ""


class Batch:
    """One unit of work over a sequence of prepared messages."""

    def __init__(self, uow: UnitOfWork, keyring: Keyring, directory: Directory, source_ids: Mapping[str, int]) -> None:
        self.uow = uow
        self.keyring = keyring
        self._source_ids = source_ids
        self.directory = directory
        self.seen: dict[bytes, list[Seen]] = {}
        self.occurrences: dict[bytes, OccurrenceRow] = {}
        self.open_quarantine: dict[bytes, set[int]] = {}
        self._loaded_requests: dict[int, list[RequestRow]] = {}
        self._raw: list[tuple[Any, ...]] = []
        self._quarantine: list[tuple[Any, ...]] = []
        self._resolved: list[tuple[Any, ...]] = []
        self._feed_keys: dict[int, DataKey] = {}

    # -- reading

    def load(self, prepared: Sequence[Prepared]) -> None:
        """Everything these messages may touch, in a handful of look-ups; patients are locked in token order."""
        controls = [digest for one in prepared for digest in one.control]
        if controls:
            for control, body, *rest in self.uow.lookup(tables.raw, _SEEN, "control_hmac", controls):
                self.seen.setdefault(bytes(control), []).append(Seen(bytes(body), *rest))
            self._load_quarantine([key for key, some in self.seen.items() if any(one.refused for one in some)])
        events = [event for one in prepared for event in one.events]
        self.directory.load(
            digest for event in events for group in (event.ids, event.merged) for some in group for digest in some
        )
        self._load_occurrences([key for event in events for key in (*event.keys, *event.replaced)])

    def _load_quarantine(self, controls: Sequence[bytes]) -> None:
        columns = ("control_hmac", "raw", "state")
        for control, raw, state in self.uow.lookup(tables.quarantine, columns, "control_hmac", controls):
            if state == "open":
                self.open_quarantine.setdefault(bytes(control), set()).add(raw)

    def _load_occurrences(self, keys: Sequence[bytes]) -> None:
        if not keys:
            return
        rows = [OccurrenceRow(*row) for row in self.uow.lookup(tables.occurrence, OccurrenceRow.COLUMNS, "key", keys)]
        self.take(rows)

    def take(self, rows: Sequence[OccurrenceRow]) -> None:
        """Open stored occurrences into the working set, with their patients and requests."""
        self.directory.load_tokens(row.patient for row in rows)
        for row in rows:
            row.key = bytes(row.key)
            self.occurrences[row.key] = row
            patient = self.directory.patients[row.patient]
            row.facts = unpack(self.directory.open_facts(patient, row.sealed_facts, row.id))
        self._load_requests(rows)

    def _load_requests(self, rows: Sequence[OccurrenceRow]) -> None:
        if not rows:
            return
        by_id = {row.id: row for row in rows}
        for found in self.uow.lookup(tables.request, RequestRow.COLUMNS, "occurrence", list(by_id)):
            request = RequestRow(*found)
            assert request.occurrence is not None
            by_id[request.occurrence].requests.append(request)

    def occurrence(self, keys: tuple[bytes, ...]) -> OccurrenceRow | None:
        """The stored occurrence with one of these key digests."""
        return next((self.occurrences[key] for key in keys if key in self.occurrences), None)

    def waiting_of(self, patient: int) -> list[RequestRow]:
        """All requests of a patient that may still be sent, including those planned in this very batch."""
        loaded = {request.id: request for row in self.occurrences.values() for request in row.requests}
        extra = self._loaded_requests.setdefault(patient, [])
        if not extra:
            for found in self.uow.lookup(tables.request, RequestRow.COLUMNS, "patient", [patient]):
                request = RequestRow(*found)
                if request.id not in loaded and request.waiting:
                    extra.append(request)
        # a merge earlier in this batch may have moved requests here that were loaded for somebody else
        others = (request for some in self._loaded_requests.values() for request in some)
        return [one for one in (*loaded.values(), *others) if one.patient == patient and one.waiting]

    # -- writing

    def keep_raw(self, one: Prepared, raw: int, ack: str, result: str) -> None:
        """Store the bytes exactly as received, sealed under the key of their feed and day."""
        source = self.source_id(one.message.source)
        key = self._feed_keys.get(source)
        if key is None:
            key = self._feed_keys[source] = feed_key(self.uow, source)
        sealed = seal(key.plain, one.message.body, b"raw.sealed:%d" % raw)
        control = one.control[0] if one.control else b""
        self._raw.append(
            (
                raw,
                source,
                control,
                one.bodies[0],
                one.message.received,
                key.id,
                sealed,
                one.reading.type,
                ack,
                result,
            )
        )
        if control:
            seen = Seen(one.bodies[0], raw, ack, result, one.reading.type)
            self.seen.setdefault(control, []).append(seen)

    def source_id(self, name: str) -> int:
        """The row id of a configured source."""
        return self._source_ids[name]

    def quarantine(self, one: Prepared, raw: int, code: int, place: str, rule: str) -> None:
        """Keep an unreadable message where a person can see, mend and replay it."""
        control = one.control[0] if one.control else None
        self._quarantine.append((raw, control, code, place, rule, "open", self.uow.now, None))
        if control is not None:
            self.open_quarantine.setdefault(control, set()).add(raw)

    def resolve_quarantine(self, raw: int) -> None:
        """A good resend settles the entry of its unreadable first copy."""
        self._resolved.append(("resolved", self.uow.now, raw))

    def add_occurrence(self, row: OccurrenceRow) -> None:
        """Take a new occurrence into the working set."""
        self.occurrences[row.key] = row

    def rekey(self, row: OccurrenceRow, key: bytes) -> None:
        """From now on the occurrence is found under another key (AD-19)."""
        self.occurrences.pop(row.key, None)
        row.key, row.rekeyed = key, not row.new
        self.occurrences[key] = row

    def flush(self) -> None:
        """Write the working set back, one statement a table."""
        uow = self.uow
        self._seal_occurrences()
        self.directory.flush()
        if self._raw:
            uow.insert(tables.raw, _RAW, self._raw)
        if self._quarantine:
            uow.insert(tables.quarantine, _QUARANTINE, self._quarantine)
        if self._resolved:
            uow.update(tables.quarantine, ("raw",), ("state", "decided"), self._resolved)
        self._flush_occurrences()
        self._flush_requests()

    def _seal_occurrences(self) -> None:
        for row in self.occurrences.values():
            if row.new or row.dirty:
                patient = self.directory.patients[row.patient]
                row.sealed_facts = self.directory.seal_facts(patient, pack(row.facts or {}), row.id)

    def _flush_occurrences(self) -> None:
        rows = list(self.occurrences.values())
        if new := [row.values() for row in rows if row.new]:
            self.uow.insert(tables.occurrence, OccurrenceRow.COLUMNS, new)
        known = [row for row in rows if not row.new]
        if rekeyed := [(row.key, row.id) for row in known if row.rekeyed]:
            self.uow.update(tables.occurrence, ("id",), ("key",), rekeyed)
        if retold := [(row.version, row.raw, row.id) for row in known if row.retold and not row.dirty]:
            self.uow.update(tables.occurrence, ("id",), ("version", "raw"), retold)
        if changed := [(*row.changed(), row.id) for row in known if row.dirty]:
            self.uow.update(tables.occurrence, ("id",), OccurrenceRow.CHANGEABLE, changed)
        if moved := [(row.patient, row.id) for row in known if row.moved]:
            self.uow.update(tables.occurrence, ("id",), ("patient",), moved)

    def _flush_requests(self) -> None:
        all_requests = [request for row in self.occurrences.values() for request in row.requests]
        all_requests += [request for extra in self._loaded_requests.values() for request in extra]
        if new := [request.values() for request in all_requests if request.new]:
            self.uow.insert(tables.request, RequestRow.COLUMNS, new)
        known = [request for request in all_requests if not request.new]
        if changed := [(one.state, one.reason, one.ring_at, one.id) for one in known if one.dirty]:
            self.uow.update(tables.request, ("id",), ("state", "reason", "ring_at"), changed)
        if moved := [(one.patient, one.recipient, one.id) for one in known if one.moved]:
            self.uow.update(tables.request, ("id",), ("patient", "recipient"), moved)

    def rings(self, now: Millis) -> list[int]:
        """Requests planned by this batch that are already due; rung after the commit."""
        return [
            request.id
            for row in self.occurrences.values()
            for request in row.requests
            if request.new and request.state == "active" and request.due <= now
        ]


def state_of(row: OccurrenceRow) -> State:
    """The pure view of a stored occurrence."""
    start = None
    if row.start_utc is not None and row.zone is not None and row.precision is not None:
        start = When(row.start_utc, row.zone, Precision(row.precision))
    return State(
        status=row.status,
        reached_by=row.reached_by,
        occurred=row.occurred,
        version=row.version,
        start=start,
        end=row.end_utc,
        facility=row.facility,
        holds=split_reasons(row.hold),
        facts=row.facts or {},
    )


def write_state(row: OccurrenceRow, state: State, raw: int) -> None:
    """Put a state into its row."""
    start = state.start
    row.status, row.reached_by = state.status, state.reached_by
    row.occurred, row.version = state.occurred, state.version
    row.start_utc, row.zone, row.precision = (start.utc, start.zone, start.precision.value) if start else _NO_START
    row.end_utc = state.end
    row.facility, row.hold = state.facility, join_reasons(state.holds)
    row.raw, row.facts, row.dirty = raw, dict(state.facts), True


_NO_START = (None, None, None)


def retell(row: OccurrenceRow, state: State, raw: int) -> None:
    """A later message said the same: only its time and its id are new."""
    row.version, row.raw, row.retold = state.version, raw, True


def new_occurrence(uow: UnitOfWork, key: bytes, kind: str, patient: PatientRow, source: int) -> OccurrenceRow:
    """An empty row for an occurrence nobody heard of before."""
    return OccurrenceRow(
        uow.new_id(),
        kind,
        key,
        patient.token,
        source,
        None,
        0,
        "",
        "",
        0,
        None,
        None,
        None,
        None,
        "",
        0,
        b"",
        {},
        new=True,
    )
