"""Applies the events of one message to the working set, in arrival order, and says in audit entries what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.model.audit import Action
from gateway.model.event import EventKind, Fault, Format, PatientEvent
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.model.when import Precision
from gateway.pipeline import (
    consenting,
    continuing,
    departing,
    disputed,
    existing,
    family,
    merges,
    people,
    relatives,
    replacing,
    versions,
)
from gateway.pipeline.batch import Batch, new_occurrence, retell, state_of, write_state
from gateway.pipeline.directory import Directory
from gateway.pipeline.matching import Matcher
from gateway.pipeline.occurrences import Change, Standing, apply
from gateway.pipeline.planning import release
from gateway.pipeline.preparing import Prepared, PreparedEvent
from gateway.pipeline.rows import OccurrenceRow, PatientRow, join_reasons, split_reasons
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site

Entry = tuple[Any, ...]

# Members by module constants: an attribute of an Enum class costs ten times as much (Python 3.11).
_MERGED, _MOVED = EventKind.PATIENT_MERGED, EventKind.ENCOUNTER_MOVED
_STALE, _UNCHANGED = Standing.STALE, Standing.UNCHANGED
_EVENT_APPLIED, _EVENT_UNCHANGED, _EVENT_STALE = Action.EVENT_APPLIED, Action.EVENT_UNCHANGED, Action.EVENT_STALE
_CANCELLED, _NO_LONGER_MATCHES = Reason.CANCELLED, Reason.NO_LONGER_MATCHES
_WRONG_PATIENT, _HL7V2 = Reason.WRONG_PATIENT, Format.HL7V2
_SECOND = Precision.SECOND


@dataclass(slots=True)
class Applied:
    """What one message came to."""

    entries: list[Entry] = field(default_factory=list)
    patients: list[int] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    reason: str | None = None
    about: set[int] = field(default_factory=set)  # occurrences


class Applier:
    """Applies messages of one batch under one rule set."""

    def __init__(self, batch: Batch, directory: Directory, site: Site, rules: Active, *, baseline: bool) -> None:
        self.batch = batch
        self.directory = directory
        self.site = site
        self.rules = rules
        self._loading, self.baseline = baseline, baseline
        self._matcher = Matcher(batch, directory, site, rules)
        self.across = self._matcher.across

    def apply(self, one: Prepared, raw: int) -> Applied:
        """Apply every event of a message that was read."""
        applied = Applied()
        self.baseline = self.is_baseline(one)
        if one.reading.events and not one.events:
            # understood, kept with its bytes, and nobody is contacted or changed.
            applied.events = [event.kind.value for event in one.reading.events]
            applied.reason = Reason.NOT_PRODUCTION
            applied.entries.append((Action.EVENT_UNCHANGED, *applied.events, Reason.NOT_PRODUCTION))
        for event in one.events:
            self._event(one, event, raw, applied)
        if one.resource:
            gone = [*departing.people(self.batch, one), *departing.left(self.batch, one, applied.patients)]
            for patient in gone:
                applied.patients.append(patient.token)
                applied.entries += departing.depart(self.batch, one, patient)
        source = self.batch.source_id(one.message.source)
        self._take_back(one, versions.dropped(self.batch, one, source, applied.about), raw, applied)
        return applied

    def is_baseline(self, one: Prepared) -> bool:
        """Whether a message tells what was there before us: state is stored and nothing planned (K-16)."""
        return self._loading or one.message.baseline

    def _event(self, one: Prepared, prepared: PreparedEvent, raw: int, applied: Applied) -> None:
        event = prepared.event
        if event.existing:
            self._row(one, prepared, raw, applied)
            return
        if event.by_reference and (about := departing.occurrences(self.batch, one, prepared)) is not None:
            self._gone(one, event, about, raw, applied)
            return
        patient, sure = self._patient(prepared, raw, applied)
        if one.message.format is _HL7V2 and merges.is_of_the_dead(self.directory, patient, prepared):
            applied.faults.append(merges.MERGED_AWAY)
        applied.patients.append(patient.token)
        if event.kind is _MERGED:
            applied.entries += merges.merge(self.batch, patient, prepared, raw, self.across)
        if event.consents or event.representatives:
            applied.entries += self._said(one, event, patient, f"message {raw}", sure=sure)
        if not self.directory.knows(patient, event, prepared.person):
            self._person(patient, prepared, f"message {raw}", applied, sure=sure)
        applied.entries += people.follow(self.batch, patient, prepared)
        kind = event.kind
        if event.occurrence is not None and prepared.keys:
            kind = self._occurrence(one, prepared, patient, raw, applied)
        elif kind is not _MERGED:
            applied.entries.append((_EVENT_APPLIED, kind.value, None))
        applied.events.append(kind.value)
        if one.resource and event.by_reference and event.occurrence is None:
            self.batch.resources.tell(one.resource, patient.token, 0, event.recorded)

    def _row(self, one: Prepared, prepared: PreparedEvent, raw: int, applied: Applied) -> None:
        """A row of a table: it may say how somebody is reached and what happened to them, and nothing else of them."""
        event, row = prepared.event, self.batch.occurrence(prepared.keys)
        kind, patient = event.kind, existing.about(self.directory, prepared, row)
        if isinstance(patient, Reason):
            applied.entries += existing.unmatched(row, prepared, patient)
            applied.reason = patient
        else:
            applied.patients.append(patient.token)
            applied.entries += self.directory.reach(patient, event)
            if event.occurrence is not None:
                kind = self._occurrence(one, existing.as_of(row, prepared), patient, raw, applied)
            else:
                applied.entries.append((_EVENT_APPLIED, kind.value, None))
        applied.events.append(kind.value)

    def _said(
        self, one: Prepared, event: PatientEvent, patient: PatientRow, evidence: str, *, sure: bool
    ) -> list[Entry]:
        """Consents, and who represents them; a resource is overtaken only by a later version of itself."""
        newest = self.batch.resources.version(one.resource) if event.by_reference else patient.version
        believed = sure and event.recorded >= newest
        mark = consenting.mark_of(self.directory.keyring, one)
        narrowed = believed and mark and consenting.is_narrowed(self.directory, patient, event.consents, mark)
        entries = consenting.record(self.directory, patient, event.consents, evidence, believed=believed, mark=mark)
        if narrowed:
            entries += departing.hold_unclear(self.directory, patient)
        if believed:
            entries += relatives.record(self.directory, patient, event.representatives, one.resource, evidence)
        return entries

    def _gone(
        self,
        one: Prepared,
        event: PatientEvent,
        about: Sequence[tuple[PatientRow, PreparedEvent]],
        raw: int,
        applied: Applied,
    ) -> None:
        """A resource that was deleted takes back what it told (Q-06); of one that nobody knew there is nothing to take back."""
        self._take_back(one, about, raw, applied)
        if not about:
            applied.entries.append((_EVENT_UNCHANGED, event.kind.value, None, departing.UNKNOWN))
            applied.reason = departing.UNKNOWN
        applied.events.append(event.kind.value)

    def _take_back(
        self, one: Prepared, about: Sequence[tuple[PatientRow, PreparedEvent]], raw: int, applied: Applied
    ) -> None:
        for patient, prepared in about:
            applied.patients.append(patient.token)
            self._occurrence(one, prepared, patient, raw, applied)

    # -- who

    def _patient(self, prepared: PreparedEvent, raw: int, applied: Applied) -> tuple[PatientRow, bool]:
        """Find the patient, or make one; identifiers that point to different people hold them all (then False).

        Somebody of whom nothing but a reference was ever told is nobody else: their records go on with the person's.
        """
        patient, others = self.directory.resolve(prepared.ids)
        if others and patient is not None and not prepared.event.by_reference:
            others = self._adopted(patient, others, prepared, raw, applied)
        if patient is None:
            patient = people.known_before(self.batch, prepared)
        if patient is None:
            patient = self.directory.create()
            applied.entries.append((Action.PATIENT_CREATED, patient.token))
        for other in others:
            for row in (patient, other):
                if Reason.IDENTITY_CONFLICT not in row.holds:
                    self.directory.hold(row, Reason.IDENTITY_CONFLICT)
                    applied.entries.append((Action.PATIENT_HELD, row.token, Reason.IDENTITY_CONFLICT))
            applied.patients.append(other.token)
        if not others:
            self.directory.add_identifiers(patient, prepared.event.identifiers, prepared.ids)
        return patient, not others

    def _adopted(
        self, patient: PatientRow, others: list[PatientRow], prepared: PreparedEvent, raw: int, applied: Applied
    ) -> list[PatientRow]:
        """Take in those who are nothing but a number of this very person (a file told their visits first); the rest."""
        nobodies = [one for one in others if merges.is_nobody(self.batch, one, prepared.ids)]
        for one in nobodies:
            applied.entries += merges.absorb(self.batch, one, patient, raw, self.across)
        return [one for one in others if one not in nobodies]

    def _person(
        self, patient: PatientRow, prepared: PreparedEvent, evidence: str, applied: Applied, *, sure: bool
    ) -> None:
        """Apply what is said about the person; only now is it read."""
        event = prepared.event
        was_dead = bool(patient.deceased)
        before = patient.holds
        applied.entries += self.directory.update(patient, event, prepared.person, evidence, sure=sure)
        applied.faults += event.person.faults
        if lifted := before - patient.holds:
            applied.entries += release(self.batch.waiting_of(patient.token), lifted, self.batch.uow.now)
        applied.entries += self._death(patient, event, was_dead)

    def _death(self, patient: PatientRow, event: PatientEvent, was_dead: bool) -> list[Entry]:
        """A death withdraws all that waits (PI-12); its reversal restores no plan by itself."""
        told = event.demographics.deceased
        if told is None or told == was_dead:
            return []
        if not told and event.recorded < patient.version:
            return []  # an overtaken message (N-06) takes no death back, but it does tell one
        patient.deceased, patient.dirty = int(told), True
        if event.recorded < patient.version:
            patient.digest = b""  # what was told later may say otherwise, and is heard again
        entries: list[Entry] = [(Action.PATIENT_CHANGED, patient.token, "deceased" if told else "death-reversed")]
        if told:
            for request in self.batch.waiting_of(patient.token):
                request.settle(RequestStatus.REVOKED, Reason.DECEASED)
                entries.append((Action.REQUEST_WITHDRAWN, request.id, Reason.DECEASED))
        return entries

    # -- what

    def _occurrence(
        self, one: Prepared, prepared: PreparedEvent, patient: PatientRow, raw: int, applied: Applied
    ) -> EventKind:
        event, told = prepared.event, prepared.event.occurrence
        assert told is not None
        source = self.batch.source_id(one.message.source)
        if prepared.replaced:
            applied.entries += replacing.replace(self.batch, prepared, source, raw)
        row, entries = continuing.occurrence(self.batch, one, prepared, patient, source, raw)
        applied.entries += entries
        stored = None if row is None else state_of(row)
        if row is None and versions.is_overtaken(self.batch, one, prepared, source):
            applied.entries.append((_EVENT_STALE, event.kind.value, None))
            return event.kind
        if row is None:
            row = new_occurrence(self.batch.uow, prepared.keys[0], told.kind.value, patient, source)
            self.batch.add_occurrence(row)
        applied.about.add(row.id)
        if prepared.also and one.resource:
            self.batch.resources.tell(one.resource, patient.token, row.id, event.recorded)
        if row.source != source:
            return self._foreign(row, event, applied)
        if event.visit_flags.get(_WRONG_PATIENT) and _WRONG_PATIENT not in split_reasons(row.hold):
            applied.entries += self._incident(patient)
        change = apply(event, stored)
        if change.standing is _STALE:
            applied.entries.append((_EVENT_STALE, event.kind.value, row.id))
            if raised := {reason for reason, told in event.visit_flags.items() if told} - split_reasons(row.hold):
                # An overtaken message may restrict, and nothing else (law 6).
                row.hold, row.dirty = join_reasons({*split_reasons(row.hold), *raised}), True
                applied.entries[-1] += tuple(sorted(raised))
            return event.kind
        applied.entries += continuing.renumber(self.batch, row, prepared)
        moved = self._same_patient(row, patient, prepared, applied)
        if prepared.parent:
            family.adopt(row, prepared)
        if change.standing is _UNCHANGED and not moved:
            retell(row, change.state, raw)
            applied.entries.append((_EVENT_UNCHANGED, change.kind.value, row.id))
            return change.kind
        lifted = split_reasons(row.hold) - change.state.holds if row.hold else None
        if disputed.doubtful(row):
            self._disputes(row, patient, event, applied)
        write_state(row, change.state, raw)
        if lifted:
            applied.entries += release(row.requests, lifted, self.batch.uow.now)
        applied.entries.append((_EVENT_APPLIED, change.kind.value, row.id, row.status))
        if prepared.named:
            followed = family.follow(self.batch, row, prepared, change.kind, raw)
            applied.entries += followed.entries
            for part in followed.parts:
                applied.patients.append(part.patient)
                applied.entries += self.across.follow(part, self.directory.root(part.patient))
        if prepared.parent and (gone := family.orphaned(self.batch, row, prepared, raw)) is not None:
            applied.entries += [*gone, *self.across.follow(row, patient)]
            return change.kind
        self._plan(row, patient, event, change, raw, applied)
        return change.kind

    def _foreign(self, row: OccurrenceRow, event: PatientEvent, applied: Applied) -> EventKind:
        """Another source never moves an occurrence, but what it tells otherwise holds what is waiting."""
        applied.entries.append((Action.EVENT_STALE, event.kind.value, row.id, "not-the-owning-source"))
        reason = disputed.objection(row, event)
        applied.entries += [] if reason is None else disputed.hold(row, reason)
        return event.kind

    def _incident(self, patient: PatientRow) -> list[Entry]:
        """Somebody else's result was told of them: a privacy incident, on the worklist until a person has looked (OR-05)."""
        if _WRONG_PATIENT in patient.holds:
            return []
        self.directory.hold(patient, _WRONG_PATIENT)
        return [(Action.PATIENT_HELD, patient.token, _WRONG_PATIENT)]

    def _disputes(self, row: OccurrenceRow, patient: PatientRow, event: PatientEvent, applied: Applied) -> None:
        """What may be the same under another feed's number is held as if it were; asked before the state is written."""
        for twin in self._matcher.doubles.alike(row, patient):
            reason = disputed.objection(twin, event)
            applied.entries += [] if reason is None else disputed.hold(twin, reason)

    def _same_patient(self, row: OccurrenceRow, patient: PatientRow, prepared: PreparedEvent, applied: Applied) -> bool:
        """An occurrence that changes hands follows the message, and waits for a person to confirm it.

        Unless the message says that it moves, and from whom (A44, A45; AD-20), or is a row: those hold nobody.
        """
        if row.new or self.directory.root(row.patient).token == patient.token:
            return False
        applied.patients.append(row.patient)
        event = prepared.event
        told = event.existing or (event.kind is _MOVED and self._from_whom(prepared, row))
        reason = Reason.SUPERSEDED if told else Reason.IDENTITY_CONFLICT
        for request in row.requests:
            if request.waiting:
                request.settle(RequestStatus.REVOKED, reason)
                applied.entries.append((Action.REQUEST_WITHDRAWN, request.id, reason))
        if not told:
            self.directory.hold(patient, Reason.IDENTITY_CONFLICT)
            applied.entries.append((Action.PATIENT_HELD, patient.token, Reason.IDENTITY_CONFLICT))
        row.patient, row.moved = patient.token, True
        self.batch.regroup()
        return True

    def _from_whom(self, prepared: PreparedEvent, row: OccurrenceRow) -> bool:
        """Whether MRG-1 names the person the occurrence belongs to now."""
        loser, _ = self.directory.resolve(prepared.merged)
        return loser is not None and loser.token == self.directory.root(row.patient).token

    def _plan(
        self, row: OccurrenceRow, patient: PatientRow, event: PatientEvent, change: Change, raw: int, applied: Applied
    ) -> None:
        if self.baseline and not row.requests:
            applied.entries += self.across.follow(row, patient)
            return
        ended = _CANCELLED if disputed.withdraws(change.kind) else _NO_LONGER_MATCHES
        plan = self._matcher.replan(row, patient, occurred=event.occurred, raw=raw, ended_by=ended)
        applied.entries += plan.entries
        applied.rules += plan.matched
