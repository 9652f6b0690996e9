"""Asks providers again and again, with pauses, what became of attempts whose end nobody knows (SM-07, EM-13)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import bindparam, select

from gateway import telemetry
from gateway.model.consent import ChannelKind
from gateway.model.errors import DeliveryError, StoreError
from gateway.model.policy import Policy
from gateway.model.when import DAY, MINUTE, Millis
from gateway.pipeline.lookups import LookUps
from gateway.pipeline.regular import Regular
from gateway.ports import Channel
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement

_ASKED_WITHIN: Millis = DAY  # later it waits for a person, or for a receipt that comes after all
_PAUSES: tuple[Millis, ...] = (MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE)
_AT_ONCE = 50
_c = tables.communication.c
_DOUBTFUL = Statement(
    "communication.doubtful",
    select(_c.id, _c.request, _c.channel, _c.at)
    .where(_c.status == "unknown", _c.at >= bindparam("since"))
    .order_by(_c.at)
    .limit(bindparam("n")),
    params=("since", "n"),
)


class Doubts(Regular):
    """Looks every half minute, in a thread of its own: a provider may take long to answer."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[ChannelKind, Channel],
        policy: Callable[[], Policy],
        ring: Callable[[Sequence[int]], None] = lambda _ids: None,
        *,
        every: float = 30.0,
    ) -> None:
        super().__init__("doubts", every=every)
        self._store = store
        self._lookups = LookUps(store, channels, policy)
        self._ring = ring
        self._asked: dict[
            int, tuple[int, Millis]
        ] = {}  # how often, and when next; what is forgotten is asked once more

    def start(self) -> None:
        """Begin, if any channel can be asked."""
        if self._lookups.any():
            super().start()

    def once(self) -> int:
        """Ask about every attempt whose turn it is; how many were settled. Raises StoreError."""
        now = self._store.clock.now()
        with self._store.read() as unit:
            found = unit.all(_DOUBTFUL, (now - _ASKED_WITHIN, _AT_ONCE))
        self._asked = {one: self._asked[one] for one, *_ in found if one in self._asked}
        return sum(self._ask(attempt, request, channel, at, now) for attempt, request, channel, at in found)

    def _ask(self, attempt: int, request: int, channel: str, at: Millis, now: Millis) -> bool:
        times, turn = self._asked.get(attempt, (0, at + _PAUSES[0]))
        if not self._lookups.can_ask(channel) or now < turn or self.stopping.is_set():
            return False
        self._asked[attempt] = (times + 1, now + _PAUSES[min(times, len(_PAUSES) - 1)])
        try:
            answer = self._lookups.answer(attempt, channel, at)
            rings = self._lookups.settle(attempt, request, channel, at, answer)
        except DeliveryError as error:
            telemetry.log().info("doubts.unanswered", channel=channel, error=type(error).__name__)
            return False
        except StoreError as error:
            telemetry.log().warning("doubts.unavailable", error=type(error).__name__)
            return False
        if rings:
            self._ring(rings)
        return rings is not None
