"""Matches the active rules against what is known of an occurrence: what is planned is what they ask for now, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from gateway.model.facts import FactValue
from gateway.model.party import Location
from gateway.model.rule import Rule
from gateway.model.verdict import Deny, Hold, Reason
from gateway.model.when import Millis, Precision, When
from gateway.pipeline import brakes, doubled
from gateway.pipeline.across import Across
from gateway.pipeline.batch import Batch
from gateway.pipeline.directory import Directory
from gateway.pipeline.doubled import Doubles
from gateway.pipeline.planning import Occasion, Plan, ended, replan
from gateway.pipeline.rows import OccurrenceRow, PatientRow
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.pipeline.weighing import planning_circumstances
from gateway.policy.decide import at_planning
from gateway.ruleset.across import in_effect
from gateway.ruleset.schedule import OCCURRED, Planned

_SECOND = Precision.SECOND


class Matcher:
    """Matches within one unit of work, under one rule set."""

    def __init__(self, batch: Batch, directory: Directory, site: Site, rules: Active) -> None:
        self._batch = batch
        self._directory = directory
        self._site = site
        self._rules = rules
        self.across = Across(batch, site, rules.ruleset)
        self.doubles = Doubles(batch, site)
        self._digests: dict[bytes, bytes] = {}

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
        ruleset = self._rules.ruleset
        if not ruleset.listens(row.reached_by):
            return ended(row, ended_by)
        location = self._site.location(row.facts or {}, row.facility)
        zone = self._site.zone(location, row.source)
        facts = self._facts(row, patient, zone)
        occasion = Occasion(
            patient=patient.token,
            raw=raw,
            now=self._batch.uow.now,
            zone=zone,
            facts=facts,
            permanent=self._permanent(row, patient, facts, location, occurred, zone),
            new_id=self._batch.uow.new_id,
            digest=self._material_digest,
            same=lambda blob, stored: self._batch.keyring.same("material", blob, stored),
            ruleset=self._rules.id,
            restored=partial(brakes.restored, self._batch.uow),
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

        Then whether another feed told the same, and of rules that have such things, whether they are in effect when it
        is due, and what else there is.
        """
        known: dict[tuple[str, Millis], Deny | Hold | None] = {}
        now, policy = self._batch.uow.now, self._rules.ruleset.policy
        alike: list[OccurrenceRow] | None = None  # not asked yet

        def permanent(rule: Rule, step: Planned) -> Deny | Hold | None:
            nonlocal alike
            key = (rule.name, step.expires)
            if key not in known:
                when = occurred
                if when is None:
                    when = row.occurred if rule.schedule.anchor == OCCURRED else now
                seen = planning_circumstances(
                    rule, step, row, patient, facts, location, self._directory, now=now, occurred=when
                )
                known[key] = at_planning(seen, policy)
            verdict = known[key]
            if isinstance(verdict, Deny):
                return verdict
            if alike is None:
                alike = self.doubles.alike(row, patient)
            verdict = verdict or doubled.against(rule, alike)
            if rule.effective is None and not rule.looks_across:
                return verdict
            return self._beside(rule, step, row, patient, zone) or verdict

        return permanent

    def _beside(self, rule: Rule, step: Planned, row: OccurrenceRow, patient: PatientRow, zone: str) -> Deny | None:
        """What the days and the person's other occurrences have against a step."""
        if not in_effect(rule, max(step.due, self._batch.uow.now), zone):
            return Deny(gate="effective", reason=Reason.NOT_IN_EFFECT)
        why = self.across.against(rule, row, patient) if rule.looks_across else None
        return None if why is None else Deny(gate="across", reason=why[0])

    def _material_digest(self, blob: bytes) -> bytes:
        """The keyed digest of what a send would say; the steps of a rule say the same."""
        found = self._digests.get(blob)
        if found is None:
            found = self._digests[blob] = self._batch.keyring.digest("material", blob)
        return found

    def _facts(self, row: OccurrenceRow, patient: PatientRow, zone: str) -> dict[str, FactValue]:
        """What a condition may ask about: the occurrence's facts, the event's time, and the person's if any rule asks."""
        facts: dict[str, FactValue] = dict(row.facts or {})
        if self._rules.ruleset.asks_person(row.reached_by):
            facts.update(self._directory.facts(patient, self._batch.uow.now, zone))
        facts["event.occurred"] = When(row.occurred, zone, _SECOND)
        return facts
