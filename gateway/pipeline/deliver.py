"""Clears, hands over and settles one due request; between the clear commit and the settle commit is the network and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway import telemetry
from gateway.model.audit import Action
from gateway.model.consent import ChannelKind
from gateway.model.errors import CaregateError, KeyringError, Refused, RenderError, StoreError, Unavailable, Unknown
from gateway.model.request import CommunicationStatus, RequestStatus
from gateway.model.rule import Rule, Variant
from gateway.model.verdict import Clearance, Deny, Hold, Reason, Verdict
from gateway.model.when import MINUTE, Millis
from gateway.pipeline import queries
from gateway.pipeline.across import Across
from gateway.pipeline.directory import Directory
from gateway.pipeline.envelopes import Attempt, write_attempt
from gateway.pipeline.packing import material, unpack
from gateway.pipeline.rows import OccurrenceRow, PatientRow, RequestRow
from gateway.pipeline.rules import Active, ActiveRules, Superseded
from gateway.pipeline.site import Site
from gateway.pipeline.turns import in_turn
from gateway.pipeline.weighing import Weighing, variant_of, weigh, weigh_facts, weigh_send
from gateway.policy.decide import before_channels, decide, next_channel_may
from gateway.ports import Channel, Handover
from gateway.ruleset.match import deciding
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.uow import UnitOfWork

Entry = tuple[Any, ...]

_BACKOFF: tuple[Millis, ...] = (MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE, 240 * MINUTE)
_GONE = (CommunicationStatus.STOPPED,)


@dataclass(frozen=True, slots=True)
class Cleared:
    """What the clear commit left for the network and for settling."""

    request: RequestRow
    fence: int
    attempt: Attempt


class Deliverer:
    """The actor's body: `deliver(id)` is idempotent; on a held, leased or finished request it does nothing."""

    def __init__(
        self,
        *,
        store: Store,
        site: Site,
        rules: ActiveRules,
        channels: Mapping[ChannelKind, Channel],
        lease: Millis,
        ring: Callable[[Sequence[int]], None] = lambda _ids: None,
    ) -> None:
        self._store = store
        self._site = site
        self._rules = rules
        self._channels = channels
        self._lease = lease
        self._ring = ring

    def deliver(self, request: int) -> None:
        """Clear, hand over, settle. Raises StoreError only when the database is away: the doorbell rings again."""
        try:
            cleared = self._cleared(request)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  # nothing left: what fails once fails at every doorbell
            telemetry.log().error("deliver.crashed", request=request, error=type(error).__name__, exc_info=True)
            self._hold(request)
            return
        if cleared is None:
            return
        outcome = self._hand_over(cleared)
        self._settle(cleared, outcome)

    # -- clear

    def _cleared(self, identity: int) -> Cleared | None:
        """Clear under the rules in force; when others are by now, under those, once more. Raises StoreError."""
        try:
            return self._clear(identity, self._rules.current())
        except Superseded:
            return self._clear(identity, self._rules.renew())

    def _clear(self, identity: int, rules: Active) -> Cleared | None:
        with self._store.begin("deliver") as uow:
            self._rules.confirm(uow, rules)
            row = self._take(uow, identity)
            if row is None:
                return None
            directory = Directory(uow, self._store.keyring, rules.ruleset.policy)
            try:
                cleared = _Clearing(self, uow, directory, rules, row).run()
            except KeyringError as error:
                # Fail closed: what cannot be opened is not sent, and a person is told why.
                telemetry.log().error("deliver.unreadable", request=identity, error=type(error).__name__)
                cleared = None
                _close(uow, row, RequestStatus.ON_HOLD, Reason.UNREADABLE, Action.REQUEST_HELD)
            uow.commit()
        return cleared

    def _hold(self, identity: int) -> None:
        """A request that cannot be judged waits for a person, seen and expiring, rather than ringing for ever."""
        with self._store.begin("deliver") as uow:
            row = self._take(uow, identity)
            if row is not None:
                _close(uow, row, RequestStatus.ON_HOLD, Reason.UNREADABLE, Action.REQUEST_HELD)
                uow.commit()

    def _take(self, uow: UnitOfWork, identity: int) -> RequestRow | None:
        """The request under our lease, or None when there is nothing to do for this doorbell."""
        found = uow.lookup(tables.request, RequestRow.COLUMNS, "id", [identity])
        row = RequestRow(*found[0]) if found else None
        if row is None or row.state != RequestStatus.ACTIVE or row.due > uow.now:
            return None
        # the patient before the request, as receive locks them: the other way round they would deadlock
        uow.lock(tables.patient, "token", [row.patient])
        until = uow.now + self._lease
        if uow.run(queries.LEASE, (until, row.id, row.fence, uow.now)) != 1:
            return None
        row.fence += 1
        row.lease_until = until
        return row

    # -- hand over

    def _hand_over(self, cleared: Cleared) -> Handover | Reason:
        """The network, and nothing else."""
        attempt = cleared.attempt
        channel = self._channels[attempt.envelope.channel]
        try:
            return channel.send(attempt.envelope)
        except Refused:
            return Reason.REFUSED
        except Unavailable:
            return Reason.CHANNEL_UNAVAILABLE
        except Unknown:
            return Reason.OUTCOME_UNKNOWN
        except CaregateError as error:
            telemetry.log().error("channel.refused-envelope", request=cleared.request.id, error=type(error).__name__)
            return Reason.REFUSED
        except Exception as error:  # noqa: BLE001  # a channel's bug after the hand-over began: nobody knows
            telemetry.log().error("channel.crashed", request=cleared.request.id, error=type(error).__name__)
            return Reason.OUTCOME_UNKNOWN

    # -- settle

    def _settle(self, cleared: Cleared, outcome: Handover | Reason) -> None:
        """Outcome under the same fence. If the database is away the lease runs out and the attempt is `unknown`."""
        try:
            again = self._settled(cleared, outcome)
        except StoreError as error:
            telemetry.log().error("settle.unavailable", request=cleared.request.id, error=type(error).__name__)
            raise
        if again:
            self._ring([cleared.request.id])

    def _settled(self, cleared: Cleared, outcome: Handover | Reason) -> bool:
        request, attempt = cleared.request, cleared.attempt
        with self._store.begin("deliver") as uow:
            # as receive and clear do: what a message withdraws and what left are strictly ordered
            uow.lock(tables.patient, "token", [request.patient])
            next_state = _unless_withdrawn(uow, request, _after(request, attempt, outcome, uow.now))
            provider = outcome.provider_id if isinstance(outcome, Handover) else None
            reason = None if isinstance(outcome, Handover) else outcome
            uow.update(
                tables.communication,
                ("id",),
                ("status", "reason", "provider_id", "settled"),
                [(next_state.attempt, reason, provider, uow.now, attempt.id)],
            )
            held = uow.run(
                queries.SETTLE,
                (
                    next_state.state,
                    next_state.reason,
                    next_state.due,
                    next_state.due,
                    request.attempts + 1,
                    None,
                    request.id,
                    cleared.fence,
                ),
            )
            # What left, left: a request that was given up as `unknown` meanwhile must not be offered for release.
            known = held or (isinstance(outcome, Handover) and uow.run(queries.SETTLE_LATE, (request.id,)))
            entry = (Action.COMMUNICATION_SETTLED, attempt.id, next_state.attempt, reason)
            late = () if known else ((Action.REQUEST_HELD, request.id, Reason.OUTCOME_UNKNOWN, "settled late"),)
            uow.audit([entry, *late], request=request.id, patients=[request.patient])
            uow.commit()
        telemetry.count_sends(attempt.envelope.channel, CommunicationStatus(next_state.attempt))
        return bool(held) and next_state.state == RequestStatus.ACTIVE and next_state.due <= uow.now


@dataclass(frozen=True, slots=True)
class _Next:
    attempt: str
    state: str
    reason: str | None
    due: Millis


def _after(request: RequestRow, attempt: Attempt, outcome: Handover | Reason, now: Millis) -> _Next:
    """What an outcome makes of attempt and request; only the provably not accepted is tried again."""
    if isinstance(outcome, Handover):
        return _Next(CommunicationStatus.COMPLETED, RequestStatus.COMPLETED, None, request.due)
    if outcome is Reason.OUTCOME_UNKNOWN:
        return _Next(CommunicationStatus.UNKNOWN, RequestStatus.ON_HOLD, outcome, request.due)
    if outcome is Reason.CHANNEL_UNAVAILABLE:
        pause = _BACKOFF[min(request.attempts, len(_BACKOFF) - 1)]
        return _Next(CommunicationStatus.NOT_DONE, RequestStatus.ACTIVE, outcome, now + pause)
    if attempt.others:  # refused for good: the next channel may
        return _Next(CommunicationStatus.STOPPED, RequestStatus.ACTIVE, outcome, now)
    return _Next(CommunicationStatus.STOPPED, RequestStatus.REVOKED, outcome, request.due)


def _unless_withdrawn(uow: UnitOfWork, request: RequestRow, planned: _Next) -> _Next:
    """An attempt that did not leave never brings back what a message withdrew or held meanwhile (PH-10)."""
    if planned.state != RequestStatus.ACTIVE:
        return planned
    ((state, reason),) = uow.lookup(tables.request, ("state", "reason"), "id", [request.id], lock=True)
    return planned if state == RequestStatus.ACTIVE else replace(planned, state=state, reason=reason)


def _close(uow: UnitOfWork, row: RequestRow, state: str, reason: Reason, action: Action, *more: object) -> None:
    """End or hold a leased request without an attempt, and say why."""
    uow.run(queries.SETTLE, (state, reason, row.due, row.due, row.attempts, None, row.id, row.fence))
    uow.audit([(action, row.id, reason, *more)], request=row.id, patients=[row.patient])


class _Clearing:
    """One clear transaction: read everything afresh under locks, decide, and write the attempt or the refusal."""

    def __init__(
        self, deliverer: Deliverer, uow: UnitOfWork, directory: Directory, rules: Active, row: RequestRow
    ) -> None:
        self.d = deliverer
        self.uow = uow
        self.directory = directory
        self.rules = rules
        self.row = row
        self.variant: Variant | None = None

    def run(self) -> Cleared | None:
        row, uow = self.row, self.uow
        self.directory.load_tokens([row.patient])
        patient = self.directory.root(row.patient)
        tried = uow.lookup(tables.communication, ("id", "channel", "attempt", "status"), "request", [row.id])
        if any(status == CommunicationStatus.IN_PROGRESS for *_, status in tried):
            self._lost(tried)
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
        gone = {channel for _, channel, _, status in tried if status in _GONE}
        asked = in_turn(self.directory, rule, patient, uow.now)
        channels = [one for one in asked if one.value not in gone]
        return self._decide(rule, patient, occurrence, facts, channels, len(tried))

    def _occurrence(self) -> OccurrenceRow:
        found = self.uow.lookup(tables.occurrence, OccurrenceRow.COLUMNS, "id", [self.row.occurrence])
        occurrence = OccurrenceRow(*found[0])
        self.directory.load_tokens([occurrence.patient])
        owner = self.directory.patients[occurrence.patient]
        occurrence.facts = unpack(self.directory.open_facts(owner, occurrence.sealed_facts, occurrence.id))
        return occurrence

    def _facts(self, rule: Rule, occurrence: OccurrenceRow, patient: PatientRow) -> dict[str, Any]:
        return weigh_facts(self.uow, self.directory, self.d._site, occurrence, patient, rule=rule)  # noqa: SLF001

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
        across = Across.alone(self.uow, self.directory, self.d._site, self.rules.ruleset)  # noqa: SLF001
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
        tried: int,
    ) -> Cleared | None:
        send = weigh_send(
            self.uow, self.directory, self.d._site,  # noqa: SLF001
            rule=rule, request=self.row, patient=patient, occurrence=occurrence, facts=facts,
        )  # fmt: skip
        if channels and (against := before_channels(send, self.rules.ruleset.policy)) is not None:
            self._refuse([(against,)])
            return None
        refusals: list[tuple[Verdict, ...]] = []
        for channel in channels:
            weighing = weigh(
                self.uow, self.directory, self.d._site, self.d._channels, self.rules,  # noqa: SLF001
                rule=rule, request=self.row, patient=patient, occurrence=occurrence, facts=facts, channel=channel,
                send=send,
            )  # fmt: skip
            decision = decide(weighing.circumstances, self.rules.ruleset.policy)
            if decision.clearance is not None:
                others = channels[channels.index(channel) + 1 :]
                return self._write(decision.clearance, rule, patient, occurrence, facts, weighing, tried, others)
            refusals.append(decision.verdicts)
            if decision.against is None or not next_channel_may(decision.against):
                break  # what holds or denies the send as such is not asked again of another channel
        self._refuse(refusals)
        return None

    def _write(
        self,
        clearance: Clearance,
        rule: Rule,
        patient: PatientRow,
        occurrence: OccurrenceRow,
        facts: Mapping[str, Any],
        weighing: Weighing,
        tried: int,
        others: Sequence[ChannelKind],
    ) -> Cleared | None:
        try:
            attempt = write_attempt(
                self.uow, self.directory, self.d._site, self.rules, clearance,  # noqa: SLF001
                rule=rule, patient=patient, occurrence=occurrence, facts=facts, contact=weighing.contact,
                attempt=tried + 1, others=bool(others),
            )  # fmt: skip
        except RenderError as error:
            telemetry.log().error("render.failed", request=self.row.id, rule=rule.name, error=type(error).__name__)
            _close(self.uow, self.row, RequestStatus.ON_HOLD, Reason.RENDER_FAILED, Action.REQUEST_HELD)
            return None
        digest, variant = clearance.template_digest, () if self.variant is None else (self.variant.name,)
        entry = (Action.COMMUNICATION_CLEARED, attempt.id, rule.name, clearance.channel, digest, *variant)
        self.uow.audit([entry], request=self.row.id, patients=[patient.token], ruleset=self.rules.id)
        return Cleared(self.row, self.row.fence, attempt)

    def _refuse(self, refusals: Sequence[tuple[Verdict, ...]]) -> None:
        """No channel may: wait if any channel may later, else for a person, else it ends here."""
        finals = [next(v for v in verdicts if not _permits(v)) for verdicts in refusals]
        holds = [one for one in finals if isinstance(one, Hold)]
        timed = [one for one in holds if one.until is not None]
        if timed:
            self._wait(min(timed, key=lambda one: one.until or 0))
        elif holds:
            hold = holds[0]
            told = (hold.gate, hold.detail) if hold.detail else (hold.gate,)
            _close(self.uow, self.row, RequestStatus.ON_HOLD, hold.reason, Action.REQUEST_HELD, *told)
        elif finals:
            denies = [one for one in finals if isinstance(one, Deny)]
            denied = next((one for one in denies if one.reason is not Reason.CHANNEL_NOT_CONFIGURED), denies[0])
            self._end(denied.reason, denied.gate)
        else:
            self._end(Reason.REFUSED)

    def _wait(self, hold: Hold) -> None:
        row, until = self.row, hold.until
        assert until is not None
        if row.expires is not None and until >= row.expires:
            self._end(Reason.EXPIRED, hold.gate, hold.reason)
            return
        if row.reason == hold.reason:
            # Nothing new: only the doorbell moves, which is exempt from law 2 by name.
            self.uow.update(tables.request, ("id",), ("ring_at", "lease_until"), [(until, None, row.id)])
            return
        self.uow.run(
            queries.SETTLE, (RequestStatus.ACTIVE, hold.reason, row.due, until, row.attempts, None, row.id, row.fence)
        )
        entry = (Action.REQUEST_HELD, row.id, hold.reason, hold.gate, until, *([hold.detail] if hold.detail else []))
        self.uow.audit([entry], request=row.id, patients=[row.patient])

    def _end(self, reason: Reason, *more: object) -> None:
        _close(self.uow, self.row, RequestStatus.REVOKED, reason, Action.REQUEST_WITHDRAWN, *more)

    def _lost(self, tried: Sequence[tuple[Any, ...]]) -> None:
        """An earlier actor died between its clearance and its settling: nobody knows whether it left."""
        lost = [identity for identity, _, _, status in tried if status == CommunicationStatus.IN_PROGRESS]
        values = [(CommunicationStatus.UNKNOWN, Reason.OUTCOME_UNKNOWN, one) for one in lost]
        self.uow.update(tables.communication, ("id",), ("status", "reason"), values)
        told = [
            (Action.COMMUNICATION_SETTLED, one, CommunicationStatus.UNKNOWN, Reason.OUTCOME_UNKNOWN) for one in lost
        ]
        self.uow.audit(told, request=self.row.id, patients=[self.row.patient])
        _close(self.uow, self.row, RequestStatus.ON_HOLD, Reason.OUTCOME_UNKNOWN, Action.REQUEST_HELD)


def _permits(verdict: Verdict) -> bool:
    return not isinstance(verdict, Hold | Deny)
