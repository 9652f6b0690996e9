"""What would become of a planned send if it were due now: the very gates that decide at sending, asked ahead, deciding nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.model.consent import ChannelKind
from gateway.model.rule import Rule
from gateway.model.verdict import Deny, Hold, Reason, Verdict
from gateway.pipeline.across import Across
from gateway.pipeline.directory import Directory
from gateway.pipeline.rows import OccurrenceRow, PatientRow, RequestRow
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.pipeline.turns import in_turn
from gateway.pipeline.weighing import variant_of, weigh, weigh_facts
from gateway.policy.decide import decide, next_channel_may
from gateway.ports import Channel
from gateway.store.uow import UnitOfWork

NEEDLESS = frozenset({Reason.NOT_IN_EFFECT, Reason.SUPERSEDED, Reason.CANCELLED_BY_EVENT})
"""Why a send would be taken back before any gate is asked."""


@dataclass(slots=True)
class Outlook:
    """How many sends would leave, and how many would wait or be refused, by reason, as things stand now."""

    sends: int = 0
    waits: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def count(self, verdict: Verdict | None) -> None:
        """Add one send, judged."""
        if isinstance(verdict, Hold):
            self.waits[verdict.reason.value] += 1
        elif isinstance(verdict, Deny):
            self.refused[verdict.reason.value] += 1
        else:
            self.sends += 1


def judged(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    channels: Mapping[ChannelKind, Channel],
    rules: Active,
    across: Across,
    *,
    rule: Rule,
    request: RequestRow,
    patient: PatientRow,
    occurrence: OccurrenceRow,
    released: bool = False,
) -> Verdict | None:
    """The verdict that would decide at the request's due time, by what is known now; None: it would leave.

    `released`: as if its source were not held, to see what releasing it would do. `across`: the person's other
    occurrences, for rules that ask. `occurrence.facts` must be open. A denial of one channel asks the next one, as at
    sending.
    """
    facts, at = weigh_facts(uow, directory, site, occurrence, patient), max(request.due, uow.now)
    if (why := across.at_sending(rule, occurrence, patient, facts, at)) is not None:
        return Deny(gate="across", reason=why[0])
    rule = rule.worded(variant_of(directory, rule, patient))
    refused: list[Hold | Deny] = []
    for channel in in_turn(directory, rule, patient, at):
        seen = weigh(
            uow, directory, site, channels, rules,
            rule=rule, request=request, patient=patient, occurrence=occurrence, facts=facts, channel=channel,
        ).circumstances  # fmt: skip
        held = seen.source_held and not released
        verdict = decide(replace(seen, now=at, source_held=held), rules.ruleset.policy).against
        if verdict is None:
            return None
        if not next_channel_may(verdict):
            return verdict
        refused.append(verdict)
    # a channel nobody runs says less than one that refused
    return next((one for one in refused if one.reason is not Reason.CHANNEL_NOT_CONFIGURED), refused[0])
