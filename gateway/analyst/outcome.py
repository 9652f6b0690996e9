"""What comes of one rule in one scene, asked of the same functions that `receive` and `deliver` ask, in their order.

Tests beside rules and `caregate explain` both read it from here, so that neither can tell another story.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.analyst.scene import Scene
from gateway.model.consent import ChannelKind
from gateway.model.policy import Policy
from gateway.model.rule import Condition, Rule
from gateway.model.verdict import Deny, Hold, Reason, Verdict
from gateway.model.when import Millis, to_datetime
from gateway.policy import at_planning, decide, next_channel_may
from gateway.ruleset import Planned, deciding, in_effect, planned, undecided

_TIMED = frozenset({Reason.QUIET_HOURS, Reason.FREQUENCY_CAP})  # holds that time alone ends
_TURNS = 1000  # after so many holds that time ends one after another nobody waits any longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One channel asked at one moment (Millis UTC): every gate's answer, in order."""

    channel: ChannelKind
    at: Millis
    verdicts: tuple[Verdict, ...]
    against: Hold | Deny | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of one step. `kind`: sends | withheld | held | skipped. `moment`: when it leaves (Millis UTC).

    `tried`: every channel that was asked, in order; asked again after each hold that time ends.
    """

    step: str
    kind: str
    moment: Millis | None = None
    at: str = ""
    by: str = ""
    reasons: tuple[Reason, ...] = ()
    gate: str = ""
    tried: tuple[Tried, ...] = ()

    def __str__(self) -> str:
        if self.kind == "sends":
            return f"sends at {self.at} by {self.by}"
        if self.kind == "skipped":
            return "is skipped: its time is past"
        return f"is {self.kind} because {', '.join(self.reasons)} (gate {self.gate})"


def against(rule: Rule, scene: Scene) -> Condition | str | None:
    """What keeps the rule silent: a condition, "when.event" or "effective"; None when it plans.

    What only an unmapped code under `unless` speaks against is planned and held.
    """
    if scene.event not in rule.events:
        return "when.event"
    if not in_effect(rule, scene.now, scene.zone):
        return "effective"
    return None if undecided(rule, scene.facts) else deciding(rule, scene.facts)


def steps(rule: Rule, scene: Scene) -> tuple[Planned, ...]:
    """The rule's steps at their times; empty when a fact its schedule needs is absent or coarser than a day."""
    return planned(rule, scene.facts, occurred=scene.occurred, zone=scene.zone)


def outcome(rule: Rule, policy: Policy, scene: Scene, step: Planned) -> Came:
    """What comes of one step: planned or not as `receive` decides, then sent or not as `deliver` would."""
    refused = at_planning(scene.planning(rule, step), policy)
    if isinstance(refused, Deny):
        return _not(step, (refused,))
    if not in_effect(rule, max(step.due, scene.now), scene.zone):
        return _out_of_effect(step)
    if step.due < scene.now and not step.at_once:
        return Came(step=step.step, kind="skipped")  # offsets already past are never sent at once
    if refused is not None:
        return _not(step, (refused,))
    return _leaves(rule, policy, scene, step)


def _leaves(rule: Rule, policy: Policy, scene: Scene, step: Planned) -> Came:
    """Ask the gates as `deliver` would, again after each hold that time ends; expiry ends it at the latest."""
    tried: list[Tried] = []
    at = max(step.due, scene.looked)
    for _ in range(_TURNS):
        if not in_effect(rule, at, scene.zone):
            return _out_of_effect(step, tuple(tried))
        asked = _round(rule, policy, scene, step, at)
        tried += asked
        last = asked[-1]
        if last.against is None:
            return Came(
                step=step.step, kind="sends", moment=at, at=local(at, scene.zone), by=last.channel, tried=tuple(tried)
            )
        if not isinstance(last.against, Hold) or last.against.reason not in _TIMED or last.against.until is None:
            break
        at = last.against.until
    return _not(step, tuple(one.against for one in asked if one.against is not None), tuple(tried))


def _round(rule: Rule, policy: Policy, scene: Scene, step: Planned, at: Millis) -> list[Tried]:
    """One try: channel after channel, until one may, or something speaks against the message as such."""
    asked: list[Tried] = []
    for channel in scene.channels(rule):
        decision = decide(scene.sending(rule, step, channel, at), policy)
        asked.append(Tried(channel=channel, at=at, verdicts=decision.verdicts, against=decision.against))
        if decision.against is None or not next_channel_may(decision.against):
            break
    return asked


def _out_of_effect(step: Planned, tried: tuple[Tried, ...] = ()) -> Came:
    return Came(step=step.step, kind="withheld", reasons=(Reason.NOT_IN_EFFECT,), gate="effective", tried=tried)


def _not(step: Planned, answers: tuple[Hold | Deny, ...], tried: tuple[Tried, ...] = ()) -> Came:
    """A hold decides alone; denials of several channels are all told."""
    last = answers[-1]
    kind = "held" if isinstance(last, Hold) else "withheld"
    reasons = (last.reason,) if kind == "held" else tuple(dict.fromkeys(answer.reason for answer in answers))
    return Came(step=step.step, kind=kind, reasons=reasons, gate=last.gate, tried=tried)


def local(at: Millis, zone: str) -> str:
    """A moment to the minute on the clock of a zone."""
    return to_datetime(at, zone).strftime("%Y-%m-%d %H:%M")
