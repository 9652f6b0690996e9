"""What a rule set is asked about, made up or stored: a scene gives facts and derived values, and decides nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gateway.model.consent import ANY, ChannelKind
from gateway.model.facts import UNMAPPED, VOCABULARY, FactValue, Sensitivity
from gateway.model.rule import Rule, Variant
from gateway.model.when import Millis
from gateway.policy import Circumstances, PlanningCircumstances, Representative, Sent
from gateway.ruleset import Planned, certain, holding, unmapped

if TYPE_CHECKING:
    from gateway.analyst.rule_cases import Case  # reading tests takes pydantic: explaining a message does without


class Scene(Protocol):
    """One event of one patient, as planning and sending would see it.

    `event`: the kind that led to the state things are in. `now`: when it is planned; `looked`: the earliest moment at
    which anything may leave; `occurred`: when the event happened (Millis UTC). `zone`: the place's. `facts`: what
    conditions are asked of at planning.
    """

    @property
    def event(self) -> str:
        """The kind of event that led to the state."""
        ...

    @property
    def now(self) -> Millis:
        """When it is planned."""
        ...

    @property
    def looked(self) -> Millis:
        """The earliest moment at which anything may leave."""
        ...

    @property
    def occurred(self) -> Millis:
        """When the event happened."""
        ...

    @property
    def zone(self) -> str:
        """Where it takes place."""
        ...

    @property
    def facts(self) -> Mapping[str, FactValue]:
        """What conditions are asked of when it is planned."""
        ...

    @property
    def due_facts(self) -> Mapping[str, FactValue]:
        """What `hold` is asked of when it is due."""
        ...

    def planning(self, rule: Rule, step: Planned) -> PlanningCircumstances:
        """What the gates see when a step is planned."""
        ...

    def sending(self, rule: Rule, step: Planned, channel: ChannelKind, at: Millis) -> Circumstances:
        """What the gates see when a step is about to leave by a channel at a moment (Millis UTC)."""
        ...

    def channels(self, rule: Rule) -> Sequence[ChannelKind]:
        """The rule's channels in the order this patient is tried."""
        ...

    def variant(self, rule: Rule) -> Variant | None:
        """Which wording this patient gets; None of a rule without variants, or where it is not known."""
        ...


Sensitive = Callable[[str, FactValue | None], Sensitivity]
"""How much a fact's value betrays, as the mappings in use say."""


def own_sensitivity(name: str, value: FactValue | None) -> Sensitivity:
    """A fact's own, where no mapping is at hand that may raise it for a value."""
    return Sensitivity.PROTECTED if value == UNMAPPED else VOCABULARY[name].sensitivity


@dataclass(frozen=True, slots=True)
class CaseScene:
    """A scene from what a test, or somebody who asks, tells."""

    case: Case
    sensitivity: Sensitive = own_sensitivity

    @property
    def event(self) -> str:
        """The kind told."""
        return self.case.event

    @property
    def now(self) -> Millis:
        """When it reaches us."""
        return self.case.now

    @property
    def looked(self) -> Millis:
        """The same: nothing is known of later."""
        return self.case.now

    @property
    def occurred(self) -> Millis:
        """When it happened."""
        return self.case.occurred

    @property
    def zone(self) -> str:
        """The place's."""
        return self.case.zone

    @property
    def facts(self) -> Mapping[str, FactValue]:
        """What was told of the event and of the person."""
        return self.case.facts

    @property
    def due_facts(self) -> Mapping[str, FactValue]:
        """The same: nothing is known of later."""
        return self.case.facts

    def planning(self, rule: Rule, step: Planned) -> PlanningCircumstances:
        """The same as at sending: one person, nothing changes meanwhile."""
        return self.sending(rule, step, ChannelKind.EMAIL, self.case.now)

    def channels(self, rule: Rule) -> Sequence[ChannelKind]:
        """The patient's own choice first, where the rule lets it."""
        prefers = self.case.patient.prefers
        if rule.preferred_first and prefers in rule.channels:
            return (prefers, *(channel for channel in rule.channels if channel is not prefers))
        return rule.channels

    def variant(self, rule: Rule) -> Variant | None:  # noqa: ARG002
        """Nobody in particular: none is drawn."""
        return None

    def sending(self, rule: Rule, step: Planned, channel: ChannelKind, at: Millis) -> Circumstances:
        """What was told, with a usable address for each channel said to be reachable."""
        case, patient = self.case, self.case.patient
        reachable = channel in patient.reachable or (channel is ChannelKind.PORTAL and _is_told(case))
        return Circumstances(
            now=at,
            expires=step.expires,
            occurred=case.occurred,
            max_age=rule.max_age,
            production=case.production,
            deceased=patient.deceased,
            merged_away=patient.merged,
            patient_holds=frozenset(patient.holds),
            visit_holds=frozenset(),
            service=_service(case),
            location_sensitive=False,
            unmapped=unmapped(rule, case.facts),
            time_certain=certain(rule, case.facts),
            held_out=False,
            request=1,
            patient=1,
            rule=rule.name,
            ruleset=1,
            template_digest="",
            reveals=rule.reveals,
            sensitivity=_most(rule, case, self.sensitivity),
            purpose=rule.purpose,
            topic=rule.topic,
            channel=channel,
            source_held=False,
            stopped=False,
            campaign=None,  # a case is about one person, whoever approved what
            channel_stopped=False,
            feed_silent=False,
            holding=holding(rule, case.facts),
            age=patient.age if isinstance(patient.age, int) else None,
            channel_configured=True,
            contact_point=1 if reachable else None,
            address=1 if reachable else None,
            address_opted_out=channel in patient.opted_out,
            address_suppressed=False,
            recipient_listed=True,
            consents=case.consents,
            sent_recently=tuple(
                Sent(per=per, purpose=rule.purpose, topic=rule.topic, channel=told or channel, at=at_)
                for at_, told in case.sent
                for per in ("patient", "address")
            ),
            zones=(patient.zone or case.zone,),
            state=_state(case),
            paid=rule.remuneration != "none",
            agreement=True,
            representatives=(_GUARDIAN,) if patient.represented else (),
            recipient=_GUARDIAN.id if patient.represented and _is_child(patient.age) else None,
        )


_GUARDIAN = Representative(id=1, topics=(ANY,))


def _is_child(age: int | str) -> bool:
    return isinstance(age, int) and age < 18


def _state(case: Case) -> str | None:
    told = case.facts.get("patient.state")
    return told if isinstance(told, str) else None


def _is_told(case: Case) -> bool:
    """The portal is reached by whoever can be told, by mail or text, that something waits there (EM-10)."""
    patient = case.patient
    return any(
        way in patient.reachable and way not in patient.opted_out for way in (ChannelKind.EMAIL, ChannelKind.SMS)
    )


def _service(case: Case) -> str | None:
    value = case.facts.get(f"{case.event.partition('.')[0]}.service")
    return value if isinstance(value, str) else None


def _most(rule: Rule, case: Case, sensitivity: Sensitive) -> Sensitivity:
    """The highest of all revealed facts and of their values, as `weigh` takes it; of one that is not told, its own."""
    return max((sensitivity(name, case.facts.get(name)) for name in rule.reveals), default=Sensitivity.PUBLIC)
