"""Applies the events of one message to the working set, in arrival order, and says in audit entries what came of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gateway.model.audit import Action
from gateway.model.event import EventKind, Fault, PatientEvent
from gateway.model.facts import FactValue
from gateway.model.party import Location
from gateway.model.request import RequestStatus
from gateway.model.rule import Rule
from gateway.model.verdict import Deny, Hold, Reason
from gateway.model.when import Millis, Precision, When
from gateway.pipeline import brakes, consenting, family, merges, people, replacing
from gateway.pipeline.across import Across
from gateway.pipeline.batch import Batch, new_occurrence, retell, state_of, write_state
from gateway.pipeline.directory import Directory
from gateway.pipeline.occurrences import Change, Standing, apply, is_end
from gateway.pipeline.planning import Occasion, Plan, ended, release, replan
from gateway.pipeline.preparing import Prepared, PreparedEvent
from gateway.pipeline.rows import OccurrenceRow, PatientRow, join_reasons, split_reasons
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.pipeline.weighing import planning_circumstances
from gateway.policy.decide import at_planning
from gateway.ruleset.across import in_effect
from gateway.ruleset.schedule import OCCURRED, Planned

Entry = tuple[Any, ...]

# Members by module constants: an attribute of an Enum class costs ten times as much (Python 3.11).
_MERGED, _MOVED = EventKind.PATIENT_MERGED, EventKind.ENCOUNTER_MOVED
_STALE, _UNCHANGED = Standing.STALE, Standing.UNCHANGED
_EVENT_APPLIED, _EVENT_UNCHANGED, _EVENT_STALE = Action.EVENT_APPLIED, Action.EVENT_UNCHANGED, Action.EVENT_STALE
_CANCELLED, _NO_LONGER_MATCHES = Reason.CANCELLED, Reason.NO_LONGER_MATCHES
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


class Applier:
    """Applies messages of one batch under one rule set."""

    def __init__(self, batch: Batch, directory: Directory, site: Site, rules: Active, *, baseline: bool) -> None:
        self.batch = batch
        self.directory = directory
        self.site = site
        self.rules = rules
        self.baseline = baseline
        self.across = Across(batch, site, rules.ruleset)
        self._digests: dict[bytes, bytes] = {}

    def apply(self, one: Prepared, raw: int) -> Applied:
        """Apply every event of a message that was read."""
        applied = Applied()
        if one.reading.events and not one.events:
            # understood, kept with its bytes, and nobody is contacted or changed.
            applied.events = [event.kind.value for event in one.reading.events]
            applied.reason = Reason.NOT_PRODUCTION
            applied.entries.append((Action.EVENT_UNCHANGED, *applied.events, Reason.NOT_PRODUCTION))
        for event in one.events:
            self._event(one, event, raw, applied)
        return applied

    def _event(self, one: Prepared, prepared: PreparedEvent, raw: int, applied: Applied) -> None:
        event = prepared.event
        patient, sure = self._patient(prepared, applied)
        applied.patients.append(patient.token)
        if event.kind is _MERGED:
            applied.entries += merges.merge(self.batch, patient, prepared, raw, self.across)
        if event.consents:
            believed, evidence = sure and event.recorded >= patient.version, f"message {raw}"
            applied.entries += consenting.record(self.directory, patient, event.consents, evidence, believed=believed)
        if not self.directory.knows(patient, event, prepared.person):
            self._person(patient, prepared, f"message {raw}", applied, sure=sure)
        applied.entries += people.follow(self.batch, patient, prepared)
        kind = event.kind
        if event.occurrence is not None and prepared.keys:
            kind = self._occurrence(one, prepared, patient, raw, applied)
        elif kind is not _MERGED:
            applied.entries.append((_EVENT_APPLIED, kind.value, None))
        applied.events.append(kind.value)

    # -- who

    def _patient(self, prepared: PreparedEvent, applied: Applied) -> tuple[PatientRow, bool]:
        """Find the patient, or make one; identifiers that point to different people hold them all (then False)."""
        patient, others = self.directory.resolve(prepared.ids)
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
        row = self.batch.occurrence(prepared.keys)
        if row is not None and row.source != source:
            return self._foreign(row, event, applied)
        change = apply(event, state_of(row) if row else None)
        if row is None:
            row = new_occurrence(self.batch.uow, prepared.keys[0], told.kind.value, patient, source)
            self.batch.add_occurrence(row)
        if change.standing is _STALE:
            applied.entries.append((_EVENT_STALE, event.kind.value, row.id))
            if raised := {reason for reason, told in event.visit_flags.items() if told} - split_reasons(row.hold):
                # An overtaken message may restrict, and nothing else (law 6).
                row.hold, row.dirty = join_reasons({*split_reasons(row.hold), *raised}), True
                applied.entries[-1] += tuple(sorted(raised))
            return event.kind
        moved = self._same_patient(row, patient, prepared, applied)
        if prepared.parent:
            family.adopt(row, prepared)
        if change.standing is _UNCHANGED and not moved:
            retell(row, change.state, raw)
            applied.entries.append((_EVENT_UNCHANGED, change.kind.value, row.id))
            return change.kind
        lifted = split_reasons(row.hold) - change.state.holds if row.hold else None
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
        """Another source never moves an occurrence, but its cancellation holds what is waiting."""
        applied.entries.append((Action.EVENT_STALE, event.kind.value, row.id, "not-the-owning-source"))
        if is_end(event.kind):
            for request in row.requests:
                if request.waiting:
                    request.settle(RequestStatus.ON_HOLD, Reason.CANCELLED)
                    applied.entries.append((Action.REQUEST_HELD, request.id, Reason.CANCELLED))
        return event.kind

    def _same_patient(self, row: OccurrenceRow, patient: PatientRow, prepared: PreparedEvent, applied: Applied) -> bool:
        """An occurrence that changes hands follows the message, and waits for a person to confirm it.

        Unless the message says that it moves, and from whom (A44, A45; AD-20).
        """
        if row.new or self.directory.root(row.patient).token == patient.token:
            return False
        applied.patients.append(row.patient)
        told = prepared.event.kind is _MOVED and self._from_whom(prepared, row)
        reason = Reason.SUPERSEDED if told else Reason.IDENTITY_CONFLICT
        for request in row.requests:
            if request.waiting:
                request.settle(RequestStatus.REVOKED, reason)
                applied.entries.append((Action.REQUEST_WITHDRAWN, request.id, reason))
        if not told:
            self.directory.hold(patient, Reason.IDENTITY_CONFLICT)
            applied.entries.append((Action.PATIENT_HELD, patient.token, Reason.IDENTITY_CONFLICT))
        row.patient, row.moved = patient.token, True
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
        ended = _CANCELLED if _withdraws(change.kind) else _NO_LONGER_MATCHES
        plan = self.replan(row, patient, occurred=event.occurred, raw=raw, ended_by=ended)
        applied.entries += plan.entries
        applied.rules += plan.matched

    def replan(
        self, row: OccurrenceRow, patient: PatientRow, *, occurred: Millis | None, raw: int | None, ended_by: Reason
    ) -> Plan:
        """Match the active rules against an occurrence. `occurred`: the time that judges too old (X-07).

        None: no event came, what is known is planned for; only rules that count from the event ask for its age.
        """
        plan = self._replan(row, patient, occurred, raw, ended_by)
        plan.entries += self.across.follow(row, patient)
        return plan

    def _replan(
        self, row: OccurrenceRow, patient: PatientRow, occurred: Millis | None, raw: int | None, ended_by: Reason
    ) -> Plan:
        ruleset = self.rules.ruleset
        if not ruleset.listens(row.reached_by):
            return ended(row, ended_by)
        location = self.site.location(row.facts or {}, row.facility)
        zone = self.site.zone(location, row.source)
        facts = self._facts(row, patient, zone)
        occasion = Occasion(
            patient=patient.token,
            raw=raw,
            now=self.batch.uow.now,
            zone=zone,
            facts=facts,
            permanent=self._permanent(row, patient, facts, location, occurred, zone),
            new_id=self.batch.uow.new_id,
            digest=self._material_digest,
            same=lambda blob, stored: self.batch.keyring.same("material", blob, stored),
            ruleset=self.rules.id,
            restored=partial(brakes.restored, self.batch.uow),
        )
        return replan(row, ruleset, occasion, ended_by=ended_by)

    def _permanent(
        self,
        row: OccurrenceRow,
        patient: PatientRow,
        facts: Mapping[str, FactValue],
        location: Location | None,
        occurred: Millis | None,
        zone: str,
    ) -> Callable[[Rule, Planned], Deny | Hold | None]:
        """Asks the planning gates; once for all steps of a rule that expire together, for nothing else differs.

        Then, of rules that have such things, whether they are in effect when it is due, and what else there is.
        """
        known: dict[tuple[str, Millis], Deny | Hold | None] = {}
        now, policy = self.batch.uow.now, self.rules.ruleset.policy

        def permanent(rule: Rule, step: Planned) -> Deny | Hold | None:
            key = (rule.name, step.expires)
            if key not in known:
                when = occurred
                if when is None:
                    when = row.occurred if rule.schedule.anchor == OCCURRED else now
                seen = planning_circumstances(rule, step, row, patient, facts, location, now=now, occurred=when)
                known[key] = at_planning(seen, policy)
            verdict = known[key]
            if isinstance(verdict, Deny) or (rule.effective is None and not rule.looks_across):
                return verdict
            return self._beside(rule, step, row, patient, zone) or verdict

        return permanent

    def _beside(self, rule: Rule, step: Planned, row: OccurrenceRow, patient: PatientRow, zone: str) -> Deny | None:
        """What the days and the person's other occurrences have against a step."""
        if not in_effect(rule, max(step.due, self.batch.uow.now), zone):
            return Deny(gate="effective", reason=Reason.NOT_IN_EFFECT)
        why = self.across.against(rule, row, patient) if rule.looks_across else None
        return None if why is None else Deny(gate="across", reason=why[0])

    def _material_digest(self, blob: bytes) -> bytes:
        """The keyed digest of what a send would say; the steps of a rule say the same."""
        found = self._digests.get(blob)
        if found is None:
            found = self._digests[blob] = self.batch.keyring.digest("material", blob)
        return found

    def _facts(self, row: OccurrenceRow, patient: PatientRow, zone: str) -> dict[str, FactValue]:
        """What a condition may ask about: the occurrence's facts, the event's time, and the person's if any rule asks."""
        facts: dict[str, FactValue] = dict(row.facts or {})
        if self.rules.ruleset.asks_person(row.reached_by):
            facts.update(self.directory.facts(patient, self.batch.uow.now, zone))
        facts["event.occurred"] = When(row.occurred, zone, _SECOND)
        return facts


_TAKEN_BACK = frozenset({EventKind.ENCOUNTER_DISCHARGE_CANCELLED, EventKind.APPOINTMENT_MISSED})


def _withdraws(kind: EventKind) -> bool:
    return is_end(kind) or kind in _TAKEN_BACK
