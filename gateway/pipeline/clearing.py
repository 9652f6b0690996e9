"""One clear transaction: read everything afresh under locks, decide, and write the attempt or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway import telemetry
from gateway.model.audit import Action
from gateway.model.consent import ChannelKind
from gateway.model.errors import RenderError
from gateway.model.pace import Pace
from gateway.model.request import CommunicationStatus, RequestKind, RequestStatus
from gateway.model.rule import Rule, Variant
from gateway.model.verdict import Clearance, Deny, Hold, Reason, Verdict
from gateway.model.when import Millis
from gateway.pipeline import campaigns, pacing, queries, receipts, representing, unheard
from gateway.pipeline.across import Across
from gateway.pipeline.brakes import About
from gateway.pipeline.directory import Directory
from gateway.pipeline.envelopes import Attempt, write_attempt
from gateway.pipeline.packing import material, unpack
from gateway.pipeline.rows import OccurrenceRow, PatientRow, RequestRow
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.pipeline.turns import in_turn
from gateway.pipeline.weighing import Weighing, told, variant_of, weigh, weigh_facts, weigh_send
from gateway.policy import legal
from gateway.policy.consents import open_allowed
from gateway.policy.decide import before_channels, decide, next_channel_may
from gateway.policy.kinds import rings_until
from gateway.ports import Channel
from gateway.ruleset.match import deciding
from gateway.store import tables
from gateway.store.ids import time_of
from gateway.store.uow import UnitOfWork

_GONE = (CommunicationStatus.STOPPED,)


@dataclass(frozen=True, slots=True)
class Cleared:
    """What the clear commit left for the network and for settling."""

    request: RequestRow
    fence: int
    attempt: Attempt
    about: About
    in_campaign: bool = False


def put_off(uow: UnitOfWork, row: RequestRow, until: Millis) -> None:
    """Ring again then, without an attempt: ring marks and leases are exempt from law 2 by name."""
    uow.update(tables.request, ("id",), ("ring_at", "lease_until"), [(until, None, row.id)])


def paced(uow: UnitOfWork, row: RequestRow, pace: Pace | None, channel: ChannelKind) -> bool:
    """Whether it has to come again because the provider takes no more now."""
    again = None if pace is None else pacing.wait(uow, channel.value, pace, lane=row.priority)
    if again is None:
        return False
    if row.expires is not None and again >= row.expires:
        close(uow, row, RequestStatus.REVOKED, Reason.EXPIRED, Action.REQUEST_WITHDRAWN, Reason.PACED)
    else:
        put_off(uow, row, again)
    return True


def close(uow: UnitOfWork, row: RequestRow, state: str, reason: Reason, action: Action, *more: object) -> None:
    """End or hold a leased request without an attempt, and say why."""
    uow.run(queries.SETTLE, (state, reason, row.due, row.due, row.attempts, None, row.id, row.fence))
    uow.audit([(action, row.id, reason, *more)], request=row.id, patients=[row.patient])


class Clearing:
    """A rule's send. `run` returns what may leave, or None when it waits or ended, which is written and audited."""

    def __init__(
        self,
        uow: UnitOfWork,
        directory: Directory,
        site: Site,
        channels: Mapping[ChannelKind, Channel],
        paces: Mapping[ChannelKind, Pace],
        rules: Active,
        row: RequestRow,
    ) -> None:
        self.uow = uow
        self.site = site
        self.paces = paces
        self.channels = channels
        self.directory = directory
        self.rules = rules
        self.row = row
        self.variant: Variant | None = None
        self.stands = False  # an earlier attempt has left, and only silence led here

    def run(self) -> Cleared | None:
        """Decide one doorbell. Raises KeyringError when something cannot be opened, StoreError."""
        row, uow = self.row, self.uow
        self.directory.load_tokens([row.patient])
        patient = self.directory.root(row.patient)
        tried = attempts_of(uow, row)
        self.stands = unheard.stands(tried)
        if lost(self.uow, row, tried) or arrived(uow, row, tried):
            return None
        rule = self.rules.ruleset.named(row.rule)
        if rule is None:
            self._end(Reason.RULE_RETIRED)
            return None
        occurrence = self._occurrence()
        if self.directory.root(occurrence.patient).token != patient.token:
            self._end(Reason.IDENTITY_CONFLICT)  # it belongs to somebody else now
            return None
        facts = self._facts(rule, occurrence, patient)
        if (stale := self._stands(rule, occurrence, facts)) is not None:
            self._end(stale)
            return None
        if (why := self._beside(rule, occurrence, patient, facts)) is not None:
            self._end(*why)
            return None
        rule = self._worded(rule, patient)
        gone = {channel for _, channel, _, status, why in tried if status in _GONE or why == Reason.SILENT}
        asked = in_turn(self.directory, rule, patient, uow.now)
        left = [one for one in asked if one.value not in gone]
        channels = [
            one for one in left if one in self.channels
        ] or left  # what nobody runs says only that, if all say it
        return self._decide(rule, patient, occurrence, facts, channels, tried)

    def _occurrence(self) -> OccurrenceRow:
        assert self.row.occurrence is not None, "a rule's request is about one"
        occurrence = told(self.uow, self.row.occurrence)
        self.directory.load_tokens([occurrence.patient])
        owner = self.directory.patients[occurrence.patient]
        occurrence.facts = unpack(self.directory.open_facts(owner, occurrence.sealed_facts, occurrence.id))
        return occurrence

    def _facts(self, rule: Rule, occurrence: OccurrenceRow, patient: PatientRow) -> dict[str, Any]:
        return weigh_facts(self.uow, self.directory, self.site, occurrence, patient, rule=rule)

    def _stands(self, rule: Rule, occurrence: OccurrenceRow, facts: Mapping[str, Any]) -> Reason | None:
        """A waiting request is matched again under the active rules: why it no longer stands, or None."""
        if occurrence.reached_by not in rule.events or deciding(rule, facts) is not None:
            return Reason.NO_LONGER_MATCHES
        if all(step.label != self.row.step for step in rule.schedule.steps):
            return Reason.RULE_RETIRED  # the rule no longer speaks at this moment
        if self.row.ruleset == self.rules.id:
            said = material(facts, rule.material)
            if not self.directory.keyring.same("material", said, bytes(self.row.material)):
                return Reason.SUPERSEDED
        return None

    def _beside(
        self, rule: Rule, occurrence: OccurrenceRow, patient: PatientRow, facts: Mapping[str, Any]
    ) -> tuple[Reason, str] | None:
        """What the day and the person's other occurrences have against it, and where the rule says so."""
        across = Across.alone(self.uow, self.directory, self.site, self.rules.ruleset)
        return across.at_sending(rule, occurrence, patient, facts, self.uow.now)

    def _worded(self, rule: Rule, patient: PatientRow) -> Rule:
        """The rule with the wording that this person always gets of it, if it has variants."""
        self.variant = variant_of(self.directory, rule, patient)
        return rule.worded(self.variant)

    def _decide(
        self,
        rule: Rule,
        patient: PatientRow,
        occurrence: OccurrenceRow,
        facts: Mapping[str, Any],
        channels: Sequence[ChannelKind],
        tried: Sequence[tuple[Any, ...]],
    ) -> Cleared | None:
        send = weigh_send(
            self.uow, self.directory, self.site, self.rules,
            rule=rule, request=self.row, patient=patient, occurrence=occurrence, facts=facts,
        )  # fmt: skip
        if channels and (against := before_channels(send, self.rules.ruleset.policy)) is not None:
            self._refuse([(against,)], rule)
            return None
        refusals: list[tuple[Verdict, ...]] = []
        for channel in channels:
            weighing = weigh(
                self.uow, self.directory, self.site, self.channels, self.rules,
                rule=rule, request=self.row, patient=patient, occurrence=occurrence, facts=facts, channel=channel,
                send=send,
            )  # fmt: skip
            decision = decide(weighing.circumstances, self.rules.ruleset.policy)
            if decision.clearance is not None and rule.campaign is not None:
                weighing = self._under_lock(rule, weighing)
                decision = decide(weighing.circumstances, self.rules.ruleset.policy)
            if decision.clearance is not None:
                if paced(self.uow, self.row, self.paces.get(channel), channel):
                    return None
                others = channels[channels.index(channel) + 1 :]
                return self._write(decision.clearance, rule, patient, occurrence, facts, weighing, tried, others)
            refusals.append(decision.verdicts)
            if decision.against is None or not next_channel_may(decision.against):
                break  # what holds or denies the send as such is not asked again of another channel
        self._refuse(refusals, rule)
        return None

    def _under_lock(self, rule: Rule, weighing: Weighing) -> Weighing:
        """The same with its campaign locked as it stands now: two workers never take the same last place."""
        now = campaigns.locked(self.uow, self.site, self.rules, rule)
        return replace(weighing, circumstances=replace(weighing.circumstances, campaign=now))

    def _write(
        self,
        clearance: Clearance,
        rule: Rule,
        patient: PatientRow,
        occurrence: OccurrenceRow,
        facts: Mapping[str, Any],
        weighing: Weighing,
        tried: Sequence[tuple[Any, ...]],
        others: Sequence[ChannelKind],
    ) -> Cleared | None:
        try:
            attempt = write_attempt(
                self.uow, self.directory, self.site, self.rules, clearance,
                rule=rule, patient=patient, occurrence=occurrence, facts=facts, contact=weighing.contact,
                attempt=len(tried) + 1, others=bool(others), first=first_try(tried, self.uow.now),
                until=rings_until(weighing.circumstances, self.rules.ruleset.policy, RequestKind.RULE),
                open_allowed=open_allowed(weighing.circumstances), stands=self.stands,
            )  # fmt: skip
        except RenderError as error:
            telemetry.log().error(
                "render.failed", request=self.row.id, rule=rule.name, error=type(error).__name__, said=error
            )
            close(self.uow, self.row, RequestStatus.ON_HOLD, Reason.RENDER_FAILED, Action.REQUEST_HELD)
            return None
        variant = "" if self.variant is None else self.variant.name
        if rule.campaign is not None:
            campaigns.count(self.uow, self.site, rule)
        by = (clearance.channel, clearance.template_digest, variant, f"legal.csv {legal.version()}")
        stands_in = representing.in_words(weighing.circumstances.recipient)
        entry = (Action.COMMUNICATION_CLEARED, attempt.id, rule.name, *by, *stands_in)
        self.uow.audit([entry], request=self.row.id, patients=[patient.token], ruleset=self.rules.id)
        about = About.of(self.site, rule.name, occurrence)
        return Cleared(self.row, self.row.fence, attempt, about, in_campaign=rule.campaign is not None)

    def _refuse(self, refusals: Sequence[tuple[Verdict, ...]], rule: Rule) -> None:
        """No channel may: wait if any channel may later, else for a person, else it ends here."""
        finals = [next(v for v in verdicts if not _permits(v)) for verdicts in refusals]
        holds = [one for one in finals if isinstance(one, Hold)]
        timed = [one for one in holds if one.until is not None]
        if timed:
            hold = min(timed, key=lambda one: one.until or 0)
            self._wait(hold if hold.reason is not Reason.CAMPAIGN_VOLUME else self._in_line(hold, rule))
        elif holds and not self.stands:
            hold = holds[0]
            told = (hold.gate, hold.detail) if hold.detail else (hold.gate,)
            close(self.uow, self.row, RequestStatus.ON_HOLD, hold.reason, Action.REQUEST_HELD, *told)
        elif finals:
            denies = [one for one in finals if isinstance(one, Deny)] or holds  # nobody need look: the first one left
            denied = next((one for one in denies if one.reason is not Reason.CHANNEL_NOT_CONFIGURED), denies[0])
            self._end(denied.reason, denied.gate)
        else:
            self._end(Reason(self.row.reason) if self.row.reason in receipts.SENT_BACK else Reason.REFUSED)

    def _in_line(self, hold: Hold, rule: Rule) -> Hold:
        """With a place of its own among all that wait for room."""
        campaigns.locked(self.uow, self.site, self.rules, rule)
        return replace(hold, until=campaigns.queue(self.uow, self.site, rule, hold.until or self.uow.now))

    def _wait(self, hold: Hold) -> None:
        row, until = self.row, hold.until
        assert until is not None
        if row.expires is not None and until >= row.expires:
            self._end(Reason.EXPIRED, hold.gate, hold.reason)
            return
        if row.reason == hold.reason:
            put_off(self.uow, row, until)  # nothing new: only the doorbell moves
            return
        self.uow.run(
            queries.SETTLE, (RequestStatus.ACTIVE, hold.reason, row.due, until, row.attempts, None, row.id, row.fence)
        )
        entry = (Action.REQUEST_HELD, row.id, hold.reason, hold.gate, until, *([hold.detail] if hold.detail else []))
        self.uow.audit([entry], request=row.id, patients=[row.patient])

    def _end(self, reason: Reason, *more: object) -> None:
        if self.stands:  # what has left is not taken back by what may not follow it
            close(self.uow, self.row, RequestStatus.COMPLETED, reason, Action.FALLBACK_ENDED, *more)
            return
        close(self.uow, self.row, RequestStatus.REVOKED, reason, Action.REQUEST_WITHDRAWN, *more)


def attempts_of(uow: UnitOfWork, row: RequestRow) -> list[tuple[Any, ...]]:
    """(id, channel, attempt, status, reason) of a leased request's attempts; they are written under a lease, so its first finds none."""
    if row.fence == 1:
        return []
    return uow.lookup(tables.communication, ("id", "channel", "attempt", "status", "reason"), "request", [row.id])


def first_try(tried: Sequence[tuple[Any, ...]], now: Millis) -> Millis:
    """When a request was tried first; now, if it never was. `tried`: rows that begin with the attempt's id."""
    return min((time_of(one[0]) for one in tried), default=now)


def arrived(uow: UnitOfWork, row: RequestRow, tried: Sequence[tuple[Any, ...]]) -> bool:
    """Whether an earlier attempt is there after all, told while this one was rung; then the request is done. Audited.

    `tried`: as `attempts_of`. Of one that nothing was heard of, and that led here by that, nobody says so.
    """
    there = [
        one for one, _, _, status, why in tried if status == CommunicationStatus.COMPLETED and why != Reason.SILENT
    ]
    if there:
        done = (RequestStatus.COMPLETED, None, row.due, row.due, row.attempts, None, row.id, row.fence)
        uow.run(queries.SETTLE, done)
        entry = (Action.FALLBACK_ENDED, row.id, f"attempt {there[0]} arrived")
        uow.audit([entry], request=row.id, patients=[row.patient])
    return bool(there)


def lost(uow: UnitOfWork, row: RequestRow, tried: Sequence[tuple[Any, ...]]) -> bool:
    """Whether an earlier actor died between its clearance and its settling: nobody knows whether that left.

    `tried`: as `attempts_of`. It is held for a person then.
    """
    gone = [identity for identity, _, _, status, _ in tried if status == CommunicationStatus.IN_PROGRESS]
    if not gone:
        return False
    values = [(CommunicationStatus.UNKNOWN, Reason.OUTCOME_UNKNOWN, one) for one in gone]
    uow.update(tables.communication, ("id",), ("status", "reason"), values)
    told = [(Action.COMMUNICATION_SETTLED, one, CommunicationStatus.UNKNOWN, Reason.OUTCOME_UNKNOWN) for one in gone]
    uow.audit(told, request=row.id, patients=[row.patient])
    close(uow, row, RequestStatus.ON_HOLD, Reason.OUTCOME_UNKNOWN, Action.REQUEST_HELD)
    return True


def _permits(verdict: Verdict) -> bool:
    return not isinstance(verdict, Hold | Deny)
