"""One rule set over the stored messages, in their order and at their time, by `receive` and `deliver` themselves; nothing leaves."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice, takewhile
from pathlib import Path

from sqlalchemy import bindparam, func, select

from gateway.app.assembly import _channels, _open, _pack, _reading, _site, feed_of, keyring_of
from gateway.app.replay.held import end_outlived, next_end
from gateway.app.replay.outcome import Message, collected
from gateway.app.replay.receiving import Again, Messages, Stored
from gateway.app.replay.scratch import Start, make
from gateway.model.agreement import Agreement
from gateway.model.consent import ChannelKind
from gateway.model.request import Priority
from gateway.model.when import MINUTE, Millis
from gateway.pipeline import queries, rules
from gateway.pipeline.bundles import compiled
from gateway.pipeline.deliver import Deliverer
from gateway.ports import Clock, Envelope, Handover, SetClock, SystemClock
from gateway.settings import Settings
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.throwaway import ThrowawayDatabase

_BATCH = 64
_ROUND = 1_000

_request = tables.request.c
_NEXT = Statement(
    "replay.next",
    select(func.min(_request.ring_at)).where(_request.state == "active", _request.priority == bindparam("lane")),
    params=("lane",),
)
_LANES = tuple(one.lane for one in Priority)


@dataclass(slots=True, kw_only=True)
class Played:
    """What a rule set came to. `messages`: by (patient, occurrence, rule, step); of those purged, and begun before, none."""

    digest: str
    count: int = 0
    purged: int = 0
    unread: int = 0
    begun: int = 0
    messages: dict[tuple[int, str, str, str], Message] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)


class Nowhere:
    """A channel of any kind that accepts everything and hands nothing over."""

    name = "nowhere"
    timeout = 1.0

    def __init__(self, kind: ChannelKind) -> None:
        self.kind = kind

    def send(self, envelope: Envelope) -> Handover:
        """Check the clearance, as every channel does, and accept."""
        envelope.verify()
        return Handover()

    def close(self) -> None:
        """Nothing is open."""


def play(
    settings: Settings,
    files: Mapping[str, bytes],
    home: Path,
    since: Millis,
    until: Millis,
    *,
    clock: Clock | None = None,
    kinds: Iterable[ChannelKind] | None = None,
    tell: Callable[[int], None] = lambda _count: None,
) -> Played:
    """Replay `since` ≤ received < `until` (Millis UTC) under a rule set's files, in a scratch database in `home`.

    `kinds`: of the channels there are; default: those of the configuration.
    `tell` is called with how many messages were read. Raises ConfigError, StoreError, KeyringError.
    """
    path = home / "replay.db"
    with closing(_open(settings, keyring_of(settings), clock or SystemClock())) as real:
        start = make(real, path, since, until)
        moved = SetClock(since)
        with closing(Store.on(ThrowawayDatabase(path), real.keyring, moved, holder="replay")) as scratch:
            player = _Player(settings, real, scratch, moved, files, start, kinds or _kinds(settings))
            played = player.run(since, until, tell)
            played.messages = collected(scratch)
    return played


class _Player:
    def __init__(
        self,
        settings: Settings,
        real: Store,
        scratch: Store,
        clock: SetClock,
        files: Mapping[str, bytes],
        start: Start,
        kinds: Iterable[ChannelKind],
    ) -> None:
        ruleset, templates = compiled(files, settings.rules)
        pack = _pack(settings)
        feeds = {name: feed_of(settings, name) for name in settings.sources}
        signed = Agreement(party="", because="a replay hands nothing to anybody: rules are judged, not contracts")
        site = _site(settings, scratch, pack, dict.fromkeys(ChannelKind, signed))
        active = rules.ActiveRules(rules.Active(id=1, ruleset=ruleset, templates=templates))
        channels = {kind: Nowhere(kind) for kind in kinds}
        self.scratch = scratch
        self.clock = clock
        self.later = list(reversed(start.later))
        self.messages = Messages(real, {entry.id: feeds[name] for name, entry in site.sources.items()})
        self.receiver = Again(store=scratch, site=site, rules=active, readers=_reading(pack, feeds))
        self.deliverer = Deliverer(
            store=scratch, site=site, rules=active, channels=channels, lease=settings.worker.lease
        )
        self.hold_expires = ruleset.policy.hold_expires
        self.played = Played(digest=ruleset.digest, begun=start.begun)
        self.due: Millis | None = None

    def run(self, since: Millis, until: Millis, tell: Callable[[int], None]) -> Played:
        """Message by message; what falls due between two of them is judged between them."""
        self._look()
        stored = self.messages.between(since, until)
        waiting: deque[Stored] = deque()
        while True:
            waiting.extend(islice(stored, _BATCH - len(waiting)))
            if not waiting:
                break
            self._pass(waiting[0].message.received)
            self._receive(waiting)
            tell(self.played.count)
        self._pass(until)
        self.played.purged = self.messages.purged
        return self.played

    def _receive(self, waiting: deque[Stored]) -> None:
        """As many as come before anything else happens."""
        hand = self.later[-1].at if self.later else None
        end = min((one for one in (hand, self.due) if one is not None), default=None)
        first = waiting[0]
        batch = [
            *takewhile(
                lambda one: one.baseline == first.baseline and (end is None or one.message.received < end), waiting
            )
        ]
        self._set(first.message.received)
        outcomes = self.receiver.take(batch)
        self._set(batch[len(outcomes) - 1].message.received)
        self.played.count += len(outcomes)
        self.played.outcomes.update(outcome.result.value for outcome in outcomes)
        for _ in outcomes:
            waiting.popleft()
        self._look()

    def _pass(self, target: Millis) -> None:
        """Let time go by: what people did by hand, and what falls due, each at its time."""
        while True:
            hand = self.later[-1].at if self.later else None
            moments = [one for one in (hand, self.due) if one is not None and one <= target]
            if not moments:
                return
            moment = min(moments)
            self._set(moment)
            if hand == moment:
                self._by_hand(moment)
            else:
                self._deliver()

    def _by_hand(self, moment: Millis) -> None:
        """All that was done up to a moment."""
        with self.scratch.begin("replay") as unit:
            while self.later and self.later[-1].at <= moment:
                one = self.later.pop()
                if one.new:
                    unit.insert(one.table, one.columns, [one.row])
                else:
                    unit.update(one.table, ("id",), one.columns, [one.row])
            unit.audit([("replay",)])
            unit.commit()

    def _deliver(self) -> None:
        """All that is due now, after what ends now; what stays due is rung again a minute later, as the dispatcher would."""
        now = self.clock.now()
        end_outlived(self.scratch, self.hold_expires)
        for lane in _LANES:
            with self.scratch.read() as unit:
                due = [row[0] for row in unit.all(queries.PEEK, (lane, now, _ROUND))]
            if due:
                with self.scratch.begin("replay") as unit:
                    unit.update(tables.request, ("id",), ("ring_at",), [(now + MINUTE, one) for one in due])
                    unit.commit()
            for one in due:
                self.deliverer.deliver(one)
        self._look()

    def _look(self) -> None:
        with self.scratch.read() as unit:
            found = [row[0] for lane in _LANES for row in unit.all(_NEXT, (lane,))]
            found.append(next_end(unit, self.hold_expires))
        self.due = min((one for one in found if one is not None), default=None)

    def _set(self, moment: Millis) -> None:
        if moment > self.clock.now():
            self.clock.set(moment)


def _kinds(settings: Settings) -> list[ChannelKind]:
    made, _ = _channels(settings, SystemClock())
    for channel in made.values():
        channel.close()
    return list(made)
