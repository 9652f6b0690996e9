"""What would become of a planned send if it were due now: the very gates that decide at sending, asked ahead, deciding nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.model.consent import ChannelKind
from gateway.model.errors import KeyringError
from gateway.model.facts import FactValue
from gateway.model.policy import Policy
from gateway.model.request import RequestStatus
from gateway.model.rule import Rule
from gateway.model.verdict import Deny, Hold, Reason, Verdict
from gateway.pipeline import asking
from gateway.pipeline.across import Across
from gateway.pipeline.directory import Directory
from gateway.pipeline.packing import unpack
from gateway.pipeline.rows import OccurrenceRow, PatientRow, RequestRow
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.pipeline.turns import in_turn
from gateway.pipeline.weighing import sent_since, variant_of, weigh, weigh_facts, weigh_send
from gateway.policy.alike import alike
from gateway.policy.circumstances import Circumstances
from gateway.policy.decide import decide, next_channel_may
from gateway.ports import Channel
from gateway.ruleset.match import deciding
from gateway.store import tables
from gateway.store.uow import UnitOfWork

NEEDLESS = frozenset({Reason.NOT_IN_EFFECT, Reason.SUPERSEDED, Reason.CANCELLED_BY_EVENT})
"""Why a send would be taken back before any gate is asked."""
# What the source's being held, or its silence, holds is judged as if it were due; other holds wait for a person.
_JUDGED = (None, Reason.SOURCE_HELD, Reason.FEED_SILENT)


Known = dict[Hashable, Hold | Deny | None]
"""What the gates said against whom, by what they saw (`policy.alike`)."""


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


@dataclass(frozen=True, slots=True)
class Judged:
    """What would decide: `verdict` None and the `channel` it would leave by, else what is against it."""

    verdict: Hold | Deny | None
    channel: ChannelKind | None = None


class Ahead:
    """Asks about sends of one unit of work that is never committed: judging locks what sending locks.

    `released`: as if their source were not held, to see what releasing it would do. `approved`: as if their campaign were
    approved and had room, to see what approving it would do.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        site: Site,
        channels: Mapping[ChannelKind, Channel],
        rules: Active,
        *,
        released: bool = False,
        approved: bool = False,
    ) -> None:
        self._uow, self._site, self._channels, self._rules = uow, site, channels, rules
        self._directory = Directory(uow, uow.store.keyring, rules.ruleset.policy)
        self._across = Across.alone(uow, self._directory, site, rules.ruleset)
        self._released, self._approved = released, approved
        self._judged: Known = {}

    def outcomes(self, rows: Sequence[RequestRow]) -> Iterator[tuple[str, str, ChannelKind | None, str]]:
        """Of each: "send", "wait", "refuse" or "withdraw"; the reason; the channel it would leave by; and the variant."""
        known = self._load(rows)
        for row in rows:
            if row.state == RequestStatus.ON_HOLD and row.reason not in _JUDGED:
                yield "wait", str(row.reason), None, ""
                continue
            try:
                yield self._outcome(row, known)
            except KeyringError:
                yield "wait", Reason.UNREADABLE.value, None, ""

    def _load(self, rows: Sequence[RequestRow]) -> dict[int, OccurrenceRow]:
        """What they are about, and whose, in few look-ups."""
        wanted = sorted({row.occurrence for row in rows if row.occurrence is not None})
        found = [
            OccurrenceRow(*one) for one in self._uow.lookup(tables.occurrence, OccurrenceRow.COLUMNS, "id", wanted)
        ]
        people = {*(row.patient for row in rows), *(one.patient for one in found)}
        self._directory.load_tokens(people)
        asking.ahead(self._uow, self._directory, people, sent_since(self._uow.now, self._rules.ruleset.policy))
        return {one.id: one for one in found}

    def _outcome(self, row: RequestRow, known: Mapping[int, OccurrenceRow]) -> tuple[str, str, ChannelKind | None, str]:
        directory, rule = self._directory, self._rules.ruleset.named(row.rule)
        if rule is None or all(step.label != row.step for step in rule.schedule.steps):
            return "withdraw", Reason.RULE_RETIRED.value, None, ""
        occurrence, patient = known[row.occurrence or 0], directory.root(row.patient)
        owner = directory.patients[occurrence.patient]
        occurrence.facts = unpack(directory.open_facts(owner, occurrence.sealed_facts, occurrence.id))
        if directory.root(occurrence.patient).token != patient.token:
            return "withdraw", Reason.IDENTITY_CONFLICT.value, None, ""
        facts = weigh_facts(self._uow, directory, self._site, occurrence, patient, rule=rule)
        if occurrence.reached_by not in rule.events or deciding(rule, facts) is not None:
            return "withdraw", Reason.NO_LONGER_MATCHES.value, None, ""
        found = judge(
            self._uow, directory, self._site, self._channels, self._rules, self._across,
            rule=rule, request=row, patient=patient, occurrence=occurrence, facts=facts,
            released=self._released, approved=self._approved, known=self._judged,
        )  # fmt: skip
        if found.verdict is None:
            variant = variant_of(directory, rule, patient)
            return "send", "", found.channel, "" if variant is None else variant.name
        reason = found.verdict.reason
        word = "withdraw" if reason in NEEDLESS else "wait" if isinstance(found.verdict, Hold) else "refuse"
        return word, reason.value, None, ""


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
) -> Verdict | None:
    """The verdict of `judge`, of an occurrence whose facts are open."""
    facts = weigh_facts(uow, directory, site, occurrence, patient)
    return judge(
        uow, directory, site, channels, rules, across,
        rule=rule, request=request, patient=patient, occurrence=occurrence, facts=facts,
    ).verdict  # fmt: skip


def judge(
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
    facts: Mapping[str, FactValue],
    released: bool = False,
    approved: bool = False,
    known: Known | None = None,
) -> Judged:
    """What would decide at the request's due time, by what is known now. `across`: the person's other occurrences.

    A denial of one channel asks the next one, as at sending. `released`, `approved`: as of `Ahead`. `known`: where the verdict
    about whoever differs in nothing will do, but for how long it holds.
    """
    at = max(request.due, uow.now)
    if (why := across.at_sending(rule, occurrence, patient, facts, at)) is not None:
        return Judged(Deny(gate="across", reason=why[0]))
    rule = rule.worded(variant_of(directory, rule, patient))
    refused: list[Hold | Deny] = []
    asked = in_turn(directory, rule, patient, at)
    send = weigh_send(
        uow, directory, site, rules, rule=rule, request=request, patient=patient, occurrence=occurrence, facts=facts,
        at=at, released=released, approved=approved,
    )  # fmt: skip
    for channel in [one for one in asked if one in channels] or asked:  # what nobody runs says only that, if all say it
        seen = weigh(
            uow, directory, site, channels, rules,
            rule=rule, request=request, patient=patient, occurrence=occurrence, facts=facts, channel=channel, send=send,
        ).circumstances  # fmt: skip
        verdict = _against(seen, rules.ruleset.policy, known)
        if verdict is None:
            return Judged(None, channel)
        if not next_channel_may(verdict):
            return Judged(verdict)
        refused.append(verdict)
    return Judged(refused[0])


def _against(seen: Circumstances, policy: Policy, known: Known | None) -> Hold | Deny | None:
    """What the gates say first against it; asked once of all who are alike."""
    if known is None:
        return decide(seen, policy).against
    key = alike(seen, policy)
    if key not in known:
        known[key] = decide(seen, policy).against
    return known[key]
