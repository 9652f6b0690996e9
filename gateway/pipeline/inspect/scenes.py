"""What the gates would see of a stored event, as values: read in a unit of work that is never committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.model.consent import ChannelKind
from gateway.model.event import Fault, OccurrenceKind
from gateway.model.facts import VOCABULARY, FactValue, Sensitivity
from gateway.model.rule import Rule, Variant
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline.across import Across
from gateway.pipeline.directory import Directory
from gateway.pipeline.rows import OccurrenceRow, PatientRow, RequestRow, split_reasons
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.pipeline.turns import in_turn
from gateway.pipeline.weighing import planning_circumstances, variant_of, weigh, weigh_facts
from gateway.policy.circumstances import Circumstances, PlanningCircumstances
from gateway.ports import Channel
from gateway.ruleset.schedule import Planned


@dataclass(frozen=True, slots=True)
class Sent:
    """The request that stands, or stood last, for one step of a rule."""

    request: int
    state: str
    reason: str | None

    def __str__(self) -> str:
        return f"request {self.request}: {self.state}" + (f", {self.reason}" if self.reason else "")


@dataclass(slots=True, kw_only=True)
class StoredScene:
    """One occurrence as stored, seen by an analyst's rule set (an `analyst.scene.Scene`).

    `standing`: what the event came to (an audit action). `now`: when the message was received; `looked`: the moment of
    the look; `missing`: facts of it that may have been told and are not kept, so that no condition on them is answered.
    """

    event: str
    standing: str
    status: str
    now: Millis
    looked: Millis
    occurred: Millis
    zone: str
    row: OccurrenceRow
    patient: PatientRow
    facts: Mapping[str, FactValue]
    whole: bool
    stage: Stage
    _weighed: dict[tuple[str, ChannelKind], Circumstances] = field(default_factory=dict)
    _due: dict[str, FactValue] | None = None

    def planning(self, rule: Rule, step: Planned) -> PlanningCircumstances:
        """As `receive` asks: at the message's receipt."""
        location = self.stage.site.location(self.facts, self.row.facility)
        return planning_circumstances(
            rule,
            step,
            self.row,
            self.patient,
            self.facts,
            location,
            self.stage.directory,
            now=self.now,
            occurred=self.occurred,
        )

    def sending(self, rule: Rule, step: Planned, channel: ChannelKind, at: Millis) -> Circumstances:
        """As `deliver` weighs it, with everything as it stands and the clock at `at`."""
        seen = self._weighed.get((rule.name, channel))
        if seen is None:
            seen = self._weighed[rule.name, channel] = self.stage.weighed(self, rule, channel)
        age = self.stage.directory.age(self.patient, at, self.zone)
        return replace(seen, now=at, expires=step.expires, age=age)

    def channels(self, rule: Rule) -> Sequence[ChannelKind]:
        """As this person is asked."""
        return in_turn(self.stage.directory, rule, self.patient, self.looked)

    def variant(self, rule: Rule) -> Variant | None:
        """The wording this person always gets of the rule."""
        return variant_of(self.stage.directory, rule, self.patient)

    def beside(self, rule: Rule) -> tuple[Reason, str] | None:
        """What the person's other occurrences have against the rule, and where that is written."""
        return self.stage.across.against(rule, self.row, self.patient) if rule.looks_across else None

    @property
    def due_facts(self) -> Mapping[str, FactValue]:
        """All facts a condition may ask about at sending, as they stand."""
        if self._due is None:
            directory = self.stage.directory
            now = weigh_facts(directory.uow, directory, self.stage.site, self.row, self.patient)
            self._due = {**self.facts, **now}
        return self._due

    @property
    def holds(self) -> tuple[str, ...]:
        """Reasons set on the person and on the visit, sorted."""
        return tuple(sorted({*self.patient.holds, *split_reasons(self.row.hold)}))

    def stands(self, rule: Rule, step: str) -> Sent | None:
        """The latest request of a step, if one was ever planned."""
        mine = [one for one in self.row.requests if (one.rule, one.step) == (rule.name, step)]
        last = max(mine, key=lambda one: one.material_version, default=None)
        return None if last is None or last.new else Sent(last.id, last.state, last.reason)

    def unanswered(self, rule: Rule) -> tuple[str, ...]:
        """Facts the rule asks of the event that nobody can look up any more, sorted."""
        if self.whole:
            return ()
        prefix = f"{OccurrenceKind(self.row.kind).prefix}."
        asked = {one.fact for one in (*rule.where, *rule.unless) if one.fact.startswith(prefix)}
        return tuple(sorted(name for name in asked - self.facts.keys() if not VOCABULARY[name].computed))


@dataclass(slots=True, kw_only=True)
class Stage:
    """One message on an uncommitted unit of work. `known`: tokens of people the database knew before.

    `log`: its audit entries in words. `body`: whether its bytes were read. `scenes`: one for each occurrence.
    """

    source: str
    message: int | None
    type: str
    received: Millis
    body: bool
    production: bool
    ignored: str | None
    faults: tuple[Fault, ...]
    log: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    known: tuple[int, ...] = ()
    scenes: list[StoredScene] = field(default_factory=list)
    site: Site
    channels: Mapping[ChannelKind, Channel]
    rules: Active
    directory: Directory
    across: Across
    as_of: Millis | None = None

    def sensitivity(self, name: str, value: FactValue | None) -> Sensitivity:
        """How much a value betrays."""
        return self.site.sensitivity(name, value)

    def weighed(self, scene: StoredScene, rule: Rule, channel: ChannelKind) -> Circumstances:
        """Everything one decision needs; of the ledger and of what left only what was there at `as_of`."""
        uow, row, patient = self.directory.uow, scene.row, scene.patient
        facts = scene.due_facts
        seen = weigh(
            uow, self.directory, self.site, self.channels, self.rules,
            rule=rule.worded(scene.variant(rule)), request=_request(scene, rule), patient=patient, occurrence=row,
            facts=facts, channel=channel,
        ).circumstances  # fmt: skip
        if self.as_of is None:
            return seen
        return replace(
            seen,
            consents=tuple(one for one in seen.consents if one.recorded <= uow.now),
            sent_recently=tuple(one for one in seen.sent_recently if one.at <= uow.now),
        )


def _request(scene: StoredScene, rule: Rule) -> RequestRow:
    """The stored request, or what it would be: the gates look at its number and at when it expires."""
    mine = [one for one in scene.row.requests if one.rule == rule.name]
    if mine:
        return mine[-1]
    token, lane = scene.patient.token, rule.priority.lane
    return RequestRow(
        0, "rule", token, scene.row.id, None, rule.name, 0, "", 0, b"", token, lane, 0, None, "active", None, 0
    )
