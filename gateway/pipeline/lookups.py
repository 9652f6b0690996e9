"""What a provider knows of an attempt settles it; on a guess nothing is ever sent again (SM-07, EM-13)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.model.audit import Action
from gateway.model.consent import ChannelKind
from gateway.model.errors import Unavailable
from gateway.model.policy import Policy
from gateway.model.request import CommunicationStatus, RequestStatus
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline import brakes, notices
from gateway.pipeline.directory import Directory
from gateway.pipeline.envelopes import reopened
from gateway.ports import Channel, Handover, LooksUp, Recognises
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.uow import UnitOfWork


class LookUps:
    """The channels whose providers can be asked; thread-safe. `account`: who asks, for the audit log."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[ChannelKind, Channel],
        policy: Callable[[], Policy],
        *,
        account: str = "doubts",
    ) -> None:
        self._store = store
        self._channels = {str(kind): one for kind, one in channels.items() if isinstance(one, LooksUp | Recognises)}
        self._policy = policy
        self._account = account

    def any(self) -> bool:
        """Whether any channel can be asked."""
        return bool(self._channels)

    def can_ask(self, channel: str) -> bool:
        """Whether this one can be."""
        return channel in self._channels

    def answer(self, attempt: int, channel: str, at: Millis) -> Handover | None:
        """What the provider says of an attempt made at `at`; None: it never came there.

        Raises Unavailable when it cannot be told, or not any more; StoreError.
        """
        asked = self._channels[channel]
        if isinstance(asked, Recognises):
            with self._store.begin(self._account) as uow:  # only to open what is sealed: nothing is committed
                envelope = reopened(Directory(uow, self._store.keyring, self._policy()), attempt)
            if envelope is None:
                raise Unavailable("what was sent is not kept any more")
            answer = asked.recognise(envelope, at)
        else:
            answer = asked.look_up(attempt, at)
        if answer is not None and self._is_anothers(attempt, answer):
            raise Unavailable("the provider shows another message of ours")
        return answer

    def _is_anothers(self, attempt: int, answer: Handover) -> bool:
        """Whether what was found was handed over for another attempt: the same words to a number that people share."""
        if answer.provider_id is None:
            return False
        with self._store.read() as unit:
            found = unit.lookup(tables.communication, ("id",), "provider_id", [answer.provider_id])
        return any(one != attempt for (one,) in found)

    def settle(self, attempt: int, request: int, channel: str, at: Millis, answer: Handover | None) -> list[int] | None:
        """Write the answer about an attempt made at `at` down; what to ring, None when it was settled meanwhile.

        What never came leaves again at once, but for what is older than a restore: a database that was lost since may
        have tried again, which only a person can know of. Raises StoreError.
        """
        with self._store.begin(self._account) as uow:
            ((patient,),) = uow.lookup(tables.request, ("patient",), "id", [request])
            uow.lock(tables.patient, "token", [patient])
            ((state, reason),) = uow.lookup(tables.request, ("state", "reason"), "id", [request], lock=True)
            ((status,),) = uow.lookup(tables.communication, ("status",), "id", [attempt])
            if status != CommunicationStatus.UNKNOWN:
                return None
            entry = _known(uow, attempt, answer)
            rings: list[int] = []
            waits = (state, reason) == (RequestStatus.ON_HOLD, Reason.OUTCOME_UNKNOWN)
            if waits and (answer is not None or at > brakes.restored(uow)):
                rings = _go_on(uow, request, answer)
            uow.audit([entry], request=request, patients=[patient])
            notice = notices.announce(uow, attempt) if answer and channel == ChannelKind.PORTAL else None
            uow.commit()
        return rings if notice is None else [*rings, notice]


def _go_on(uow: UnitOfWork, request: int, answer: Handover | None) -> list[int]:
    state = RequestStatus.ACTIVE if answer is None else RequestStatus.COMPLETED
    uow.update(tables.request, ("id",), ("state", "reason", "ring_at"), [(state, None, uow.now, request)])
    return [request] if answer is None else []


def _known(uow: UnitOfWork, attempt: int, answer: Handover | None) -> tuple[object, ...]:
    """The provider has it, or provably never had it: then, and only then, it may be tried again."""
    status = CommunicationStatus.COMPLETED if answer else CommunicationStatus.NOT_DONE
    reason = None if answer else Reason.CHANNEL_UNAVAILABLE
    provider = answer.provider_id if answer else None
    uow.update(
        tables.communication, ("id",), ("status", "reason", "provider_id"), [(status, reason, provider, attempt)]
    )
    return (Action.COMMUNICATION_SETTLED, attempt, status, reason, "looked up")
