"""Clears, hands over and settles one due request; between the clear commit and the settle commit is the network and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway import telemetry
from gateway.model.audit import Action
from gateway.model.consent import ChannelKind
from gateway.model.errors import CaregateError, Insecure, KeyringError, Refused, StoreError, Unavailable, Unknown
from gateway.model.pace import Pace
from gateway.model.request import CommunicationStatus, Protection, RequestKind, RequestStatus
from gateway.model.verdict import Reason
from gateway.model.when import MINUTE, SECOND, Millis
from gateway.pipeline import brakes, lastlook, notices, queries, receipts
from gateway.pipeline.builtin import BuiltInClearing
from gateway.pipeline.clearing import Cleared, Clearing, close, put_off
from gateway.pipeline.directory import Directory
from gateway.pipeline.envelopes import Attempt
from gateway.pipeline.lastlook import OVERTAKEN, Overtaken
from gateway.pipeline.ordering import come_again, next_of
from gateway.pipeline.rows import RequestRow
from gateway.pipeline.rules import Active, ActiveRules, Superseded
from gateway.pipeline.site import Site
from gateway.ports import Channel, Handover
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.uow import UnitOfWork

_BACKOFF: tuple[Millis, ...] = (MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE, 240 * MINUTE)


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
        paces: Mapping[ChannelKind, Pace] | None = None,
    ) -> None:
        self._store = store
        self._site = site
        self._rules = rules
        self._channels = channels
        self._lease = lease
        self._ring = ring
        self._paces = paces or {}

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
        if outcome is not OVERTAKEN:
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
                clearing = Clearing if row.kind == RequestKind.RULE else BuiltInClearing
                cleared = clearing(uow, directory, self._site, self._channels, self._paces, rules, row).run()
            except KeyringError as error:
                # Fail closed: what cannot be opened is not sent, and a person is told why.
                telemetry.log().error("deliver.unreadable", request=identity, error=type(error).__name__)
                cleared = None
                close(uow, row, RequestStatus.ON_HOLD, Reason.UNREADABLE, Action.REQUEST_HELD)
            turn = [] if cleared is not None or _still_waits(uow, row) else next_of(uow, row)
            uow.commit()
        self._ring(turn)
        return cleared

    def _hold(self, identity: int) -> None:
        """A request that cannot be judged waits for a person, seen and expiring, rather than ringing for ever."""
        with self._store.begin("deliver") as uow:
            row = self._take(uow, identity)
            if row is not None:
                close(uow, row, RequestStatus.ON_HOLD, Reason.UNREADABLE, Action.REQUEST_HELD)
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
        if (again := come_again(uow, row)) is not None:
            put_off(uow, row, again)  # only the doorbell moves
            uow.commit()
            return None
        return row

    # -- hand over

    def _hand_over(self, cleared: Cleared) -> Handover | Reason | Overtaken:
        """The network, and nothing else; but first whether it may still leave, whoever decided otherwise on whichever machine."""
        attempt = cleared.attempt
        channel = self._channels[attempt.envelope.channel]
        against = lastlook.against(self._store, cleared, int(channel.timeout * SECOND))
        if against is not None:
            return against
        try:
            return channel.send(attempt.envelope)
        except Insecure:
            return Reason.NO_VERIFIED_TLS  # the next channel, such as the portal, may
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
        self._ring(again)

    def _settled(self, cleared: Cleared, outcome: Handover | Reason) -> list[int]:
        """What is to be rung now: the request itself, else the patient's next."""
        request, attempt = cleared.request, cleared.attempt
        with self._store.begin("deliver") as uow:
            # as receive and clear do: what a message withdraws and what left are strictly ordered
            uow.lock(tables.patient, "token", [request.patient])
            next_state = _unless_withdrawn(uow, request, self._next(uow, cleared, outcome))
            provider = outcome.provider_id if isinstance(outcome, Handover) else None
            reason = None if isinstance(outcome, Handover) else outcome
            uow.update(
                tables.communication,
                ("id",),
                ("status", "reason", "provider_id", "settled", "protection"),
                [(next_state.attempt, reason, provider, uow.now, _protection(attempt, outcome), attempt.id)],
            )
            held = uow.run(
                queries.SETTLE,
                (
                    next_state.state,
                    next_state.reason,
                    next_state.due,
                    next_state.due,
                    request.attempts + (outcome not in _NO_TRY),
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
            told = receipts.settle(uow, attempt.id)  # what was told of it before we were through
            again = bool(told) or (
                bool(held) and next_state.state == RequestStatus.ACTIVE and next_state.due <= uow.now
            )
            turn = [request.id] if again else next_of(uow, request)
            notice = None
            if isinstance(outcome, Handover) and attempt.envelope.channel is ChannelKind.PORTAL:
                notice = notices.announce(uow, attempt.id)
            uow.commit()
        if notice is not None:
            self._ring([notice])
        telemetry.count_sends(attempt.envelope.channel, CommunicationStatus(next_state.attempt))
        return turn

    @staticmethod
    def _next(uow: UnitOfWork, cleared: Cleared, outcome: Handover | Reason) -> _Next:
        """What an outcome makes of it; what was stopped waits only while it is stopped still."""
        request, attempt = cleared.request, cleared.attempt
        if outcome is Reason.CAMPAIGN_STOPPED:  # its gate says what becomes of it, as the campaign stands by then
            return _Next(CommunicationStatus.NOT_DONE, RequestStatus.ACTIVE, None, request.due)
        if outcome is not Reason.STOPPED:
            return _after(request, attempt, outcome, uow.now)
        still = brakes.stops(brakes.on(uow), cleared.about, attempt.envelope.channel)
        state = RequestStatus.ON_HOLD if still else RequestStatus.ACTIVE
        return _Next(CommunicationStatus.NOT_DONE, state, outcome if still else None, request.due)


_NO_TRY = (Reason.STOPPED, Reason.CAMPAIGN_STOPPED)
_ALWAYS = {ChannelKind.SMS: Protection.OPEN, ChannelKind.PORTAL: Protection.PORTAL}


def _protection(attempt: Attempt, outcome: Handover | Reason) -> Protection | None:
    """What guarded what left, as its channel says; what a text message or the portal always is."""
    told = outcome.protection if isinstance(outcome, Handover) else None
    return told or (_ALWAYS.get(attempt.envelope.channel) if isinstance(outcome, Handover) else None)


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
    if attempt.stands:  # an earlier one left: it is not taken back
        return _Next(CommunicationStatus.STOPPED, RequestStatus.COMPLETED, outcome, request.due)
    return _Next(CommunicationStatus.STOPPED, RequestStatus.REVOKED, outcome, request.due)


def _unless_withdrawn(uow: UnitOfWork, request: RequestRow, planned: _Next) -> _Next:
    """An attempt that did not leave never brings back what a message withdrew or held meanwhile (PH-10)."""
    if planned.state != RequestStatus.ACTIVE:
        return planned
    ((state, reason),) = uow.lookup(tables.request, ("state", "reason"), "id", [request.id], lock=True)
    return planned if state == RequestStatus.ACTIVE else replace(planned, state=state, reason=reason)


def _still_waits(uow: UnitOfWork, row: RequestRow) -> bool:
    """Whether it is to be decided again by itself: then the patient's next is not rung for its sake."""
    ((state,),) = uow.lookup(tables.request, ("state",), "id", [row.id])
    return bool(state == RequestStatus.ACTIVE)
