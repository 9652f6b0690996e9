"""Rules that look across a patient's occurrences: what is outdone or made needless is withdrawn, whichever came first.

Every answer is taken from the state that all of the person's occurrences are in, merged tokens included, under the
lock of the person; so what happened in one instant ends with the same messages waiting, in whatever order it is heard.
What was made needless stays so, also when what made it needless is undone later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.model.audit import Action
from gateway.model.facts import FactValue
from gateway.model.request import RequestStatus
from gateway.model.rule import Rule
from gateway.model.verdict import Reason
from gateway.model.when import Millis, Precision, When
from gateway.pipeline.batch import Batch
from gateway.pipeline.directory import Directory
from gateway.pipeline.planning import moved_on
from gateway.pipeline.rows import OccurrenceRow, PatientRow, RequestRow
from gateway.pipeline.site import Site
from gateway.ruleset.across import alike, cancels, in_effect
from gateway.ruleset.index import RuleSet
from gateway.ruleset.schedule import anchor_of
from gateway.store import tables
from gateway.store.uow import UnitOfWork

Entry = tuple[Any, ...]
Why = tuple[Reason, str]  # and where it is written, with the other occurrence's id


class Across:
    """One unit of work's view of people's other occurrences; they are loaded when a rule asks, and not before."""

    def __init__(self, batch: Batch, site: Site, ruleset: RuleSet) -> None:
        self._batch, self._site, self._ruleset = batch, site, ruleset
        self._loaded: set[int] = set()

    @classmethod
    def alone(cls, uow: UnitOfWork, directory: Directory, site: Site, ruleset: RuleSet) -> Across:
        """With a working set of its own, where nothing is planned."""
        return cls(Batch(uow, directory.keyring, directory, {}), site, ruleset)

    def at_sending(
        self, rule: Rule, row: OccurrenceRow, patient: PatientRow, facts: Mapping[str, FactValue], at: Millis
    ) -> Why | None:
        """What the day that `at` (Millis UTC) is there, and other occurrences, have against a send; None lets it."""
        if rule.effective is not None:
            zone = self._site.zone(self._site.location(facts, row.facility), row.source)
            if not in_effect(rule, at, zone):
                return Reason.NOT_IN_EFFECT, f"{rule.file}:{rule.effective.line}: effective"
        return self.against(rule, row, patient) if rule.looks_across else None

    def against(self, rule: Rule, row: OccurrenceRow, patient: PatientRow) -> Why | None:
        """Why nothing of the rule may wait for this occurrence because of another one of the person; None lets it."""
        others = [one for one in self._of(patient) if one.id != row.id]
        if rule.once_per_patient and (later := self._later(rule, row, others)) is not None:
            return Reason.SUPERSEDED, f"{rule.file}: once_per, occurrence {later.id}"
        own = row.facts or {}
        for one in others:
            facts = self._facts(rule, one, patient)
            if cancels(rule, one.reached_by, one.occurred, facts, own=own, since=row.occurred):
                line = rule.cancel.line if rule.cancel is not None else 0
                return Reason.CANCELLED_BY_EVENT, f"{rule.file}:{line}: {one.reached_by}, occurrence {one.id}"
        return None

    def follow(self, row: OccurrenceRow, patient: PatientRow) -> list[Entry]:
        """Withdraw what the new state of an occurrence outdoes or makes needless elsewhere; returns audit entries."""
        if not self._ruleset.across:
            return []
        rules = [one for one in self._ruleset.across if one.once_per_patient and row.reached_by in one.events]
        rules += [one for one in self._ruleset.cancelled_by(row.reached_by) if one not in rules]
        return [entry for _, entry in self.settle(patient, rules)]

    def after_merge(self, patient: PatientRow) -> list[tuple[RequestRow, Entry]]:
        """Withdraw what the other's occurrences outdo or make needless; returns requests and audit entries."""
        self._loaded.discard(patient.token)
        return self.settle(patient, self._ruleset.across)

    def settle(self, patient: PatientRow, rules: Iterable[Rule]) -> list[tuple[RequestRow, Entry]]:
        """Withdraw what waits under these rules and must not; one look-up where nothing waits."""
        wanted = {rule.name: rule for rule in rules}
        asked = {one.rule for one in self._batch.waiting_of(patient.token) if one.rule in wanted} if wanted else set()
        found: list[tuple[RequestRow, Entry]] = []
        for name in sorted(asked):
            for row in self._of(patient):
                found += self._withdrawn(wanted[name], row, patient)
        return found

    def _withdrawn(self, rule: Rule, row: OccurrenceRow, patient: PatientRow) -> list[tuple[RequestRow, Entry]]:
        waiting = [one for one in row.requests if one.waiting and one.rule == rule.name]
        why = self.against(rule, row, patient) if waiting else None
        if why is None:
            return []
        for request in waiting:
            request.settle(RequestStatus.REVOKED, why[0])
        return [(one, (Action.REQUEST_WITHDRAWN, one.id, *why)) for one in waiting]

    def _later(self, rule: Rule, row: OccurrenceRow, others: Iterable[OccurrenceRow]) -> OccurrenceRow | None:
        """Another occurrence that the rule speaks of, later by what its steps are counted from; ties by its key."""
        mine, own = _place(rule, row), row.facts or {}
        for one in others:
            spoken = any(request.rule == rule.name and not moved_on(request) for request in one.requests)
            spoken = spoken and alike(rule, own, one.facts or {})
            if spoken and mine is not None and (place := _place(rule, one)) is not None and place > mine:
                return one
        return None

    def _facts(self, rule: Rule, row: OccurrenceRow, patient: PatientRow) -> Mapping[str, FactValue]:
        """What `cancel.where` may ask of another occurrence; the person is opened only if it asks about them."""
        facts: dict[str, FactValue] = dict(row.facts or {})
        zone = self._site.zone(self._site.location(facts, row.facility), row.source)
        asked = rule.cancel.where if rule.cancel is not None else ()
        if any(condition.fact.startswith("patient.") for condition in asked):
            facts.update(self._batch.directory.facts(patient, self._batch.uow.now, zone))
        facts["event.occurred"] = When(row.occurred, zone, Precision.SECOND)
        return facts

    # -- loading

    def _of(self, patient: PatientRow) -> list[OccurrenceRow]:
        """The person's occurrences that matter to such rules, as they now stand in this unit."""
        if patient.token not in self._loaded:
            self._loaded.add(patient.token)
            self._load(patient)
        return sorted(self._batch.of(patient), key=lambda row: row.id)

    def _load(self, patient: PatientRow) -> None:
        """The person is locked; whom they were merged from is only read: who changes those locks this person too."""
        uow, directory = self._batch.uow, self._batch.directory
        family = {*directory.family(patient.token), *self._merged_now(patient)}
        directory.load_tokens(family, lock=False)
        readable = sorted(token for token in family if directory.patients[token].data_key is not None)
        names = {rule.name for rule in self._ruleset.across}
        requests = uow.lookup(tables.request, ("occurrence", "rule"), "patient", readable)
        spoken = {occurrence for occurrence, rule in requests if rule in names}
        kept = {row.id for row in self._batch.occurrences.values()}
        stored = uow.lookup(tables.occurrence, ("id", "reached_by"), "patient", readable)
        wanted = {one for one, kind in stored if one in spoken or self._ruleset.cancelled_by(kind)} - kept
        if wanted:
            rows = uow.lookup(tables.occurrence, OccurrenceRow.COLUMNS, "id", sorted(wanted))
            self._batch.take([OccurrenceRow(*row) for row in rows], lock=False)

    def _merged_now(self, patient: PatientRow) -> list[int]:
        """Tokens merged into the person in this very unit, which no look-up shows yet."""
        return [row.token for row in self._batch.directory.patients.values() if row.survivor == patient.token]


def _place(rule: Rule, row: OccurrenceRow) -> tuple[Millis, bytes] | None:
    """Where an occurrence stands in the order of `once_per`."""
    anchor = anchor_of(rule, row.facts or {}, occurred=row.occurred)
    return None if anchor is None else (anchor, bytes(row.key))
