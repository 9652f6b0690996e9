"""What is known of each subscription: kept across restarts, never ahead of what is committed, and a debt before it is answered."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from connectors.sources.fhir.notices import Notice
from connectors.sources.fhir.numbers import Heard, Numbers
from gateway.model.when import DAY, Millis
from gateway.ports import Clock, Notes

_MOST = 256  # of one source; a caller that makes up more is refused
_FORGOTTEN = 7 * DAY  # without a word: one makes room for a new one
_SEARCHED = DAY // 24  # so long ago all was found: what a counter lost since then began there


class _Kept(msgspec.Struct):
    """Numbers as they are noted: of what is missing, only from where on."""

    through: int
    newest: Millis
    whole: Millis | None
    epoch: int
    covered: int = 0


class _Owed(msgspec.Struct):
    at: Millis
    since: Millis | None


@dataclass(slots=True)
class Subscription:
    """One of them. `heard`: last by our clock; `told`: that it is silent since.

    `owed`: since when a search must be made, from `since` on; `noted`: that is on disk. `searched`: when the last search of
    all there is began.
    """

    id: str
    numbers: Numbers = field(default_factory=Numbers)
    heard: Millis | None = None
    owed: Millis | None = None
    since: Millis | None = None
    searched: Millis | None = None
    noted: bool = True
    told: bool = False


class Subscriptions:
    """Those of one source. Safe for threads; `owe`, `paid`, `load` and `flush` block where there are notes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._notes: Notes | None = None
        self._known: dict[str, Subscription] = {}
        self._gone: set[str] = set()  # forgotten, and still noted
        self._lock = threading.Lock()

    def remember(self, notes: Notes) -> None:
        """Keep things there from now on."""
        self._notes = notes

    def load(self) -> None:
        """What an earlier process knew. Raises StoreError."""
        for name in self._names():
            found = Subscription(name, heard=self._clock.now())  # as long as nobody listened, nothing was silent
            if (kept := self._counted(name)) is not None:
                found.numbers = Numbers(
                    through=kept.through,
                    top=kept.through,
                    newest=kept.newest,
                    whole=kept.whole,
                    epoch=kept.epoch,
                    covered=kept.covered,
                )
            if (owed := self._owed(name)) is not None:
                found.owed, found.since = owed.at, owed.since
            with self._lock:
                self._known.setdefault(name, found)

    def of(self, name: str) -> Subscription | None:
        """The one with this id ("": what tells none), made when it is new; None: there are too many."""
        with self._lock:
            found = self._known.get(name)
            if found is None and (len(self._known) < _MOST or self._forget()):
                found = self._known[name] = Subscription(name)
                self._gone.discard(name)
            return found

    def expect(self, name: str) -> None:
        """Its server will speak of it from now on: if it never does, that is silence, too (S-17)."""
        one = self.of(name)
        if one is not None and one.heard is None:
            one.heard = self._clock.now()

    def _forget(self) -> bool:
        """Whether one could go that nobody has spoken of for long, and of which nothing is missing."""
        since = self._clock.now() - _FORGOTTEN
        idle = [one for one in self._known.values() if one.owed is None and one.numbers.missing is None]
        gone = min(idle, key=lambda one: one.heard or since, default=None)
        if gone is None or (gone.heard or since) >= since:
            return False
        self._gone.add(gone.id)
        del self._known[gone.id]
        return True

    def hear(self, one: Subscription, notice: Notice) -> tuple[Heard, int]:
        """What a call is to us, and the epoch it belongs to."""
        now = self._clock.now()
        with self._lock:
            one.heard, one.told = now, False
            if not notice.counts:
                return Heard.NEW, one.numbers.epoch
            return one.numbers.hear(notice.numbers, notice.count, notice.at, now), one.numbers.epoch

    def settle(self, one: Subscription, numbers: Sequence[int], epoch: int) -> None:
        """These events are committed."""
        if numbers:
            with self._lock:
                one.numbers.settle(numbers, epoch, self._clock.now())

    def catch_up(self, one: Subscription) -> None:
        """What another process noted as committed is missed by none. Raises StoreError."""
        kept = self._counted(one.id)
        if kept is not None:
            with self._lock:
                one.numbers.cover(kept.through, kept.epoch, self._clock.now())

    def owe(self, one: Subscription, *, all_of_it: bool = False) -> None:
        """Have a search made, from when nothing was missing last; it is on disk when this returns. Raises StoreError.

        `all_of_it`: from the subscription's beginning. One that waits already will find what is new as well.
        """
        self.owe_since(one, self._beginning(one) if all_of_it else one.numbers.whole)

    def owe_since(self, one: Subscription, since: Millis | None) -> None:
        """The same from `since` on; None: from its beginning."""
        with self._lock:
            if one.owed is not None:
                since = _earlier(since, one.since)
            one.owed, one.since, one.noted = self._clock.now(), since, False
        self._note(one)

    def _beginning(self, one: Subscription) -> Millis | None:
        """From where all is missing: two nodes that count apart must not have us search all there is for ever."""
        recent = one.searched is not None and self._clock.now() - one.searched < _SEARCHED
        return one.searched if recent else None

    def _note(self, one: Subscription) -> None:
        """Put the debt on disk: before the numbers that no longer show it. What another process owes there is owed too."""
        kept = self._owed(one.id)
        with self._lock:
            if kept is not None and one.owed is not None:
                one.since = _earlier(one.since, kept.since)
            at, owed = one.owed, None if one.owed is None else _Owed(one.owed, one.since)
        if owed is not None:
            self._put(_key("owed", one.id), msgspec.json.encode(owed).decode())
        with self._lock:
            one.noted = one.owed == at

    def paid(self, one: Subscription, started: Millis, top: int, epoch: int) -> None:
        """A search that began at `started` is committed; then `top` was the highest number of `epoch`. Raises StoreError."""
        with self._lock:
            one.numbers.cover(top, epoch, self._clock.now())
            if one.owed is not None and one.owed < started:
                one.searched = started if one.since is None else one.searched
                one.owed = one.since = None
        self._put(_key("searched", one.id), str(started))

    def flush(self) -> None:
        """Note what changed. Raises StoreError, and then it is noted the next time."""
        with self._lock:
            gone, self._gone = self._gone, set()
        for name in gone:
            self._put(_key("numbers", name), "")
        for one in self.all():
            if not one.noted:
                self._note(one)
            with self._lock:
                told, numbers = one.numbers.changed, one.numbers
            if told:
                self.catch_up(one)  # nobody takes back what another process noted
                with self._lock:
                    kept = _kept(numbers)
                self._put(_key("numbers", one.id), msgspec.json.encode(kept).decode())
                with self._lock:
                    one.numbers.changed = _kept(numbers) != kept

    def all(self) -> list[Subscription]:
        """Those that are known now."""
        with self._lock:
            return list(self._known.values())

    def _owed(self, name: str) -> _Owed | None:
        """The debt on disk, unless it was paid."""
        text = self._get(_key("owed", name))
        owed = msgspec.json.decode(text, type=_Owed) if text else None
        return None if owed is None or owed.at < int(self._get(_key("searched", name)) or 0) else owed

    def _counted(self, name: str) -> _Kept | None:
        text = self._get(_key("numbers", name))
        return msgspec.json.decode(text, type=_Kept) if text else None

    def _names(self) -> set[str]:
        """Of those that something is noted about, by whatever process."""
        noted = () if self._notes is None else self._notes.noted()
        return {name for kind, _, name in (one.partition(".") for one in noted) if kind in ("numbers", "owed")}

    def _get(self, name: str) -> str | None:
        return None if self._notes is None else self._notes.get(name)

    def _put(self, name: str, value: str) -> None:
        if self._notes is not None:
            self._notes.put(name, value)


def _earlier(one: Millis | None, other: Millis | None) -> Millis | None:
    """The earlier of two beginnings; None: there is none, all of it is asked for."""
    return None if one is None or other is None else min(one, other)


def _key(kind: str, name: str) -> str:
    return f"{kind}.{name}" if name else kind


def _kept(numbers: Numbers) -> _Kept:
    return _Kept(numbers.through, numbers.newest, numbers.whole, numbers.epoch, numbers.covered)
