"""The working set of one receive: everything the batch's messages touch, read in bulk, changed in order, written in bulk."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.model.event import Result
from gateway.model.request import RequestStatus
from gateway.model.when import Millis, Precision, When
from gateway.pipeline.cursors import JOIN, SEQUENCE, locked
from gateway.pipeline.directory import Directory
from gateway.pipeline.joining import Joins
from gateway.pipeline.occurrences import State
from gateway.pipeline.packing import pack, unpack
from gateway.pipeline.preparing import CONSENT, Prepared, PreparedEvent
from gateway.pipeline.rawform import stored
from gateway.pipeline.resources import Resources
from gateway.pipeline.rows import OccurrenceRow, PatientRow, RequestRow, join_reasons, split_reasons
from gateway.pipeline.sequencing import Numbers
from gateway.pipeline.whose import Whose
from gateway.store import tables
from gateway.store.datakeys import feed_key
from gateway.store.keyring import Cipher, Keyring, seal
from gateway.store.uow import UnitOfWork

_RAW = ("id", "source", "control_hmac", "body_hmac", "received", "feed_key", "sealed", "type", "ack", "result")
_SEEN = ("control_hmac", "body_hmac", "id", "ack", "result", "type")
_ACTIVE = RequestStatus.ACTIVE.value
_QUARANTINE = ("raw", "control_hmac", "code", "place", "rule", "state", "at", "decided")


@dataclass(slots=True)
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


class Batch:
    """One unit of work over a sequence of prepared messages."""

    def __init__(self, uow: UnitOfWork, keyring: Keyring, directory: Directory, source_ids: Mapping[str, int]) -> None:
        self.uow = uow
        self.keyring = keyring
        self._source_ids = source_ids
        self.directory = directory
        self.seen: dict[bytes, list[Seen]] = {}
        self.occurrences: dict[bytes, OccurrenceRow] = {}
        self._whose = Whose(directory)
        self.open_quarantine: dict[bytes, set[int]] = {}
        self._loaded_requests: dict[int, list[RequestRow]] = {}
        self._asked = 0  # patients when requests were loaded last
        self._raw: list[tuple[Any, ...]] = []
        self._quarantine: list[tuple[Any, ...]] = []
        self._resolved: list[tuple[Any, ...]] = []
        self._feed_keys: dict[str, tuple[int, int, Cipher]] = {}
        self.numbers: Numbers | None = None
        self.joins: Joins | None = None
        self.resources = Resources(uow)

    # -- reading

    def load(self, prepared: Sequence[Prepared]) -> None:
        """Everything these messages may touch, in a handful of look-ups; patients are locked in token order."""
        self._load_cursors([one for one in prepared if one.reading.sequence is not None or one.reading.fragment])
        controls = [digest for one in prepared for digest in one.control]
        if controls:
            for control, body, *rest in self.uow.lookup(tables.raw, _SEEN, "control_hmac", controls):
                self.seen.setdefault(bytes(control), []).append(Seen(bytes(body), *rest))
            self._load_quarantine([key for key, some in self.seen.items() if any(one.refused for one in some)])
        self.load_events([event for one in prepared for event in one.all_events])
        self._load_resources([one for one in prepared if one.resource])

    def load_events(self, events: Sequence[PreparedEvent]) -> None:
        """What these events may touch, as far as it is not there yet."""
        self.directory.load(
            digest for event in events for group in (event.ids, event.merged) for some in group for digest in some
        )
        sought = [key for event in events for key in (*event.keys, *event.replaced, *event.above, *event.also)]
        self._load_occurrences(sought)
        if named := [key for event in events for key in event.named]:
            self._load_occurrences(named, by="parent")

    def _load_resources(self, prepared: Sequence[Prepared]) -> None:
        """What FHIR resources came to before, under whatever key; of one that may take it back, whose it was, too."""
        if not prepared:
            return
        self.resources.load([key for one in prepared for key in one.resource])
        gone = [one for one in prepared if one.rest or not one.events or not all(event.ids for event in one.events)]
        gone += [one for one in prepared if one.reading.type == CONSENT]
        if known := [row for one in gone for row in self.resources.known(one.resource)]:
            self.directory.load_tokens({row.patient for row in known})
        told = {row.occurrence for one in prepared for row in self.resources.known(one.resource)} - {0}
        if told:
            self.load_rows(told)

    def load_rows(self, ids: Collection[int]) -> None:
        """Occurrences by id, as far as they are not there yet."""
        missing = sorted(set(ids) - {row.id for row in self.occurrences.values()})
        if missing:
            rows = self.uow.lookup(tables.occurrence, OccurrenceRow.COLUMNS, "id", missing)
            self.take([OccurrenceRow(*row) for row in rows])

    def _load_cursors(self, prepared: Sequence[Prepared]) -> None:
        """Of feeds that number their messages or send them in parts; almost no feed does."""
        if not prepared:
            return
        wanted = {
            (self.source_id(one.message.source), SEQUENCE) for one in prepared if one.reading.sequence is not None
        }
        parted = {(self.source_id(one.message.source), JOIN) for one in prepared if one.reading.fragment is not None}
        values = locked(self.uow, wanted | parted)
        if wanted:
            self.numbers = Numbers(self.uow, values)
        if parted:
            self.joins = Joins(self.uow, self.keyring)

    def _load_quarantine(self, controls: Sequence[bytes]) -> None:
        columns = ("control_hmac", "raw", "state")
        for control, raw, state in self.uow.lookup(tables.quarantine, columns, "control_hmac", controls):
            if state == "open":
                self.open_quarantine.setdefault(bytes(control), set()).add(raw)

    def _load_occurrences(self, keys: Sequence[bytes], *, by: str = "key") -> None:
        if not keys:
            return
        rows = [OccurrenceRow(*row) for row in self.uow.lookup(tables.occurrence, OccurrenceRow.COLUMNS, by, keys)]
        if self.occurrences:
            known = {row.id for row in self.occurrences.values()}
            rows = [row for row in rows if row.id not in known]
        self.take(rows)

    def take(self, rows: Sequence[OccurrenceRow], *, lock: bool = True) -> None:
        """Open stored occurrences into the working set, with their patients and requests."""
        self.directory.load_tokens((row.patient for row in rows), lock=lock)
        for row in rows:
            row.key = bytes(row.key)
            if row.parent is not None:
                row.parent = bytes(row.parent)
            self.occurrences[row.key] = row
            patient = self.directory.patients[row.patient]
            row.facts = unpack(self.directory.open_facts(patient, row.sealed_facts, row.id))
        self._load_requests(rows)
        for row in rows:
            self._whose.add(row)

    def _load_requests(self, rows: Sequence[OccurrenceRow]) -> None:
        if not rows:
            return
        by_id = {row.id: row for row in rows}
        # one copy of each: what `waiting_of` loaded before its occurrence is taken over, changes and all
        loose = {one.id: one for some in self._loaded_requests.values() for one in some}
        for found in self.uow.lookup(tables.request, RequestRow.COLUMNS, "occurrence", list(by_id)):
            request = loose.get(found[0]) or RequestRow(*found)
            assert request.occurrence is not None
            by_id[request.occurrence].requests.append(request)
        for some in self._loaded_requests.values():
            some[:] = [one for one in some if one.occurrence not in by_id]

    def heard(self, one: Prepared) -> bool:
        """Whether an earlier message, here or before, came under the same control id; hardly ever."""
        return not self.seen.keys().isdisjoint(one.control)

    def occurrence(self, keys: tuple[bytes, ...]) -> OccurrenceRow | None:
        """The stored occurrence with one of these key digests."""
        for key in keys:
            row = self.occurrences.get(key)
            if row is not None:
                return row
        return None

    def waiting_of(self, patient: int) -> list[RequestRow]:
        """All requests of a patient that may still be sent, including those planned in this very batch."""
        self._load_waiting()
        found = [one for row in self._whose.of(patient) for one in row.requests if one.patient == patient]
        found += self._loaded_requests.get(patient, ())
        return [one for one in found if one.waiting]

    def of(self, patient: PatientRow) -> list[OccurrenceRow]:
        """The occurrences here of a person, under whatever token, as they now stand."""
        root = self.directory.root
        return [row for row in self._whose.of(patient.token) if root(row.patient).token == patient.token]

    def regroup(self) -> None:
        """To be called after a person, an occurrence or a request became another's: they are found by whose they are."""
        loose = [one for some in self._loaded_requests.values() for one in some]
        self._loaded_requests = {token: [] for token in self._loaded_requests}
        for one in loose:
            self._loaded_requests.setdefault(one.patient, []).append(one)
        self._whose.regroup(self.occurrences.values())

    def _load_waiting(self) -> None:
        """Of all its patients at once: a look-up of its own for each would cost more than all of its rows."""
        people = len(self.directory.patients)  # they only become more
        if people == self._asked:
            return
        self._asked = people
        known = {token for token, row in self.directory.patients.items() if not row.new}
        asked = known - self._loaded_requests.keys()
        self._loaded_requests.update((one, []) for one in asked)
        loaded = {request.id for row in self.occurrences.values() for request in row.requests}
        for found in self.uow.lookup(tables.request, RequestRow.COLUMNS, "patient", sorted(asked)):
            request = RequestRow(*found)
            if request.id not in loaded and request.waiting:
                self._loaded_requests[request.patient].append(request)

    # -- writing

    def keep_raw(self, one: Prepared, raw: int, ack: str, result: str) -> None:
        """Store the bytes exactly as received, sealed under the key of their feed and day."""
        message, type_, body = one.message, one.reading.type, one.bodies[0]
        source, key, cipher = self._feed_keys.get(message.source) or self._feed_key(message.source)
        sealed = seal(cipher, stored(message), b"raw.sealed:%d" % raw)
        control = one.control[0] if one.control else b""
        self._raw.append((raw, source, control, body, message.received, key, sealed, type_, ack, result))
        if control:
            seen = Seen(body, raw, ack, result, type_)
            self.seen.setdefault(control, []).append(seen)

    def _feed_key(self, name: str) -> tuple[int, int, Cipher]:
        """A feed's row id, the id of its key of today, and that key's cipher."""
        source = self.source_id(name)
        key = feed_key(self.uow, source)
        found = self._feed_keys[name] = (source, key.id, Cipher(key.plain))
        return found

    def source_id(self, name: str) -> int:
        """The row id of a configured source."""
        return self._source_ids[name]

    def write_raw(self) -> None:
        """Write the messages kept so far, for what must find them before the end of the unit."""
        if self._raw:
            self.uow.insert(tables.raw, _RAW, self._raw)
            self._raw = []

    def forget(self, messages: Collection[int]) -> None:
        """These messages were put into quarantine after they had been kept: a resend is no repeat (D-04)."""
        for some in self.seen.values():
            some[:] = [replace(one, result=Result.QUARANTINED) if one.id in messages else one for one in some]

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
        self._whose.add(row)

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
        if self.numbers is not None:
            self.numbers.flush()
        self.write_raw()
        if self._quarantine:
            uow.insert(tables.quarantine, _QUARANTINE, self._quarantine)
        if self._resolved:
            uow.update(tables.quarantine, ("raw",), ("state", "decided"), self._resolved)
        self._flush_occurrences()
        self._flush_requests()
        self.resources.flush()

    def _seal_occurrences(self) -> None:
        for row in self.occurrences.values():
            if row.new or row.dirty:
                patient = self.directory.patients[row.patient]
                row.sealed_facts = self.directory.seal_facts(patient, pack(row.facts or {}), row.id)

    def _flush_occurrences(self) -> None:
        rows = list(self.occurrences.values())
        known = [row for row in rows if not row.new]
        for row in known:
            if row.rekeyed:  # one after the other: the next may take the key that this one had
                self.uow.update(tables.occurrence, ("id",), ("key",), [(row.key, row.id)])
        if new := [row.values() for row in rows if row.new]:  # perhaps under a key that one of those had
            self.uow.insert(tables.occurrence, OccurrenceRow.COLUMNS, new)
        if adopted := [(row.parent, row.id) for row in known if row.adopted]:
            self.uow.update(tables.occurrence, ("id",), ("parent",), adopted)
        if retold := [(row.version, row.raw, row.id) for row in known if row.retold and not row.dirty]:
            self.uow.update(tables.occurrence, ("id",), ("version", "raw"), retold)
        if changed := [(*row.changed(), row.id) for row in known if row.dirty]:
            self.uow.update(tables.occurrence, ("id",), OccurrenceRow.CHANGEABLE, changed)
        if moved := [(row.patient, row.id) for row in known if row.moved]:
            self.uow.update(tables.occurrence, ("id",), ("patient",), moved)

    def _flush_requests(self) -> None:
        all_requests = list(self._requests())
        if new := [request.values() for request in all_requests if request.new]:
            self.uow.insert(tables.request, RequestRow.COLUMNS, new)
        known = [request for request in all_requests if not request.new]
        if changed := [(one.state, one.reason, one.ring_at, one.id) for one in known if one.dirty]:
            self.uow.update(tables.request, ("id",), ("state", "reason", "ring_at"), changed)
        if moved := [(one.patient, one.recipient, one.id) for one in known if one.moved]:
            self.uow.update(tables.request, ("id",), ("patient", "recipient"), moved)

    def soonest(self, hold_expires: Millis) -> Millis | None:
        """When the first request that this batch planned or released rings, or that it held ends; None: it did neither."""
        changed = (one for one in self._requests() if (one.new or one.dirty) and one.waiting)
        return min((_happens(one, hold_expires) for one in changed), default=None)

    def _requests(self) -> Iterator[RequestRow]:
        for row in self.occurrences.values():
            yield from row.requests
        for some in self._loaded_requests.values():
            yield from some

    def newly(self, rules: Collection[str]) -> dict[str, set[int]]:
        """By rule of these, the people something was planned for in this batch that may leave."""
        found: dict[str, set[int]] = {}
        for one in self._requests():
            if one.new and one.waiting and one.rule in rules:
                found.setdefault(one.rule, set()).add(one.patient)
        return found

    def rings(self, now: Millis) -> list[int]:
        """Requests planned by this batch that are already due; rung after the commit."""
        return [
            request.id
            for row in self.occurrences.values()
            for request in row.requests
            if request.new and request.state == "active" and request.due <= now
        ]


def _happens(one: RequestRow, hold_expires: Millis) -> Millis:
    """When the clock alone does something to a request that waits."""
    if one.state == _ACTIVE:
        return one.ring_at
    last = one.due + hold_expires
    return last if one.expires is None else min(last, one.expires)


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
        None,
        {},
        new=True,
    )
