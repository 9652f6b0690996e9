"""Why a rule set sends or stays silent in a scene: every rule, condition and gate, by the functions that decide it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.analyst.explained import Answer, Asked, ChannelAsked, EventSaid, Gate, RuleSaid, Step
from gateway.analyst.outcome import Came, Tried, against, local, outcome, steps
from gateway.analyst.scene import Scene, Sensitive
from gateway.model.facts import UNMAPPED, VOCABULARY, FactType, FactValue, Sensitivity
from gateway.model.rule import Condition, Rule
from gateway.model.verdict import Hold, Permit, Verdict
from gateway.model.when import When
from gateway.pipeline.inspect.scenes import StoredScene
from gateway.policy import at_planning
from gateway.ruleset import Planned, RuleSet, holding, undecided
from gateway.ruleset.match import answer

HIDDEN = "(hidden)"
_ANSWERS = {True: Answer.YES, False: Answer.NO, None: Answer.UNKNOWN}


def explain(rules: RuleSet, scene: Scene, sensitivity: Sensitive) -> EventSaid:
    """What every rule of the set makes of the scene, in the order of their names.

    `sensitivity`: how much a fact's value betrays; what is above ordinary is never shown.
    """
    stored = scene if isinstance(scene, StoredScene) else None
    told = scene.facts
    shown = tuple((name, told_as(name, told, sensitivity)) for name in sorted(told) if not name.startswith("patient."))
    return EventSaid(
        event=scene.event,
        standing="hypothetical" if stored is None else stored.standing,
        status=None if stored is None else stored.status,
        occurred=scene.occurred,
        now=scene.now,
        looked=scene.looked,
        zone=scene.zone,
        patient=None if stored is None else stored.patient.token,
        holds=() if stored is None else stored.holds,
        facts=shown,
        rules=tuple(_rule(rule, rules, scene, sensitivity) for rule in rules.rules.values()),
    )


def told_as(name: str, facts: Mapping[str, FactValue], sensitivity: Sensitive) -> str:
    """A fact's value in words, as far as it may be shown: no names, and nothing above ordinary (PH-04)."""
    value = facts.get(name)
    if value is None:
        return "not told"
    if value == UNMAPPED:
        return "a code no table knows"
    if VOCABULARY[name].type is FactType.TEXT or sensitivity(name, value) > Sensitivity.ORDINARY:
        return HIDDEN
    if isinstance(value, When):
        return local(value.utc, value.zone) if value.has_clock else value.local().strftime("%Y-%m-%d")
    return _word(value)


def _word(value: FactValue) -> str:
    """A value as rule files write it."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def wants(condition: Condition) -> str:
    """What a condition asks for, in the words of the rule file."""
    if condition.present is not None:
        return "present" if condition.present else "absent"
    if condition.listed is not None:
        return f"one of list {condition.listed}"
    if condition.values is not None:
        words = sorted(_word(one) for one in condition.values)
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    bounds = ("at_least", "at_most", "after", "before")
    return ", ".join(f"{name} {bound}" for name in bounds if (bound := getattr(condition, name)) is not None)


def _rule(rule: Rule, rules: RuleSet, scene: Scene, sensitivity: Sensitive) -> RuleSaid:
    stored = scene if isinstance(scene, StoredScene) else None
    why = against(rule, scene)
    if why == "when.event":
        return _silent(rule, "when.event", None)
    lost = () if stored is None else stored.unanswered(rule)
    asked = tuple(_conditions(rule, scene, sensitivity, lost, why))
    if why is not None:
        line = why.line if isinstance(why, Condition) else rule.effective.line if rule.effective else None
        return _silent(rule, why.fact if isinstance(why, Condition) else why, line, asked, lost)
    found = steps(rule, scene)
    variant = scene.variant(rule)
    return RuleSaid(
        rule=rule.name,
        file=rule.file,
        matches=True,
        because=None,
        line=None,
        conditions=asked,
        steps=tuple(_step(rule, rules, scene, step) for step in found),
        variant=None if variant is None else variant.name,
        lost=lost,
        note=_note(rule, scene, found),
    )


def _silent(
    rule: Rule, why: str, line: int | None, asked: tuple[Asked, ...] = (), lost: tuple[str, ...] = ()
) -> RuleSaid:
    return RuleSaid(
        rule=rule.name, file=rule.file, matches=False, because=why, line=line, conditions=asked, steps=(), lost=lost
    )


def _note(rule: Rule, scene: Scene, found: tuple[Planned, ...]) -> str | None:
    if not found:
        return f"nothing can be planned: {rule.schedule.anchor} or {rule.expires} is absent or coarser than a day"
    if guess := undecided(rule, scene.facts):
        return f"{', '.join(guess)} may be one the rule excludes: planned, and held for a person"
    return None


def _conditions(
    rule: Rule, scene: Scene, sensitivity: Sensitive, lost: tuple[str, ...], why: Condition | str | None
) -> Iterator[Asked]:
    held = holding(rule, scene.due_facts)
    for part, some in (("where", rule.where), ("unless", rule.unless), ("hold", rule.hold)):
        facts = scene.due_facts if part == "hold" else scene.facts
        for one in some:
            gone = one.fact in lost
            yield Asked(
                part=part,
                line=one.line,
                fact=one.fact,
                wants=wants(one),
                told="not kept" if gone else told_as(one.fact, facts, sensitivity),
                answer=Answer.LOST if gone else _ANSWERS[answer(one, facts)],
                decided=one is why or (part == "hold" and one is held and why is None),
            )


def _step(rule: Rule, rules: RuleSet, scene: Scene, step: Planned) -> Step:
    refused = at_planning(scene.planning(rule, step), rules.policy)
    came = outcome(rule, rules.policy, scene, step)
    stored = scene if isinstance(scene, StoredScene) else None
    if stored is not None and (why := stored.beside(rule)) is not None and came.kind in ("sends", "held"):
        came = Came(step=step.step, kind="withheld", reasons=(why[0],), gate=f"across, {why[1]}")
    stands = None if stored is None else stored.stands(rule, step.step)
    return Step(
        step=step.step,
        due=step.due,
        expires=step.expires,
        outcome=came.kind,
        because=tuple(reason.value for reason in came.reasons),
        gate=came.gate,
        leaves=came.moment,
        by=str(came.by),
        planning=None if refused is None else gate(refused),
        channels=tuple(_tried(one) for one in came.tried),
        stands=None if stands is None else str(stands),
    )


def _tried(one: Tried) -> ChannelAsked:
    decided = None if one.against is None else gate(one.against)
    return ChannelAsked(channel=one.channel.value, at=one.at, gates=tuple(map(gate, one.verdicts)), decided=decided)


def gate(verdict: Verdict) -> Gate:
    """A gate's answer as data."""
    if isinstance(verdict, Permit):
        return Gate(gate=verdict.gate, answer="permit")
    if isinstance(verdict, Hold):
        return Gate(
            gate=verdict.gate,
            answer="hold",
            reason=verdict.reason.value,
            released_by=verdict.released_by,
            until=verdict.until,
        )
    return Gate(gate=verdict.gate, answer="deny", reason=verdict.reason.value)
